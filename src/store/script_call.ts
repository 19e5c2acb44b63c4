/**
 * A call of a script whose answer is waited for. An object, and no closures: a session has four of them.
 */
import { StoreError } from "../policy/effects.ts";
import type { Call } from "./gathering.ts";
import type { ScriptName } from "./scripts.ts";

export class ScriptCall<T> implements Call {
  readonly name: ScriptName;
  readonly keys: readonly string[];
  readonly args: readonly string[];
  readonly #deed: string;
  readonly #read: (answer: unknown) => T;
  readonly #resolve: (answer: T) => void;
  readonly #reject: (error: StoreError) => void;

  /**
   * @param deed what it is called in errors
   * @param read makes of Redis' answer what is waited for
   */
  constructor(
    deed: string,
    name: ScriptName,
    keys: readonly string[],
    args: readonly string[],
    read: (answer: unknown) => T,
    resolve: (answer: T) => void,
    reject: (error: StoreError) => void,
  ) {
    this.#deed = deed;
    this.name = name;
    this.keys = keys;
    this.args = args;
    this.#read = read;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  answered(answer: unknown): void {
    try {
      this.#resolve(this.#read(answer));
    } catch {
      this.refused(`it answered ${JSON.stringify(answer)}, which is no answer to that`);
    }
  }

  refused(reason: string): void {
    this.#reject(new StoreError(this.#deed, reason));
  }
}
