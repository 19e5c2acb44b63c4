/**
 * The order in which an owner is told things, the same for every runtime: bytes, then `end`, then
 * `close` once. What arrives during `pause` waits here, so that a runtime which lets a last chunk
 * through (Bun does on a reset, node:net may) cannot surprise a caller who asked for silence.
 */

import type { Address, TlsClientOptions, TlsFacts, TlsService, Wire, WireOwner } from "./wire.ts";

/** Owner of a wire that has none yet. */
export const nobody: WireOwner = { data() {}, drain() {}, end() {}, close() {} };

/** What the adapters' wires have in common. */
export abstract class OrderedWire implements Wire {
  owner: WireOwner = nobody;
  tls: TlsFacts | undefined = undefined;
  abstract readonly remote: Address;
  abstract readonly local: Address;
  abstract readonly queued: number;

  /** The owner asked for silence. */
  protected paused = false;
  /** Nothing that still arrives is for the owner: the wire is closing or in a handshake. */
  protected deaf = false;
  /** The peer's FIN has been seen. */
  protected peerEnded = false;
  /** `close` has been told or is about to be. */
  protected over = false;
  /** What arrived during `pause`; defined (maybe empty) while anything, even only `end`, waits its turn. */
  #held: Uint8Array[] | undefined = undefined;
  #closeHeld = false;

  abstract write(bytes: Uint8Array): boolean;
  abstract end(): void;
  abstract close(): void;
  abstract abort(): void;
  abstract secure(service: TlsService, done: (facts: TlsFacts) => void, early?: Uint8Array): void;
  abstract secureAsClient(options: TlsClientOptions, done: (facts: TlsFacts) => void): void;
  /** Tells the runtime to stop, or go on, reading. */
  protected abstract setReading(on: boolean): void;

  pause(): void {
    if (this.paused) return;
    this.paused = true;
    if (!this.deaf) this.setReading(false);
  }

  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    if (!this.deaf) this.setReading(true);
    if (this.#held !== undefined) queueMicrotask(() => this.#deliverHeld());
  }

  /** Bytes came (told by the adapter). */
  received(bytes: Uint8Array): void {
    if (this.deaf) return;
    if (this.paused || this.#held !== undefined) (this.#held ??= []).push(bytes.slice());
    else this.owner.data(bytes);
  }

  /** FIN came (told by the adapter). */
  receivedEnd(): void {
    if (this.peerEnded) return;
    this.peerEnded = true;
    if (this.deaf) return;
    if (this.paused) this.#held ??= [];
    else if (this.#held === undefined) this.owner.end();
  }

  /** Forgets what waits and delivers nothing more. */
  protected deafen(): void {
    this.deaf = true;
    this.#held = undefined;
  }

  /**
   * The socket is gone. An orderly end waits until held bytes are delivered, an error does not.
   * Always told from a microtask: runtimes call back from inside `terminate()` and the like, an owner must not be.
   */
  finished(error: Error | undefined): void {
    if (this.over) return;
    if (error === undefined && this.#held !== undefined) {
      this.#closeHeld = true;
      return;
    }
    this.over = true;
    this.deafen();
    queueMicrotask(() => this.owner.close(error));
  }

  #deliverHeld(): void {
    while (!this.paused && this.#held !== undefined) {
      const bytes = this.#held.shift();
      if (bytes !== undefined) {
        this.owner.data(bytes);
        continue;
      }
      this.#held = undefined;
      if (this.peerEnded) this.owner.end();
      if (this.#closeHeld) this.finished(undefined);
    }
  }
}
