/**
 * Clients that do not listen: they speak before they are greeted, send ahead what was not offered, or say what is no
 * SMTP (RFC 5321 §4.3.1, RFC 2920 §3.1). An unknown client is held for a moment before its greeting, so that it has the
 * time to give itself away; one that passes goes on in the same session, and is not held again for a day.
 */
import {
  type Action,
  afterwards,
  commit,
  type Conduct,
  type ConnectFacts,
  type ConnectIo,
  definePlugin,
  disconnect,
  DNSBL,
  finding,
  type FindingKey,
  found,
  type HeloFacts,
  type Io,
  isAllowed,
  isPostmaster,
  type MailFacts,
  note,
  type Opinion,
  type PluginBody,
  type PluginFactory,
  reject,
  REVERSE,
  score,
  type Verdict,
} from "sallyport";
import { Memory } from "./memory.ts";
import { type EarlyTalkerOptions, type MisconductAction, SCHEMA, type Terms } from "./options.ts";

export type { EarlyTalkerOptions, MisconductAction } from "./options.ts";

/** Holds unknown clients before their greeting, and judges how all behave. */
export const earlyTalker: PluginFactory<EarlyTalkerOptions> = definePlugin(
  "early-talker",
  SCHEMA,
  (terms): PluginBody => {
    const porter = new Porter(terms);
    const judge = (session: HeloFacts, io: Io) => porter.judge(session, io);
    return {
      onError: terms.onError,
      judges: "client",
      ...(terms.wait > 0 && { connect: (session, io) => porter.receive(session, io) }),
      helo: judge,
      mail: (session, io) => porter.send(session, io),
      // Postmaster hears everybody (RFC 5321 §4.5.1).
      rcpt: (session, io) => isPostmaster(session) ? undefined : judge(session, io),
    };
  },
);

/** What a client does that no mail server does. */
const MISDEEDS = ["pregreet", "pipelining", "nonsense"] as const;

type Misdeed = typeof MISDEEDS[number];

const TEXTS: Readonly<Record<Misdeed, string>> = {
  pregreet: "Protocol error: you spoke before you were greeted",
  pipelining: "Protocol error: you sent commands ahead before PIPELINING was offered",
  nonsense: "Protocol error: you say what is no SMTP",
};

class Porter {
  readonly #terms: Terms;
  readonly #memory: Memory;
  /** The client was held in this session, and was silent. */
  readonly #silent: FindingKey<true> = finding("early-talker-silent");
  /** Misdeeds whose price is paid. */
  readonly #paid: FindingKey<readonly Misdeed[]> = finding("early-talker-paid");

  constructor(terms: Terms) {
    this.#terms = terms;
    this.#memory = new Memory(terms.memory);
  }

  receive(session: ConnectFacts, io: ConnectIo): Opinion | Promise<Opinion> {
    // Nobody has heard whether such a client keeps quiet, so it must not pass as one that does.
    if (io.greeted || this.#isExempt(session)) return undefined;
    const known = this.#memory.knows(session.client.host, io);
    return known === true ? undefined : this.#hold(known, session, io);
  }

  async #hold(known: boolean | Promise<boolean>, session: ConnectFacts, io: ConnectIo): Promise<Opinion> {
    if (await known) return undefined;
    const { wait, teaser = `${session.hostname} ESMTP` } = this.#terms;
    const silent = await io.silence(wait, teaser === "" ? undefined : teaser);
    io.count("early_talker_holds", { outcome: silent ? "silent" : "spoke" });
    if (silent) return [found(this.#silent, true), note("held", wait)];
    return this.#pay(["pregreet"], session, io);
  }

  judge(session: HeloFacts, io: Io): Opinion {
    const misdeeds = this.#misdeeds(session.conduct);
    return misdeeds.length === 0 || this.#isExempt(session) ? undefined : this.#pay(misdeeds, session, io);
  }

  /** Whoever was held and has sent mail that was taken has passed; nobody else has. */
  send(session: MailFacts, io: Io): Opinion {
    const opinion = this.judge(session, io);
    if (opinion !== undefined || session.findings.get(this.#silent) === undefined) return opinion;
    const { conduct, client } = session;
    return commit((later) =>
      this.#misdeeds(conduct).length === 0 ? this.#memory.remember(client.host, later) : undefined
    );
  }

  #misdeeds(conduct: Conduct): readonly Misdeed[] {
    const { spokeEarly, pipelinedEarly, unknownCommands } = conduct;
    if (!spokeEarly && !pipelinedEarly && unknownCommands === 0) return NONE;
    const done: Readonly<Record<Misdeed, boolean>> = {
      pregreet: spokeEarly,
      pipelining: pipelinedEarly,
      nonsense: unknownCommands >= this.#terms.nonsenseLines,
    };
    return MISDEEDS.filter((each) => done[each]);
  }

  /** Each misdeed is told of once; points are given once, and a refusal as often as the client comes for it. */
  #pay(misdeeds: readonly Misdeed[], session: ConnectFacts, io: Io): Opinion {
    const paid = session.findings.get(this.#paid) ?? NONE;
    const fresh = misdeeds.filter((each) => !paid.includes(each));
    for (const misdeed of fresh) io.count("early_talker_misconduct", { misdeed });
    const refusing = misdeeds.find((each) =>
      typeof this.#terms[each] === "string" && this.#terms[each] !== "off"
    );
    if (fresh.length === 0) return refusing && verdict(this.#terms[refusing], TEXTS[refusing]);
    return [
      found(this.#paid, [...paid, ...fresh]),
      ...fresh.map((each) => note("misconduct", each)),
      ...fresh.flatMap((each) => points(this.#terms[each], TEXTS[each])),
      afterwards((later) => this.#memory.forget(session.client.host, later)),
      refusing && verdict(this.#terms[refusing], TEXTS[refusing]),
    ];
  }

  #isExempt(session: ConnectFacts): boolean {
    const { skip } = this.#terms;
    const { findings } = session;
    return (skip.includes("allowed") && isAllowed(session)) ||
      (skip.includes("dnswl") && (findings.get(DNSBL)?.score ?? 0) < 0) ||
      (skip.includes("reverse") && findings.get(REVERSE)?.status === "pass");
  }
}

const NONE: readonly Misdeed[] = [];

function points(action: MisconductAction, text: string): Action[] {
  return typeof action === "string" ? [] : [score(action.score, text)];
}

function verdict(action: MisconductAction, text: string): Verdict | undefined {
  if (action === "reject") return reject("5.5.1", text, 554);
  return action === "disconnect" ? disconnect("4.7.0", text) : undefined;
}
