/**
 * Dovecot as a mail server: LMTP into Maildirs, and its submission service, which passes mail on to a relay. The service
 * wants users to log in; run for one user as by inetd, it takes whoever comes.
 */
import type { Buffer } from "node:buffer";
import { spawn } from "node:child_process";
import { chownSync, mkdirSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { Daemon, serverPort } from "../../support/live_children.ts";
import { Namespaced, YOU } from "../namespaced.ts";
import {
  holding,
  type Identity,
  isUp,
  type Peer,
  type PeerOptions,
  type RunningPeer,
  SIZE_LIMIT,
  type Stored,
  wireForm,
} from "../peer.ts";
import { unaccepted } from "../accepted.ts";
import { unpackedMissing, unpackedVersion } from "../unpacked.ts";
import { smtpSink } from "./smtp_sink.ts";

export const dovecotLmtp: Peer = {
  name: "Dovecot LMTP",
  missing: unpackedMissing("dovecot") ?? unaccepted("lmtp://127.0.0.1:24"),
  traits: {
    can: new Set(["refuse"]),
    copies: "each",
    oneRecipient: true,
    own: /^Return-Path(, Delivered-To)?, Received$/,
  },
  version: () => unpackedVersion("dovecot"),
  scheme: "lmtp://",
  start: startLmtp,
};

const BOXES = ["you", "me", "jürgen"];

async function startLmtp(options: PeerOptions): Promise<RunningPeer> {
  const { folder, identity = "none" } = options;
  const port = await serverPort();
  const places = new Namespaced("dovecot", folder);
  const boxes = join(folder, "boxes");
  mkdirSync(boxes);
  chownSync(boxes, YOU, YOU);
  places.write("/etc/dovecot/dovecot.conf", configuration(port, folder, identity));
  const users = BOXES.map((name) => `${name}@live.example::${YOU}:${YOU}::${boxes}/${name}\n`);
  places.write("/etc/dovecot/users", users.join(""));
  const daemon = new Daemon(places.command("mkdir -p /run/dovecot; exec dovecot -F"), folder);
  await daemon.up("Dovecot", () => isUp(port, options));
  return {
    port,
    stored: (token) =>
      BOXES.flatMap((name) => readBox(join(boxes, name, "new"), `${name}@live.example`, token)),
    log: () => daemon.log,
    stop: () => daemon.stop(),
  };
}

function configuration(port: number, folder: string, identity: Identity): string {
  return `
protocols = lmtp
base_dir = /run/dovecot
log_path = ${folder}/log
ssl = no
default_internal_user = dovecot
default_login_user = dovenull
mail_location = maildir:%h
first_valid_uid = 1
mail_uid = ${YOU}
mail_gid = ${YOU}
auth_username_chars =
haproxy_trusted_networks = 127.0.0.1
login_trusted_networks = 127.0.0.1
lmtp_save_to_detail_mailbox = no
lmtp_rcpt_check_quota = no
passdb {
  driver = passwd-file
  args = username_format=%u /etc/dovecot/users
}
userdb {
  driver = passwd-file
  args = username_format=%u /etc/dovecot/users
}
service lmtp {
  user = root
  unix_listener ${folder}/lmtp.sock {
    mode = 0666
  }
  inet_listener lmtp {
    address = 127.0.0.1
    port = ${port}
    ${identity.startsWith("proxy") ? "haproxy = yes" : ""}
  }
}
`;
}

/** Dovecot writes the sender before the message; the box says who got it. */
function readBox(folder: string, to: string, token: string): Stored[] {
  return holding(folder, token).map((bytes) => {
    const text = bytes.toString();
    return { from: /^Return-Path: <([^>\r\n]*)>/m.exec(text)?.[1] ?? "", to: [to], content: wireForm(bytes) };
  });
}

export const dovecotSubmission: Peer = {
  name: "Dovecot submission",
  missing: unpackedMissing("dovecot") ?? smtpSink.missing,
  traits: {
    can: new Set(["size"]),
    copies: "one",
    own: /, X-Rcpt-Args, Received, Received$/,
  },
  version: () => unpackedVersion("dovecot"),
  start: startSubmission,
};

async function startSubmission({ folder }: PeerOptions): Promise<RunningPeer> {
  const sink = await smtpSink.start({ folder: sub(folder, "sink") });
  const places = new Namespaced("dovecot", sub(folder, "dovecot"));
  places.write("/etc/dovecot/dovecot.conf", submission(sink.port, folder));
  const ready = "Its places are there";
  const held = new Daemon(
    places.command(`mkdir -p /run/dovecot; echo ${ready}; exec sleep infinity`),
    folder,
  );
  await held.up("Dovecot", () => Promise.resolve(held.stdout.includes(ready)));
  const server = createServer((socket) => serve(socket, places.inside(held.pid, SUBMISSION)));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  return {
    port,
    stored: (token) => sink.stored(token),
    log: () => "",
    stop: async () => {
      server.close();
      await Promise.all([held.stop(), sink.stop()]);
    },
  };
}

function sub(folder: string, name: string): string {
  const path = join(folder, name);
  mkdirSync(path);
  return path;
}

/** One process for one client. */
function serve(socket: Socket, command: readonly string[]): void {
  const [program = "", ...words] = command;
  const child = spawn(program, words, { stdio: ["pipe", "pipe", "inherit"] });
  socket.pipe(child.stdin);
  // The login service, which is not here, has greeted by then; the first words are its successor's to AUTH.
  child.stdout.once("data", (bytes: Buffer) => {
    socket.write(bytes.toString("latin1").replace(/^235 .*\r\n/, GREETING), "latin1");
    child.stdout.pipe(socket);
  });
  for (const stream of [socket, child.stdin, child.stdout]) stream.on("error", () => {});
  socket.on("close", () => child.kill("SIGKILL"));
  child.on("close", () => socket.destroy());
}

const GREETING = "220 submission.example Dovecot ready.\r\n";

const SUBMISSION = `
export USER=you HOME=/tmp
exec setpriv --reuid=you --regid=you --clear-groups /usr/lib/dovecot/submission
`;

function submission(relay: number, folder: string): string {
  return `
protocols = submission
hostname = submission.example
base_dir = /run/dovecot
log_path = ${folder}/log
ssl = no
mail_location = maildir:${folder}/box
first_valid_uid = 0
submission_relay_host = 127.0.0.1
submission_relay_port = ${relay}
submission_relay_trusted = yes
submission_max_mail_size = ${SIZE_LIMIT}
submission_max_recipients = 100
`;
}
