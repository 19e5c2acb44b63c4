/** Courier as a mail server: esmtpd under couriertcpd, courierd for the queue, delivering by a script. */
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

export const courier: Peer = {
  name: "Courier",
  missing: unpackedMissing("courier"),
  traits: { can: new Set(["utf8", "size", "refuse"]), copies: "each", own: /^Received$/ },
  version: () => unpackedVersion("courier"),
  start,
};

async function start({ folder }: PeerOptions): Promise<RunningPeer> {
  const port = await serverPort();
  const { script, mail } = storeScript(folder);
  const places = new Namespaced("courier", folder);
  const files: Readonly<Record<string, string>> = {
    me: "courier.example\n",
    defaultdomain: "live.example\n",
    locals: "live.example\n",
    "esmtpacceptmailfor.dir/all": "live.example\n",
    sizelimit: `${SIZE_LIMIT}\n`,
    bofh: "opt BOFHBADMIME=accept\n",
    // Addresses that are no account's: Courier runs what is in the file of that name.
    "aliasdir/.courier-you": `| ${script} ${mail}\n`,
    "aliasdir/.courier-me": `| ${script} ${mail}\n`,
    "aliasdir/.courier-jürgen": `| ${script} ${mail}\n`,
  };
  for (const [name, text] of Object.entries(files)) places.write(`/etc/courier/${name}`, text);
  const daemon = new Daemon(places.command(COURIER, String(port)), folder);
  await daemon.up("Courier", () => greets(port));
  return {
    port,
    stored: (token) => readStore(mail, token),
    log: () => daemon.log,
    stop: () => daemon.stop(),
  };
}

/** The folders and rights that the package's installation would make, then the parts that its init scripts start. */
const COURIER = `
mkdir -p /run/courier/authdaemon /var/lib/courier/msgq /var/lib/courier/msgs /var/lib/courier/tmp /var/lib/courier/track
chown -R courier:courier /run/courier /var/lib/courier /etc/courier
chown courier:courier /usr/lib/courier/courier/submit /usr/bin/sendmail 2>/dev/null || true
chown root:root /etc/courier/aliasdir; chmod 755 /etc/courier/aliasdir
for each in /usr/bin/*.courier; do ln -sf "$each" "\${each%.courier}"; done
sed -i 's/^authmodulelist=.*/authmodulelist="authuserdb"/' /etc/courier/authdaemonrc
makealiases; makeacceptmailfor; makesmtpaccess
authdaemond start
courier start
set -a; prefix=/usr; exec_prefix=/usr; sysconfdir=/etc/courier; . /etc/courier/esmtpd
BOFHCHECKDNS=0; TARPIT=0
exec /usr/sbin/couriertcpd -address=127.0.0.1 -stderr=/dev/null -stderrlogger=/usr/sbin/courierlogger -noidentlookup -nodnslookup \
  -access=/etc/courier/smtpaccess.dat -maxprocs=60 -maxperc=60 -maxperip=60 -user=courier -group=courier "$1" /usr/sbin/courieresmtpd
`;
