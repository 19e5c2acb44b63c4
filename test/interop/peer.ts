/** What a mail server behind the proxy is to these tests, and how its store is read. */
import { Buffer } from "node:buffer";
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { greets } from "../support/blackbox_proxy.ts";

/** The server takes mail for `you` and `me` at live.example, and this it refuses at RCPT. */
export const REFUSED = "closed@live.example";
/** What most servers can be told to take at most, in octets. */
export const SIZE_LIMIT = 200_000;

/** One message as the server stored it, or one copy of it for each recipient. */
export interface Stored {
  /** The envelope that the server believes in. */
  readonly from: string;
  readonly to: readonly string[];
  /** Fields of the server's own and the proxy's, then the message; line ends as they went over the wire. */
  readonly content: Buffer;
}

export interface RunningPeer {
  /** On loopback. */
  readonly port: number;
  /** What is stored and has this text in it. */
  stored(token: string): Stored[];
  /** For failure messages. */
  log(): string;
  stop(): Promise<void>;
}

/** What a server can, and does to a message, as far as the tests have to know. */
export interface Traits {
  /** `utf8`: takes SMTPUTF8. `size`: has a limit of SIZE_LIMIT. `refuse`: refuses REFUSED. */
  readonly can: ReadonlySet<"utf8" | "size" | "refuse">;
  /** LMTP answers the message once for each recipient, so a transaction has one. */
  readonly oneRecipient?: boolean;
  /** One copy for each recipient, or one for all. */
  readonly copies: "each" | "one";
  /** The names of the fields that it puts before a message, in order, joined with a comma. */
  readonly own: RegExp;
  /** The longest line that it stores as it came, where that is less than `LONG_LINE`. */
  readonly longestLine?: number;
}

/** How the proxy tells the server who the client is. */
export type Identity = "none" | "xclient" | "xforward" | "proxy-v1" | "proxy-v2";

export interface PeerOptions {
  /** An empty folder of its own that every user may enter. */
  readonly folder: string;
  /** What the server is to expect; default `none`. */
  readonly identity?: Identity;
  /** With these files (PEM) it offers STARTTLS. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** … or speaks it from the first octet on. */
  readonly implicitTls?: boolean;
}

/** Whether a server is up; one that expects a PROXY header, or TLS, first does not greet a stranger. */
export function isUp(
  port: number,
  { identity = "none", implicitTls = false }: PeerOptions,
): Promise<boolean> {
  return identity.startsWith("proxy") || implicitTls ? listens(port) : greets(port);
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => (socket.destroy(), resolve(true)));
    socket.on("error", () => resolve(false));
  });
}

export interface Peer {
  readonly name: string;
  /** Why it cannot run here. */
  readonly missing: string | undefined;
  readonly traits: Traits;
  /** What stands before host and port in `SALLYPORT_BACKEND`; default nothing. */
  readonly scheme?: string;
  version(): string | Promise<string>;
  start(options: PeerOptions): Promise<RunningPeer>;
}

/** The field in which the store of a test writes down an envelope, before the message. */
const ENVELOPE = /^X-Envelope: <([^>\n]*)>((?: <[^>\n]*>)+)\r?\n/;

/**
 * A script that servers deliver with, `store FOLDER [FROM TO] <MESSAGE`, and the folder that it stores in. Most servers
 * say in the environment who sent a message and who is to get it.
 */
export function storeScript(folder: string): { script: string; mail: string } {
  const script = join(folder, "store");
  const mail = join(folder, "mail");
  mkdirSync(mail);
  chmodSync(mail, 0o777);
  writeFileSync(script, STORE);
  chmodSync(script, 0o755);
  return { script, mail };
}

const STORE = `#!/bin/sh
set -e
file=$(mktemp "$1/part.XXXXXXXXXX")
{ printf 'X-Envelope: <%s> <%s>\\n' "\${2-$SENDER}" "\${3-$RECIPIENT}"; cat; } >"$file"
chmod 644 "$file"
mv "$file" "$1/whole.\${file##*.}"
`;

/** What that script, or a server's own code in the same form, has stored. */
export function readStore(mail: string, token: string): Stored[] {
  return holding(mail, token, "whole.").map((bytes) => {
    const match = ENVELOPE.exec(bytes.toString("latin1"));
    if (match === null) throw new Error(`no envelope: ${bytes.toString("latin1").slice(0, 200)}`);
    const to = [...match[2]!.matchAll(/<([^>]*)>/g)].map(([, address]) => utf8(address!));
    return { from: utf8(match[1]!), to, content: wireForm(bytes.subarray(match[0].length)) };
  });
}

/** The files of a folder that have this text in them. */
export function holding(folder: string, token: string, start = ""): Buffer[] {
  const read = (name: string) => {
    try {
      return [readFileSync(join(folder, name))];
    } catch {
      return []; // It has just got its final name.
    }
  };
  return names(folder).filter((name) => name.startsWith(start)).flatMap(read)
    .filter((bytes) => bytes.includes(token));
}

function names(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

const utf8 = (latin1: string) => Buffer.from(latin1, "latin1").toString();

/** With CRLF, whatever line ends it was stored with. */
export function wireForm(stored: Buffer): Buffer {
  return Buffer.from(stored.toString("latin1").replace(/\r?\n/g, "\r\n"), "latin1");
}
