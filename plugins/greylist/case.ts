/**
 * One recipient's mail before the greylist: what is remembered of it, what the store says, what follows when the mail is
 * taken.
 */
import {
  type Action,
  clientPrefix,
  commit,
  type DataFacts,
  defer,
  type Effect,
  type GreylistTriplet,
  type Io,
  note,
  type Opinion,
  type Path,
  type RcptFacts,
  type Remembered,
  type Store,
  StoreError,
} from "sallyport";
import { alignedDomain } from "./aligned.ts";
import type { Memory } from "./memory.ts";
import type { Terms } from "./options.ts";
import { recipientOf, senderOf } from "./sender.ts";

/** Nothing to say, which is not the same as nothing known. */
const LET_IN: Opinion = [];

/** States of those who have to come again. */
const WAITING: readonly string[] = ["new", "early", "crowded"];

/** Bits of an IPv6 address that a site has: it may hold 65,536 networks of 64 bits (RFC 6177), each a stranger of its own. */
const AROUND = 48;
/** How many times the strangers of one network it may bring. */
const NETWORKS = 4;

/** Labels of the metric. */
const REMEMBERED = { state: "remembered" };

const [MINUTE, HOUR, DAY] = [60_000, 3_600_000, 86_400_000];

/** What all cases of a greylist share. */
export interface Shared {
  readonly terms: Terms;
  /** The clients' networks, by address: what the store keeps in one place. */
  readonly networks: Remembered<string>;
  /** Senders as the greylist knows them, by mailbox. */
  readonly senders: Remembered<string>;
  /** Networks around those of IPv6 clients that have brought too many strangers, for as long as they are not counted anew. */
  readonly crowds: Remembered<true>;
  /** When the log heard last of a network with too many strangers. */
  crowdTold: number;
}

export class Case {
  readonly #shared: Shared;
  readonly #terms: Terms;
  readonly #memory: Memory;
  readonly #io: Io;
  readonly #now: number;
  /** The client's network. */
  readonly #group: string;
  /** The triplet within its group. */
  readonly #pair: string;
  /** The triplet among all. */
  readonly #key: string;
  /** The network around the client's, where one host may have as many of those as it likes. */
  readonly #around: string | undefined;
  /** What counts the passes of the sender's domain; undefined where nothing vouches for it. */
  #domain: string | undefined;

  constructor(shared: Shared, memory: Memory, session: RcptFacts | DataFacts, recipient: Path, io: Io) {
    const { terms, networks, senders } = shared;
    const { client: { host }, reversePath } = session;
    const now = this.#now = io.now();
    this.#shared = shared;
    this.#terms = terms;
    this.#memory = memory;
    this.#io = io;
    this.#group = networks.of(host, now, () => `greylist:${clientPrefix(host, terms.ipv4, terms.ipv6)}`);
    const sender = senders.of(reversePath.mailbox, now, () => senderOf(reversePath));
    // Neither part can hold a tab.
    this.#pair = `${sender}\t${recipientOf(recipient)}`;
    this.#key = `${this.#group}\t${this.#pair}`;
    this.#around = host.includes(":") && terms.ipv6 > AROUND ? host : undefined;
  }

  get #triplet(): GreylistTriplet {
    const { delay, window, memory, passes, strangers } = this.#terms;
    return { key: this.#pair, delay, window, memory, passes, strangers, period: HOUR };
  }

  judge(session: RcptFacts | DataFacts): Opinion | Promise<Opinion> {
    const known = this.#known(this.#key) ?? this.#known(this.#group);
    if (known !== undefined) return known;
    const domain = this.#terms.passes > 0 ? alignedDomain(session) : undefined;
    if (domain === undefined) return this.#ask();
    this.#domain = `greylist-domain:${domain}`;
    return this.#known(this.#domain) ?? this.#ask();
  }

  #known(key: string): Opinion {
    if (!this.#memory.knows(key, this.#now)) return undefined;
    this.#io.count("greylist", REMEMBERED);
    return this.#letIn(key);
  }

  async #ask(): Promise<Opinion> {
    const { store } = this.#io;
    const { memory, passes } = this.#terms;
    const around = this.#around && clientPrefix(this.#around, 0, AROUND);
    const peek = around !== undefined && this.#shared.crowds.get(around, this.#now) === true;
    const [told, domainPasses] = await Promise.all([
      store.greylist(this.#group, { ...this.#triplet, peek }),
      this.#domain === undefined ? 0 : store.count(this.#domain, 0, memory, true),
    ]);
    const answer = peek && told.state === "new" ? { ...told, state: "crowded" as const } : told;
    if (answer.state === "new" && around !== undefined) await this.#countAround(around);
    const waits = WAITING.includes(answer.state);
    const state = waits && this.#domain !== undefined && domainPasses >= passes ? "domain" : answer.state;
    this.#io.count("greylist", { state });
    switch (state) {
      case "passed":
        return this.#learnt(this.#key);
      case "allowed":
        return this.#learnt(this.#group);
      case "domain":
        return this.#learnt(this.#domain!);
      case "matured":
        return [note("state", state), note("age", Math.round(answer.age / 1000)), this.#passes(answer.age)];
      case "crowded":
        this.#tellOfCrowd();
    }
    return this.#waits(state, answer.wait);
  }

  /** Beyond its bound nothing new is remembered of it for a while. That it cannot be counted is no reason to let it in. */
  async #countAround(around: string): Promise<void> {
    const { store } = this.#io;
    try {
      const sum = await store.count(`greylist-around:${around}`, 1, HOUR);
      if (sum >= NETWORKS * this.#terms.strangers) {
        this.#shared.crowds.keep(around, true, 5 * MINUTE, this.#now);
      }
    } catch (cause) {
      if (!(cause instanceof StoreError)) throw cause;
    }
  }

  #tellOfCrowd(): void {
    if (this.#now - this.#shared.crowdTold < MINUTE) return;
    this.#shared.crowdTold = this.#now;
    const network = this.#group.slice("greylist:".length);
    this.#io.log.warn("more strangers of a network than are remembered in an hour", { network });
  }

  #learnt(key: string): Opinion {
    this.#memory.learn(key, this.#now);
    return this.#letIn(key);
  }

  /** @param key what is known: the triplet, its network or its domain */
  #letIn(key: string): Opinion {
    const memory = this.#memory;
    if (!memory.needsRenewal(key, this.#now)) return LET_IN;
    return commit(async (io) => {
      const now = io.now();
      // Others may have done it meanwhile.
      if (!memory.needsRenewal(key, now)) return;
      memory.renewed(key, now);
      await this.#renew(key, io.store);
    });
  }

  /**
   * Only a shadowed greylist sees what it let wait taken all the same. That mail's sender would have come again, so the
   * triplet passes as if it had: what is counted is then what the greylist would cost, and no stranger stays one.
   */
  #waits(state: string, wait: number): Opinion {
    const seconds = Math.ceil(wait / 1000);
    return [
      defer("4.7.1", `Greylisted, try again in ${seconds} ${seconds === 1 ? "second" : "seconds"}`),
      note("state", state),
      commit(this.#pass((io) => io.count("greylist_would_delay"))),
    ];
  }

  #passes(age: number): Action {
    return commit(this.#pass((io) => io.count("greylist_delayed", { up_to: span(age) })));
  }

  /** Sessions that have seen the same triplet at the same time make one pass of it: one of them counts. */
  #pass(count: (io: Io) => void): Effect {
    return async (io) => {
      const { store } = io;
      const { memory } = this.#terms;
      this.#memory.learn(this.#key, this.#now);
      this.#memory.renewed(this.#key, io.now());
      const [passes] = await Promise.all([
        store.count(`greylist-pass:${this.#key}`, 1, Math.min(memory, DAY)),
        store.greylistPass(this.#group, this.#triplet),
      ]);
      if (passes !== 1) return;
      count(io);
      if (this.#domain !== undefined) await this.#renew(this.#domain, store);
    };
  }

  /** Extends the time for which the store remembers something. */
  #renew(key: string, store: Store): Promise<unknown> {
    if (key === this.#domain) return store.count(key, 1, this.#terms.memory, true);
    return store.greylistPass(this.#group, this.#triplet);
  }
}

/** How long mail was delayed, coarsely: the label of a metric. */
function span(ms: number): string {
  for (const [name, limit] of SPANS) if (ms <= limit) return name;
  return "longer";
}

const SPANS: readonly (readonly [string, number])[] = [
  ["10 min", 10 * MINUTE],
  ["30 min", 30 * MINUTE],
  ["1 h", HOUR],
  ["4 h", 4 * HOUR],
  ["1 d", DAY],
];
