// bun only: real servers
// What a server's own trace field (or its log) says of the client and of the connection, for each way to tell it. A row
// waits, with its reason, until the policy takes its form of a backend's address.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stuff } from "../support/blackbox_bytes.ts";
import { RawClient } from "../support/blackbox_client.ts";
import { eventually } from "../support/blackbox_wait.ts";
import { run } from "../support/live_children.ts";
import { letter } from "../support/live_letters.ts";
import { HOSTNAME, startLiveProxy } from "../support/live_proxy.ts";
import { askTogether, unaccepted } from "./accepted.ts";
import type { Identity, Peer, RunningPeer } from "./peer.ts";
import { aiosmtpd } from "./peers/aiosmtpd.ts";
import { courier } from "./peers/courier.ts";
import { dovecotLmtp } from "./peers/dovecot.ts";
import { exim } from "./peers/exim.ts";
import { haraka } from "./peers/haraka.ts";
import { opensmtpd } from "./peers/opensmtpd.ts";
import { postfix } from "./peers/postfix.ts";
import { sendmail } from "./peers/sendmail.ts";
import { recordPeer, writePeers } from "./results.ts";

/** The clients of each row: a connection to the server that is kept must not bear the name of the one before. */
const CLIENTS = ["127.0.0.9", "127.0.0.10", "127.0.0.9"] as const;
const PROXY = "127.0.0.1";

interface Row {
  readonly peer: Peer;
  /** How the address ends, or all of it with `%` for host and port and `$` for the server's folder. */
  readonly form: string;
  /** What the server is set up for. */
  readonly identity?: Identity;
  readonly tls?: "starttls" | "implicit";
  /** Who the server believes it speaks with. */
  readonly sees: "client" | "proxy" | "nobody" | "client, in the log";
  /** What its field says of TLS. */
  readonly secured?: RegExp;
}

const ROWS: readonly Row[] = [
  ...[postfix, exim, sendmail, opensmtpd, courier, haraka].map((peer): Row => ({
    peer,
    form: "%",
    sees: "proxy",
  })),
  { peer: postfix, form: "%?identity=none", identity: "xclient", sees: "proxy" },
  { peer: postfix, form: "%?identity=auto", identity: "xclient", sees: "client" },
  { peer: postfix, form: "%?identity=xclient", identity: "xclient", sees: "client" },
  { peer: postfix, form: "%?identity=xforward", identity: "xforward", sees: "client, in the log" },
  // OpenSMTPD reads version 2 only, Haraka version 1 only.
  ...[postfix, exim, haraka, aiosmtpd].map((peer): Row => (
    { peer, form: "%?identity=proxy-v1", identity: "proxy-v1", sees: "client" }
  )),
  ...[postfix, exim, opensmtpd, aiosmtpd].map((peer): Row => (
    { peer, form: "%?identity=proxy-v2", identity: "proxy-v2", sees: "client" }
  )),
  { peer: dovecotLmtp, form: "lmtp://%?identity=none", sees: "proxy" },
  { peer: dovecotLmtp, form: "lmtp://%?identity=xclient", sees: "client" },
  { peer: dovecotLmtp, form: "lmtp://%?identity=proxy-v1", identity: "proxy-v1", sees: "client" },
  { peer: dovecotLmtp, form: "lmtp://%?identity=proxy-v2", identity: "proxy-v2", sees: "client" },
  // Over a unix socket there is no address to trust, so it offers no XCLIENT.
  { peer: dovecotLmtp, form: "lmtp://unix:$/lmtp.sock", sees: "nobody" },
  { peer: postfix, form: "%?tls=off", tls: "starttls", sees: "proxy", secured: /^(?!.*using TLSv1)/s },
  {
    peer: postfix,
    form: "%?tls=opportunistic",
    tls: "starttls",
    sees: "proxy",
    secured: /using TLSv1\.[23]/,
  },
  { peer: postfix, form: "%?tls=required", tls: "starttls", sees: "proxy", secured: /using TLSv1\.[23]/ },
  { peer: postfix, form: "smtps://%", tls: "implicit", sees: "proxy", secured: /using TLSv1\.[23]/ },
  {
    peer: postfix,
    form: "%?tls=required&identity=xclient",
    identity: "xclient",
    tls: "starttls",
    sees: "client",
    secured: /using TLSv1\.[23]/,
  },
  {
    peer: postfix,
    form: "%?tls=required&identity=proxy-v2",
    identity: "proxy-v2",
    tls: "starttls",
    sees: "client",
    secured: /using TLSv1\.[23]/,
  },
  // Debian 12's OpenSMTPD cannot use its own key: it ends every handshake as a server with "missing private key".
  { peer: exim, form: "%?tls=required", tls: "starttls", sees: "proxy", secured: /with esmtps/ },
  { peer: sendmail, form: "%?tls=required", tls: "starttls", sees: "proxy", secured: /version=TLSv1\.[23]/ },
  { peer: haraka, form: "%?tls=required", tls: "starttls", sees: "proxy", secured: /ESMTPS/ },
];

let folder: string;
let serial = 0;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "sallyport-identity-"));
  chmodSync(folder, 0o755);
  const names = ["-subj", "/CN=localhost", "-addext", `subjectAltName=DNS:localhost,DNS:${HOSTNAME}`];
  const files = ["-keyout", join(folder, "key.pem"), "-out", join(folder, "cert.pem")];
  const made = await run([
    "openssl",
    "req",
    "-x509",
    "-newkey",
    "rsa:2048",
    "-nodes",
    "-days",
    "2",
    ...names,
    ...files,
  ]);
  if (made.status !== 0) throw new Error(`Cannot make a certificate: ${made.stderr}`);
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
  writePeers("identity.json");
});

const PLACE = "/run";
askTogether(ROWS.map((row) => written(row, 25, PLACE)));

describe("who the server says the client is", () => {
  for (const row of ROWS) {
    const { peer, form, sees } = row;
    const reason = peer.missing ?? unaccepted(written(row, 25, PLACE));
    const title = `${peer.name}, ${form.replace("%", "host:port").replace("$", "folder")}: the ${sees}`;
    if (reason !== undefined) test.skip(`${title} [${reason}]`, () => {});
    else test(title, () => tells(row), 30_000);
  }
});

/** A certificate is for a name. */
function written({ form, tls }: Row, port: number, place: string): string {
  return form.replace("%", `${tls === undefined ? "127.0.0.1" : "localhost"}:${port}`).replace("$", place);
}

async function tells(row: Row): Promise<void> {
  const own = join(folder, `row${++serial}`);
  mkdirSync(own);
  const { peer, identity = "none", tls, form } = row;
  const files = { cert: join(folder, "cert.pem"), key: join(folder, "key.pem") };
  const running = await peer.start({
    folder: own,
    identity,
    implicitTls: tls === "implicit",
    ...(tls === undefined ? {} : { tls: files }),
  });
  try {
    const backend = written(row, running.port, own);
    const env = { NODE_EXTRA_CA_CERTS: files.cert };
    const proxy = await startLiveProxy({ cwd: own, backend, env });
    try {
      for (const client of CLIENTS) await tellsOf(client, proxy.port, running, row);
    } finally {
      await proxy.process.stop();
    }
    recordPeer("identity.json", peer, form);
  } finally {
    await running.stop();
  }
}

async function tellsOf(client: string, port: number, running: RunningPeer, row: Row): Promise<void> {
  const { sees, secured } = row;
  const { token, from, content } = letter();
  const raw = await RawClient.greeted(port, client);
  await raw.command(`MAIL FROM:<${from}>`, "250");
  await raw.command("RCPT TO:<you@live.example>", "250");
  await raw.command("DATA", "354");
  await raw.write(stuff(content));
  await raw.expect("250", 15_000);
  await raw.quit();
  expect(await eventually(() => running.stored(token).length === 1, 15_000)).toBe(true);
  const stored = running.stored(token)[0]!.content.toString("latin1");
  const [field = ""] = /^Received: .*\r\n(?:[ \t].*\r\n)*/m.exec(stored) ?? [];
  expect(addressIn(field)).toBe(sees === "client" ? client : sees === "nobody" ? undefined : PROXY);
  if (sees === "client, in the log") expect(running.log()).toContain(`[${client}]`);
  if (secured !== undefined) expect(field).toMatch(secured);
}

/** The address in the from clause of a trace field, however the server writes it. */
function addressIn(field: string): string | undefined {
  return /\d+\.\d+\.\d+\.\d+/.exec(field)?.[0];
}
