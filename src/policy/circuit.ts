/**
 * Stops asking a plugin that keeps failing, and tries it again after a while with one question at a time.
 */

/** Of the last so many answers … */
const WATCHED = 20;
/** … so many failures open the circuit … */
const FAILURES = 10;
/** … for so many milliseconds. */
const OPEN = 30_000;

const MASK = (1 << WATCHED) - 1;

export class Circuit {
  /** The last answers, a bit each: 1 failed. */
  #history = 0;
  /** When it may be tried again; 0 while closed. */
  #openUntil = 0;
  #trying = false;

  get open(): boolean {
    return this.#openUntil !== 0;
  }

  /** Whether the plugin is asked. After its time an open circuit lets one question through. */
  admits(now: number): boolean {
    if (this.#openUntil === 0) return true;
    if (this.#trying || now < this.#openUntil) return false;
    return this.#trying = true;
  }

  /** True: this closed it. */
  succeeded(): boolean {
    this.#history = (this.#history << 1) & MASK;
    const closed = this.#openUntil !== 0;
    if (closed) {
      this.#history = this.#openUntil = 0;
      this.#trying = false;
    }
    return closed;
  }

  /**
   * True: this opened it.
   * @param trial it was the one that an open circuit lets through; of others, asked before, an open one does not hear
   */
  failed(now: number, trial: boolean): boolean {
    if (this.open && !trial) return false;
    this.#history = ((this.#history << 1) | 1) & MASK;
    const wasOpen = this.#openUntil !== 0;
    if (!wasOpen && ones(this.#history) < FAILURES) return false;
    this.#openUntil = now + OPEN;
    this.#trying = false;
    return !wasOpen;
  }

  /** The trial came to nothing: neither a success nor a failure (its client left). */
  dropped(): void {
    this.#trying = false;
  }
}

function ones(bits: number): number {
  let count = 0;
  for (let rest = bits; rest !== 0; rest &= rest - 1) count++;
  return count;
}
