/**
 * Cases that are worked off in the background, several at a time, in queues of their own; the tests only wait for what came
 * of them. A server that pauses a second between two messages then holds up nobody but its own queue.
 */

interface Case {
  readonly work: () => Promise<void>;
  readonly settle: (outcome: Promise<void>) => void;
}

export class Agenda {
  readonly #queues = new Map<string, Case[]>();

  /** @returns what a test waits for: it fails as the case did */
  add(queue: string, work: () => Promise<void>): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const cases = this.#queues.get(queue) ?? [];
    this.#queues.set(queue, cases);
    cases.push({ work, settle: resolve });
    // The test that waits may come much later than the fault.
    promise.catch(() => {});
    return promise;
  }

  /** Begins, and does not wait. */
  start(): void {
    for (const cases of this.#queues.values()) void workOff(cases);
  }
}

async function workOff(cases: readonly Case[]): Promise<void> {
  for (const { work, settle } of cases) {
    const outcome = work();
    settle(outcome);
    await outcome.catch(() => {});
  }
}
