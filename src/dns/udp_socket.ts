/**
 * One UDP socket to one name server, for many questions at a time. An answer counts only if it comes from that server
 * and bears the id of a question that waits; whether it is the answer is for the question to say.
 */

import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { plainAddress } from "./address.ts";
import { type Failure, failure } from "./query.ts";
import type { DnsServer } from "./servers.ts";

/** A question that waits. */
export interface Waiting {
  /** A message with its id came from the server. */
  received(reply: Uint8Array): void;
  /** There will be none. */
  failed(why: Failure): void;
}

export class UdpSocket {
  readonly #server: DnsServer;
  /** The server's address as answers bear it. */
  readonly #source: string;
  readonly #closed: (socket: UdpSocket) => void;
  readonly #socket: Socket;
  readonly #waiting = new Map<number, Waiting>();
  /** Messages that wait for the socket to be connected. */
  #unsent: Uint8Array[] | undefined = [];
  #retired = false;
  #over = false;

  /** @param closed told once, when nothing waits here and nothing ever will */
  constructor(server: DnsServer, closed: (socket: UdpSocket) => void) {
    this.#server = server;
    this.#source = plainAddress(server.host);
    this.#closed = closed;
    this.#socket = createSocket(server.host.includes(":") ? "udp6" : "udp4");
    this.#socket.on("message", (bytes, from) => this.#received(bytes, from));
    // The kernel tells a connected socket that the server's port is closed; Deno does not pass it on.
    this.#socket.on("error", (error) => this.#broken(error));
    // A question has a timer, which keeps the process running; an idle socket must not.
    this.#socket.unref();
    this.#connect();
  }

  get retired(): boolean {
    return this.#retired;
  }

  has(id: number): boolean {
    return this.#waiting.has(id);
  }

  /** Sends a message with this id, and waits until `forget`. */
  send(id: number, message: Uint8Array, waiting: Waiting): void {
    this.#waiting.set(id, waiting);
    if (this.#unsent === undefined) this.#transmit(message);
    else this.#unsent.push(message);
  }

  forget(id: number): void {
    this.#waiting.delete(id);
    if (this.#retired) this.#closeIfIdle();
  }

  /** Takes no more questions, and closes when none waits. */
  retire(): void {
    this.#retired = true;
    this.#closeIfIdle();
  }

  /** Fails all that wait, and closes. */
  fail(why: Failure): void {
    this.#retired = true;
    for (const waiting of [...this.#waiting.values()]) waiting.failed(why);
    this.#waiting.clear();
    this.#closeIfIdle();
  }

  #connect(): void {
    // On Bun an address that cannot be reached comes as an argument, not as an event.
    const connected = (error?: Error) => error ? this.#broken(error) : this.#connected();
    try {
      this.#socket.connect(this.#server.port, this.#server.host, connected as () => void);
    } catch (error) {
      queueMicrotask(() => this.#broken(error as Error));
    }
  }

  #connected(): void {
    const unsent = this.#unsent ?? [];
    this.#unsent = undefined;
    for (const message of unsent) this.#transmit(message);
  }

  #transmit(message: Uint8Array): void {
    if (this.#over) return;
    try {
      this.#socket.send(message, (error) => error && this.#broken(error));
    } catch (error) {
      this.#broken(error as Error);
    }
  }

  #received(bytes: Uint8Array, from: RemoteInfo): void {
    // A connected socket hears its peer only, but Deno's is connected in name, not in the kernel.
    if (from.port !== this.#server.port || plainAddress(from.address) !== this.#source) return;
    if (bytes.length >= 2) this.#waiting.get(bytes[0]! << 8 | bytes[1]!)?.received(bytes);
  }

  #broken(error: Error): void {
    const { code, message } = error as { code?: string; message: string };
    this.fail(failure("ECONNREFUSED", code ?? message));
  }

  #closeIfIdle(): void {
    if (this.#over || this.#waiting.size > 0) return;
    this.#over = true;
    try {
      this.#socket.close();
    } catch {
      // It never got as far as being open.
    }
    this.#closed(this);
  }
}
