/**
 * Lets clients wait that have earned it: by their score, by a DNS list, by lines that are no commands, by guessing at
 * recipients. It costs bulk senders time, and nobody else.
 */
import {
  afterwards,
  definePlugin,
  delay,
  DNSBL,
  type Handlers,
  type Io,
  isAllowed,
  type Known,
  note,
  type OnError,
  type PluginBody,
  type PluginFactory,
  type Stage,
} from "sallyport";
import { options, z } from "sallyport/schema";
import { Places } from "./places.ts";

// Not at `message`: who waits long for the reply to the end of data sends again what was taken (RFC 1047).
const STAGES = ["connect", "helo", "mail", "rcpt", "data"] as const;

/** What a client has earned adds up. All times are milliseconds from 0 to 120,000. */
export interface TarpitOptions {
  /** For everybody; 0 unless given. */
  readonly constant?: number | undefined;
  /** For each point of a score above 0; 1000 unless given. */
  readonly perPoint?: number | undefined;
  /** For a client that DNS lists know; 0 unless given: their points count already. */
  readonly listed?: number | undefined;
  /** For each line so far that was no command; 1000 unless given. */
  readonly perUnknownCommand?: number | undefined;
  /** At RCPT, for each recipient that was refused earlier in the session; 1000 unless given. */
  readonly perRefusedRecipient?: number | undefined;
  /** So many refused recipients cost nothing; 3 unless given: the lists of honest senders grow old. */
  readonly forgiven?: number | undefined;
  /** The longest one answer is delayed; 20,000 unless given: some clients give up after 30 seconds. */
  readonly most?: number | undefined;
  /** Where everything but refused recipients counts; `["mail"]` unless given: once a message, and users are known there. */
  readonly stages?: readonly typeof STAGES[number][] | undefined;
  /** How many clients of this process may wait at the same time, 100 unless given; any more do not wait. */
  readonly sessions?: number | undefined;
  /** What a failure does; `"pass"` unless given: nothing is judged here. */
  readonly onError?: OnError | undefined;
}

/** Delays clients that have earned it, but for those who are allowed or have authenticated. */
export const tarpit: PluginFactory<TarpitOptions> = definePlugin(
  "tarpit",
  options({
    constant: milliseconds(0),
    perPoint: milliseconds(1_000),
    listed: milliseconds(0),
    perUnknownCommand: milliseconds(1_000),
    perRefusedRecipient: milliseconds(1_000),
    forgiven: whole(0, 3),
    most: milliseconds(20_000),
    stages: z.array(z.enum(STAGES, `allowed are ${STAGES.join(", ")}`)).readonly().default(["mail"]),
    sessions: whole(1, 100),
    onError: z.custom<OnError>().default("pass"),
  }),
  (terms): PluginBody => {
    const pit = new Pit(terms);
    const wait = (stage: Stage) => (session: Known, io: Io) =>
      pit.wait(session, pit.earned(stage, session), io);
    const guesses: readonly Stage[] = terms.perRefusedRecipient > 0 ? ["rcpt"] : [];
    const stages = new Set([...terms.stages, ...guesses]);
    const handlers: Handlers = Object.fromEntries([...stages].map((stage) => [stage, wait(stage)]));
    return { onError: terms.onError, judges: "client", ...handlers };
  },
);

function milliseconds(byDefault: number) {
  const allowed = "allowed is a whole number of milliseconds from 0 to 120000";
  return z.int(allowed).min(0, allowed).max(120_000, allowed).default(byDefault);
}

function whole(least: number, byDefault: number) {
  const allowed = `allowed is a whole number from ${least}`;
  return z.int(allowed).min(least, allowed).default(byDefault);
}

type Terms = { readonly [Name in keyof TarpitOptions]-?: NonNullable<TarpitOptions[Name]> };

class Pit {
  readonly #terms: Terms;
  readonly #places: Places;

  constructor(terms: Terms) {
    this.#terms = terms;
    this.#places = new Places(terms.sessions);
  }

  /** Milliseconds; 0 at a stage where nobody waits. */
  earned(stage: Stage, { findings, conduct }: Known): number {
    const { stages, constant, perPoint, listed, perUnknownCommand, perRefusedRecipient, forgiven } =
      this.#terms;
    const guesses = stage === "rcpt" ? Math.max(0, conduct!.refusedRecipients - forgiven) : 0;
    const guessing = guesses * perRefusedRecipient;
    if (!(stages as readonly Stage[]).includes(stage)) return guessing;
    const isListed = (findings.get(DNSBL)?.score ?? 0) > 0;
    return constant + perPoint * Math.max(0, findings.score) + (isListed ? listed : 0) +
      perUnknownCommand * (conduct?.unknownCommands ?? 0) + guessing;
  }

  wait(session: Known, earned: number, io: Io) {
    const ms = Math.min(this.#terms.most, Math.round(earned));
    if (ms === 0 || session.user !== undefined || isAllowed(session)) return undefined;
    const now = io.now();
    if (!this.#places.take(session.id, now + ms, now)) {
      io.count("tarpit_full");
      return [note("full", true)];
    }
    return [delay(ms), note("ms", ms), afterwards(() => this.#places.giveUp(session.id))];
  }
}
