/**
 * What a `Server` and its owner say to each other, and what it is made with.
 */
import type { Command } from "./commands.ts";
import type { IntakeEvent, IntakeOptions } from "./intake.ts";

/** What the owner is asked or told. Those marked * wait for `answer`. */
export type ServerEvent =
  /** *helo, *mail, *rcpt, *data (354 = go on), *chunk (`takeChunk` = go on), *starttls, *xclient (2yz = the session starts
   *  anew), *ask; rset is only told. */
  | Exclude<Command, { kind: "noop" | "quit" | "help" }>
  /** body and fault are told; *chunk end; *end, the end of data, which waits for this answer. */
  | Exclude<IntakeEvent, { kind: "swallowed" }>
  /** The session is over once `output` is sent. */
  | { readonly kind: "close" };

/** What all machines of an owner have in common. */
export interface ServerOptions extends IntakeOptions {
  /** VRFY, EXPN, ETRN that the owner wants to be asked about instead of the fixed answer. */
  readonly relay: ReadonlySet<string>;
}

/** What one machine is made with besides. */
export interface ServerTerms {
  /** The reference that refusals carry. */
  readonly ref: string;
  /** XCLIENT is taken. */
  readonly xclient?: boolean;
  /** Before TLS only greetings are taken. */
  readonly tlsRequired?: boolean;
}
