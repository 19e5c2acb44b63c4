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
  type Store,
} from "sallyport";
import { alignedDomain } from "./aligned.ts";
import type { Memory } from "./memory.ts";
import type { Terms } from "./options.ts";
import { recipientOf, senderOf } from "./sender.ts";

/** Nothing to say, which is not the same as nothing known. */
const LET_IN: Opinion = [];

const [MINUTE, HOUR, DAY] = [60_000, 3_600_000, 86_400_000];

/** Extends the time for which the store remembers something. */
type Renew = (store: Store) => Promise<unknown>;

export class Case {
  readonly #io: Io;
  readonly #memory: Memory;
  readonly #now: number;
  /** The client's network: what the store keeps in one place. */
  readonly #group: string;
  readonly #triplet: GreylistTriplet;
  /** What counts the passes of the sender's domain; undefined where nothing vouches for it. */
  #domain: string | undefined;

  constructor(terms: Terms, memory: Memory, session: RcptFacts | DataFacts, recipient: Path, io: Io) {
    const { delay, window, memory: remembered, passes, ipv4, ipv6 } = terms;
    // Neither part can hold a tab.
    const key = `${senderOf(session.reversePath)}\t${recipientOf(recipient)}`;
    this.#io = io;
    this.#memory = memory;
    this.#now = io.now();
    this.#group = `greylist:${clientPrefix(session.client.host, ipv4, ipv6)}`;
    this.#triplet = { key, delay, window, memory: remembered, passes };
  }

  /** The triplet, among all. */
  get #key(): string {
    return `${this.#group}\t${this.#triplet.key}`;
  }

  judge(session: RcptFacts | DataFacts): Opinion | Promise<Opinion> {
    const known = this.#known(this.#key, this.#renewTriplet) ?? this.#known(this.#group, this.#renewTriplet);
    if (known !== undefined) return known;
    const domain = this.#triplet.passes > 0 ? alignedDomain(session) : undefined;
    if (domain === undefined) return this.#ask();
    this.#domain = `greylist-domain:${domain}`;
    return this.#known(this.#domain, this.#renewDomain) ?? this.#ask();
  }

  #known(key: string, renew: Renew): Opinion {
    if (!this.#memory.knows(key, this.#now)) return undefined;
    this.#io.count("greylist", { state: "remembered" });
    return this.#letIn(key, renew);
  }

  async #ask(): Promise<Opinion> {
    const { store } = this.#io;
    const [answer, domainPasses] = await Promise.all([
      store.greylist(this.#group, this.#triplet),
      this.#domain === undefined ? 0 : store.count(this.#domain, 0, this.#triplet.memory, true),
    ]);
    const waits = answer.state === "new" || answer.state === "early";
    const state = waits && this.#domain !== undefined && domainPasses >= this.#triplet.passes
      ? "domain"
      : answer.state;
    this.#io.count("greylist", { state });
    switch (state) {
      case "passed":
        return this.#learnt(this.#key, this.#renewTriplet);
      case "allowed":
        return this.#learnt(this.#group, this.#renewTriplet);
      case "domain":
        return this.#learnt(this.#domain!, this.#renewDomain);
      case "matured":
        return [note("state", state), note("age", Math.round(answer.age / 1000)), this.#passes(answer.age)];
      default:
        return this.#waits(state, answer.wait);
    }
  }

  #learnt(key: string, renew: Renew): Opinion {
    this.#memory.learn(key, this.#now);
    return this.#letIn(key, renew);
  }

  #letIn(key: string, renew: Renew): Opinion {
    const memory = this.#memory;
    if (!memory.needsRenewal(key, this.#now)) return LET_IN;
    return commit(async (io) => {
      const now = io.now();
      // Others may have done it meanwhile.
      if (!memory.needsRenewal(key, now)) return;
      memory.renewed(key, now);
      await renew(io.store);
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
      const { memory } = this.#triplet;
      this.#memory.learn(this.#key, this.#now);
      this.#memory.renewed(this.#key, io.now());
      const [passes] = await Promise.all([
        store.count(`greylist-pass:${this.#key}`, 1, Math.min(memory, DAY)),
        store.greylistPass(this.#group, this.#triplet),
      ]);
      if (passes !== 1) return;
      count(io);
      if (this.#domain !== undefined) await this.#renewDomain(store);
    };
  }

  readonly #renewTriplet: Renew = (store) => store.greylistPass(this.#group, this.#triplet);

  readonly #renewDomain: Renew = (store) => store.count(this.#domain!, 1, this.#triplet.memory, true);
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
