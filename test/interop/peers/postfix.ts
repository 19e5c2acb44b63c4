/** Postfix as a mail server, delivering by a script through pipe(8). */
import { join } from "node:path";
import { findProgram, run, serverPort } from "../../support/live_children.ts";
import { Postfix, postfixMissing } from "../../support/live_postfix.ts";
import {
  type Identity,
  type Peer,
  type PeerOptions,
  readStore,
  REFUSED,
  type RunningPeer,
  SIZE_LIMIT,
  storeScript,
} from "../peer.ts";

export const postfix: Peer = {
  name: "Postfix",
  missing: postfixMissing(),
  traits: { can: new Set(["utf8", "size", "refuse"]), copies: "each", own: /^Received$/ },
  version: async () => (await run([findProgram("postconf")!, "-d", "-h", "mail_version"])).stdout.trim(),
  start,
};

/** What each way to name the client needs in main.cf. */
const IDENTITY: Readonly<Partial<Record<Identity, string>>> = {
  "xclient": "smtpd_authorized_xclient_hosts = 127.0.0.1",
  "xforward": "smtpd_authorized_xforward_hosts = 127.0.0.1",
  "proxy-v1": "smtpd_upstream_proxy_protocol = haproxy",
  "proxy-v2": "smtpd_upstream_proxy_protocol = haproxy",
};

async function start(
  { folder, identity = "none", tls, implicitTls = false }: PeerOptions,
): Promise<RunningPeer> {
  const port = await serverPort();
  // One that expects a PROXY header cannot be asked whether it is up; this port can.
  const open = await serverPort();
  const { script, mail } = storeScript(folder);
  const maps = ["you", "me", "jürgen", "closed"].map((name) => `{ ${name}@live.example = box/ }`).join(" ");
  const postfix = await Postfix.start({
    folder: join(folder, "instance"),
    port: open,
    main: [
      "myhostname = postfix.example",
      "mynetworks =",
      `message_size_limit = ${SIZE_LIMIT}`,
      "virtual_mailbox_domains = live.example",
      `virtual_mailbox_maps = inline:{ ${maps} }`,
      "virtual_transport = store",
      "store_destination_recipient_limit = 1",
      "smtpd_recipient_restrictions = check_recipient_access inline:{ " +
      `{ ${REFUSED} = 554 5.7.1 This mailbox is closed, see https://live.example/ } }`,
      "smtpd_relay_restrictions = reject_unauth_destination",
      "default_transport = discard",
      ...tls === undefined ? [] : [
        "smtpd_tls_security_level = may",
        `smtpd_tls_cert_file = ${tls.cert}`,
        `smtpd_tls_key_file = ${tls.key}`,
        "smtpd_tls_received_header = yes",
      ],
    ],
    listeners: [
      `127.0.0.1:${open} inet n - n - - smtpd`,
      `127.0.0.1:${port} inet n - n - - smtpd ${option(IDENTITY[identity])}${
        implicitTls ? " -o smtpd_tls_wrappermode=yes" : ""
      }`,
    ],
    services: [`store unix - n n - - pipe user=nobody argv=${script} ${mail} $\{sender} $\{recipient}`],
  });
  return {
    port,
    stored: (token) => readStore(mail, token),
    log: () => postfix.log,
    stop: () => postfix.stop(),
  };
}

/** `name = value` as master.cf takes it. */
function option(line: string | undefined): string {
  return line === undefined ? "" : `-o ${line.replaceAll(" ", "")}`;
}
