/** Sendmail as a mail server: its configuration made by its own m4 macros, delivering by a script. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { greets } from "../../support/blackbox_proxy.ts";
import { Daemon, serverPort } from "../../support/live_children.ts";
import { Namespaced } from "../namespaced.ts";
import {
  type Peer,
  type PeerOptions,
  readStore,
  type RunningPeer,
  SIZE_LIMIT,
  storeScript,
} from "../peer.ts";
import { unpackedMissing, unpackedVersion } from "../unpacked.ts";

export const sendmail: Peer = {
  name: "Sendmail",
  missing: unpackedMissing("sendmail"),
  traits: { can: new Set(["size", "refuse"]), copies: "each", own: /^Received$/ },
  version: () => unpackedVersion("sendmail"),
  start,
};

async function start({ folder, tls }: PeerOptions): Promise<RunningPeer> {
  const port = await serverPort();
  const { script, mail } = storeScript(folder);
  const places = new Namespaced("sendmail", folder);
  const source = join(folder, "sendmail.mc");
  places.write("/etc/mail/service.switch", "hosts files\npasswd files\naliases files\n");
  if (tls !== undefined) {
    // It trusts no file below a folder that everybody may write to.
    places.write("/etc/mail/own.pem", readFileSync(tls.cert, "utf8"));
    places.write("/etc/mail/own.key", readFileSync(tls.key, "utf8"), 0o600);
  }
  writeFileSync(source, macros(port, script, mail, tls));
  const daemon = new Daemon(places.command(SENDMAIL, source, join(folder, "log")), folder);
  await daemon.up("Sendmail", () => greets(port));
  return {
    port,
    stored: (token) => readStore(mail, token),
    log: () => daemon.log + readFileSync(join(folder, "log"), "latin1").slice(-3000),
    stop: () => daemon.stop(),
  };
}

/** Makes its configuration and runs it; its queue is under /var. */
const SENDMAIL = `
mkdir -p /etc/mail /var/spool/mqueue
m4 "$1" >/etc/mail/sendmail.cf
echo live.example >/etc/mail/local-host-names
exec /usr/libexec/sendmail/sendmail -bD -q10m -X "$2"
`;

function macros(port: number, script: string, mail: string, tls: PeerOptions["tls"]): string {
  const defines = {
    confDOMAIN_NAME: "sendmail.example",
    confMAX_MESSAGE_SIZE: String(SIZE_LIMIT),
    confEIGHT_BIT_HANDLING: "pass8",
    confDELIVERY_MODE: "background",
    confTO_IDENT: "0s",
    confQUEUE_LA: "1000",
    confREFUSE_LA: "1000",
    confCW_FILE: "/etc/mail/local-host-names",
    confDEF_USER_ID: "you:you",
    confSERVICE_SWITCH_FILE: "/etc/mail/service.switch",
    ALIAS_FILE: "",
    LOCAL_MAILER_PATH: script,
    LOCAL_MAILER_ARGS: `store ${mail} $g $u@live.example`,
    LOCAL_MAILER_FLAGS: "n",
    ...tls === undefined ? {} : {
      confSERVER_CERT: "/etc/mail/own.pem",
      confSERVER_KEY: "/etc/mail/own.key",
      confCACERT: "/etc/mail/own.pem",
      confCACERT_PATH: "/etc/ssl/certs",
    },
  };
  return [
    "divert(-1)",
    "include(`/usr/share/sendmail/cf/m4/cf.m4')",
    "OSTYPE(`linux')",
    ...Object.entries(defines).map(([name, value]) => `define(\`${name}', \`${value}')`),
    "FEATURE(`use_cw_file')",
    "FEATURE(`accept_unresolvable_domains')",
    "FEATURE(`nocanonify')",
    `DAEMON_OPTIONS(\`Port=${port}, Addr=127.0.0.1, Name=MTA')`,
    "FEATURE(`no_default_msa')",
    // With D, F and M it would add fields to a message that has none of them.
    "MODIFY_MAILER_FLAGS(`LOCAL', `-ADFM')",
    "MAILER(`local')",
    "MAILER(`smtp')",
    "",
  ].join("\n");
}
