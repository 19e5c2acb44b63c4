// bun only: drives the program as a process
// Rule 3 (exact bytes) through DATA: what the backend stores is one Received field and then the
// client's message, byte for byte, in whatever pieces it came.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { randomBody, realMessages, SAMPLES } from "../support/blackbox_corpus.ts";
import { bytesOf, inexact, seeded, stuff, traceField } from "../support/blackbox_bytes.ts";
import { type Cut, type RawClient } from "../support/blackbox_client.ts";
import { ending, letter, type Stage, stage, taken, unharmed } from "../support/blackbox_stage.ts";

let at: Stage;
beforeAll(async () => {
  at = await stage();
});
afterAll(() => at.close());

/** Sends one message and tells what is wrong with what arrived; "" when nothing is. */
async function fault(client: RawClient, bytes: Buffer, cut?: Cut): Promise<string> {
  const before = at.backend.deliveries.length;
  const sent = await client.send(bytes, cut === undefined ? {} : { cut });
  if (!taken(sent)) return `not taken: ${ending(sent)}`;
  const arrived = at.backend.deliveries.slice(before);
  if (arrived.length !== 1 || arrived[0] === undefined) return `${arrived.length} deliveries`;
  return inexact(arrived[0].bytes, bytes);
}

describe("rule 3: a message sent by DATA arrives as one Received field and the exact bytes", () => {
  for (const sample of SAMPLES) {
    test(sample.name, async () => {
      const client = await at.proxy.client();
      expect(await fault(client, sample.bytes)).toBe("");
      await client.quit();
    }, 20_000);
  }

  test("in writes of 1, 2, 3 and 7 bytes", async () => {
    const faults: string[] = [];
    for (const sample of SAMPLES.filter((s) => s.bytes.length < 700)) {
      for (const size of [1, 2, 3, 7]) {
        const client = await at.proxy.client();
        const found = await fault(client, sample.bytes, { size });
        if (found !== "") faults.push(`${sample.name} by ${size}: ${found}`);
        await client.quit();
      }
    }
    expect(faults).toEqual([]);
  }, 60_000);

  test("cut in two segments at every byte", async () => {
    const bytes = bytesOf("S: x\r\n\r\n.\r\n..\r\na.\r\n.b\r\n\r\n.\r\n");
    const wire = stuff(bytes);
    const faults: string[] = [];
    const client = await at.proxy.client();
    for (let cut = 1; cut < wire.length; cut++) {
      const before = at.backend.deliveries.length;
      await client.command("MAIL FROM:<>", "2");
      await client.command("RCPT TO:<a@b.example>", "2");
      await client.command("DATA", "354");
      await client.write(wire.subarray(0, cut));
      await Bun.sleep(5);
      await client.write(wire.subarray(cut));
      await client.expect("250");
      const arrived = at.backend.deliveries.slice(before);
      const found = arrived.length === 1 && arrived[0]
        ? inexact(arrived[0].bytes, bytes)
        : `${arrived.length} deliveries`;
      if (found !== "") faults.push(`cut at ${cut}: ${found}`);
    }
    await client.quit();
    expect(faults).toEqual([]);
  }, 30_000);

  test("in random pieces of random messages", async () => {
    const random = seeded(2026);
    const faults: string[] = [];
    const client = await at.proxy.client();
    for (let round = 0; round < 60; round++) {
      const bytes = bytesOf(`S: ${round}\r\n\r\n${randomBody(Math.floor(random() ** 2 * 60_000), round)}`);
      const found = await fault(client, bytes, {
        size: 1 + Math.floor(random() ** 2 * 20_000 + bytes.length / 200),
      });
      if (found !== "") faults.push(`round ${round}: ${found}`);
    }
    await client.quit();
    expect(faults).toEqual([]);
  }, 30_000);

  test("on one session, message after message", async () => {
    const client = await at.proxy.client();
    const letters = Array.from({ length: 20 }, (_, i) => letter(`number ${i}\r\n.\r\n`));
    for (const { bytes } of letters) expect(await fault(client, bytes)).toBe("");
    for (const { id } of letters) expect(at.backend.delivered(id).length).toBe(1);
    await client.quit();
  });

  const real = realMessages();
  test.skipIf(real.length === 0)(
    real.length === 0
      ? "about 230 real messages: SKIPPED, ../shared/vectors/mime is absent"
      : `${real.length} real messages`,
    async () => {
      const faults: string[] = [];
      for (const [i, sample] of real.entries()) {
        const client = await at.proxy.client();
        const found = await fault(client, sample.bytes, i % 3 === 0 ? { size: 1000 + i } : undefined);
        if (found !== "") faults.push(`${sample.name}: ${found}`);
        await client.quit();
      }
      expect(faults).toEqual([]);
    },
    60_000,
  );
});

describe("the Received field", () => {
  test("names client, host, protocol and date, and a wild EHLO name cannot break out of it", async () => {
    const names = [
      "client.example",
      "[192.0.2.1]",
      "[IPv6:2001:db8::1]",
      "a(b)c",
      "x;y",
      '"q"',
      "a\\b",
      "x\tby",
      "gr\xc3\xbc\xc3\x9fe.example",
      "\xfc\xdf\xff",
      "\x1b[31mred",
      "a\x7fb",
      "<x>",
      "[127.0.0.1",
      "x".repeat(250),
    ];
    for (const name of names) {
      const client = await at.proxy.connect();
      await client.expect("220");
      const ehlo = await client.command(`EHLO ${name}`);
      if (ehlo.code !== "250") {
        await client.quit();
        continue;
      }
      const { id, bytes } = letter();
      const sent = await client.send(bytes);
      expect(taken(sent), ending(sent)).toBe(true);
      const trace = traceField(at.backend.delivered(id)[0]?.bytes ?? bytesOf(""), bytes);
      const field = "field" in trace ? trace.field.replace(/\r\n[ \t]+/g, " ") : trace.fault;
      expect(field).toStartWith("Received: from ");
      expect(field).toContain("127.0.0.1");
      expect(field).toMatch(/ by mx\.example\b.* with ESMTP\b/);
      expect(field).toMatch(/; *\w{3}, *\d{1,2} \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}/);
      await client.quit();
    }
  }, 20_000);

  test("says SMTP after HELO", async () => {
    const client = await at.proxy.connect();
    await client.expect("220");
    await client.command("HELO client.example", "250");
    const { id, bytes } = letter();
    expect(taken(await client.send(bytes))).toBe(true);
    const trace = traceField(at.backend.delivered(id)[0]?.bytes ?? bytesOf(""), bytes);
    expect("field" in trace ? trace.field.replace(/\r\n[ \t]+/g, " ") : trace.fault).toMatch(/ with SMTP\b/);
    await client.quit();
  });
});

test("afterwards the proxy serves and the backend saw clean SMTP only", async () => {
  await unharmed(at.proxy, at.backend);
});
