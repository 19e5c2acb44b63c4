/** Sendmail as a sender: one run of the program a letter, delivering at once to a smart host. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../../support/live_children.ts";
import { type Report, type Sender, type Target, unixForm } from "../../support/live_senders.ts";
import { Namespaced } from "../namespaced.ts";
import { unpackedMissing } from "../unpacked.ts";
import type { Letter } from "../../support/live_letters.ts";

export const sendmailSender: Sender = {
  name: "Sendmail",
  missing: unpackedMissing("sendmail"),
  // It writes the header anew.
  can: new Set(["eight", "partial", "starttls"]),
  send: async (letter, target) => {
    const folder = mkdtempSync(join(tmpdir(), "sallyport-sendmail-"));
    chmodSync(folder, 0o755);
    try {
      return await send(folder, letter, target);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
};

async function send(folder: string, { from, to, content }: Letter, target: Target): Promise<Report> {
  const places = new Namespaced("sendmail", folder);
  places.write("/etc/mail/service.switch", "hosts files\npasswd files\naliases files\n");
  const source = join(folder, "sendmail.mc");
  writeFileSync(source, macros(target));
  const { stdout, stderr } = await run(places.command(SENDMAIL, source, from, ...to), {
    input: unixForm(content),
  });
  // Its exit code is another matter: 0 for what it keeps in its queue, too.
  return {
    ok: /\.\.\. Sent \(/.test(stdout) && !/^[45]\d\d |Deferred/m.test(stdout),
    said: `${stdout}\n${stderr}`,
  };
}

/** -v tells the dialogue; -oep keeps it from sending bounces. */
const SENDMAIL = `
mkdir -p /etc/mail /var/spool/mqueue
m4 "$1" >/etc/mail/sendmail.cf
from=$2; shift 2
exec /usr/libexec/sendmail/sendmail -Am -C/etc/mail/sendmail.cf -odi -oi -oep -v -f "$from" -- "$@"
`;

function macros({ port, security, ca }: Target): string {
  const defines = {
    confDOMAIN_NAME: "client.example",
    confEIGHT_BIT_HANDLING: "pass8",
    confTO_IDENT: "0s",
    confQUEUE_LA: "1000",
    confSERVICE_SWITCH_FILE: "/etc/mail/service.switch",
    ALIAS_FILE: "",
    SMART_HOST: `relay:[${security === "plain" ? "127.0.0.1" : "localhost"}]`,
    RELAY_MAILER_ARGS: `TCP $h ${port}`,
    RELAY_MAILER_FLAGS: "8",
    RELAY_MAILER_MAXMSGS: "1",
    ...ca === undefined ? {} : { confCACERT: ca, confCACERT_PATH: "/etc/ssl/certs" },
  };
  return [
    "divert(-1)",
    "include(`/usr/share/sendmail/cf/m4/cf.m4')",
    "OSTYPE(`linux')",
    ...Object.entries(defines).map(([name, value]) => `define(\`${name}', \`${value}')`),
    "FEATURE(`accept_unresolvable_domains')",
    "FEATURE(`nocanonify')",
    "FEATURE(`no_default_msa')",
    "MAILER(`smtp')",
    ...security === "plain" ? WITHOUT_TLS : VERIFIED_TLS,
    "",
  ].join("\n");
}

const WITHOUT_TLS = ["LOCAL_TRY_TLS", 'R$*\t$#error $@ 5.7.1 $: "550 not asked for"'];

/** What the certificate says is to be true, or nothing is sent. */
const VERIFIED_TLS = ["LOCAL_TLS_SERVER", "ROK\t$@ OK", 'R$*\t$#error $@ 4.7.0 $: "403 no verified TLS"'];
