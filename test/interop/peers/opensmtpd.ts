/** OpenSMTPD as a mail server, delivering by a script. */
import { readFileSync } from "node:fs";
import { Daemon, serverPort } from "../../support/live_children.ts";
import { Namespaced } from "../namespaced.ts";
import {
  isUp,
  type Peer,
  type PeerOptions,
  readStore,
  type RunningPeer,
  SIZE_LIMIT,
  storeScript,
} from "../peer.ts";
import { unpackedMissing, unpackedVersion } from "../unpacked.ts";

export const opensmtpd: Peer = {
  name: "OpenSMTPD",
  missing: unpackedMissing("opensmtpd"),
  traits: {
    can: new Set(["size", "refuse"]),
    copies: "each",
    own: /^Return-Path, Delivered-To, Received$/,
  },
  version: () => unpackedVersion("opensmtpd"),
  start,
};

async function start(options: PeerOptions): Promise<RunningPeer> {
  const { folder, identity, tls } = options;
  const port = await serverPort();
  const { script, mail } = storeScript(folder);
  const places = new Namespaced("opensmtpd", folder);
  if (tls !== undefined) {
    places.write("/etc/own.pem", readFileSync(tls.cert, "utf8"));
    places.write("/etc/own.key", readFileSync(tls.key, "utf8"), 0o600);
  }
  const words = [
    ...tls === undefined ? [] : ["tls pki own"],
    ...identity?.startsWith("proxy") ? ["proxy-v2"] : [],
  ];
  places.write(
    "/etc/smtpd.conf",
    [
      ...tls === undefined ? [] : [`pki own cert "/etc/own.pem"`, `pki own key "/etc/own.key"`],
      `smtp max-message-size ${SIZE_LIMIT}`,
      `listen on 127.0.0.1 port ${port} ${words.join(" ")} hostname opensmtpd.example`,
      `table boxes { you = you, me = me }`,
      `action store mda "${script} ${mail}" virtual <boxes>`,
      "match from any for domain live.example action store",
      "",
    ].join("\n"),
  );
  const daemon = new Daemon(places.command(OPENSMTPD), folder);
  await daemon.up("OpenSMTPD", () => isUp(port, options));
  return {
    port,
    stored: (token) => readStore(mail, token),
    log: () => daemon.log,
    stop: () => daemon.stop(),
  };
}

/** Its spool's folders are made by the package's installation. */
export const OPENSMTPD = `
mkdir -p /var/spool/smtpd/queue /var/spool/smtpd/offline /var/spool/smtpd/purge
chmod 711 /var/spool/smtpd; chmod 700 /var/spool/smtpd/queue /var/spool/smtpd/purge; chmod 770 /var/spool/smtpd/offline
chown opensmtpq /var/spool/smtpd/queue /var/spool/smtpd/purge; chgrp opensmtpq /var/spool/smtpd/offline
exec smtpd -dv
`;
