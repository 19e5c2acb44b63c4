/**
 * The plugin's only timer: a handler is given none, and an address whose names cannot be found out is a finding, no
 * failure.
 */

/** Resolves with the promise, or after so many milliseconds. */
export function within(ms: number, promise: Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
