/**
 * Limits, and what a session draws on them.
 */
import type { Known, Rate, Stage } from "sallyport";
import { type Key, keysOf, type Networks } from "./key.ts";
import type { LimitTerms } from "./options.ts";
import { type ReadRate, readRate } from "./rate.ts";
import type { Counted } from "./stage.ts";
import { stageOf } from "./stage.ts";

/** One rate that a session draws on. */
export interface Draw {
  readonly limit: Limit;
  readonly group: string;
  readonly rate: Rate;
  /** How much of the burst is lent to those who wait for it. */
  readonly lent: number;
}

export class Limit {
  readonly name: string;
  readonly of: Counted;
  readonly action: LimitTerms["action"];
  readonly points: number;
  readonly stage: Stage;
  readonly #terms: LimitTerms;
  readonly #rate: ReadRate;
  readonly #keys: (session: Known) => readonly Key[];

  constructor(terms: LimitTerms, networks: Networks) {
    this.name = terms.name;
    this.of = terms.of;
    this.action = terms.action;
    this.points = terms.points;
    this.stage = stageOf(terms.per, terms.of)!;
    this.#terms = terms;
    this.#rate = readRate(terms.rate) as ReadRate;
    this.#keys = keysOf(terms, networks);
  }

  /** Beyond it the client is refused: who may wait is, too, where that would take too long. */
  get refuses(): boolean {
    return this.action !== "score";
  }

  /** What is drawn for mail that is taken only; the rest is drawn for coming. */
  get givesBack(): boolean {
    return this.of !== "connections" && this.of !== "errors";
  }

  /** @param count how many, where it is not one: octets; 0 only asks */
  draws(session: Known, count = 1): Draw[] {
    const keys = this.#keys(session);
    if (keys.length === 0 || this.#isCounted(session)) return [];
    const cost = count === 0 ? 0 : this.cost(session, count);
    return keys.map(({ group, key, factor }) => {
      const interval = this.#rate.interval / factor;
      const burst = Math.max(1, Math.floor(this.#rate.burst * factor));
      const lent = this.action === "delay" ? Math.floor(this.#terms.longestDelay / interval) : 0;
      return { limit: this, group, rate: { key, interval, burst: burst + lent, cost }, lent };
    });
  }

  cost(session: Known, count: number): number {
    const weight = this.#terms.weight?.(session) ?? 1;
    if (weight >= 0 && weight <= 1e9) return Math.min(Number.MAX_SAFE_INTEGER, Math.ceil(count * weight));
    throw new TypeError(
      `Cannot count for ${this.name}: its weight returned ${weight}; allowed is a number from 0 to 1e9`,
    );
  }

  /** A message to several recipients of one domain is one message to that domain. */
  #isCounted({ forwardPath, accepted }: Known): boolean {
    if (this.of !== "messages" || forwardPath === undefined || this.#terms.per !== "recipient-domain") {
      return false;
    }
    const domain = forwardPath.domain.toLowerCase();
    return accepted?.some((path) => path.domain.toLowerCase() === domain) ?? false;
  }
}
