/**
 * A call of a script whose answer is waited for. An object, and no closures: a session has four of them.
 */
import { StoreError } from "../policy/effects.ts";
import type { Call } from "./gathering.ts";
import type { ScriptName } from "./scripts.ts";

/**
 * Makes of Redis' answer what is waited for.
 * @param keys how many the script was given
 * @throws where it is no answer to that
 */
export type Read<T> = (answer: unknown, keys: number) => T;

/** Characters of an answer that an error quotes. */
const QUOTED = 100;

export class ScriptCall<T> implements Call {
  readonly name: ScriptName;
  readonly keys: readonly string[];
  readonly args: readonly string[];
  readonly #deed: string;
  readonly #read: Read<T>;
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
    read: Read<T>,
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
      this.#resolve(this.#read(answer, this.keys.length));
    } catch {
      this.refused(notUnderstood(answer));
    }
  }

  refused(reason: string): void {
    this.#reject(new StoreError(this.#deed, reason));
  }
}

/** Why an answer is none: what stands where Redis was expected, or before it, may say anything. */
export function notUnderstood(answer: unknown): string {
  const text = JSON.stringify(answer) ?? String(answer);
  const quoted = text.length > QUOTED ? `${text.slice(0, QUOTED)}...` : text;
  return `it answered ${quoted}, which is no answer to that`;
}
