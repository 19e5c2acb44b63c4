/**
 * Calls of scripts that go to Redis together: all those of one turn of the event loop, whoever made them. A command and a
 * write of their own would cost more than all the rest of them.
 */
import { setImmediate } from "node:timers";
import type { ScriptName } from "./scripts.ts";

/** One call, and who waits for its answer. */
export interface Call {
  readonly name: ScriptName;
  readonly keys: readonly string[];
  readonly args: readonly string[];
  answered(answer: unknown): void;
  /** @param reason why there is no answer */
  refused(reason: string): void;
}

/** Calls that go together at the most: nobody else is served by Redis meanwhile. */
const MOST = 100;

/** Milliseconds that a call waits for company where nobody waits for its answer. */
const LATE = 5;

export class Gathering {
  readonly #send: (calls: readonly Call[]) => void;
  #calls: Call[] = [];
  #late: Call[] = [];
  #lateTimer: ReturnType<typeof setTimeout> | undefined;
  /** They go at the end of this turn. */
  #due = false;

  constructor(send: (calls: readonly Call[]) => void) {
    this.#send = send;
  }

  /** Goes with the others of this turn. */
  add(call: Call): void {
    this.company();
    this.#push(call);
  }

  /** Goes with the next ones, or after a moment. */
  addLate(call: Call): void {
    this.#late.push(call);
    // It is not stopped when they find company: others may then wait for less than their time.
    this.#lateTimer ??= setTimeout(() => {
      this.#lateTimer = undefined;
      this.company();
    }, LATE);
  }

  /** Something else goes in this turn: what has waited for company goes too, and before what is added from now on. */
  company(): void {
    const late = this.#late;
    if (late.length === 0) return;
    this.#late = [];
    for (const call of late) this.#push(call);
  }

  /** All that waits goes now. */
  flush(): void {
    this.company();
    this.#go();
  }

  #push(call: Call): void {
    this.#calls.push(call);
    if (this.#calls.length >= MOST) return this.#go();
    if (this.#due) return;
    this.#due = true;
    setImmediate(() => {
      this.#due = false;
      this.#go();
    });
  }

  #go(): void {
    const calls = this.#calls;
    if (calls.length === 0) return;
    this.#calls = [];
    this.#send(calls);
  }
}
