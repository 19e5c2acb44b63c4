/**
 * A clock and timers that a test moves by hand.
 */
import { setImmediate } from "node:timers";

interface Timer {
  readonly id: number;
  due: number;
  readonly body: () => void;
  /** Milliseconds until it fires again. */
  readonly every: number | undefined;
}

/** Time and what waits for it, in milliseconds. */
export class FakeTimers {
  /** Not 0: a clock has run for days when a client comes. */
  now = 1_000_000_000;
  #last = 0;
  #timers: Timer[] = [];

  set(body: () => void, after = 0, every?: number): number {
    this.#timers.push({ id: ++this.#last, due: this.now + after, body, every });
    return this.#last;
  }

  clear(id: number): void {
    this.#timers = this.#timers.filter((timer) => timer.id !== id);
  }

  /** The engine's `after`. */
  after(ms: number, callback: () => void): () => void {
    const id = this.set(callback, ms);
    return () => this.clear(id);
  }

  /** When the next timer fires; Infinity where none waits. */
  get due(): number {
    return Math.min(...this.#timers.map(({ due }) => due));
  }

  /** Moves the clock on and fires what is due, each timer once; false when nothing was. */
  advance(milliseconds: number): boolean {
    this.now += milliseconds;
    const due = this.#timers.filter((timer) => timer.due <= this.now);
    for (const timer of due) {
      if (timer.every === undefined) this.clear(timer.id);
      else timer.due = this.now + timer.every;
    }
    for (const { body } of due) body();
    return due.length > 0;
  }
}

/** Lets every promise settle that can settle. */
export function promisesSettle(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}
