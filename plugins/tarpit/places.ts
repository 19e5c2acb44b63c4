/**
 * Who waits at the moment: a bound, so that nobody can make every session of the process wait.
 */

export class Places {
  readonly #limit: number;
  /** By session: until when, in milliseconds since 1970. */
  readonly #waiting = new Map<string, number>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** False: all places are taken. */
  take(session: string, until: number, now: number): boolean {
    if (this.#waiting.size >= this.#limit && !this.#waiting.has(session)) {
      for (const [other, end] of this.#waiting) if (end <= now) this.#waiting.delete(other);
      if (this.#waiting.size >= this.#limit) return false;
    }
    this.#waiting.set(session, until);
    return true;
  }

  /** The session waits no longer, as when its client has left. */
  giveUp(session: string): void {
    this.#waiting.delete(session);
  }
}
