/**
 * The stages of a session, and what is known at each: exactly that, so what is not known yet does not type-check.
 *
 * Whatever the client wrote (HELO name, paths, parameters, lines) is told as it came: one character per byte, so UTF-8 is not
 * decoded (RFC 6531 allows it in all of them). `utf8Text` makes text of it; do so before comparing, changing case or
 * showing. What is plain ASCII is the same either way.
 */
import type { Address, TlsFacts } from "../net/wire.ts";
import type { Parameter } from "../smtp/parameters.ts";
import type { Path } from "../smtp/path.ts";
import type { Findings } from "./finding.ts";

/** Known from the first moment. */
export interface ConnectFacts {
  /** The reference that replies and logs carry. */
  readonly id: string;
  /** IPv4-mapped IPv6 is given as IPv4. */
  readonly client: Address;
  /**
   * The client is a trusted host (setting `trusted`) that speaks for itself, or for someone whose address it does not
   * tell. Plugins with `judges: "client"` are not asked about it.
   */
  readonly trusted: boolean;
  /**
   * The address of the trusted host that spoke for the client, by a PROXY header or XCLIENT; undefined where the client's
   * own connection is all that is known of it. `client` and `local` are then what it told, where it told them.
   */
  readonly via: string | undefined;
  readonly local: Address;
  /** The listener, as the settings name it: `"0.0.0.0:25"`. */
  readonly listener: string;
  /** Our own name. */
  readonly hostname: string;
  /** What earlier plugins have found out. */
  readonly findings: Findings;
}

/** How the client has behaved so far. */
export interface Conduct {
  /** It spoke before it was greeted. */
  readonly spokeEarly: boolean;
  /** It sent commands ahead before PIPELINING was offered (RFC 2920 §3.1). */
  readonly pipelinedEarly: boolean;
  /** Lines that were no SMTP command at all. */
  readonly unknownCommands: number;
  /** Recipients answered 5yz, by whomever. */
  readonly refusedRecipients: number;
}

/** Known once the client has greeted. */
export interface HeloFacts extends ConnectFacts {
  /** As the client wrote it, one character per byte. */
  readonly helo: string;
  readonly verb: "HELO" | "EHLO";
  readonly tls: TlsFacts | undefined;
  readonly conduct: Conduct;
}

/** Known once MAIL was given. */
export interface MailFacts extends HeloFacts {
  /** Who the client has authenticated as, one character per byte. */
  readonly user: string | undefined;
  /** Its strings hold one character per byte. */
  readonly reversePath: Path;
  /** Of MAIL, in their order; a value holds one character per byte. */
  readonly parameters: readonly Parameter[];
  /** The whole command line as the client wrote it, without CRLF, one character per byte. */
  readonly mailLine: string;
}

/** Known at RCPT: the recipient in question and those already accepted. */
export interface RcptFacts extends MailFacts {
  /** Its strings hold one character per byte. */
  readonly forwardPath: Path;
  /** The whole command line, as `mailLine`. */
  readonly rcptLine: string;
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

/** What is known at some stage, and undefined before: what the test of a `when` is told. */
export type Known =
  & ConnectFacts
  & Partial<Omit<RcptFacts, keyof ConnectFacts>>
  & Partial<Omit<MessageFacts, keyof MailFacts>>;
