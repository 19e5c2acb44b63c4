/**
 * Timers and a clock that a test moves by hand, for code that takes them from the air. They stand in for the real
 * ones only while `withTimers` runs.
 */
import type { FakeTimers } from "../../src/testing/timers.ts";

export { FakeTimers, promisesSettle } from "../../src/testing/timers.ts";

/** Real milliseconds that a body may take: less than a test has, or the tests behind it would go without timers. */
const LONGEST = 20_000;

/**
 * Runs `body` with these timers in place of the real ones.
 * @throws Error (as a rejection) when it hangs
 */
export async function withTimers<T>(timers: FakeTimers, body: () => Promise<T>): Promise<T> {
  const { setTimeout, clearTimeout, setInterval, clearInterval } = globalThis;
  let guard: ReturnType<typeof setTimeout> | undefined;
  const hung = new Promise<never>((_, reject) => {
    const cause = new Error(`It hangs: it has not ended within ${LONGEST} ms of real time`);
    guard = setTimeout(() => reject(cause), LONGEST);
  });
  Object.assign(globalThis, {
    setTimeout: (run: () => void, after: number) => timers.set(run, after),
    clearTimeout: (id: number) => timers.clear(id),
    setInterval: (run: () => void, every: number) => timers.set(run, every, every),
    clearInterval: (id: number) => timers.clear(id),
  });
  const clock = Object.getOwnPropertyDescriptor(performance, "now");
  Object.defineProperty(performance, "now", { value: () => timers.now, configurable: true });
  try {
    return await Promise.race([body(), hung]);
  } finally {
    clearTimeout(guard);
    Object.assign(globalThis, { setTimeout, clearTimeout, setInterval, clearInterval });
    if (clock === undefined) Reflect.deleteProperty(performance, "now");
    else Object.defineProperty(performance, "now", clock);
  }
}
