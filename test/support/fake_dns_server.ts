/**
 * A name server that does what a test says, over UDP and TCP on one port of loopback. Its messages are made by
 * dns-packet and may then be bent.
 */
import { Buffer } from "node:buffer";
import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { type Answer, decode, encode, type RecordType } from "dns-packet";

/** What a reply holds besides the query's id and question. */
export interface ReplyParts {
  readonly rcode?: number;
  readonly answers?: readonly Answer[];
  readonly authorities?: readonly Answer[];
  readonly additionals?: readonly Answer[];
  readonly truncated?: boolean;
  /** False for a server that looks nothing up. */
  readonly recursive?: boolean;
  readonly authoritative?: boolean;
}

/** One query that came. */
export class Asked {
  readonly name: string;
  readonly type: RecordType;
  readonly bytes: Buffer;
  readonly over: "udp" | "tcp";
  /** The port it came from. */
  readonly port: number;
  /** Sends a message back as it is; with its length before it over TCP. */
  readonly send: (message: Uint8Array) => void;
  /** The connection, over TCP. */
  readonly connection: Socket | undefined;

  constructor(bytes: Buffer, port: number, send: (message: Uint8Array) => void, connection?: Socket) {
    const [question] = decode(bytes).questions ?? [];
    this.name = question?.name ?? "";
    this.type = question?.type ?? "A";
    this.bytes = bytes;
    this.over = connection === undefined ? "udp" : "tcp";
    this.port = port;
    this.send = send;
    this.connection = connection;
  }

  get id(): number {
    return this.bytes.readUInt16BE(0);
  }

  get edns(): boolean {
    return (decode(this.bytes).additionals ?? []).some(({ type }) => type === "OPT");
  }

  /** A reply as bytes. */
  message(parts: ReplyParts = {}): Buffer {
    const { rcode = 0, truncated = false, recursive = true, authoritative = false } = parts;
    const bits = [[0x100, true], [0x80, recursive], [0x200, truncated], [0x400, authoritative]] as const;
    return encode({
      type: "response",
      id: this.id,
      flags: bits.reduce((flags, [bit, on]) => on ? flags | bit : flags, rcode),
      questions: [{ name: this.name, type: this.type }],
      answers: [...parts.answers ?? []],
      authorities: [...parts.authorities ?? []],
      additionals: [...parts.additionals ?? []],
    });
  }

  reply(parts?: ReplyParts): void {
    this.send(this.message(parts));
  }

  /** Answers with one A record. */
  address(data: string, ttl = 300): void {
    this.reply({ answers: [{ name: this.name, type: "A", ttl, data }] });
  }
}

export class FakeDnsServer {
  /** What is done with a query; nothing at first. */
  script: (asked: Asked) => void = () => {};
  readonly asked: Asked[] = [];
  readonly #udp: UdpSocket;
  readonly #tcp: Server;
  readonly #connections = new Set<Socket>();
  #waiting: { readonly count: number; readonly resolve: () => void }[] = [];

  private constructor(udp: UdpSocket, tcp: Server) {
    this.#udp = udp;
    this.#tcp = tcp;
    udp.on("message", (bytes, from) => {
      const send = (message: Uint8Array) => udp.send(message, from.port, from.address);
      this.#heard(new Asked(Buffer.from(bytes), from.port, send));
    });
    tcp.on("connection", (socket: Socket) => this.#accepted(socket));
  }

  static async start(script?: (asked: Asked) => void, host = "127.0.0.1"): Promise<FakeDnsServer> {
    for (;;) {
      const tcp = createServer();
      await new Promise<void>((resolve) => tcp.listen(0, host, resolve));
      const udp = createSocket(host.includes(":") ? "udp6" : "udp4");
      const bound = await new Promise<boolean>((resolve) => {
        udp.once("error", () => resolve(false));
        udp.bind((tcp.address() as AddressInfo).port, host, () => resolve(true));
      });
      if (!bound) {
        tcp.close();
        continue;
      }
      const server = new FakeDnsServer(udp, tcp);
      if (script !== undefined) server.script = script;
      return server;
    }
  }

  get port(): number {
    return (this.#tcp.address() as AddressInfo).port;
  }

  /** As the resolver takes it. */
  get server(): { readonly host: string; readonly port: number } {
    return { host: (this.#tcp.address() as AddressInfo).address, port: this.port };
  }

  /** Resolves when so many queries have come in all. */
  queries(count: number): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push({ count, resolve });
      this.#wake();
    });
  }

  /** Resolves when no connection is open. */
  idle(): Promise<void> {
    if (this.#connections.size === 0) return Promise.resolve();
    return Promise.all(
      [...this.#connections].map((each) => new Promise((resolve) => each.on("close", resolve))),
    )
      .then(() => this.idle());
  }

  async stop(): Promise<void> {
    for (const socket of this.#connections) socket.destroy();
    this.#udp.close();
    await new Promise<void>((resolve) => this.#tcp.close(() => resolve()));
  }

  #heard(asked: Asked): void {
    this.asked.push(asked);
    this.script(asked);
    this.#wake();
  }

  #wake(): void {
    const ready = this.#waiting.filter(({ count }) => count <= this.asked.length);
    this.#waiting = this.#waiting.filter((each) => !ready.includes(each));
    for (const { resolve } of ready) resolve();
  }

  #accepted(socket: Socket): void {
    let bytes = Buffer.alloc(0);
    this.#connections.add(socket);
    socket.on("close", () => this.#connections.delete(socket));
    socket.on("error", () => {});
    socket.on("data", (more: Buffer) => {
      bytes = Buffer.concat([bytes, more]);
      if (bytes.length < 2 || bytes.length < 2 + bytes.readUInt16BE(0)) return;
      const query = bytes.subarray(2, 2 + bytes.readUInt16BE(0));
      const send = (message: Uint8Array) => void socket.write(framed(message));
      this.#heard(new Asked(query, socket.remotePort ?? 0, send, socket));
    });
  }
}

/** A message with its length before it. */
export function framed(message: Uint8Array): Uint8Array {
  return Uint8Array.of(message.length >> 8, message.length & 255, ...message);
}

/** A port of loopback that nothing listens on. */
export async function closedPort(): Promise<number> {
  const server = await FakeDnsServer.start();
  const { port } = server;
  await server.stop();
  return port;
}
