// Many clients at once, for as long as the scene lasts, and what they felt of it.
import { sleep } from "./blackbox_wait.ts";
import { type Attempt, session, type SessionOptions } from "./live_soak_load.ts";

export class Load {
  readonly attempts: Attempt[] = [];
  /** The attempts of each session that made any. */
  readonly sessions: Attempt[][] = [];
  readonly began = performance.now();
  /** When the last of them was told to begin nothing more; Infinity before. */
  over = Infinity;
  readonly #clients: Promise<unknown>;

  /** @param width sessions at a time */
  constructor(port: number, width: number, options: SessionOptions) {
    this.#clients = Promise.all(Array.from({ length: width }, () => this.#client(port, options)));
  }

  /** Lets everybody finish. @returns false where somebody still waits after `limit` milliseconds */
  async end(limit: number): Promise<boolean> {
    this.over = performance.now();
    return await Promise.race([this.#clients.then(() => true), sleep(limit).then(() => false)]);
  }

  /** Of those who wait for what the server says: whoever leaves by itself tells nothing of it. */
  get patient(): readonly Attempt[] {
    return this.attempts.filter(({ way }) => way !== "vanishing");
  }

  /** How those stand who were told 4yz. */
  get deferred(): readonly Attempt[] {
    return this.patient.filter(({ heard, outcome }) => outcome !== "acknowledged" && /^4/.test(last(heard)));
  }

  /** Milliseconds from `since` to the first message that was acknowledged then; Infinity where none was. */
  firstAfter(since: number): number {
    return Math.min(...this.#acknowledged().filter((ended) => ended >= since)) - since;
  }

  /** The longest time, in milliseconds, in which nobody heard a 250 to a message. */
  get longestGap(): number {
    const until = Math.min(this.over, performance.now());
    const times = [this.began, ...this.#acknowledged().filter((ended) => ended < until), until].toSorted((
      a,
      b,
    ) => a - b);
    return Math.max(...times.slice(1).map((time, i) => time - times[i]!));
  }

  /** The figures that the scenes have in common. */
  figures(): Readonly<Record<string, number>> {
    const sessions = this.sessions.filter(([first]) => first!.way !== "vanishing");
    const deferred = new Set(this.deferred);
    const hit = sessions.filter((attempts) => attempts.some((attempt) => deferred.has(attempt))).length;
    return {
      sessions: sessions.length,
      messages: this.patient.length,
      "messages told 4yz": deferred.size,
      "sessions told 4yz, %": Math.round(hit / Math.max(1, sessions.length) * 1000) / 10,
      "longest message, ms": Math.round(Math.max(0, ...this.patient.map(duration))),
      "longest gap, ms": Math.round(this.longestGap),
    };
  }

  #acknowledged(): number[] {
    return this.attempts.filter(({ outcome }) => outcome === "acknowledged").map(({ ended }) => ended);
  }

  async #client(port: number, options: SessionOptions): Promise<void> {
    while (this.over === Infinity) {
      const mine: Attempt[] = [];
      const note = (attempt: Attempt) => {
        if (mine.push(attempt) === 1) this.sessions.push(mine);
        this.attempts.push(attempt);
      };
      await session(port, note, options).catch(() => {});
      // Who was not even greeted, or was told to come again, does not call again at once.
      if (mine.length === 0 || mine.some(({ heard }) => /^4/.test(last(heard)))) await sleep(100);
    }
  }
}

/** Milliseconds that a message took, from MAIL to its last reply. */
export function duration({ began, ended }: Attempt): number {
  return ended - began;
}

/** The reply that counts, of several to what went out in one write: the first that refuses. */
export function last(heard: string): string {
  const replies = heard.split(" | ");
  return replies.find((reply) => /^[45]/.test(reply)) ?? replies.at(-1)!;
}
