// Backends that are ill in ways of their own: one that is silent, one that talks nonsense, one that takes no connection.
import { createServer, type Server, type Socket } from "node:net";
import { connect } from "node:net";
import { eventually, sleep } from "./blackbox_wait.ts";
import { Daemon, findProgram } from "./live_children.ts";

export interface SickPeer {
  readonly port: number;
  /** Connections that it has had. */
  readonly visits: () => number;
  stop(): Promise<void>;
}

/** Accepts and says nothing. */
export function silentPeer(): Promise<SickPeer> {
  return peer(() => {});
}

const EHLO = "250-nonsense.example\r\n250 PIPELINING\r\n";
const GOOD: Readonly<Record<string, string>> = {
  greeting: "220 nonsense.example ESMTP\r\n",
  EHLO,
  MAIL: "250 2.1.0 Ok\r\n",
  RCPT: "250 2.1.5 Ok\r\n",
  DATA: "354 Go on\r\n",
  RSET: "250 2.0.0 Ok\r\n",
  QUIT: "221 2.0.0 Bye\r\n",
};

/** What each connection says instead of something sensible, by turns; `null` closes. None ever takes a message. */
const NONSENSE: readonly Readonly<Record<string, string | null>>[] = [
  { RCPT: "Well, well\r\n" },
  { end: "\0\xff\x01 taken, I think\r\n" },
  { MAIL: "354 Go on\r\n" },
  { greeting: "HTTP/1.1 400 Bad Request\r\n\r\n" },
  { DATA: "250 2.0.0 Taken already\r\n" },
  { EHLO: "250-nonsense\r\n550 and no\r\n" },
  { RCPT: "25" },
  { end: null },
  { greeting: "2".repeat(100_000) },
  { RCPT: "250 2.1.5 Ok\r\n250 2.1.5 Ok\r\n250 2.0.0 Taken\r\n" },
];

/** Answers so that nobody can make sense of it, each connection in another way. */
export function nonsensePeer(): Promise<SickPeer> {
  return peer((socket, visit) => {
    const says = { ...GOOD, ...NONSENSE[visit % NONSENSE.length] };
    const say = (what: string) => {
      const words = says[what];
      if (words === null) return void socket.destroy();
      socket.write(Buffer.from(words ?? "502 5.5.1 What?\r\n", "latin1"));
      if (words === "25") socket.end();
    };
    let read = "";
    let inMessage = false;
    say("greeting");
    socket.on("data", (bytes: Buffer) => {
      read += bytes.toString("latin1");
      for (;;) {
        const end = read.indexOf(inMessage ? "\r\n.\r\n" : "\r\n");
        if (end === -1) return;
        const line = read.slice(0, end);
        read = read.slice(end + (inMessage ? 5 : 2));
        const verb = inMessage ? "end" : line.slice(0, 4).toUpperCase();
        inMessage = verb === "DATA" && says["DATA"] === GOOD["DATA"];
        say(verb);
      }
    });
  });
}

function peer(visited: (socket: Socket, visit: number) => void): Promise<SickPeer> {
  let visits = 0;
  const open = new Set<Socket>();
  const server: Server = createServer((socket) => {
    open.add(socket);
    socket.on("close", () => open.delete(socket));
    socket.on("error", () => socket.destroy());
    visited(socket, visits++);
  });
  return new Promise((resolve) =>
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      const stop = async () => {
        for (const socket of open) socket.destroy();
        await new Promise((closed) => server.close(closed));
      };
      resolve({ port: (address as { port: number }).port, visits: () => visits, stop });
    })
  );
}

/** Why nobody can be made that takes no connection. */
export function deafMissing(): string | undefined {
  return findProgram("perl") === undefined ? "perl is not installed" : undefined;
}

const DEAF =
  "use Socket; socket(S,PF_INET,SOCK_STREAM,0); bind(S,sockaddr_in(0,INADDR_LOOPBACK)); listen(S,0);" +
  '$|=1; print "port ",(sockaddr_in(getsockname(S)))[0],"\\n"; sleep 3600;';

/** Its queue of connections is full and nobody accepts any: the kernel drops every SYN, as if no such host were there. */
export async function deafPeer(): Promise<SickPeer> {
  const daemon = new Daemon([findProgram("perl")!, "-e", DEAF], "/");
  const port = () => Number(/^port (\d+)$/m.exec(daemon.stdout)?.[1] ?? 0);
  await daemon.up("a listener that accepts nobody", () => Promise.resolve(port() !== 0));
  const fillers: Socket[] = [];
  const full = await eventually(async () => {
    const filler = connect(port(), "127.0.0.1").on("error", () => {});
    fillers.push(filler);
    await sleep(300);
    return filler.connecting;
  }, 10_000);
  if (!full) throw new Error("Cannot fill a listener's queue: it takes every connection");
  return {
    port: port(),
    visits: () => 0,
    stop: async () => {
      for (const filler of fillers) filler.destroy();
      await daemon.stop();
    },
  };
}
