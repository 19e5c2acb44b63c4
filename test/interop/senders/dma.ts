/** dma, the small mailer for machines that only send: one run a letter, a session for each recipient. */
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../../support/live_children.ts";
import type { Letter } from "../../support/live_letters.ts";
import { type Report, type Sender, type Target, unixForm } from "../../support/live_senders.ts";
import { Namespaced } from "../namespaced.ts";
import { unpackedMissing } from "../unpacked.ts";

export const dma: Sender = {
  name: "dma",
  missing: unpackedMissing("dma"),
  can: new Set(["eight", "exact", "partial", "starttls", "implicit"]),
  send: async (letter, target) => {
    const folder = mkdtempSync(join(tmpdir(), "sallyport-dma-"));
    chmodSync(folder, 0o755);
    try {
      return await send(folder, letter, target);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
};

async function send(
  folder: string,
  { from, to, content }: Letter,
  { port, security }: Target,
): Promise<Report> {
  const places = new Namespaced("dma", folder);
  places.write(
    "/etc/dma/dma.conf",
    [
      "SMARTHOST 127.0.0.1",
      `PORT ${port}`,
      "MAILNAME client.example",
      ...security === "plain" ? [] : ["SECURETRANSFER"],
      ...security === "starttls" ? ["STARTTLS"] : [],
      "",
    ].join("\n"),
  );
  const { status, stdout, stderr } = await run(places.command(DMA, from, ...to), {
    input: unixForm(content),
  });
  return { ok: status === 0, said: `${stdout}\n${stderr}` };
}

/** It goes on in the background for all recipients but one: what is in the queue is not sent, or not yet. */
const DMA = `
mkdir -p /var/spool/dma
chown root:mail /var/spool/dma; chmod 2775 /var/spool/dma
from=$1; shift
dma -D -i -f "$from" "$@"
for wait in $(seq 40); do [ -n "$(ls /var/spool/dma)" ] || exit 0; sleep 0.05; done
exit 1
`;
