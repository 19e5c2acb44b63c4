/**
 * What a plugin is: stage handlers that are told exactly what is known at their stage, and what its failure means.
 */
import type { Address, TlsFacts } from "../net/wire.ts";
import type { Parameter } from "../smtp/parameters.ts";
import type { Path } from "../smtp/path.ts";
import type { Verdict } from "./verdict.ts";

/** Known from the first moment. */
export interface Connected {
  /** The reference that replies and logs carry. */
  readonly id: string;
  readonly client: Address;
  readonly local: Address;
}

/** Known once the client has greeted. */
export interface Greeted extends Connected {
  readonly helo: string;
  readonly verb: "HELO" | "EHLO";
  readonly tls: TlsFacts | undefined;
}

/** Known once MAIL was given. */
export interface Sending extends Greeted {
  readonly reversePath: Path;
  readonly parameters: readonly Parameter[];
}

/** Known at RCPT: the recipient in question and those already accepted. */
export interface Addressed extends Sending {
  readonly forwardPath: Path;
  readonly accepted: readonly Path[];
}

/** Known when the recipients are complete. */
export interface Complete extends Sending {
  readonly recipients: readonly Path[];
}

/** Known when the whole message has passed. */
export interface Read extends Complete {
  /** Octets, as the client sent it and without dot-stuffing. */
  readonly size: number;
}

/** What each stage's handler is told. */
export interface Stages {
  connect: Connected;
  helo: Greeted;
  mail: Sending;
  rcpt: Addressed;
  /** Before the message. */
  data: Complete;
  /** Before the end of data goes to the backend. */
  message: Read;
}

export type Stage = keyof Stages;
export type Opinion = Verdict | undefined | void;

/** What a plugin's failure (crash, time-out, nonsense) does to the mail at hand. */
export type ErrorPolicy = "pass" | "defer" | "reject";

export type Handlers = {
  readonly [S in Stage]?: (facts: Stages[S], signal: AbortSignal) => Opinion | Promise<Opinion>;
};

/** A plugin as a policy lists it. */
export type Plugin = Handlers & { readonly name: string; readonly onError: ErrorPolicy };

/**
 * Makes a plugin's factory.
 * @param name lower case words with hyphens; logs and settings use it
 */
export function definePlugin<Options = void>(
  name: string,
  make: (options: Options) => Handlers & { readonly onError: ErrorPolicy },
): (options: Options) => Plugin {
  return (options) => ({ ...make(options), name });
}
