/** Haraka as a mail server, with a plugin of these tests that knows two recipients and stores what is queued. */
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Daemon, findProgram, serverPort } from "../../support/live_children.ts";
import {
  isUp,
  type Peer,
  type PeerOptions,
  readStore,
  REFUSED,
  type RunningPeer,
  SIZE_LIMIT,
  storeScript,
} from "../peer.ts";

/** Where bench/support/peers/haraka.ts keeps it. */
const VERSION = "3.3.4";
const HOME = join(tmpdir(), `sallyport-bench-haraka-${VERSION}`, "node_modules/Haraka");

export const haraka: Peer = {
  name: "Haraka",
  missing: existsSync(join(HOME, "package.json"))
    ? findProgram("node") === undefined ? "there is no node to run Haraka" : undefined
    : "the npm package Haraka is not there: bun test/interop/fetch.ts",
  traits: {
    can: new Set(["utf8", "size", "refuse"]),
    copies: "one",
    own: /^Received$/,
    longestLine: 990,
  },
  version: () => VERSION,
  start,
};

async function start(options: PeerOptions): Promise<RunningPeer> {
  const { folder, identity, tls } = options;
  const port = await serverPort();
  const { mail } = storeScript(folder);
  const config = join(folder, "config");
  mkdirSync(join(folder, "plugins"), { recursive: true });
  mkdirSync(config);
  // A connection.ini must be whole: a section that is missing there is a crash at the first session.
  let connection = readFileSync(`${HOME}/config/connection.ini`, "utf8").replace(
    /^bytes=.*/m,
    `bytes=${SIZE_LIMIT}`,
  );
  if (identity?.startsWith("proxy")) {
    connection = connection.replace(/^\[haproxy\]$/m, "[haproxy]\nhosts[]=127.0.0.1");
  }
  const files: Record<string, string> = {
    me: "haraka.example",
    "smtp.ini": `listen=127.0.0.1:${port}\nnodes=0\n`,
    "connection.ini": connection,
    "log.ini": "[main]\nlevel=warn\n",
    plugins: `${tls === undefined ? "" : "tls\n"}store\n`,
  };
  if (tls !== undefined) {
    files["tls.ini"] = "key=tls_key.pem\ncert=tls_cert.pem\n";
    cpSync(tls.key, join(config, "tls_key.pem"));
    cpSync(tls.cert, join(config, "tls_cert.pem"));
  }
  for (const [name, text] of Object.entries(files)) writeFileSync(join(config, name), text);
  writeFileSync(join(folder, "plugins/store.js"), plugin(mail));
  const daemon = new Daemon([findProgram("node")!, `${HOME}/bin/haraka`, "-c", folder], folder);
  await daemon.up("Haraka", () => isUp(port, options));
  return {
    port,
    stored: (token) => readStore(mail, token),
    log: () => daemon.log,
    stop: () => daemon.stop(),
  };
}

function plugin(mail: string): string {
  return `
const fs = require("node:fs");
exports.hook_rcpt = function (next, connection, [address]) {
  if (address.address === "${REFUSED}") return next(DENY, "Nobody of that name");
  next(address.host === "live.example" ? OK : DENY);
};
exports.hook_queue = function (next, connection) {
  const { transaction } = connection;
  const name = transaction.uuid;
  const part = fs.createWriteStream("${mail}/part." + name);
  const to = transaction.rcpt_to.map((address) => "<" + address.address + ">").join(" ");
  part.write("X-Envelope: <" + transaction.mail_from.address + "> " + to + "\\n");
  part.on("finish", () => {
    fs.renameSync("${mail}/part." + name, "${mail}/whole." + name);
    next(OK, "stored");
  });
  transaction.message_stream.pipe(part, { line_endings: "\\r\\n" });
};
`;
}
