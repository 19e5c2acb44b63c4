/**
 * The octets to and from a client: what is read is paused while somebody is slow, what is written waits where the client is
 * slow, and the end gives it time to hear the last reply.
 */
import type { Wire } from "../net/wire.ts";
import type { Surroundings } from "./surroundings.ts";

/** How long a client may take to hear the last reply, in milliseconds. */
const LINGER = 5_000;

export class ClientFlow {
  readonly #wire: Wire;
  readonly #around: Surroundings;
  /** The backend does not take what it is sent. */
  backendSlow = false;
  /** The client will send no more. */
  halfClosed = false;
  /** The client is gone. */
  gone = false;
  #paused = false;
  #slow = false;
  #stalledAt = 0;
  /** Set when the last reply has been sent: when to stop waiting for the client to hear it. */
  #closing: number | undefined;

  constructor(wire: Wire, around: Surroundings) {
    this.#wire = wire;
    this.#around = around;
  }

  /** The last reply has been sent. */
  get closing(): boolean {
    return this.#closing !== undefined;
  }

  get paused(): boolean {
    return this.#paused;
  }

  write(bytes: Uint8Array): void {
    if (this.gone || this.#wire.write(bytes)) return;
    this.#slow = true;
    this.#stalledAt = this.#around.now();
  }

  drained(): void {
    this.#slow = false;
  }

  /**
   * Stops or resumes reading, by who is slow.
   * @param full as much as may wait has been read
   * @returns true: it has been resumed
   */
  regulate(full: boolean): boolean {
    const pause = this.backendSlow || this.#slow || full;
    if (this.gone || pause === this.#paused) return false;
    this.#paused = pause;
    if (pause) this.#wire.pause();
    else this.#wire.resume();
    return !pause;
  }

  /** Nothing more will be sent. */
  close(): void {
    this.#closing = this.#around.now() + LINGER;
    this.#wire.close();
  }

  /**
   * Ends the connection where the client does not hear what it is told.
   * @param patience milliseconds that it may read nothing
   * @returns true: only that is waited for
   */
  tick(now: number, patience: number): boolean {
    if (this.#closing !== undefined) {
      if (now >= this.#closing) this.#wire.abort();
      return true;
    }
    if (!this.#slow) return false;
    if (now - this.#stalledAt >= patience) this.#wire.abort();
    return true;
  }
}
