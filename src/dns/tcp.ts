/** One question to one name server over TCP, on a connection of its own (RFC 7766): for answers too large for UDP. */

import { Buffer } from "node:buffer";
import { connect, type Socket } from "node:net";
import { isReplyTo } from "./frame.ts";
import { type Failure, failure, type Query, setId } from "./query.ts";
import type { DnsServer } from "./servers.ts";

/** Octets of the length before each message (RFC 1035 §4.2.2). */
const PREFIX = 2;

/** Connections at a time: each is a descriptor, and clients need those more. */
const CONNECTIONS = 500;

/** Connections to one server. */
export class Tcp {
  readonly #server: DnsServer;
  readonly #random: () => number;
  readonly #open = new Map<Socket, (why: Failure) => void>();

  constructor(server: DnsServer, random: () => number) {
    this.#server = server;
    this.#random = random;
  }

  /** Sends a query and waits for its answer; whatever else comes is a failure. */
  ask<T>(query: Query<T>): Promise<T | Failure> {
    if (this.#open.size >= CONNECTIONS) return Promise.resolve(FULL);
    setId(query.bytes, Math.floor(this.#random() * 0x1_0000));
    return new Promise((resolve) => {
      const socket = connect({ ...this.#server, noDelay: true });
      const settle = (outcome: T | Failure) => {
        clearTimeout(timer);
        this.#open.delete(socket);
        socket.destroy();
        resolve(outcome);
      };
      const timer = setTimeout(() => settle(SILENCE), query.timeout);
      this.#open.set(socket, settle);
      const reply = new Reply();
      socket.on("connect", () => socket.write(framed(query.bytes)));
      socket.on("data", (bytes: Buffer) => {
        const message = reply.add(bytes);
        if (message !== undefined) settle(readMessage(message, query));
      });
      socket.on("error", (error) => settle(broken(error)));
      socket.on("close", () => settle(TORN));
    });
  }

  /** Fails whatever waits. */
  close(why: Failure): void {
    for (const settle of [...this.#open.values()]) settle(why);
  }
}

const SILENCE = failure("ETIMEOUT", "no answer in time over TCP");
const FULL = failure("ECONNREFUSED", `${CONNECTIONS} other questions wait over TCP`);
const TORN = failure("EBADRESP", "it closed the TCP connection before its answer was whole");
const NO_ANSWER = failure("EBADRESP", "what it sent over TCP is no answer to the question");

/** The first message of a connection; its length of two octets bounds it. */
class Reply {
  readonly #chunks: Buffer[] = [];
  #length = 0;
  #wanted = PREFIX;

  /** @returns the message once it is whole */
  add(more: Buffer): Uint8Array | undefined {
    this.#chunks.push(more);
    this.#length += more.length;
    if (this.#length < this.#wanted) return undefined;
    const bytes = Buffer.concat(this.#chunks);
    this.#wanted = PREFIX + bytes.readUInt16BE(0);
    return bytes.length < this.#wanted ? undefined : bytes.subarray(PREFIX, this.#wanted);
  }
}

function readMessage<T>(message: Uint8Array, { bytes, exact, read }: Query<T>): T | Failure {
  return (isReplyTo(message, bytes, exact) ? read(message) : undefined) ?? NO_ANSWER;
}

function framed(message: Uint8Array): Uint8Array {
  const whole = Buffer.alloc(PREFIX + message.length);
  whole.writeUInt16BE(message.length, 0);
  whole.set(message, PREFIX);
  return whole;
}

function broken(error: Error): Failure {
  const { code, message } = error as { code?: string; message: string };
  if (code === "ECONNRESET" || code === "EPIPE") return TORN;
  return failure("ECONNREFUSED", `${code ?? message} over TCP`);
}
