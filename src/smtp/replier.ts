/**
 * The speaking side of the client-facing machine: replies on their way to the client, refusals with the session's
 * reference, what is counted against the client, and the last word when that is too much. What is said when, and what it
 * changes, is `Server`'s to decide. A base and no part of it: an idle session shall hold no object more.
 */
import type { Refusal } from "./commands.ts";
import { join } from "./octets.ts";
import { type Reply, reply } from "./reply.ts";
import type { ServerOptions } from "./server_events.ts";
import { Tally } from "./tally.ts";

const UNBLAMED = { spokeEarly: false, pipelinedEarly: false, unknownCommands: 0, refusedRecipients: 0 };

export abstract class Replier {
  /** What this side refused: how often, and the last time with which words. */
  refusals = 0;
  lastRefusal: string | undefined;
  readonly options: ServerOptions;
  protected tally: Tally;
  readonly #ref: string;
  /** Made when it is asked for: most clients give no cause. */
  #conduct: typeof UNBLAMED | undefined;
  #output: Uint8Array[] | undefined;

  constructor(options: ServerOptions, ref: string) {
    this.options = options;
    this.tally = new Tally(options.limits);
    this.#ref = ref;
  }

  /** How the client has behaved, beyond what is refused for it. */
  get conduct(): typeof UNBLAMED {
    return (this.#conduct ??= { ...UNBLAMED });
  }

  /** The bytes for the client since the last call; to be written at once, or copied. */
  output(): Uint8Array | undefined {
    const parts = this.#output;
    this.#output = undefined;
    if (parts === undefined) return undefined;
    return join(parts);
  }

  /** Ends the session with a reply of the owner's (421), whatever state it is in. */
  end(given: Reply): void {
    this.send(given);
    this.close();
  }

  /** A refusal of this session's, with its reference. */
  refusal([code, enhanced, text]: Refusal): Reply {
    this.refusals++;
    this.lastRefusal = `${code} ${text}`;
    return reply(code, enhanced, `${text} [ref ${this.#ref}]`);
  }

  /** Nothing that came before is held against whoever is the client now. */
  protected forgive(): void {
    this.tally = new Tally(this.options.limits);
    this.#conduct = undefined;
  }

  protected send(given: Reply): void {
    if (this.#output === undefined) this.#output = [given.bytes];
    else this.#output.push(given.bytes);
  }

  protected refuse(refusal: Refusal): void {
    this.send(this.refusal(refusal));
    if (refusal[0] >= 500) this.count(this.tally.error());
  }

  /** A refusal that ends the session. */
  protected fatal(refusal: Refusal): void {
    this.end(this.refusal(refusal));
  }

  /** Something was used up: past its limit the session ends. */
  protected count(refusal: Refusal | undefined): void {
    if (refusal !== undefined && !this.closed) this.fatal(refusal);
  }

  /** From now on nothing is read. */
  protected abstract close(): void;

  protected abstract get closed(): boolean;
}
