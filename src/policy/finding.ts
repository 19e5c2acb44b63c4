/**
 * Facts that plugins leave for one another, each under a typed key of its own; a score is one that adds up.
 */

/** Names a kind of finding. Two keys are never the same, whatever their names. */
export interface FindingKey<T> {
  /** For logs and for people. */
  readonly name: string;
  /** Only for the type checker. */
  readonly value?: T;
}

/**
 * Makes a key. The plugin that leaves such findings exports it, and who reads them imports it.
 * @example
 * export const SPF = finding<SpfFinding>("spf");
 * session.findings.get(SPF)?.result; // typed
 */
export function finding<T>(name: string): FindingKey<T> {
  return { name };
}

/** One part of a score. */
export interface ScorePart {
  readonly plugin: string;
  readonly points: number;
  readonly reason: string;
}

/**
 * What has been found out so far. A finding lasts as long as what it is about: of `connect` the session, of `helo` until
 * the next greeting, of `mail`, `data` and `message` the transaction, of `rcpt` the one recipient.
 */
export interface Findings {
  /** The last finding of this key, the nearest first. */
  get<T>(key: FindingKey<T>): T | undefined;
  /** The sum of all points so far. */
  readonly score: number;
  readonly scores: readonly ScorePart[];
}

/** Findings of one scope, over those of the scopes around it. */
export class FindingLayer implements Findings {
  readonly #around: Findings | undefined;
  /** A handful at the most: looking through them costs less than a map. */
  #found: { readonly key: FindingKey<unknown>; value: unknown }[] | undefined;
  #scores: ScorePart[] | undefined;

  constructor(around?: Findings) {
    this.#around = around;
  }

  get<T>(key: FindingKey<T>): T | undefined {
    const own = this.#own(key);
    return own === undefined ? this.#around?.get(key) : own.value as T;
  }

  get score(): number {
    let sum = this.#around?.score ?? 0;
    if (this.#scores !== undefined) { for (const { points } of this.#scores) sum += points; }
    return sum;
  }

  get scores(): readonly ScorePart[] {
    const outer = this.#around?.scores ?? [];
    return this.#scores === undefined ? outer : [...outer, ...this.#scores];
  }

  leave<T>(key: FindingKey<T>, value: T): void {
    const own = this.#own(key);
    if (own === undefined) (this.#found ??= []).push({ key, value });
    else own.value = value;
  }

  #own(key: FindingKey<unknown>): { value: unknown } | undefined {
    if (this.#found !== undefined) { for (const each of this.#found) if (each.key === key) return each; }
    return undefined;
  }

  addScore(part: ScorePart): void {
    (this.#scores ??= []).push(part);
  }
}
