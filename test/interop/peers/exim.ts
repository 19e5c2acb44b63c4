/** Exim 4 as a mail server: its configuration at the path that is compiled into it, a daemon in the foreground. */
import { chownSync, copyFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { Daemon, serverPort } from "../../support/live_children.ts";
import { Namespaced, YOU } from "../namespaced.ts";
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

export const exim: Peer = {
  name: "Exim",
  missing: unpackedMissing("exim"),
  traits: { can: new Set(["utf8", "size", "refuse"]), copies: "each", own: /^Received$/ },
  version: () => unpackedVersion("exim"),
  start,
};

async function start(options: PeerOptions): Promise<RunningPeer> {
  const { folder, identity, tls } = options;
  const port = await serverPort();
  const { script, mail } = storeScript(folder);
  const spool = join(folder, "spool");
  mkdirSync(spool);
  chownSync(spool, YOU, YOU);
  const places = new Namespaced("exim", folder);
  const more = [
    ...identity?.startsWith("proxy") ? ["hosts_proxy = 127.0.0.1"] : [],
    ...tls === undefined ? ["tls_advertise_hosts ="] : [
      "tls_advertise_hosts = *",
      `tls_certificate = ${tls.cert}`,
      `tls_privatekey = ${ownKey(tls.key, spool)}`,
    ],
  ];
  places.write("/etc/exim4/exim4.conf", configuration(port, spool, `${script} ${mail}`, more));
  const daemon = new Daemon(places.command("exec exim4 -bdf -q10m"), folder);
  await daemon.up("Exim", () => isUp(port, options));
  return {
    port,
    stored: (token) => readStore(mail, token),
    log: () => daemon.log,
    stop: () => daemon.stop(),
  };
}

/** Exim reads its key as the user that it runs as. */
function ownKey(key: string, spool: string): string {
  const own = join(spool, "key.pem");
  copyFileSync(key, own);
  chownSync(own, YOU, YOU);
  return own;
}

function configuration(port: number, spool: string, store: string, more: readonly string[]): string {
  return `primary_hostname = exim.example
spool_directory = ${spool}
log_file_path = ${spool}/%slog
exim_user = you
exim_group = you
never_users =
keep_environment =
disable_ipv6
local_interfaces = 127.0.0.1
daemon_smtp_ports = ${port}
message_size_limit = ${SIZE_LIMIT}
accept_8bitmime
smtputf8_advertise_hosts = *
chunking_advertise_hosts = *
dsn_advertise_hosts = *
# A kept connection brings many messages.
smtp_accept_queue_per_connection = 0
smtp_accept_max_nonmail = 10000
smtp_accept_max = 100
rfc1413_query_timeout = 0s
host_lookup =
acl_smtp_rcpt = recipient
acl_smtp_data = message
${more.join("\n")}
begin acl
recipient:
  require message = relay not permitted
          domains = live.example
  require message = unknown user
          verify = recipient
  accept
message:
  accept
begin routers
box:
  driver = accept
  local_parts = you : me : ^j.*rgen\\$
  transport = store
begin transports
store:
  driver = pipe
  command = ${store}
  user = you
  message_prefix =
  message_suffix =
begin retry
`;
}
