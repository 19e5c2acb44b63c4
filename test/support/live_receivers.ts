// The receivers of the live tests, each storing what it takes in its own way: Postfix (Maildir),
// Postfix's smtp-sink (one dump a message) and the proxy's own demo backend (Maildir).
import { Buffer } from "node:buffer";
import { chmodSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { greets } from "./blackbox_proxy.ts";
import { Daemon, findProgram, serverPort } from "./live_children.ts";
import { NOBODY, Postfix } from "./live_postfix.ts";
import { HOSTNAME } from "./live_proxy.ts";

export type ReceiverName = "Postfix" | "smtp-sink" | "the demo backend";

export interface Receiver {
  /** 0 where nobody but the proxy can reach it. */
  readonly port: number;
  /** The messages stored that hold this text, line ends as they went over the wire. */
  stored(token: string): Buffer[];
  stop(): Promise<void>;
}

/** Octets that Postfix takes in one message. */
export const SIZE_LIMIT = 200_000;

/** What Postfix answers for addresses that it does not take. */
export const REFUSED: ReadonlyMap<string, string> = new Map([
  [
    "nobody@live.example",
    "550 5.1.1 <nobody@live.example>: Recipient address rejected: User unknown in virtual mailbox table",
  ],
  [
    "closed@live.example",
    "554 5.7.1 <closed@live.example>: Recipient address rejected: This mailbox is closed, see https://live.example/",
  ],
  ["full@live.example", "452 4.2.2 <full@live.example>: Recipient address rejected: Mailbox full"],
  ["you@elsewhere.example", "554 5.7.1 <you@elsewhere.example>: Relay access denied"],
]);

/** Takes `you`, `me`, `jürgen` and `list1` … `list50` at live.example. */
export async function postfixReceiver(folder: string): Promise<Receiver> {
  const port = await serverPort();
  const names = ["you", "me", "jürgen", ...Array.from({ length: 50 }, (_, i) => `list${i + 1}`)];
  const maps = [...names, "closed", "full"].map((name) => `{ ${name}@live.example = box/ }`).join(" ");
  const postfix = await Postfix.start({
    folder,
    port,
    main: [
      `myhostname = ${HOSTNAME}`,
      "mynetworks =",
      `message_size_limit = ${SIZE_LIMIT}`,
      "virtual_mailbox_domains = live.example",
      `virtual_mailbox_base = ${folder}/mail`,
      `virtual_mailbox_maps = inline:{ ${maps} }`,
      `virtual_uid_maps = static:${NOBODY}`,
      `virtual_gid_maps = static:${NOBODY}`,
      "virtual_minimum_uid = 1",
      "smtpd_recipient_restrictions = check_recipient_access inline:{ " +
      "{ closed@live.example = 554 5.7.1 This mailbox is closed, see https://live.example/ } " +
      "{ full@live.example = 452 4.2.2 Mailbox full } }",
      "smtpd_relay_restrictions = reject_unauth_destination",
      // Reports of success and bounces have nowhere to go.
      "default_transport = discard",
    ],
    listeners: [`127.0.0.1:${port} inet n - n - - smtpd`],
  });
  return {
    port,
    stored: (token) => holding(join(folder, "mail/box/new"), token).map(wireForm),
    stop: () => postfix.stop(),
  };
}

/** Takes everything, or refuses what `refuse` (smtp-sink's own options) says. */
export async function sinkReceiver(folder: string, refuse: readonly string[] = []): Promise<Receiver> {
  const port = await serverPort();
  const dumps = join(folder, "dumps");
  mkdirSync(dumps);
  chmodSync(dumps, 0o777);
  chmodSync(folder, 0o755);
  const daemon = new Daemon(
    [
      findProgram("smtp-sink")!,
      "-u",
      "nobody",
      "-h",
      "sink.example",
      ...refuse,
      "-d",
      `${dumps}/m.`,
      `127.0.0.1:${port}`,
      "100",
    ],
    folder,
  );
  await daemon.up("smtp-sink", () => greets(port));
  return {
    port,
    // A dump ends with an empty line that is not the message's.
    stored: (token) => holding(dumps, token).map((dump) => wireForm(dump.subarray(0, -1))),
    stop: () => daemon.stop("SIGTERM"),
  };
}

/** The Maildir that a proxy with the quickstart policy delivers to, run in this directory. */
export function demoReceiver(folder: string): Receiver {
  return { port: 0, stored: (token) => holding(join(folder, "mail/new"), token), stop: async () => {} };
}

function holding(folder: string, token: string): Buffer[] {
  let names: string[] = [];
  try {
    names = readdirSync(folder);
  } catch {
    return [];
  }
  return names.map((name) => readFileSync(join(folder, name))).filter((bytes) => bytes.includes(token));
}

function wireForm(stored: Buffer): Buffer {
  return Buffer.from(stored.toString("latin1").replace(/\n/g, "\r\n"), "latin1");
}
