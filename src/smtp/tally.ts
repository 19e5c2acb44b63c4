/**
 * What one session has used up, against its limits.
 */
import type { Refusal } from "./commands.ts";
import type { Limits } from "./limits.ts";
import type { ServerEvent } from "./server_events.ts";

/** Each method counts one, and answers the refusal that is due then, if any. Those of code 421 end the session. */
export class Tally {
  readonly #limits: Limits;
  #errors = 0;
  #refused = 0;
  #idle = 0;
  #messages = 0;
  #recipients = 0;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /** An event got its answer. An empty chunk moves as little mail as a question does. */
  answered(event: ServerEvent["kind"] | undefined, code: number, emptyChunk: boolean): Refusal | undefined {
    if (code < 400) {
      const idle = event === "ask" || (event === "chunk end" && emptyChunk);
      return idle ? this.idleCommand() : undefined;
    }
    if (event === "end") return undefined;
    return event === "rcpt" ? this.#refusedRecipient() : this.error();
  }

  /** A command was answered 4yz or 5yz. */
  error(): Refusal | undefined {
    return ++this.#errors >= this.#limits.errors ? [421, "7.0", "Too many errors"] : undefined;
  }

  #refusedRecipient(): Refusal | undefined {
    return ++this.#refused >= this.#limits.refusedRecipients
      ? [421, "7.0", "Too many unknown recipients"]
      : undefined;
  }

  /** A command came that moves no mail. */
  idleCommand(): Refusal | undefined {
    return ++this.#idle > this.#limits.idleCommands
      ? [421, "7.0", "Too many commands and no mail"]
      : undefined;
  }

  /** MAIL came. */
  transaction(): Refusal | undefined {
    this.#recipients = 0;
    return this.#messages >= this.#limits.messages
      ? [421, "7.0", "Too many messages in one session"]
      : undefined;
  }

  /** RCPT came. */
  recipient(): Refusal | undefined {
    return this.#recipients >= this.#limits.recipients ? [452, "5.3", "Too many recipients"] : undefined;
  }

  /** How many recipients more could be asked about, whatever becomes of them, before a limit is met. */
  get recipientsLeft(): number {
    const { recipients, refusedRecipients } = this.#limits;
    return Math.min(recipients - this.#recipients, refusedRecipients - this.#refused);
  }

  /** RCPT was accepted. */
  acceptedRecipient(): void {
    this.#recipients++;
  }

  /** A message was read to its end. */
  message(): void {
    this.#messages++;
    this.#idle = 0;
  }
}
