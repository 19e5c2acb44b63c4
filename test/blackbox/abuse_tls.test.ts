// bun only: drives the program as a process
// Rules 2 and 7 around TLS: nothing said before the handshake survives it, a cut TLS stream is no end of
// data, and mail through STARTTLS and implicit TLS is as exact as in the clear.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { ALL_KEYWORDS, ScriptedBackend } from "../support/blackbox_backend.ts";
import { bytesOf, inexact, stuff } from "../support/blackbox_bytes.ts";
import { code, RawClient, told } from "../support/blackbox_client.ts";
import { SAMPLES } from "../support/blackbox_corpus.ts";
import { freePort, startProxy } from "../support/blackbox_proxy.ts";
import { ending, letter, type Stage, stage, taken, unharmed } from "../support/blackbox_stage.ts";
import { TLS_ENV } from "../support/blackbox_tls.ts";
import { eventually, sleep } from "../support/blackbox_wait.ts";

let at: Stage;
beforeAll(async () => {
  at = await stage(ALL_KEYWORDS, TLS_ENV);
});
afterAll(() => at.close());

async function secured(): Promise<RawClient> {
  const client = await at.proxy.client();
  await client.command("STARTTLS", "220");
  await client.startTls();
  await client.command("EHLO client.example", "250");
  return client;
}

describe("rule 7: bytes after STARTTLS and before the handshake", () => {
  const injected = [
    "NOOP\r\n",
    "RSET\r\nNOOP\r\n",
    "EHLO evil.example\r\nMAIL FROM:<evil@x.example>\r\n",
    "x",
    "\r\n",
    "MAIL FROM:<evil@x.example>\r\nRCPT TO:<evil@x.example>\r\nDATA\r\n",
  ];
  for (const bytes of injected) {
    test(`${JSON.stringify(bytes)} in the same write closes the session`, async () => {
      for (const size of [10_000, 1]) {
        // Bytes that come after the 220 are the handshake's: fewer than a TLS record's head may be waited on.
        if (size === 1 && bytes.length < 5) continue;
        const client = await at.proxy.client();
        await client.write(`STARTTLS\r\n${bytes}`, { size });
        const heard: string[] = [];
        for (let reply = await client.hear(3000);; reply = await client.hear(3000)) {
          heard.push(told(reply));
          if (typeof reply === "string") break;
        }
        expect(heard.at(-1), heard.join(" | ")).toBe("closed");
        expect(heard.filter((h) => h.startsWith("250")), "nothing of it is run").toEqual([]);
        expect(heard.length).toBeLessThanOrEqual(3);
        client.vanish();
      }
    }, 20_000);

    test(`${JSON.stringify(bytes)} never comes alive behind the handshake`, async () => {
      const client = await at.proxy.client();
      await client.write(`STARTTLS\r\n${bytes}`);
      const first = await client.hear(2000);
      if (code(first) === "220") {
        const up = await Promise.race([
          client.startTls().then(() => true, () => false),
          sleep(1500).then(() => false),
        ]);
        expect(up, "the handshake succeeded in spite of bytes before it").toBe(false);
      }
      client.vanish();
      expect(at.backend.connections.flatMap((c) => c.commands).filter((l) => l.includes("evil"))).toEqual([]);
    }, 10_000);
  }

  test("garbage in place of the handshake ends the session, not the process", async () => {
    for (
      const bytes of [
        "\x16\x03\x01\xff\xff" + "x".repeat(100),
        "\0\0\0\0\0\0\0\0\r\n",
        "\x15\x03\x01\x00\x02\x02\x28",
        "EHLO x\r\n",
      ]
    ) {
      const client = await at.proxy.client();
      await client.command("STARTTLS", "220");
      await sleep(20);
      await client.write(bytes);
      await client.hear(300).catch(() => "junk");
      client.reset();
    }
    for (const how of ["reset", "vanish", "finish"] as const) {
      const client = await at.proxy.client();
      await client.command("STARTTLS", "220");
      client[how]();
    }
    await unharmed(at.proxy, at.backend);
  }, 20_000);
});

describe("STARTTLS", () => {
  test("is offered before it and not behind it; the EHLO before is forgotten or asked for again", async () => {
    const client = await at.proxy.client();
    const before = await client.command("EHLO client.example", "250");
    expect(before.lines).toContain("STARTTLS");
    expect(told(await client.ask("STARTTLS now"))).toMatch(/^501/);
    await client.command("MAIL FROM:<old@client.example>", "250");
    const inside = await client.ask("STARTTLS");
    if (code(inside) !== "220") {
      expect(told(inside)).toMatch(/^503/);
      await client.command("RSET", "250");
      await client.command("STARTTLS", "220");
    }
    await client.startTls();
    // RFC 3207 §4.2: the server forgets what it knew.
    expect(told(await client.ask("RCPT TO:<r@b.example>"))).toMatch(/^503/);
    const after = await client.command("EHLO client.example", "250");
    expect(after.lines).not.toContain("STARTTLS");
    expect(told(await client.ask("STARTTLS"))).toMatch(/^50\d/);
    expect(taken(await client.send(letter().bytes))).toBe(true);
    await client.quit();
  });

  test("without a certificate it is neither offered nor done", async () => {
    const plain = await stage();
    try {
      const client = await plain.proxy.client();
      expect((await client.command("EHLO x.example", "250")).lines).not.toContain("STARTTLS");
      expect(told(await client.ask("STARTTLS"))).toMatch(/^5\d\d|^454/);
      await client.quit();
    } finally {
      await plain.close();
    }
  });

  test("mail through it is exact, by DATA and by BDAT, and its trace field says ESMTPS", async () => {
    const faults: string[] = [];
    for (const [i, sample] of SAMPLES.filter((s) => s.bytes.length < 400_000).entries()) {
      const client = await secured();
      const before = at.backend.deliveries.length;
      const sent = i % 2 === 0
        ? await client.send(sample.bytes)
        : await client.sendChunks(sample.bytes, 5000);
      const [arrived] = at.backend.deliveries.slice(before);
      const found = taken(sent) && arrived ? inexact(arrived.bytes, sample.bytes) : ending(sent);
      if (found !== "") faults.push(`${sample.name}: ${found}`);
      if (arrived && !/with ESMTPS\b/.test(arrived.bytes.toString("latin1", 0, 600))) {
        faults.push(`${sample.name}: no ESMTPS`);
      }
      await client.quit();
    }
    expect(faults).toEqual([]);
  }, 40_000);

  test("forty sessions at once", async () => {
    const letters = Array.from({ length: 40 }, () => letter("t".repeat(76).concat("\r\n").repeat(500)));
    await Promise.all(letters.map(async ({ bytes }) => {
      const client = await secured();
      const sent = await client.send(bytes, { limit: 15_000 });
      expect(taken(sent), ending(sent)).toBe(true);
      await client.quit();
    }));
    for (const { id, bytes } of letters) {
      expect(at.backend.delivered(id).map((d) => inexact(d.bytes, bytes))).toEqual([""]);
    }
  }, 40_000);

  test("20 MB arrive whole", async () => {
    const { id, bytes } = letter("T".repeat(998).concat("\r\n").repeat(20_000));
    const client = await secured();
    const sent = await client.send(bytes, { limit: 20_000 });
    expect(taken(sent), ending(sent)).toBe(true);
    expect(at.backend.delivered(id).map((d) => inexact(d.bytes, bytes))).toEqual([""]);
    await client.quit();
  }, 40_000);
});

describe("rule 2: a TLS stream that is cut", () => {
  const ends = ["", "\r\n", "\r\n.", "\r\n.\r"];
  for (const end of ends) {
    for (const way of ["reset", "vanish", "finish"] as const) {
      test(`after ${JSON.stringify(end)} by ${way} is no end of data`, async () => {
        const { id, bytes } = letter("cut");
        const client = await secured();
        await client.command("MAIL FROM:<a@client.example>", "250");
        await client.command("RCPT TO:<r@b.example>", "250");
        await client.command("DATA", "354");
        await client.write(Buffer.concat([bytes, bytesOf(end)]));
        await sleep(20);
        client[way]();
        const gone = await eventually(
          () => at.backend.connections.every((c) => !c.midMessage || !c.open || c.peerEnd !== undefined),
          3000,
        );
        expect(gone, "the backend connection is destroyed").toBe(true);
        expect(at.backend.delivered(id)).toEqual([]);
        client.vanish();
      });
    }
  }

  test("the dot and the close in one breath: at most once", async () => {
    const { id, bytes } = letter();
    const client = await secured();
    for (const line of ["MAIL FROM:<a@client.example>", "RCPT TO:<r@b.example>"]) {
      await client.command(line, "250");
    }
    await client.command("DATA", "354");
    await client.write(stuff(bytes));
    client.finish();
    await sleep(300);
    expect(at.backend.delivered(id).length).toBeLessThanOrEqual(1);
    client.vanish();
  });
});

describe("implicit TLS", () => {
  test("speaks at once, takes mail, offers no STARTTLS; plain bytes on it end the session only", async () => {
    const backend = await ScriptedBackend.start();
    const port = await freePort();
    const proxy = await startProxy(backend.address, TLS_ENV, { also: `tls://127.0.0.1:${port}` });
    try {
      for (const noise of ["EHLO x\r\n", "\x16\x03\x01\xff\xff", ""]) {
        const plain = await RawClient.connect(port);
        await plain.write(noise);
        await plain.hear(100).catch(() => "junk");
        plain.reset();
      }
      const client = await RawClient.connect(port);
      await client.startTls();
      await client.expect("220");
      expect((await client.command("EHLO client.example", "250")).lines).not.toContain("STARTTLS");
      const { id, bytes } = letter();
      const sent = await client.send(bytes);
      expect(taken(sent), ending(sent)).toBe(true);
      expect(backend.delivered(id).map((d) => inexact(d.bytes, bytes))).toEqual([""]);
      await client.quit();
      await unharmed(proxy, backend);
    } finally {
      await proxy.stop();
      await backend.stop();
    }
  }, 20_000);
});

test("afterwards the proxy serves and the backend saw clean SMTP only", async () => {
  await unharmed(at.proxy, at.backend);
}, 20_000);
