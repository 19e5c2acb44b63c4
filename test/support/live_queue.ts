// What is in a Postfix queue, read from its files: octets as they came over the wire, for those that are all there.
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

/** Where cleanup puts what it takes, and where it may be moved to. */
const QUEUES = ["incoming", "active", "deferred", "hold"];
/** Postfix sets it when the file is whole and on the disk, before it says 250. */
const WHOLE = 0o100;

/** The messages of a queue as the sink of the soak writes them down: `R ID SIZE SHA1 PROXY-ID`. */
export function queueRecords(folder: string): string[] {
  return QUEUES.flatMap((queue) => files(join(folder, "queue", queue))).flatMap((file) => {
    const message = wholeMessage(file);
    return message === undefined ? [] : [recordOf(message)];
  });
}

function files(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

/** Undefined where it is not whole, or has gone since it was listed. */
function wholeMessage(file: string): Buffer | undefined {
  try {
    return (statSync(file).mode & WHOLE) === 0 ? undefined : messageOf(readFileSync(file));
  } catch {
    return undefined;
  }
}

/**
 * A queue file is records: a type, a length of seven bits an octet (the lowest first), so many octets. `N` is a line,
 * `L` the part of one that goes on; the message stands between `M` and `X`.
 */
function messageOf(file: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < file.length;) {
    const type = String.fromCharCode(file[at++]!);
    let length = 0;
    for (let shift = 0;; shift += 7) {
      const octet = file[at++]!;
      length |= (octet & 0x7f) << shift;
      if ((octet & 0x80) === 0) break;
    }
    const content = file.subarray(at, at += length);
    if (type === "X") break;
    if (type === "N") parts.push(content, Buffer.from("\r\n"));
    if (type === "L") parts.push(content);
  }
  return Buffer.concat(parts);
}

/** Behind Postfix's own trace field stands the proxy's, behind that the client's message. */
export function recordOf(message: Buffer): string {
  const at = message.indexOf("X-Soak-Id: ");
  const sent = message.subarray(Math.max(at, 0));
  const id = /^X-Soak-Id: (\S+)/.exec(sent.toString("latin1", 0, 80))?.[1] ?? "none";
  const trace = message.toString("latin1", 0, at);
  const proxyId = [...trace.matchAll(/ id ([^\s;]+)/g)].at(-1)?.[1] ?? "none";
  return `R ${id} ${sent.length} ${createHash("sha1").update(sent).digest("hex")} ${proxyId}\n`;
}
