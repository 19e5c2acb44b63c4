/**
 * How long an examination waits: for one reply, and in all. A backend that says nothing, or a little at a time, costs no
 * more than this.
 */

/** Nothing more can be examined: the whole time is up. */
export class OutOfTime extends Error {
  constructor(seconds: number) {
    super(`the ${seconds} s for the whole examination are over (--limit)`);
  }
}

export interface PatienceOptions {
  /** Milliseconds for one reply, a connection or a handshake. */
  readonly reply: number;
  /** Milliseconds for everything. */
  readonly total: number;
  /** Milliseconds at least for an answer that should not come. Default 1500. */
  readonly quiet?: number;
}

const END_OF_DATA = 60_000;

export class Patience {
  readonly reply: number;
  readonly quiet: number;
  readonly #total: number;
  readonly #end: number;

  constructor({ reply, total, quiet = 1500 }: PatienceOptions) {
    this.quiet = quiet;
    this.reply = reply;
    this.#total = total;
    this.#end = performance.now() + total;
  }

  /** Milliseconds for the reply to an end of data: scanners stand there. */
  get endOfData(): number {
    return Math.max(this.reply, END_OF_DATA);
  }

  /** Milliseconds to wait now, where `wanted` would be right. @throws OutOfTime */
  within(wanted: number = this.reply): number {
    const left = this.#end - performance.now();
    if (left <= 0) throw new OutOfTime(this.#total / 1000);
    return Math.min(wanted, left);
  }
}
