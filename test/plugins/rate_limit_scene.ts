/**
 * Sessions under limits: a store that can be away, a clock that the test moves, and a backend that takes or refuses.
 */
import { type LimitOptions, rateLimit, type RateLimitOptions } from "../../plugins/rate_limit/mod.ts";
import { type Store, StoreError } from "../../src/mod.ts";
import type { Chain, Judgement } from "../../src/policy/chain.ts";
import type { Dossier } from "../../src/policy/dossier.ts";
import type { Rule } from "../../src/policy/rule.ts";
import type { Stage, Stages } from "../../src/policy/stages.ts";
import { memoryStore } from "../../src/store/memory.ts";
import { factsAt, path } from "../../src/testing.ts";
import { SessionChain, shortly } from "../support/session_chain.ts";

export const [SECOND = 0, MINUTE = 0, HOUR = 0] = [1000, 60_000, 3_600_000];

/** Sessions under limits, with a clock that the test moves. */
export class Door {
  now = 1_800_000_000_000;
  /** Whether the store fails, or at which calls. */
  away: boolean | ((call: string) => boolean) = false;
  /** Which calls are done, but with an answer that comes too late. */
  tooLate: (call: string) => boolean = () => false;
  /** What calls of the store wait for. */
  slow: Promise<void> | undefined;
  /** Calls of the store: `"draw rate:user:anna 2"`, with the number of rates. */
  readonly calls: string[] = [];
  readonly store: Store;
  readonly sessions: SessionChain;
  #id = 0;

  constructor(given: RateLimitOptions | readonly Rule[]) {
    const now = () => this.now;
    this.store = this.#watched(memoryStore({ now }));
    const rules = Array.isArray(given) ? given as readonly Rule[] : [rateLimit(given as RateLimitOptions)];
    const local = memoryStore({ now });
    this.sessions = new SessionChain(rules, { effects: { store: this.store, local, now } });
  }

  #watched(store: Store): Store {
    return new Proxy(store, {
      get: (target, name: keyof Store) => (...words: unknown[]) => {
        const rates = Array.isArray(words[1]) ? ` ${words[1].length}` : "";
        const call = `${name} ${String(words[0])}${rates}`;
        this.calls.push(call);
        const fails = typeof this.away === "function" ? this.away(call) : this.away;
        if (fails) return Promise.reject(new StoreError(name, "it is away"));
        const answer = () => (target[name] as (...words: unknown[]) => unknown)(...words);
        if (this.tooLate(call)) {
          return Promise.resolve(answer()).then(() =>
            Promise.reject(new StoreError(name, "no answer in time"))
          );
        }
        return this.slow === undefined ? answer() : this.slow.then(answer);
      },
    });
  }

  session(client = "203.0.113.7"): Visit {
    return new Visit(this, this.sessions.newDossier(client), client, `S${++this.#id}`);
  }

  /** A connection, and its end. */
  async connect(client?: string, given: Partial<Stages["connect"]> = {}): Promise<string> {
    const visit = this.session(client);
    const answer = await visit.at("connect", given);
    await visit.end();
    return answer;
  }

  /** One mail in a session of its own: the first refusal, or "taken". */
  async mail(
    given: Partial<Stages["message"]> = {},
    client?: string,
  ): Promise<string> {
    const visit = this.session(client);
    const answer = await visit.mail(given);
    await visit.end();
    return answer;
  }

  counted(limit: string, action: string): number {
    const metric = "sallyport_plugin_rate_limit_total";
    return this.sessions.metrics.counter(metric, "", ["plugin", "limit", "action"]).get(
      "rate-limit",
      limit,
      action,
    );
  }

  fallbacks(): number {
    return this.sessions.metrics.counter("sallyport_plugin_rate_limit_fallback_total", "", ["plugin"]).get(
      "rate-limit",
    );
  }
}

/** One client's session. */
export class Visit {
  readonly #door: Door;
  readonly dossier: Dossier;
  readonly #client: string;
  readonly #id: string;
  readonly conduct = { spokeEarly: false, pipelinedEarly: false, unknownCommands: 0, refusedRecipients: 0 };

  constructor(door: Door, dossier: Dossier, client: string, id: string) {
    this.#door = door;
    this.dossier = dossier;
    this.#client = client;
    this.#id = id;
  }

  get chain(): Chain {
    return this.#door.sessions.chain;
  }

  facts<S extends Stage>(stage: S, given: Partial<Stages[S]> = {}): Stages[S] {
    const client = { host: this.#client, port: 50_000 };
    const conduct = stage === "connect" ? {} : { conduct: this.conduct };
    return factsAt(stage, { id: this.#id, client, ...conduct, ...given } as Partial<Stages[S]>);
  }

  async judge<S extends Stage>(stage: S, given: Partial<Stages[S]> = {}): Promise<Judgement | undefined> {
    return await this.chain.judge(stage, this.facts(stage, given), this.dossier);
  }

  async at<S extends Stage>(stage: S, given: Partial<Stages[S]> = {}): Promise<string> {
    return shortly(await this.judge(stage, given));
  }

  /** A recipient whom the backend takes, unless told. */
  async rcpt(given: Partial<Stages["rcpt"]> = {}, taken = true): Promise<string> {
    const answer = await this.at("rcpt", given);
    if (answer.startsWith("5") || (answer === "pass" && !taken)) this.conduct.refusedRecipients++;
    this.dossier.recipientOver(answer === "pass" && taken);
    await this.chain.settled();
    return answer;
  }

  /** A transaction with one recipient after the other; the backend takes it unless told. */
  async mail(given: Partial<Stages["message"]> = {}, taken = true): Promise<string> {
    const { recipients = [path("b@mx.example")], size = 1000, ...mail } = given;
    const answers = [await this.at("mail", mail)];
    const accepted: (typeof recipients)[number][] = [];
    for (const forwardPath of recipients) {
      if (answers.at(-1) !== "pass") break;
      answers.push(await this.rcpt({ ...mail, forwardPath, accepted: [...accepted] }));
      accepted.push(forwardPath);
    }
    if (answers.at(-1) === "pass") {
      answers.push(await this.at("message", { ...mail, recipients: accepted, size }));
    }
    const answer = answers.at(-1)!;
    this.dossier.transactionOver(answer === "pass" && taken ? "taken" : "not taken");
    await this.chain.settled();
    return answer === "pass" ? "taken" : answer;
  }

  async end(): Promise<void> {
    this.dossier.over();
    const session = this.facts("connect");
    this.chain.observe({ kind: "session", session, ms: 1 });
    await this.chain.settled();
  }
}

/** So many times the same. */
export async function times<T>(count: number, work: (i: number) => Promise<T>): Promise<T[]> {
  const all: T[] = [];
  for (let i = 0; i < count; i++) all.push(await work(i));
  return all;
}

/** Two messages a minute of each client, unless told otherwise. */
export function limit(given: Partial<LimitOptions> = {}): RateLimitOptions {
  return { limits: [{ name: "some", per: "client", of: "messages", rate: "2/min", ...given }] };
}

/** What is heard beyond it. */
export const MESSAGES = "450 Too many messages, try again in 30 seconds";
