/**
 * The commands of one envelope on their way to a backend: which are to come, which are in flight, and what their replies
 * mean. Some repeat what the client was answered long ago (another backend is told the envelope again), one is what the
 * client asks now, and some are recipients that it has sent ahead and will ask for next.
 *
 * A backend that replies once too often would lend one recipient the answer to another. Among commands sent one at a
 * time it is caught at it, since a reply that came before its command is nobody's. Among several it is caught when
 * they are all answered and something is left unread (`several`); and if that comes later still, at DATA, whose 354 is no
 * answer to anything else.
 */
import type { Connection } from "../backend/connection.ts";
import type { Step } from "../smtp/client.ts";
import type { Reply } from "../smtp/reply.ts";
import { type RcptCommand, rcptLine } from "./envelope.ts";

type Verb = Extract<Step, "xforward" | "mail" | "rcpt">;

/** A command. `told`: the client has had its answer already. `ahead`: the client has sent it, but is not heard with it yet. */
interface Line {
  readonly step: Verb;
  readonly line: string;
  readonly told: boolean;
  readonly ahead?: RcptCommand;
}

/** What the backend has said to a recipient who will be asked for. */
interface Foretold {
  readonly line: string;
  readonly reply: Reply;
}

export class EnvelopeScript {
  readonly #toCome: Line[] = [];
  readonly #inFlight: Line[] = [];
  /** How many went out in the last write, and whether on this connection it ever was several. */
  #group = 0;
  #ahead = false;
  /** The reply to what is asked, while others of its group are awaited. */
  #due: Reply | undefined;
  /** Answers that were got ahead, in order. */
  readonly #foretold: Foretold[] = [];
  /** The refusal of a command that the client believes accepted. */
  #spoilt: Reply | undefined;

  // ---- what to say ----

  /** A command that the client was answered already. */
  repeat(step: Verb, line: string): void {
    this.#toCome.push({ step, line, told: true });
  }

  /** The command that the client waits for. */
  ask(step: Verb, line: string): void {
    this.#toCome.push({ step, line, told: false });
  }

  /** A recipient that the client will ask for next. */
  askAhead(rcpt: RcptCommand): void {
    this.#toCome.push({ step: "rcpt", line: rcptLine(rcpt), told: false, ahead: rcpt });
  }

  /**
   * Sends what is to come in one write, or one command of it.
   * @returns false where nothing is to come
   */
  play(connection: Connection, together: boolean): boolean {
    const group = this.#toCome.splice(0, together ? this.#toCome.length : 1);
    this.#group = group.length;
    if (group.length === 0) return false;
    if (group.length > 1) this.#ahead = true;
    for (const line of group) {
      this.#inFlight.push(line);
      connection.send(line.step, line.line);
    }
    connection.flush();
    return true;
  }

  // ---- what was said to it ----

  /**
   * Takes the reply to the oldest command in flight.
   * @returns false while others of its group are awaited: the client hears when all are answered
   */
  replied(reply: Reply): boolean {
    const { step, line, told, ahead } = this.#inFlight.shift()!;
    if (ahead !== undefined) this.#foretold.push({ line, reply });
    else if (!told) this.#due = reply;
    // What XFORWARD says is for the backend's log alone.
    else if (reply.code >= 300 && step !== "xforward") this.#spoil(reply);
    return this.#inFlight.length === 0;
  }

  #spoil(refusal: Reply): void {
    this.#toCome.length = 0;
    this.#spoilt ??= refusal;
  }

  /** The last write held several commands. */
  get several(): boolean {
    return this.#group > 1;
  }

  /** Some write on this connection held several commands. */
  get ahead(): boolean {
    return this.#ahead;
  }

  /** The reply to what is asked, once; undefined where nothing was, or where the envelope is spoilt. */
  takeDue(): Reply | undefined {
    const due = this.#due;
    this.#due = undefined;
    if (this.#spoilt === undefined) return due;
    this.#foretold.length = 0;
    return undefined;
  }

  /** The refusal of a command that the client believes accepted, once: the envelope could not be repeated. */
  takeSpoilt(): Reply | undefined {
    const spoilt = this.#spoilt;
    this.#spoilt = undefined;
    return spoilt;
  }

  /** What was said to this recipient ahead, once, if it is his turn. */
  takeForetold(rcpt: RcptCommand): Reply | undefined {
    const first = this.#foretold[0];
    if (first === undefined || first.line !== rcptLine(rcpt)) return undefined;
    this.#foretold.shift();
    return first.reply;
  }

  /** The backend has recipients that nobody has asked for. */
  get unclaimed(): boolean {
    return this.#foretold.length > 0;
  }

  // ---- connections come and go ----

  /** Another connection: nothing was said on it. */
  begin(): void {
    this.#ahead = false;
  }

  /** What was got ahead holds no more: its connection is given back. */
  disown(): void {
    this.#foretold.length = 0;
  }

  /** The connection is lost, and with it all that was under way. */
  drop(): void {
    this.#toCome.length = this.#inFlight.length = this.#foretold.length = 0;
    this.#due = undefined;
  }
}
