// The soak's backend, a process of its own that is made to be killed: `bun live_soak_sink.ts PORT FILE`.
// A message is a line in FILE before its 250 is written: `R ID SIZE SHA1 PROXY-ID`, then, after its 250, `A ID`.
// A killed process leaves what it has written to the kernel, so FILE knows every message that may have been acknowledged.
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { openSync, writeSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import process from "node:process";

const [port, file] = [Number(process.argv[2]), openSync(process.argv[3]!, "a")];
const END = Buffer.from("\r\n.\r\n");
const EHLO =
  "250-sink\r\n250-PIPELINING\r\n250-SIZE 20000000\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n250 CHUNKING\r\n";
const chance = (percent: number) => Math.random() * 100 < percent;

class Connection {
  readonly #socket: Socket;
  /** What has come and is not read yet. */
  #parts: Buffer[] = [];
  #size = 0;
  #state: "commands" | "data" | "chunk" | "busy" = "commands";
  #message: Buffer[] = [];
  #wanted = 0;
  #last = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (bytes: Buffer) => {
      this.#parts.push(bytes);
      this.#size += bytes.length;
      this.#read();
    });
    // The proxy leaves as it likes.
    socket.on("error", () => socket.destroy());
    this.#say("220 sink ESMTP");
  }

  #say(reply: string): void {
    this.#socket.write(`${reply}\r\n`);
  }

  #read(): void {
    for (;;) {
      if (this.#state === "busy") return;
      if (this.#state === "data" && !this.#dotted()) return;
      if (this.#state === "chunk" && !this.#chunk()) return;
      if (this.#state === "commands" && !this.#command()) return;
    }
  }

  #all(): Buffer {
    if (this.#parts.length !== 1) this.#parts = [Buffer.concat(this.#parts)];
    return this.#parts[0]!;
  }

  #keep(rest: Buffer): void {
    this.#parts = rest.length === 0 ? [] : [rest];
    this.#size = rest.length;
  }

  /** The proxy sends nothing behind the dot before its reply, so the end of data ends a read. */
  #dotted(): boolean {
    const tail = Buffer.concat(this.#parts.slice(-5)).subarray(-5);
    if (!tail.equals(END)) return false;
    const raw = this.#all();
    this.#keep(Buffer.alloc(0));
    this.#end(unstuffed(raw.subarray(0, -3)));
    return true;
  }

  #chunk(): boolean {
    if (this.#size < this.#wanted) return false;
    const all = this.#all();
    this.#message.push(all.subarray(0, this.#wanted));
    this.#keep(all.subarray(this.#wanted));
    this.#state = "commands";
    if (this.#last) this.#end(Buffer.concat(this.#message));
    else this.#say("250 2.0.0 chunk");
    return true;
  }

  #command(): boolean {
    const all = this.#all();
    const end = all.indexOf("\r\n");
    if (end === -1) return false;
    const line = all.toString("latin1", 0, end);
    this.#keep(all.subarray(end + 2));
    this.#obey(line);
    return true;
  }

  #obey(line: string): void {
    switch (line.slice(0, 4).toUpperCase()) {
      case "EHLO":
        return void this.#socket.write(EHLO);
      case "MAIL":
        this.#message = [];
        return this.#say("250 2.1.0 Ok");
      case "RCPT":
        if (chance(0.5)) return void this.#socket.destroy();
        return this.#say(chance(1) ? "451 4.2.1 Not now" : "250 2.1.5 Ok");
      case "DATA":
        this.#state = "data";
        this.#dawdle();
        return this.#say("354 Go on");
      case "BDAT": {
        const [, size, last] = /^BDAT (\d+)( LAST)?$/i.exec(line) ?? [];
        this.#wanted = Number(size);
        this.#last = last !== undefined;
        this.#state = "chunk";
        return this.#dawdle();
      }
      case "RSET":
        this.#message = [];
        return this.#say("250 2.0.0 Ok");
      case "QUIT":
        this.#say("221 2.0.0 Bye");
        return void this.#socket.end();
      default:
        return this.#say("500 5.5.1 What?");
    }
  }

  /** Some connections read late, and a few break off. */
  #dawdle(): void {
    if (chance(0.3)) return void setTimeout(() => this.#socket.destroy(), 20);
    if (!chance(3)) return;
    this.#socket.pause();
    setTimeout(() => this.#socket.resume(), Math.random() * 500);
  }

  #end(message: Buffer): void {
    this.#state = "busy";
    this.#message = [];
    if (chance(1)) return this.#answer("554 5.7.1 Not wanted");
    const { id, line } = record(message);
    // Between the record and the 250 lies a time to be killed in.
    const wait = chance(20) ? Math.random() * 200 : 0;
    const acknowledge = () => {
      this.#answer("250 2.0.0 Taken");
      writeSync(file, `A ${id}\n`);
    };
    writeSync(file, line);
    if (wait === 0) acknowledge();
    else setTimeout(acknowledge, wait);
  }

  #answer(reply: string): void {
    this.#state = "commands";
    this.#say(reply);
    this.#read();
  }
}

function unstuffed(raw: Buffer): Buffer {
  if (raw[0] !== 46 && raw.indexOf("\r\n.") === -1) return raw;
  return Buffer.from(raw.toString("latin1").replace(/(^|\r\n)\./g, "$1"), "latin1");
}

/** The proxy's field is its first; what follows is the client's message. */
function record(message: Buffer): { id: string; line: string } {
  const at = message.indexOf("X-Soak-Id: ");
  const trace = message.toString("latin1", 0, at);
  const sent = message.subarray(at);
  const id = /^X-Soak-Id: (\S+)/.exec(sent.toString("latin1", 0, 80))?.[1] ?? "none";
  const proxyId = /^Received: [^]* id (\S+?)[;\r]/.exec(trace)?.[1] ?? "none";
  const sha1 = createHash("sha1").update(sent).digest("hex");
  return { id, line: `R ${id} ${sent.length} ${sha1} ${proxyId}\n` };
}

createServer((socket) => new Connection(socket)).listen(port, "127.0.0.1");
