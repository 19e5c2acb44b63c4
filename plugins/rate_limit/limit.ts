/**
 * Limits, and what a session draws on them.
 */
import type { Known, Rate, Stage } from "sallyport";
import { type Key, Keyed, type Networks } from "./key.ts";
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

const NONE: readonly Draw[] = [];

export class Limit {
  readonly name: string;
  readonly of: Counted;
  readonly action: LimitTerms["action"];
  readonly points: number;
  readonly stage: Stage;
  readonly #terms: LimitTerms;
  readonly #rate: ReadRate;
  /** Whoever comes draws so much, where there is no weight. */
  readonly #usual: number;
  readonly #draws: Keyed<Draw>;

  constructor(terms: LimitTerms, networks: Networks) {
    this.name = terms.name;
    this.of = terms.of;
    this.action = terms.action;
    this.points = terms.points;
    this.stage = stageOf(terms.per, terms.of)!;
    this.#terms = terms;
    this.#rate = readRate(terms.rate) as ReadRate;
    this.#usual = terms.of === "errors" ? 0 : 1;
    this.#draws = new Keyed(terms, networks, (key) => this.#draw(key));
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
  draws(session: Known, count: number, now: number): readonly Draw[] {
    const usual = this.#draws.of(session, now);
    if (usual.length === 0 || this.#isCounted(session)) return NONE;
    const cost = count === 0 ? 0 : this.cost(session, count);
    if (cost === this.#usual) return usual;
    return usual.map((draw) => ({ ...draw, rate: { ...draw.rate, cost } }));
  }

  #draw({ group, key, factor }: Key): Draw {
    const interval = this.#rate.interval / factor;
    const burst = Math.max(1, Math.floor(this.#rate.burst * factor));
    const lent = this.action === "delay" ? Math.floor(this.#terms.longestDelay / interval) : 0;
    return { limit: this, group, rate: { key, interval, burst: burst + lent, cost: this.#usual }, lent };
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
