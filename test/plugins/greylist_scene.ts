/**
 * Clients that come to a greylist: a clock that the test moves, a store whose calls are seen, a backend that takes or
 * refuses.
 */
import { greylist, type GreylistOptions } from "../../plugins/greylist/mod.ts";
import { REVERSE, SPF, type SpfResult, type Store } from "../../src/mod.ts";
import type { Rule } from "../../src/policy/rule.ts";
import type { RcptFacts } from "../../src/policy/stages.ts";
import { memoryStore } from "../../src/store/memory.ts";
import { factsAt, findingsOf, path } from "../../src/testing.ts";
import { promisesSettle } from "../support/fake_timers.ts";
import { SessionChain, shortly } from "../support/session_chain.ts";

export const [SECOND = 0, MINUTE = 0, HOUR = 0, DAY = 0] = [1000, 60_000, 3_600_000, 86_400_000];

/** One mail. */
export interface Mail {
  readonly client?: string;
  readonly from?: string;
  readonly to?: string;
  readonly helo?: string;
  /** SPF of the sender's domain, or of the given one. */
  readonly spf?: SpfResult;
  readonly spfDomain?: string;
  /** The client's confirmed name. */
  readonly name?: string;
  /** What the backend says to the message; it is taken unless given. */
  readonly refused?: boolean;
  readonly facts?: Partial<RcptFacts>;
}

/** A store that counts what it is asked. */
function counting(store: Store, asked: string[]): Store {
  return new Proxy(store, {
    get(target, name: keyof Store) {
      return (...words: unknown[]) => {
        asked.push(`${name} ${String(words[0])}`);
        return (target[name] as (...words: unknown[]) => unknown)(...words);
      };
    },
  });
}

/** Clients that come to a greylist, with a clock that the test moves. */
export class Door {
  now = 1_800_000_000_000;
  /** Calls of the store, with their keys. */
  readonly asked: string[] = [];
  readonly store: Store;
  readonly sessions: SessionChain;

  constructor(given: GreylistOptions | Rule = {}, store?: Store) {
    const now = () => this.now;
    this.store = store ?? counting(memoryStore({ now }), this.asked);
    const rule = "group" in given ? given : greylist(given as GreylistOptions);
    this.sessions = new SessionChain([rule], { effects: { store: this.store, now } });
  }

  /** One session with one mail: the first refusal of RCPT and DATA in short, or "taken". */
  async send(
    { client = "203.0.113.7", from = "a@client.example", to = "b@mx.example", ...mail }: Mail = {},
  ): Promise<string> {
    const { chain } = this.sessions;
    const dossier = this.sessions.newDossier(client);
    const facts = this.#facts(client, from, to, mail);
    const atRcpt = shortly(await chain.judge("rcpt", facts, dossier));
    // The backend is asked now, which takes longer than what is shadowed.
    await promisesSettle();
    dossier.recipientOver(atRcpt === "pass");
    let answer = atRcpt;
    if (atRcpt === "pass") {
      const { forwardPath, accepted: _, ...rest } = facts;
      answer = shortly(await chain.judge("data", { ...rest, recipients: [forwardPath] }, dossier));
      dossier.transactionOver(answer === "pass" && !mail.refused ? "taken" : "not taken");
    }
    dossier.over();
    await chain.settled();
    return answer === "pass" ? "taken" : answer;
  }

  #facts(client: string, from: string, to: string, mail: Mail): RcptFacts {
    const { helo = "client.example", spf, spfDomain, name, facts } = mail;
    const reversePath = path(from);
    const findings = findingsOf(
      ...(spf === undefined ? [] : [
        [SPF, {
          result: spf,
          scope: from === "" ? "helo" : "mailfrom",
          domain: spfDomain ?? (from === "" ? helo : reversePath.domain),
        }] as const,
      ]),
      ...(name === undefined ? [] : [[REVERSE, { status: "pass", names: [name], name }] as const]),
    );
    return factsAt("rcpt", {
      client: { host: client, port: 50_000 },
      helo,
      reversePath,
      forwardPath: path(to),
      findings,
      ...facts,
    });
  }

  /** Comes, waits, comes again. */
  async sendTwice(mail: Mail = {}, wait = 5 * MINUTE): Promise<string[]> {
    const first = await this.send(mail);
    this.now += wait;
    return [first, await this.send(mail)];
  }

  count(metric: string, ...labels: string[]): number {
    const names = { greylist: ["plugin", "state"], greylist_delayed: ["plugin", "up_to"] }[metric] ??
      ["plugin"];
    return this.sessions.metrics.counter(`sallyport_plugin_${metric}_total`, "", names).get(
      "greylist",
      ...labels,
    );
  }
}

/** What a stranger hears. */
export const WAIT = "450 Greylisted, try again in 300 seconds";
