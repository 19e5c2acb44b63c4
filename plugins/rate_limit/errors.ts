/**
 * Counting what a client does wrong: recipients refused for good by whomever, other commands that plugins refuse so, lines
 * that were no command at all. The limit is looked at when it connects again.
 */
import type { Conduct, Io, Known, Observation } from "sallyport";
import type { Draw, Limit } from "./limit.ts";
import type { Stores } from "./stores.ts";

/** A session that is there: how it behaves, which goes on to change, and how much of that was counted. */
interface Watched {
  readonly conduct: Conduct;
  counted: number;
}

export class Errors {
  readonly #limits: readonly Limit[];
  readonly #stores: Stores;
  readonly #watched = new Map<string, Watched>();

  constructor(limits: readonly Limit[], stores: Stores) {
    this.#limits = limits;
    this.#stores = stores;
  }

  observe(event: Observation, io: Io): void | Promise<void> {
    const { session } = event;
    if ("conduct" in session) this.#watch(session.id, session.conduct);
    const count = this.#fresh(session.id) + (isRefused(event) ? 1 : 0);
    if (event.kind === "session") this.#watched.delete(session.id);
    if (count > 0) return this.#count(session, count, io);
  }

  /** When a trusted host names the client, or another one, the session goes on with a conduct of its own. */
  #watch(id: string, conduct: Conduct): void {
    if (this.#watched.get(id)?.conduct !== conduct) this.#watched.set(id, { conduct, counted: 0 });
  }

  /** What has come to it since the last look. */
  #fresh(id: string): number {
    const watched = this.#watched.get(id);
    if (watched === undefined) return 0;
    const { unknownCommands, refusedRecipients } = watched.conduct;
    const fresh = unknownCommands + refusedRecipients - watched.counted;
    watched.counted += fresh;
    return fresh;
  }

  /** Each for itself: an address that has no room left says nothing of its network. */
  async #count(session: Known, count: number, io: Io): Promise<void> {
    const draws = this.#limits.flatMap((limit) => limit.draws(session, count, io.now()));
    await Promise.all(draws.map((draw) => this.#fill(draw, io)));
  }

  /** Draws what there is room for: the rest has nothing to be counted in. */
  async #fill({ group, rate }: Draw, io: Io): Promise<void> {
    const told = await this.#stores.ask(io, (store) => store.draw(group, [rate]));
    const room = told?.answer.remaining[0] ?? 0;
    if (told === undefined || told.answer.allowed || room === 0) return;
    await this.#stores.attempt(io, () => told.store.draw(group, [{ ...rate, cost: room }]));
  }
}

/** Who was told to come again has done nothing wrong; recipients are in the session's conduct. */
function isRefused(event: Observation): boolean {
  if (event.kind !== "judged" || event.stage === "rcpt") return false;
  return event.verdict?.kind === "reject" || event.verdict?.kind === "disconnect";
}
