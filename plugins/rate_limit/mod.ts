/**
 * Limits by rate (GCRA) and by number at the same time, for whatever a session can be counted by, shared by all who use the
 * same store. What is drawn for mail is given back unless the backend takes it.
 */
import {
  type Action,
  afterwards,
  definePlugin,
  type Io,
  type Known,
  type MailFacts,
  note,
  type Opinion,
  type PluginBody,
  type PluginFactory,
  type Refusal,
  rollback,
  type Setup,
  type Stage,
  type Verdict,
} from "sallyport";
import { drawAll, type Drawn, giveBack, NOTHING } from "./drawing.ts";
import { Errors } from "./errors.ts";
import { Networks } from "./key.ts";
import { type Draw, Limit } from "./limit.ts";
import { type RateLimitOptions, schema, type Terms } from "./options.ts";
import { Holding, NO_SEATS, Places, type Seats, type Wanted } from "./places.ts";
import { Stores } from "./stores.ts";
import { deed, later, tooLarge, unknown, verdictOf, waiting } from "./verdict.ts";

export type { LimitOptions, Per, PlacesOptions, Prefix, Prefixes, RateLimitOptions } from "./options.ts";

/** Limits how much, how often and how many at the same time. */
export const rateLimit: PluginFactory<RateLimitOptions> = definePlugin(
  "rate-limit",
  schema,
  (terms) => new RateLimit(terms).body,
);

const STAGES: readonly Stage[] = ["connect", "helo", "mail", "rcpt", "data", "message"];

/** Milliseconds after which a store that was away is tried with a place that is owed to it. */
const SETTLE = 1000;

class RateLimit {
  readonly #terms: Terms;
  readonly #limits: readonly Limit[];
  readonly #places: readonly Places[];
  readonly #stores: Stores;
  readonly #holding: Holding;

  constructor(terms: Terms) {
    const networks = new Networks([...terms.limits, ...terms.concurrency]);
    this.#terms = terms;
    this.#limits = terms.limits.map((each) => new Limit(each, networks));
    this.#places = terms.concurrency.map((each) => new Places(each, networks));
    this.#stores = new Stores(terms.fallback);
    this.#holding = new Holding(terms.ttl, this.#stores);
  }

  /** Only the handlers that have something to do. */
  get body(): PluginBody {
    const errors = this.#limits.filter(({ of }) => of === "errors");
    const counted = new Errors(errors, this.#stores);
    return {
      onError: this.#terms.onError,
      ...Object.fromEntries(STAGES.flatMap((stage) => this.#handler(stage))),
      ...(errors.length > 0 && { observe: counted.observe.bind(counted) }),
      ...(this.#places.length > 0 && { setup: (setup: Setup) => this.#setUp(setup) }),
    };
  }

  #setUp({ io, every }: Setup): void {
    every(SETTLE, () => this.#holding.settle(io));
    every(this.#terms.ttl / 3, () => this.#holding.renew(io));
  }

  #handler(stage: Stage): [Stage, (session: Known, io: Io) => Opinion | Promise<Opinion>][] {
    const limits = this.#limits.filter((limit) => limit.stage === stage);
    const places = this.#places.filter((each) => each.stage === stage);
    const announced = stage === "mail"
      ? this.#limits.filter(({ of, refuses }) => of === "octets" && refuses)
      : [];
    if (limits.length + places.length + announced.length === 0) return [];
    return [[stage, (session, io) => {
      const now = io.now();
      const refusal = announced.length > 0 ? refusalOfSize(announced, session as MailFacts, now) : undefined;
      if (refusal !== undefined) return refusal;
      let draws: readonly Draw[] = [];
      for (const limit of limits) {
        draws = together(draws, limit.draws(session, countOf(limit, session), now));
      }
      let wanted: readonly Wanted[] = [];
      for (const each of places) wanted = together(wanted, each.wanted(session, now));
      if (draws.length + wanted.length > 0) return this.#judge(stage, session.id, draws, wanted, io);
    }]];
  }

  async #judge(
    stage: Stage,
    id: string,
    draws: readonly Draw[],
    wanted: readonly Wanted[],
    io: Io,
  ): Promise<Opinion> {
    const asked = draws.length === 0 ? NOTHING : drawAll(draws, this.#stores, io);
    const [drawn, seats] = wanted.length === 0
      ? [await asked, NO_SEATS]
      : await this.#both(asked, this.#holding.take(wanted, id, io), io);
    const parts = this.#verdict(stage, drawn, seats);
    if (drawn.taken.length + seats.held.length > 0) {
      // Nobody hears of what comes too late, and what was taken for it would stay taken.
      if (io.late || parts.some(isRefusal)) {
        await Promise.all([giveBack(drawn.taken, this.#stores, io), this.#holding.giveUp(seats.held, io)]);
      } else this.#follow(drawn, seats, parts);
    }
    if (drawn.over.length + drawn.delayed.length > 0 || seats.full !== undefined) {
      this.#count(drawn, seats, io);
      parts.push(...notes(drawn, seats));
    }
    return parts;
  }

  /** Where drawing fails, nobody hears of the places: they would be renewed for ever. */
  async #both(drawing: Drawn | Promise<Drawn>, taking: Promise<Seats>, io: Io): Promise<[Drawn, Seats]> {
    try {
      return await Promise.all([drawing, taking]);
    } catch (cause) {
      await this.#holding.giveUp((await taking).held, io);
      throw cause;
    }
  }

  #verdict(stage: Stage, drawn: Drawn, seats: Seats): (Verdict | Action)[] {
    if (seats.full !== undefined) {
      const what = stage === "connect" ? "connections" : stage === "rcpt" ? "recipients" : "transactions";
      return [later(stage, `Too many ${what} at the same time`, undefined)];
    }
    if (this.#terms.fallback === "defer" && (drawn.unknown || seats.unknown)) return [unknown(stage)];
    if (drawn.over.length + drawn.delayed.length === 0) return [];
    return [...verdictOf(drawn.over, stage), ...waiting(drawn.delayed)];
  }

  /** What is done when it is known what became of the mail. */
  #follow({ taken }: Drawn, { held }: Seats, parts: (Verdict | Action)[]): void {
    if (taken.length > 0) parts.push(rollback((io) => giveBack(taken, this.#stores, io)));
    if (held.length > 0) parts.push(afterwards((io) => this.#holding.giveUp(held, io)));
  }

  /** What was done for which limit. */
  #count({ over, delayed }: Drawn, { full }: Seats, io: Io): void {
    const refuses = over.some(({ limit }) => limit.refuses);
    for (const each of over) {
      if (each.limit.refuses === refuses) {
        io.count("rate_limit", { limit: each.limit.name, action: deed(each) });
      }
    }
    for (const { limit } of delayed) io.count("rate_limit", { limit: limit.name, action: "delay" });
    if (full !== undefined) io.count("rate_limit", { limit: full.name, action: "defer" });
  }
}

/** Both in one list: mostly there is nothing in one of them. */
function together<T>(list: readonly T[], more: readonly T[]): readonly T[] {
  if (list.length === 0) return more;
  return more.length === 0 ? list : list.concat(more);
}

/** What an octets limit counts is the size, errors are only looked at, and the rest is one. */
function countOf({ of }: Limit, session: Known): number {
  if (of === "octets") return session.size ?? 0;
  return of === "errors" ? 0 : 1;
}

/** A message that is said to be too large is refused before it is sent (RFC 1870 §6.1). */
function refusalOfSize(limits: readonly Limit[], session: MailFacts, now: number): Refusal | undefined {
  const size = session.parameters.find(({ keyword }) => keyword === "SIZE")?.value;
  if (size === undefined) return undefined;
  const octets = Math.min(Number(size), Number.MAX_SAFE_INTEGER);
  const draws = limits.flatMap((limit) => limit.draws(session, octets, now));
  const never = draws.find(({ rate }) => rate.cost > rate.burst);
  return never === undefined ? undefined : tooLarge(never);
}

const REFUSALS: readonly string[] = ["defer", "reject", "disconnect"];

function isRefusal({ kind }: Verdict | Action): boolean {
  return REFUSALS.includes(kind);
}

/** For the trail: the limits that had no room. */
function notes({ over }: Drawn, { full }: Seats): Action[] {
  const beyond = over.map(({ limit }) => note("beyond", limit.name));
  if (full !== undefined) beyond.push(note("beyond", full.name));
  return beyond;
}
