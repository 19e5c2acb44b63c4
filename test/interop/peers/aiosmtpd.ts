/** aiosmtpd: the SMTP server of Python's world, with a handler that stores what it is given. */
import { Daemon, serverPort } from "../../support/live_children.ts";
import { Namespaced } from "../namespaced.ts";
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
import { unpackedMissing, unpackedVersion } from "../unpacked.ts";

export const aiosmtpd: Peer = {
  name: "aiosmtpd",
  missing: unpackedMissing("aiosmtpd"),
  traits: {
    can: new Set(["utf8", "size", "refuse"]),
    copies: "one",
    own: /^$/,
    longestLine: 998,
  },
  version: () => unpackedVersion("aiosmtpd"),
  start,
};

async function start(options: PeerOptions): Promise<RunningPeer> {
  const { folder, identity } = options;
  const port = await serverPort();
  const { mail } = storeScript(folder);
  const places = new Namespaced("aiosmtpd", folder);
  const words = [String(port), mail, identity?.startsWith("proxy") ? "proxy" : "plain", SCRIPT];
  const script = 'exec /usr/bin/python3 -c "$4" "$@"';
  const daemon = new Daemon(places.command(script, ...words), folder);
  await daemon.up("aiosmtpd", () => isUp(port, options));
  return {
    port,
    stored: (token) => readStore(mail, token),
    log: () => daemon.log,
    stop: () => daemon.stop(),
  };
}

const SCRIPT = `
import asyncio, os, sys, uuid
from aiosmtpd.smtp import SMTP

port, mail, proxy = int(sys.argv[1]), sys.argv[2], sys.argv[3] == "proxy"

class Store:
    async def handle_PROXY(self, server, session, envelope, proxy_data):
        return bool(proxy_data)

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address == "${REFUSED}":
            return "550 5.1.1 <" + address + ">: nobody of that name"
        if not address.endswith("@live.example"):
            return "554 5.7.1 <" + address + ">: no relay"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server, session, envelope):
        name = uuid.uuid4().hex
        to = " ".join("<" + address + ">" for address in envelope.rcpt_tos)
        peer = session.proxy_data and (str(session.proxy_data.src_addr), session.proxy_data.src_port) or session.peer
        with open(os.path.join(mail, "part." + name), "wb") as file:
            file.write(("X-Envelope: <%s> %s\\n" % (envelope.mail_from, to)).encode("utf-8", "surrogateescape"))
            if proxy:
                file.write(("Received: from %s:%s\\r\\n" % peer[:2]).encode())
            file.write(envelope.original_content)
        os.rename(os.path.join(mail, "part." + name), os.path.join(mail, "whole." + name))
        return "250 2.0.0 OK stored"

async def serve():
    def session():
        more = {"proxy_protocol_timeout": 10} if proxy else {}
        return SMTP(Store(), data_size_limit=${SIZE_LIMIT}, enable_SMTPUTF8=True, hostname="aiosmtpd.example", **more)
    server = await asyncio.get_running_loop().create_server(session, "127.0.0.1", port)
    print("listening", flush=True)
    await server.serve_forever()

asyncio.run(serve())
`;
