/**
 * The plugin's only timers: a handler is given none, and one slow zone must not cost what all others have said.
 */

/** Runs `callback` after so many milliseconds, unless what it returns is called before. */
export function after(ms: number, callback: () => void): () => void {
  const timer = setTimeout(callback, ms);
  return () => clearTimeout(timer);
}

/** What a promise comes to within so many milliseconds; undefined if it takes longer. */
export function within<T>(ms: number, promise: Promise<T>): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const cancel = after(ms, () => resolve(undefined));
    promise.then(resolve, reject).finally(cancel);
  });
}
