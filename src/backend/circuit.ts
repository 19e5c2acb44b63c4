/**
 * Whether a backend is asked: closed while it is well, open after failures in a row, half-open while it is looked at
 * again. Time and chance are arguments.
 *
 * Two things are counted apart. A backend that greets and then never answers a command would otherwise clear itself
 * with every greeting. And of one client one failure counts, until a transaction has worked: a reply that does not come may be about
 * what that client asks for, and no client may take a backend from all others.
 */
import type { Health } from "../policy/settings.ts";

export type CircuitState = "closed" | "open" | "half-open";

/** What failed: the way to the reply to EHLO, or a reply after it. */
export type Failed = "greeting" | "reply";

/** Clients whose failures have counted that are remembered at most. */
const MOST_CLIENTS = 100;
/** No more doublings than make any pause the longest. */
const DOUBLINGS = 30;
/** A pause differs from the next one's by up to this part, so that many proxies do not look at the same time. */
const JITTER = 0.25;
/** The part of the first pause after which it is looked at while all are out, each time. */
const URGENT = 0.5;
/** What a backend that is just back has of its share. */
const FIRST_SHARE = 0.1;

export class Circuit {
  readonly #health: Health;
  readonly #random: () => number;
  #state: CircuitState = "closed";
  /** Failures in a row. */
  #failed: Record<Failed, number> = { greeting: 0, reply: 0 };
  /** Whose they were. */
  readonly #clients = new Set<string>();
  /** Good looks in a row. */
  #good = 0;
  /** Openings and failed looks since it last worked for good. */
  #openings = 0;
  #openedAt = 0;
  #openUntil = 0;
  #closedAt = -Infinity;
  #reason = "";
  #doubtful = false;

  /** @param random from 0 to below 1 */
  constructor(health: Health, random: () => number) {
    this.#health = health;
    this.#random = random;
  }

  get state(): CircuitState {
    return this.#state;
  }

  /** The last failure, in words. */
  get reason(): string {
    return this.#reason;
  }

  /** Closed, and has not greeted since its last failure. */
  get doubtful(): boolean {
    return this.#state === "closed" && this.#doubtful;
  }

  /**
   * Whether an open circuit is due for its look.
   * @param urgent nobody else can be asked either: mail waits for this
   */
  due(now: number, urgent: boolean): boolean {
    if (this.#state !== "open") return false;
    return now >= this.#openUntil || (urgent && now >= this.#openedAt + this.#health.pause * URGENT);
  }

  /** The look begins. */
  halfOpen(): void {
    this.#state = "half-open";
  }

  /** A look's reply to EHLO came. True: this closed the circuit. */
  lookedWell(now: number): boolean {
    this.#doubtful = false;
    this.#failed.greeting = 0;
    if (this.#state !== "half-open") return false;
    if (++this.#good < this.#health.successes) return false;
    this.#state = "closed";
    // A look asks nothing: who failed at commands opens with the next one, unless it has worked by then.
    this.#failed.reply = Math.min(this.#failed.reply, this.#health.failures - 1);
    this.#closedAt = now;
    return true;
  }

  /** Somebody was greeted. While open it only brings the look forward: it may have been dialled long ago. */
  greeted(now: number): void {
    this.#doubtful = false;
    this.#failed.greeting = 0;
    if (this.#state === "open") this.#openUntil = Math.min(this.#openUntil, now);
  }

  /** A transaction came to its end: nothing is wrong with it. */
  worked(now: number): void {
    this.#failed.reply = 0;
    this.#clients.clear();
    if (this.#state === "closed" && now - this.#closedAt >= this.#health.slowStart) this.#openings = 0;
  }

  /** It takes no more for now, and does what it has: no failure, but others are asked first. */
  busy(reason: string): void {
    this.#reason = reason;
    this.#doubtful = true;
  }

  /**
   * True: this opened the circuit.
   * @param mayOpen false: it is counted, but somebody must be left to ask
   * @param client for whom it was asked; undefined where no client can be the reason
   */
  failed(what: Failed, reason: string, now: number, mayOpen = true, client?: string): boolean {
    if (client !== undefined && this.#clients.has(client)) return false;
    this.#reason = reason;
    this.#doubtful = true;
    if (this.#state !== "closed") return false;
    if (client !== undefined && this.#clients.size < MOST_CLIENTS) this.#clients.add(client);
    if (++this.#failed[what] < this.#health.failures || !mayOpen) return false;
    this.#open(now);
    return true;
  }

  /** A look failed. True: the circuit is open, and was not before. */
  lookedIll(reason: string, now: number): boolean {
    if (this.#state === "closed") return this.failed("greeting", reason, now);
    this.#reason = reason;
    this.#open(now);
    return false;
  }

  /** How much of its weight counts, from little to 1: who has just come back is not given everything at once. */
  share(now: number): number {
    const part = (now - this.#closedAt) / this.#health.slowStart;
    return part >= 1 || Number.isNaN(part) ? 1 : Math.max(FIRST_SHARE, part);
  }

  #open(now: number): void {
    const { pause, longestPause } = this.#health;
    const doubled = Math.min(longestPause, pause * 2 ** Math.min(this.#openings++, DOUBLINGS));
    this.#state = "open";
    this.#good = 0;
    this.#openedAt = now;
    this.#openUntil = now + doubled * (1 - JITTER * this.#random());
  }
}
