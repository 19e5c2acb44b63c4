/**
 * Tells of zones that cannot be asked: each time as a metric, and in the log at most once a minute and zone, since a zone
 * that is away is away for every client.
 */
import type { Io } from "sallyport";
import type { Trouble } from "./answers.ts";
import type { AskedZone } from "./question.ts";

/** Milliseconds between two lines about one zone. */
const PAUSE = 60_000;

export class Troubles {
  /** By zone: when it was told of last, and how often it was not since. */
  readonly #told = new Map<AskedZone, { readonly at: number; more: number }>();

  tell(zone: AskedZone, { error, text }: Trouble, io: Pick<Io, "log" | "count" | "now">): void {
    io.count("dnsbl_errors", { zone: zone.shown, error });
    const now = io.now();
    const last = this.#told.get(zone);
    if (last !== undefined && now - last.at < PAUSE) {
      last.more++;
      return;
    }
    this.#told.set(zone, { at: now, more: 0 });
    io.log.warn(`DNS list ${zone.shown} was left out: ${text}`, {
      zone: zone.shown,
      error,
      unreported: last?.more,
    });
  }
}
