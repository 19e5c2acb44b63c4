/**
 * The client's end of a session: octets become events of the server machine, and what the machine says goes back. It
 * reads as far as can be read, sends what came of it, and stops reading while somebody is slow. What an event means, the
 * session says, which extends this: an object of its own would be one more for each idle session.
 */
import type { Wire, WireOwner } from "../net/wire.ts";
import { latin1, type Reply } from "../smtp/reply.ts";
import { Server, type ServerEvent, type ServerTerms } from "../smtp/server.ts";
import { ClientFlow } from "./client_flow.ts";
import { headerBegins } from "./signature.ts";
import type { Surroundings } from "./surroundings.ts";

export abstract class Conversation implements WireOwner {
  protected readonly wire: Wire;
  protected readonly around: Surroundings;
  protected readonly server: Server;
  protected readonly flow: ClientFlow;
  /** The event that waits for its answer. */
  event: ServerEvent | undefined;
  /** Something has come from the client. */
  #heard = false;
  #pumping = false;

  constructor(wire: Wire, around: Surroundings, terms: ServerTerms) {
    this.wire = wire;
    this.around = around;
    this.flow = new ClientFlow(wire, around);
    this.server = new Server(around, terms);
  }

  // ---- what the session makes of it ----

  /** Takes an event of the machine. */
  protected abstract handle(event: ServerEvent): void;

  /** The first that the client has sent is a PROXY header. */
  protected abstract strayHeader(): void;

  /** The client has spoken before it was greeted. */
  protected abstract interrupted(): void;

  /** A transaction is under way. */
  protected abstract get carrying(): boolean;

  /** Sends the backend what came of the events; false: it reads too slowly. */
  protected abstract passOn(): boolean;

  /** What the client has begun comes to nothing, unless its end is with the backend already. */
  protected abstract lose(): void;

  /** The client is gone. */
  abstract close(error: Error | undefined): void;

  /** A fault of the program's own: it costs this session and no other. */
  abstract broken(cause: unknown): void;

  // ---- the wire's side ----

  data(bytes: Uint8Array): void {
    if (this.flow.closing) return;
    if (!this.#heard) {
      this.#heard = true;
      if (headerBegins(bytes) === "yes") return this.strayHeader();
    }
    this.server.receive(bytes, this.around.now());
    if (!this.server.greeted) this.interrupted();
    this.pump();
    this.server.keep();
  }

  drain(): void {
    this.flow.drained();
    this.#regulate();
  }

  end(): void {
    this.flow.halfClosed = true;
    if (this.flow.closing) return this.wire.close();
    this.pump();
  }

  // ---- the machine's side ----

  /** Reads as far as can be read now, then sends what came of it. */
  protected pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    try {
      this.#handleAll();
      if (this.flow.gone) return;
      this.flow.backendSlow = !this.passOn();
      if (this.around.draining() && this.#idle()) {
        this.server.end(this.refusal(421, "3.2", "This server is shutting down, try again later"));
        this.#handleAll();
      }
      this.flush();
      if (this.flow.halfClosed) this.#afterHalfClose();
      this.#regulate();
    } catch (cause) {
      this.broken(cause);
    } finally {
      this.#pumping = false;
    }
  }

  #handleAll(): void {
    for (let event = this.server.next(); event !== undefined; event = this.server.next()) {
      this.handle(event);
    }
  }

  /** Nothing is lost if the session ends now. */
  #idle(): boolean {
    return !this.carrying && this.event === undefined && !this.flow.closing && !this.server.handshaking;
  }

  protected flush(): void {
    const bytes = this.server.output();
    if (bytes !== undefined) this.flow.write(bytes);
  }

  /** Stops or resumes reading from the client, by who is slow. */
  #regulate(): void {
    const waits = this.event !== undefined || !this.server.greeted;
    const full = waits && this.server.buffered > this.around.limits.inputBuffer;
    if (this.flow.regulate(full)) this.server.resumed(this.around.now());
  }

  /** The client has said all it will say: when all of it is answered, so are we. */
  #afterHalfClose(): void {
    if (this.flow.closing || this.event !== undefined || !this.server.greeted) return;
    this.lose();
    this.flow.close();
  }

  // ---- the session's side ----

  protected greet(greeting: Reply): void {
    // It may have been drained meanwhile.
    if (this.flow.closing) return;
    this.server.greet(greeting, this.around.now());
    this.pump();
  }

  /** A last reply, and out. */
  protected expel(given: Reply): void {
    this.event = undefined;
    this.server.end(given);
    this.pump();
  }

  /** Ends the session, at once if it carries no transaction, otherwise as soon as that is over. */
  retire(): void {
    this.pump();
  }

  /** Ends the session whatever it does. */
  destroy(): void {
    this.wire.abort();
  }

  /** A refusal in the session's own words. */
  refusal(code: number, enhanced: string, text: string): Reply {
    return this.server.refusal([code, enhanced, text]);
  }

  /** The chunk that was announced may come. */
  chunkWanted(): void {
    this.event = undefined;
    this.server.takeChunk(this.around.now());
    this.pump();
  }

  /** The backend reads again. */
  backendReady(): void {
    this.flow.backendSlow = false;
    if (!this.#pumping) this.#regulate();
  }

  // ---- for those who judge ----

  get spokeEarly(): boolean {
    return this.server.conduct.spokeEarly;
  }

  get greeted(): boolean {
    return this.server.greeted;
  }

  tease(line: string): void {
    if (this.server.greeted) return;
    this.wire.write(latin1(`220-${line}\r\n`));
  }

  later(work: () => void): void {
    if (this.flow.gone) return;
    try {
      work();
      this.pump();
    } catch (cause) {
      this.broken(cause);
    }
  }
}
