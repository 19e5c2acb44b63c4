// Waiting, for tests that drive a real process: by event or by poll with a limit, never by a bare guess.

/** Resolves after so many milliseconds. */
export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Polls until the check holds; false when the limit (ms) passes first. */
export async function eventually(check: () => boolean | Promise<boolean>, limit = 5000): Promise<boolean> {
  const end = Date.now() + limit;
  for (;;) {
    if (await check()) return true;
    if (Date.now() > end) return false;
    await sleep(10);
  }
}

/** Runs the jobs with at most `width` at a time, in order of start. */
export async function inParallel<T>(
  jobs: readonly T[],
  width: number,
  run: (job: T) => Promise<void>,
): Promise<void> {
  let next = 0;
  const worker = async () => {
    for (let i = next++; i < jobs.length; i = next++) await run(jobs[i] as T);
  };
  await Promise.all(Array.from({ length: width }, worker));
}
