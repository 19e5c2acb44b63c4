/**
 * That a backend has refused our login: it is then not said again for a while, by clients' connections and looks alike.
 * Servers lock an account, or bar an address, for a wrong password that is repeated.
 */

/** Milliseconds after the first refusal; doubled by each that follows. */
const PAUSE = 60_000;
const LONGEST = 900_000;

export class RefusedLogin {
  #pause = PAUSE;
  #until = -Infinity;
  #reason = "";

  /** Why the login is not said now: how it was refused; undefined where it may be said. */
  barred(now: number): string | undefined {
    return now < this.#until ? this.#reason : undefined;
  }

  refused(reason: string, now: number): void {
    // Several that were sent together are one try.
    if (now < this.#until) return;
    this.#reason = reason;
    this.#until = now + this.#pause;
    this.#pause = Math.min(LONGEST, this.#pause * 2);
  }

  accepted(): void {
    this.#pause = PAUSE;
    this.#until = -Infinity;
  }
}
