/**
 * The least that a relay of mail can do on Bun's sockets: it reads command lines, keeps its connections to the backend,
 * asks it command by command and puts a field before the message. No checks, limits, times, TLS, pipelining or
 * backpressure, and any octets are believed: what Sallyport takes beyond it is the price of being a proxy, and what it
 * takes itself is the price of the runtime and the machine. `bun bare_relay.ts PORT BACKEND`.
 */
import type { Socket } from "bun";

interface Link {
  readonly socket: Socket<Link>;
  state: "greeting" | "ehlo" | "ready";
  /** Who hears the next reply. */
  hear: (reply: string) => void;
}

interface Client {
  link: Link | undefined;
  state: "commands" | "trace" | "message";
  /** The last octets of the message so far: its end may come in two reads. */
  tail: string;
}

const [port = 0, backend = 0] = process.argv.slice(2).map(Number);
const idle: Link[] = [];
const nothing = () => {};
const EHLO = "250-bare.example\r\n250-8BITMIME\r\n250 SIZE 10000000\r\n";
const TRACE = "Received: from client.example by bare.example with ESMTP; Thu, 1 Jan 2026 00:00:00 +0000\r\n";

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
}

function link(linked: (link: Link) => void): void {
  const kept = idle.pop();
  if (kept !== undefined) return linked(kept);
  void Bun.connect<Link>({
    hostname: "127.0.0.1",
    port: backend,
    socket: {
      open(socket) {
        socket.setNoDelay(true);
        socket.data = { socket, state: "greeting", hear: nothing };
      },
      data(socket, bytes) {
        const { data } = socket;
        if (data.state === "ready") return data.hear(text(bytes));
        if (data.state === "ehlo") {
          data.state = "ready";
          return linked(data);
        }
        data.state = "ehlo";
        socket.write("EHLO bare.example\r\n");
      },
    },
  });
}

function ask(socket: Socket<Client>, line: string, next: Client["state"] = "commands"): void {
  const { link } = socket.data;
  link!.hear = (reply) => {
    socket.data.state = next;
    socket.write(reply);
  };
  link!.socket.write(line);
}

function command(socket: Socket<Client>, line: string): void {
  switch (line.slice(0, 4).toUpperCase()) {
    case "HELO":
      return void socket.write("250 bare.example\r\n");
    case "EHLO":
      return void socket.write(EHLO);
    case "MAIL":
      return link((linked) => {
        socket.data.link = linked;
        ask(socket, line);
      });
    case "RCPT":
      return ask(socket, line);
    case "DATA":
      return ask(socket, line, "trace");
    case "QUIT":
      return void socket.end("221 bare.example\r\n");
    default:
      return void socket.write("500 bare.example\r\n");
  }
}

function message(socket: Socket<Client>, bytes: Uint8Array): void {
  const { data } = socket;
  const link = data.link!;
  data.tail = (data.tail + text(bytes.subarray(-5))).slice(-5);
  const ends = data.tail === "\r\n.\r\n";
  if (ends) {
    link.hear = (reply) => {
      data.state = "commands";
      data.tail = "";
      idle.push(link);
      socket.write(reply);
    };
  }
  link.socket.write(data.state === "trace" ? Buffer.concat([Buffer.from(TRACE), bytes]) : bytes);
  data.state = "message";
}

Bun.listen<Client>({
  hostname: "127.0.0.1",
  port,
  socket: {
    open(socket) {
      socket.setNoDelay(true);
      socket.data = { link: undefined, state: "commands", tail: "" };
      socket.write("220 bare.example ESMTP\r\n");
    },
    data(socket, bytes) {
      if (socket.data.state === "commands") command(socket, text(bytes));
      else message(socket, bytes);
    },
  },
});
