// Driving one DATA stream of any bytes through the proxy and judging it against the strict reading
// (rule 6): what the client hears, what the backend holds, and that no byte after a fault went on.
import { Buffer } from "node:buffer";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { ScriptedBackend } from "./blackbox_backend.ts";
import { bareLineEnd, bytesOf, dotted, inexact, readData, undotted } from "./blackbox_bytes.ts";
import { code, type Cut, type RawClient, told } from "./blackbox_client.ts";
import { sleep } from "./blackbox_wait.ts";

/** One end-of-data look-alike of ../shared/vectors/smuggling. */
export interface LookAlike {
  readonly name: string;
  readonly bytes: Buffer;
}

/** The look-alikes; empty where the vectors are absent. */
export function lookAlikes(): LookAlike[] {
  const file = fileURLToPath(
    new URL("../../../shared/vectors/smuggling/eod-sequences.json", import.meta.url),
  );
  if (!existsSync(file)) return [];
  const { sequences } = JSON.parse(readFileSync(file, "utf8")) as {
    sequences: { bytes: string; hex: string }[];
  };
  return sequences.map((s) => ({ name: s.bytes, bytes: Buffer.from(s.hex, "hex") }));
}

let serial = 0;
/** An id short enough to stand in every stream. */
export function mark(): string {
  return `mark${++serial}x`;
}

/** What a stream after DATA must lead to. */
export interface Verdict {
  /** Complaints; empty when all is as it must be. */
  readonly problems: string[];
  /** Whether the session may be used on: nothing was left over after the end of data. */
  readonly usable: boolean;
}

/** Sends the envelope, then this stream, and judges. The stream must hold `id` once, early, and end its data. */
export async function judge(
  backend: ScriptedBackend,
  client: RawClient,
  id: string,
  stream: Buffer,
  options: { cut?: Cut; cutAt?: number; pipelined?: boolean; nulInHeader?: boolean } = {},
): Promise<Verdict> {
  const reading = readData(stream);
  if (reading.end < 0) throw new Error("the stream does not end its data");
  const envelope = "MAIL FROM:<a@client.example>\r\nRCPT TO:<r@b.example>\r\nDATA\r\n";
  if (options.pipelined) await client.write(Buffer.concat([bytesOf(envelope), stream]), options.cut);
  else await client.write(envelope);
  for (const wanted of ["250", "250", "354"]) {
    const heard = await client.hear();
    if (code(heard) !== wanted) {
      return { problems: [`wanted ${wanted} in the envelope, heard ${told(heard)}`], usable: false };
    }
  }
  if (options.cutAt !== undefined) {
    await client.write(stream.subarray(0, options.cutAt));
    await sleep(8);
    await client.write(stream.subarray(options.cutAt));
  } else if (!options.pipelined) await client.write(stream, options.cut);
  const heard = await client.hear();
  const problems: string[] = [];
  const faulty = reading.message === undefined || options.nulInHeader === true;
  const bodies = bodiesWith(backend, id);
  const mine = backend.deliveries.filter((d) => d.bytes.includes(id));
  if (faulty) {
    if (!/^550[ -]5\.6\.0/.test(told(heard))) problems.push(`wanted 550 5.6.0, heard ${told(heard)}`);
    if (mine.length > 0) problems.push(`${mine.length} delivered in spite of the fault`);
    for (const raw of bodies) problems.push(...afterFault(raw, stream, reading.fault));
  } else {
    if (code(heard) !== "250") problems.push(`wanted 250, heard ${told(heard)}`);
    if (mine.length !== 1) problems.push(`${mine.length} delivered`);
    for (const d of mine) problems.push(inexact(d.bytes, reading.message ?? Buffer.alloc(0)));
  }
  for (const raw of bodies) {
    if (bareLineEnd(raw, false) >= 0) problems.push("a bare CR or LF reached the backend");
  }
  return {
    problems: problems.filter((p) => p !== ""),
    usable: reading.end === stream.length && !client.ended,
  };
}

function bodiesWith(backend: ScriptedBackend, id: string): Buffer[] {
  return backend.connections.flatMap((c) => c.bodies).map((b) => Buffer.concat(b.chunks)).filter((b) =>
    b.includes(id)
  );
}

/** The bodies at the backend, ended or cut off, that hold a bare CR or LF. */
export function bareBodies(backend: ScriptedBackend): string[] {
  return backend.connections.flatMap((c) => c.bodies).map((b) => Buffer.concat(b.chunks))
    .filter((raw) => bareLineEnd(raw, false) >= 0).map((raw) =>
      JSON.stringify(raw.toString("latin1").slice(-200))
    );
}

/** A body without the trace field before it. */
function afterTrace(raw: Buffer): Buffer {
  const field = /^Received:[^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*/.exec(raw.toString("latin1"));
  return raw.subarray(field?.[0].length ?? 0);
}

const isPrefix = (part: Buffer, whole: Buffer) => part.equals(whole.subarray(0, part.length));

/** The backend may hold the trace field and the clean bytes before the fault, dots as the proxy encodes them; not one byte more. */
function afterFault(raw: Buffer, stream: Buffer, fault: number): string[] {
  if (fault < 0) return [];
  const clean = stream.subarray(0, fault);
  const went = afterTrace(raw);
  if (isPrefix(went, clean) || isPrefix(went, dotted(undotted(clean)))) return [];
  return [
    `bytes past the fault at ${fault} reached the backend: ${
      JSON.stringify(went.toString("latin1").slice(-60))
    }`,
  ];
}

/** The same for BDAT: CRLF.CRLF is data here, a bare CR or LF is a fault still. */
export async function judgeChunks(
  backend: ScriptedBackend,
  client: RawClient,
  id: string,
  message: Buffer,
  size: number,
): Promise<string[]> {
  const fault = bareLineEnd(message);
  await client.command("MAIL FROM:<a@client.example>", "250");
  await client.command("RCPT TO:<r@b.example>", "250");
  const heard: string[] = [];
  for (let at = 0, step = size; at < message.length; at += step) {
    // Once refused, the rest goes in one piece: a client that went on and on would only meet the limit on errors.
    step = heard.length > 0 && !heard.at(-1)?.startsWith("2") ? message.length : size;
    const piece = message.subarray(at, at + step);
    await client.write(
      Buffer.concat([
        bytesOf(`BDAT ${piece.length}${at + step >= message.length ? " LAST" : ""}\r\n`),
        piece,
      ]),
    );
    heard.push(told(await client.hear()));
  }
  const problems: string[] = [];
  const mine = backend.deliveries.filter((d) => d.bytes.includes(id));
  const bodies = bodiesWith(backend, id);
  if (fault >= 0) {
    if (!heard.some((h) => /^550[ -]5\.6\.0/.test(h))) problems.push(`no 550 5.6.0: ${heard.join(" | ")}`);
    if (!/^[45]/.test(heard.at(-1) ?? "")) problems.push(`LAST answered with ${heard.at(-1)}`);
    if (mine.length > 0) problems.push("delivered in spite of the fault");
    const clean = message.subarray(0, fault);
    for (const raw of bodies) {
      if (bareLineEnd(raw, false) >= 0) problems.push("a bare CR or LF reached the backend");
      const went = afterTrace(raw);
      if (!isPrefix(went, clean) && !isPrefix(went, dotted(clean))) {
        problems.push(`bytes past the fault: ${JSON.stringify(went.toString("latin1").slice(-40))}`);
      }
    }
  } else {
    if (!heard.every((h) => h.startsWith("250"))) problems.push(heard.join(" | "));
    if (mine.length !== 1) problems.push(`${mine.length} delivered`);
    for (const d of mine) problems.push(inexact(d.bytes, message));
  }
  return problems.filter((p) => p !== "");
}
