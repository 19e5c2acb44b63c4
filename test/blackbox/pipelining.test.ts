// bun only: drives the program as a process
// Rule 7 (pipelining is safe), as a property: any script of commands, legal or not, gets the same replies
// and delivers the same mails whether it is spoken in lock-step, in one write, or byte by byte.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { on } from "../support/blackbox_backend.ts";
import { bytesOf, seeded } from "../support/blackbox_bytes.ts";
import { code, type Cut } from "../support/blackbox_client.ts";
import { type Stage, stage, unharmed } from "../support/blackbox_stage.ts";

let at: Stage;
beforeAll(async () => {
  at = await stage();
  at.backend.script = on({
    MAIL: (m) => m.line.includes("<bad@") ? { reply: "553 5.1.8 no" } : undefined,
    RCPT: (m) =>
      m.line.includes("<bad@")
        ? { reply: "550 5.1.1 no" }
        : m.line.includes("<later@")
        ? { reply: "450 4.2.0 later" }
        : undefined,
  });
});
afterAll(() => at.close());

const LINES = [
  ...Array.from({ length: 4 }, () => "MAIL FROM:<a@b.example>"),
  "MAIL FROM:<bad@b.example>",
  "MAIL FROM:<a@b.example> BODY=8BITMIME",
  "MAIL FROM:bad",
  ...Array.from({ length: 4 }, (_, n) => `RCPT TO:<good${n}@b.example>`),
  "RCPT TO:<bad@b.example>",
  "RCPT TO:<later@b.example>",
  "RCPT TO:<x",
  ...Array.from({ length: 4 }, () => "DATA"),
  "DATA x",
  "BDAT 12",
  "BDAT 12 LAST",
  "BDAT 0 LAST",
  "RSET",
  "NOOP",
  "EHLO again.example",
  "HELO again.example",
  "VRFY x",
  "EXPN y",
  "FOO",
  "STARTTLS",
  "AUTH PLAIN",
];
const BODIES = ["S: x\r\n\r\nQUIT\r\n..\r\n.\r\n", "S: x\r\n\r\nb\nare\r\n.\r\n", ".\r\n"];

/** A command with the chunk that belongs to it: one that would be run by a server which lost count. */
function wire(line: string): string {
  const size = Number(/^BDAT (\d+)/.exec(line)?.[1] ?? 0);
  return `${line}\r\n${"QUIT\r\nNOOP\r\n".slice(0, size)}`;
}

interface Outcome {
  readonly codes: readonly string[];
  readonly delivered: number;
}

async function lockStep(script: readonly string[], body: string): Promise<Outcome> {
  const before = at.backend.deliveries.length;
  const client = await at.proxy.client();
  const codes: string[] = [];
  for (const line of script) {
    await client.write(wire(line));
    codes.push(code(await client.hear()));
    if (codes.at(-1) !== "354") continue;
    await client.write(body);
    codes.push(code(await client.hear()));
  }
  await client.quit();
  return { codes, delivered: at.backend.deliveries.length - before };
}

/** The same bytes with no waiting; the bodies stand where lock-step was asked for them. */
async function atOnce(
  script: readonly string[],
  body: string,
  codes: readonly string[],
  cut?: Cut,
): Promise<Outcome> {
  const before = at.backend.deliveries.length;
  const client = await at.proxy.client();
  let all = "";
  let reply = 0;
  for (const line of script) {
    const asked = codes[reply] === "354";
    all += wire(line) + (asked ? body : "");
    reply += asked ? 2 : 1;
  }
  await client.write(bytesOf(all), cut);
  const heard: string[] = [];
  while (heard.length < codes.length) heard.push(code(await client.hear()));
  await client.quit();
  return { codes: heard, delivered: at.backend.deliveries.length - before };
}

test("rule 7: 300 random scripts: lock-step, one write and single bytes come to the same", async () => {
  const random = seeded(2920);
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
  const differing: unknown[] = [];
  for (let round = 0; round < 300; round++) {
    const script = Array.from({ length: 3 + Math.floor(random() * 10) }, () => pick(LINES));
    // Half of them begin well, so that much is delivered too.
    if (round % 2 === 0) script.unshift("MAIL FROM:<a@b.example>", "RCPT TO:<good@b.example>");
    const body = pick(BODIES);
    const reference = await lockStep(script, body);
    const others = [await atOnce(script, body, reference.codes)];
    if (round % 6 === 0) others.push(await atOnce(script, body, reference.codes, { size: 1 }));
    for (const other of others) {
      if (JSON.stringify(other) !== JSON.stringify(reference)) {
        differing.push({ script, body, reference, other });
      }
    }
  }
  expect(differing.slice(0, 3)).toEqual([]);
  expect(at.backend.deliveries.length, "the scripts deliver something").toBeGreaterThan(50);
}, 50_000);

test("afterwards the proxy serves and the backend saw clean SMTP only", async () => {
  await unharmed(at.proxy, at.backend);
}, 20_000);
