/**
 * One question to an auth service, its WAITs included: one request after the other until it has made up its mind.
 */
import { type Io, NetworkSet, Unavailable, within } from "sallyport";
import { type Answer, readAnswer } from "./answer.ts";
import type { Given } from "./options.ts";
import { type Asked, type Field, requestFields } from "./request.ts";

/** What it says in the end. */
export type Decision = Exclude<Answer, { kind: "wait" | "fault" }>;

/** How often a service may ask for patience: one that says WAIT with no time would be asked for ever. */
const MOST_WAITS = 10;

/** A refusal of a recipient (RFC 5321 §4.2.3); nginx says 535, which is an answer to AUTH. */
const USUAL = [550, "7.0"] as const;

export class Service {
  readonly #given: Given;
  readonly #servers: NetworkSet;
  readonly #extra: readonly Field[];

  constructor(given: Given) {
    this.#given = given;
    this.#servers = new NetworkSet(given.servers);
    this.#extra = Object.entries(given.headers);
  }

  /** @throws Unavailable where no decision can be had */
  async decide(asked: Asked, io: Io): Promise<Decision> {
    let patience = this.#given.longestWait;
    for (let waits = 0; waits <= MOST_WAITS; waits++) {
      const answer = await this.#ask(asked, io);
      if (answer.kind === "fault") throw unavailable(answer.why);
      if (answer.kind !== "wait") return this.#allowed(answer);
      patience -= answer.seconds * 1000;
      if (patience < 0) throw unavailable(`it asks for more than ${this.#given.longestWait} ms of patience`);
      await pause(io, answer.seconds * 1000);
    }
    throw unavailable(`it said WAIT more than ${MOST_WAITS} times`);
  }

  async #ask(asked: Asked, io: Io): Promise<Answer> {
    const { url, timeout, route } = this.#given;
    const abort = new AbortController();
    const asking = io.fetch(url, {
      headers: [...requestFields(asked, this.#extra), ["Connection", "close"]] as [string, string][],
      redirect: "manual",
      signal: abort.signal,
    });
    const response = await within(io, timeout, asking).catch((cause) => {
      throw unavailable(cause instanceof Error ? cause.message : String(cause), cause);
    });
    if (response === undefined) {
      asking.catch(() => {});
      abort.abort();
      throw unavailable(`it does not answer within ${timeout} ms`);
    }
    // Only the head counts; a body that never ends must not hold the connection.
    response.body?.cancel().catch(() => {});
    return readAnswer(response, { usual: USUAL, server: route });
  }

  #allowed(answer: Decision): Decision {
    if (answer.kind !== "ok" || answer.server === undefined) return answer;
    const { host } = answer.server;
    if (this.#servers.has(host)) return answer;
    throw unavailable(`Auth-Server ${host} was given; allowed are ${this.#given.servers.join(", ")}`);
  }
}

function pause(io: Io, ms: number): Promise<void> {
  return new Promise((resolve) => void io.after(ms, resolve));
}

function unavailable(why: string, cause?: unknown): Unavailable {
  return new Unavailable(`Cannot ask the auth service: ${why}`, { cause });
}
