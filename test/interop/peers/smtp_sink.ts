/** smtp-sink, Postfix's own test server: it takes everything. */
import { Buffer } from "node:buffer";
import { join } from "node:path";
import { findProgram, run } from "../../support/live_children.ts";
import { sinkReceiver } from "../../support/live_receivers.ts";
import { receiverMissing } from "../../support/live_stage.ts";
import { holding, type Peer, type PeerOptions, type RunningPeer, type Stored, wireForm } from "../peer.ts";

export const smtpSink: Peer = {
  name: "smtp-sink",
  missing: receiverMissing("smtp-sink"),
  traits: {
    can: new Set(),
    copies: "one",
    own: /^X-Client-Addr, X-Client-Proto, X-Helo-Args, X-Mail-Args(, X-Rcpt-Args)+, Received$/,
  },
  version: async () => (await run([findProgram("postconf")!, "-d", "-h", "mail_version"])).stdout.trim(),
  start,
};

async function start({ folder }: PeerOptions): Promise<RunningPeer> {
  const sink = await sinkReceiver(folder);
  return {
    port: sink.port,
    // A dump ends with an empty line that is not the message's.
    stored: (token) =>
      holding(join(folder, "dumps"), token).map((dump) => read(wireForm(dump.subarray(0, -1)))),
    log: () => "",
    stop: () => sink.stop(),
  };
}

/** It writes the arguments of MAIL and RCPT into fields of its own. */
function read(content: Buffer): Stored {
  const text = content.toString();
  const address = (name: string) =>
    [...text.matchAll(new RegExp(`^${name}: <([^>]*)>`, "gm"))].map(([, path]) => path!);
  return { from: address("X-Mail-Args")[0] ?? "", to: address("X-Rcpt-Args"), content };
}
