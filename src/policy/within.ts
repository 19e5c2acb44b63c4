/**
 * A bound on how long a plugin waits for something, shorter than its stage's deadline.
 */
import type { Io } from "./effects.ts";

/** What a promise comes to within so many milliseconds; undefined if it takes longer. */
export function within<T>(
  { after }: Pick<Io, "after">,
  ms: number,
  promise: Promise<T>,
): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const cancel = after(ms, () => resolve(undefined));
    promise.then(resolve, reject).finally(cancel);
  });
}
