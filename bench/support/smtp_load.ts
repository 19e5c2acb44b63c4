/**
 * Sends messages, a connection each, with or without STARTTLS, as smtp-source would: one command
 * after the other. A process of its own, so that its CPU is nobody else's. Every handshake is a full
 * one. Prints one line of JSON.
 */
import type { Socket, TCPSocketConnectOptions } from "bun";

/** Who sends to whom. */
export interface Envelope {
  /** The address that the connection comes from, which must be this machine's; absent: any. */
  readonly client?: string;
  /** The name after EHLO. */
  readonly hello: string;
  readonly from: string;
  readonly to: string;
}

export interface LoadOrder {
  readonly port: number;
  readonly sessions: number;
  /** Sessions at the same time. */
  readonly parallel: number;
  /** Bytes of each message. */
  readonly size: number;
  /** The PEM file of the certificate that must show up after STARTTLS; absent: no TLS. */
  readonly certificate?: string;
  /** The name that the client asks for (SNI), which must be in the certificate. */
  readonly serverName?: string;
  /** Taken in turns; absent: always the same. */
  readonly envelopes?: readonly Envelope[];
  /** A refusal of MAIL or RCPT ends its session in peace, and is counted; otherwise it ends the load. */
  readonly refusals?: boolean;
}

export interface LoadReport {
  readonly seconds: number;
  /** Sessions whose message was refused, for now or for good. */
  readonly refused: number;
}

/** What is sent, and the reply that must come back before the next. */
interface Step {
  readonly send: string | Uint8Array;
  readonly reply: string;
  /** The handshake follows the reply. */
  readonly secure?: boolean;
  /** It may be refused, if the order allows that. */
  readonly judged?: boolean;
}

/** What one session says, and from where. */
interface Dialogue {
  readonly client: string | undefined;
  readonly steps: readonly Step[];
}

const order = JSON.parse(process.argv[2] ?? "{}") as LoadOrder;
const anybody = { hello: "client.example", from: "from@client.example", to: "to@bench.example" };
const text = message();
const dialogues = (order.envelopes ?? [anybody]).map(dialogue);
const begin = performance.now();
let begun = 0;
let ended = 0;
let refused = 0;

for (let lane = 0; lane < order.parallel; lane++) next();

function next(): void {
  if (begun === order.sessions) return;
  const { client, steps } = dialogues[begun % dialogues.length]!;
  begun++;
  // Bun binds to `localAddress` as node:net does, though its types do not have it (seen in 1.4.5).
  const socket: TCPSocketConnectOptions & { localAddress?: string } = {
    hostname: "127.0.0.1",
    port: order.port,
    socket: new Session(steps),
    ...(client === undefined ? {} : { localAddress: client }),
  };
  Bun.connect(socket).catch((error: Error) => fail(error.message));
}

/** One session: the handlers of its socket, before and after the handshake. */
class Session {
  readonly #steps: readonly Step[];
  #step = 0;
  #input = "";
  /** The socket that counts; after the handshake the raw one still calls, with ciphertext. */
  #socket: Socket | undefined;

  constructor(steps: readonly Step[]) {
    this.#steps = steps;
  }

  open = (socket: Socket): void => {
    this.#socket = socket;
  };
  data = (socket: Socket, bytes: Uint8Array): void => {
    if (socket !== this.#socket) return;
    this.#input += Buffer.from(bytes).toString("latin1");
    // The last line of a reply has a blank after its code.
    const reply = /(?:^|\n)(\d{3}) [^\n]*\n$/.exec(this.#input)?.[1];
    if (reply === undefined) return;
    const step = this.#steps[this.#step]!;
    const isRefused = order.refusals && step.judged && /^(4(?!21)|5)/.test(reply);
    if (reply !== step.reply && !isRefused) fail(`expected ${step.reply}, got ${this.#input.trim()}`);
    this.#input = "";
    if (isRefused) this.#leave();
    else if (step.secure) this.#secure(socket);
    else this.#advance();
  };
  handshake = (_socket: Socket, success: boolean, error: Error | null): void => {
    if (!success) fail(`no handshake: ${error?.message}`);
    this.#advance();
  };
  close = (): void => {
    if (this.#step < this.#steps.length) fail(`closed at step ${this.#step}`);
  };
  error = (_socket: Socket, error: Error): void => fail(error.message);

  #secure(socket: Socket): void {
    const [, secure] = socket.upgradeTLS({
      data: undefined,
      tls: {
        ca: order.certificate && Bun.file(order.certificate),
        ...(order.serverName === undefined ? {} : { serverName: order.serverName }),
      },
      socket: this,
    });
    this.#socket = secure;
  }

  /** Says QUIT, the last step. */
  #leave(): void {
    refused++;
    this.#step = this.#steps.length - 2;
    this.#advance();
  }

  #advance(): void {
    const step = this.#steps[++this.#step];
    if (step !== undefined) return this.#write(step.send);
    this.#socket?.end();
    ended++;
    if (ended < order.sessions) return next();
    const report: LoadReport = { seconds: (performance.now() - begin) / 1000, refused };
    console.log(JSON.stringify(report));
    process.exit(0);
  }

  #write(bytes: string | Uint8Array): void {
    const taken = this.#socket?.write(bytes) ?? 0;
    if (taken < bytes.length) fail(`the socket took ${taken} of ${bytes.length} bytes`);
  }
}

function dialogue({ client, hello: name, from, to }: Envelope): Dialogue {
  const hello = { send: `EHLO ${name}\r\n`, reply: "250" };
  const secured = [{ send: "STARTTLS\r\n", reply: "220", secure: true }, hello];
  const steps = [
    { send: "", reply: "220" },
    hello,
    ...(order.certificate ? secured : []),
    { send: `MAIL FROM:<${from}>\r\n`, reply: "250", judged: true },
    { send: `RCPT TO:<${to}>\r\n`, reply: "250", judged: true },
    { send: "DATA\r\n", reply: "354" },
    { send: text, reply: "250" },
    { send: "QUIT\r\n", reply: "221" },
  ];
  return { client, steps };
}

function message(): Uint8Array {
  const header = "From: <from@client.example>\r\nTo: <to@bench.example>\r\n" +
    "Date: Mon, 01 Jan 2024 00:00:00 +0000\r\nMessage-Id: <1@client.example>\r\n\r\n";
  const line = `${"X".repeat(78)}\r\n`;
  return Buffer.from(`${header}${line.repeat(Math.ceil(order.size / line.length))}.\r\n`);
}

function fail(why: string): never {
  console.error(why);
  process.exit(1);
}
