/**
 * Timers and a clock that a test moves by hand, for code that takes them from the air. They stand in for the real
 * ones only while `withTimers` runs.
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

/** Runs `body` with these timers in place of the real ones. */
export async function withTimers<T>(timers: FakeTimers, body: () => Promise<T>): Promise<T> {
  const { setTimeout, clearTimeout, setInterval, clearInterval } = globalThis;
  Object.assign(globalThis, {
    setTimeout: (run: () => void, after: number) => timers.set(run, after),
    clearTimeout: (id: number) => timers.clear(id),
    setInterval: (run: () => void, every: number) => timers.set(run, every, every),
    clearInterval: (id: number) => timers.clear(id),
  });
  const clock = Object.getOwnPropertyDescriptor(performance, "now");
  Object.defineProperty(performance, "now", { value: () => timers.now, configurable: true });
  try {
    return await body();
  } finally {
    Object.assign(globalThis, { setTimeout, clearTimeout, setInterval, clearInterval });
    if (clock === undefined) Reflect.deleteProperty(performance, "now");
    else Object.defineProperty(performance, "now", clock);
  }
}

/** Lets every promise settle that can settle. */
export function promisesSettle(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}
