/**
 * What a plugin is: stage handlers that are told exactly what is known at their stage, and what its failure means.
 *
 * Whatever the client wrote (HELO name, paths, parameters) is told as it came: one character per byte, so UTF-8 is not
 * decoded (RFC 6531 allows it in all of them). `utf8Text` makes text of it; do so before comparing, changing case or
 * showing. What is plain ASCII is the same either way.
 */
import type { Address, TlsFacts } from "../net/wire.ts";
import type { Parameter } from "../smtp/parameters.ts";
import type { Path } from "../smtp/path.ts";
import type { Verdict } from "./verdict.ts";

/** Known from the first moment. */
export interface ConnectFacts {
  /** The reference that replies and logs carry. */
  readonly id: string;
  readonly client: Address;
  readonly local: Address;
}

/** Known once the client has greeted. */
export interface HeloFacts extends ConnectFacts {
  /** As the client wrote it, one character per byte. */
  readonly helo: string;
  readonly verb: "HELO" | "EHLO";
  readonly tls: TlsFacts | undefined;
}

/** Known once MAIL was given. */
export interface MailFacts extends HeloFacts {
  /** Its strings hold one character per byte. */
  readonly reversePath: Path;
  /** Of MAIL, in their order; a value holds one character per byte. */
  readonly parameters: readonly Parameter[];
}

/** Known at RCPT: the recipient in question and those already accepted. */
export interface RcptFacts extends MailFacts {
  /** Its strings hold one character per byte. */
  readonly forwardPath: Path;
  readonly accepted: readonly Path[];
}

/** Known when the recipients are complete. */
export interface DataFacts extends MailFacts {
  readonly recipients: readonly Path[];
}

/** Known when the whole message has passed. */
export interface MessageFacts extends DataFacts {
  /** Octets, as the client sent it and without dot-stuffing. */
  readonly size: number;
}

/** What each stage's handler is told. */
export interface Stages {
  connect: ConnectFacts;
  helo: HeloFacts;
  mail: MailFacts;
  rcpt: RcptFacts;
  /** Before the message. */
  data: DataFacts;
  /** Before the end of data goes to the backend. */
  message: MessageFacts;
}

/** A moment of a session at which plugins are asked. */
export type Stage = keyof Stages;

/** All stages, in the order of a session. */
export const STAGES: readonly Stage[] = ["connect", "helo", "mail", "rcpt", "data", "message"];

/** What a handler returns: a verdict, or nothing where it has no opinion. */
export type Opinion = Verdict | undefined | void;

/** What a plugin's failure (crash, time-out, nonsense) does to the mail at hand. */
export type ErrorPolicy = "pass" | "defer" | "reject";

/** All there are. */
export const ERROR_POLICIES: readonly ErrorPolicy[] = ["pass", "defer", "reject"];

/** One function a stage, for the stages that matter. `signal` fires at the deadline and when the client leaves. */
export type Handlers = {
  readonly [S in Stage]?: (facts: Stages[S], signal: AbortSignal) => Opinion | Promise<Opinion>;
};

/** A plugin as a policy lists it. */
export type Plugin = Handlers & { readonly name: string; readonly onError: ErrorPolicy };

const NAME = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;
const NAME_ALLOWED = 'lower case words with hyphens, as in "relay-domains"';

/**
 * Makes a plugin's factory. The handlers may be methods of a class: each is called on what `make` returned.
 * @param name lower case words with hyphens; logs and settings use it
 * @throws TypeError on another name
 * @example
 * const noNumbers = definePlugin("no-numbers", () => ({
 *   onError: "pass",
 *   mail: ({ reversePath }) =>
 *     /^\d+$/.test(reversePath.localPart) ? reject("5.7.1", "Senders have names here") : undefined,
 * }));
 */
export function definePlugin<Options = void>(
  name: string,
  make: (options: Options) => Handlers & { readonly onError: ErrorPolicy },
): (options: Options) => Plugin {
  if (typeof name !== "string" || !NAME.test(name)) {
    throw new TypeError(
      `Cannot define a plugin: name ${JSON.stringify(name)} was given; allowed are ${NAME_ALLOWED}`,
    );
  }
  return (options) => {
    const made = make(options);
    // A spread leaves behind what a class inherits, so the stages are taken one by one.
    const handlers = STAGES.flatMap((stage) => {
      const handler: unknown = made[stage];
      return typeof handler === "function" ? [[stage, handler.bind(made)]] : [];
    });
    return { ...made, ...Object.fromEntries(handlers), onError: made.onError, name };
  };
}

/** What is wrong with what should be a plugin: a line a mistake, with what was given and what is allowed. */
export function pluginMistakes(given: unknown): string[] {
  if (typeof given !== "object" || given === null || typeof (given as Plugin).name !== "string") {
    return ["is no plugin; plugins are made with definePlugin"];
  }
  const { name, onError, ...handlers } = given as Plugin;
  const mistakes: string[] = [];
  if (!NAME.test(name)) {
    mistakes.push(`name ${JSON.stringify(name)} was given; allowed are ${NAME_ALLOWED}`);
  }
  if (!ERROR_POLICIES.includes(onError)) {
    mistakes.push(`onError ${JSON.stringify(onError)} was given; allowed are ${ERROR_POLICIES.join(", ")}`);
  }
  for (const [stage, handler] of Object.entries(handlers)) {
    if (!(STAGES as readonly string[]).includes(stage)) {
      mistakes.push(`there is no stage ${stage}; allowed are ${STAGES.join(", ")}`);
    } else if (handler !== undefined && typeof handler !== "function") {
      mistakes.push(`${stage} ${JSON.stringify(handler)} was given; allowed is a function`);
    }
  }
  return mistakes;
}
