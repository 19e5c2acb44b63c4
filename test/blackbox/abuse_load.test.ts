// bun only: drives the program as a process
// Rule 8 (bounded everything): large messages into slow, stalled and talkative backends, endless headers
// and lines. Resident memory is read from /proc, so these are skipped where there is none.
import { existsSync } from "node:fs";
import { createHash } from "node:crypto";
import process from "node:process";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { ALL_KEYWORDS, type Moment, on } from "../support/blackbox_backend.ts";
import { bytesOf } from "../support/blackbox_bytes.ts";
import { code, type RawClient, told } from "../support/blackbox_client.ts";
import { type ProxyProcess } from "../support/blackbox_proxy.ts";
import { ending, letter, type Stage, stage, taken, unharmed } from "../support/blackbox_stage.ts";
import { eventually, sleep } from "../support/blackbox_wait.ts";

const PROC = existsSync("/proc/self/status");
/** MiB over what it held before; V8 collects the buffers that have gone by more lazily. */
const MARGIN = process.env.SALLYPORT_BLACKBOX_DENO === "1" ? 120 : 40;

let at: Stage;
beforeAll(async () => {
  at = await stage(ALL_KEYWORDS);
  // Warm: code compiled, heap grown, so that only the load itself shows.
  for (let i = 0; i < 40; i++) {
    const client = await at.proxy.client();
    await client.send(letter("w".repeat(76).concat("\r\n").repeat(i < 5 ? 20_000 : 20)).bytes);
    await client.quit();
  }
  at.backend.deliveries.length = 0;
}, 30_000);
afterAll(() => at.close());

/** Watches the resident size while something runs; tells the growth in MiB. */
async function growth(proxy: ProxyProcess, run: () => Promise<void>): Promise<number> {
  const before = proxy.resident();
  let peak = before;
  const timer = setInterval(() => peak = Math.max(peak, proxy.resident()), 20);
  try {
    await run();
  } finally {
    clearInterval(timer);
  }
  return Math.max(peak, proxy.resident()) - before;
}

async function inData(client: RawClient): Promise<void> {
  await client.command("MAIL FROM:<a@client.example>", "250");
  await client.command("RCPT TO:<r@b.example>", "250");
  await client.command("DATA", "354");
}

/** The most that EHLO lets a message be, 100 MiB at the most. */
async function allowed(client: RawClient): Promise<number> {
  const ehlo = await client.command("EHLO client.example", "250");
  const size = Number(ehlo.lines.find((l) => l.startsWith("SIZE "))?.slice(5) ?? 0);
  return Math.min(100 << 20, size > 0 ? size - 4096 : 100 << 20);
}

describe.skipIf(!PROC)("rule 8: backpressure", () => {
  for (const via of ["DATA", "BDAT"] as const) {
    test(
      `100 MB by ${via} into a backend that stops reading: memory stays, then every byte arrives`,
      async () => {
        const client = await at.proxy.client();
        const size = await allowed(client);
        expect(size, "SIZE is large enough for the test to mean something").toBeGreaterThan(20 << 20);
        const line = bytesOf(`${"0123456789abcdef".repeat(63)}\r\n`);
        const piece = Buffer.concat(Array.from({ length: 64 }, () => line));
        const count = Math.floor(size / piece.length);
        const head = bytesOf(`Subject: large by ${via}\r\n\r\n`);
        let frozen = false;
        at.backend.script = on({
          body: (m) => {
            if (!frozen) m.connection.freeze();
            frozen = true;
            return undefined;
          },
        });
        if (via === "DATA") await inData(client);
        else {
          await client.command("MAIL FROM:<a@client.example>", "250");
          await client.command("RCPT TO:<r@b.example>", "250");
          await client.write(`BDAT ${head.length + count * piece.length} LAST\r\n`);
        }
        const hash = createHash("sha256");
        let written = 0;
        const grown = await growth(at.proxy, async () => {
          const sending = (async () => {
            await client.write(head);
            hash.update(head);
            for (let i = 0; i < count && !client.ended; i++) {
              await client.write(piece);
              hash.update(piece);
              written += piece.length;
            }
            if (via === "DATA") await client.write(".\r\n");
          })();
          // BDAT reaches some backends only as whole chunks: then nothing freezes it, and the flow is judged alone.
          await eventually(() => frozen, 2000);
          for (const connection of at.backend.open) if (connection.midMessage) connection.freeze();
          await sleep(2000);
          const stuck = written;
          await sleep(500);
          expect(written - stuck, "the sender feels the stalled backend").toBeLessThan(2 << 20);
          expect(written).toBeLessThan(size - (1 << 20));
          for (const connection of at.backend.open) connection.thaw();
          await sending;
        });
        expect(code(await client.hear(20_000))).toBe("250");
        expect(grown, `grew by ${grown.toFixed(1)} MiB`).toBeLessThan(MARGIN);
        const bytes = at.backend.deliveries.at(-1)?.bytes ?? Buffer.alloc(0);
        const message = bytes.subarray(bytes.length - head.length - count * piece.length);
        expect(createHash("sha256").update(message).digest("hex")).toBe(hash.digest("hex"));
        at.backend.deliveries.length = 0;
        at.backend.heal();
        await client.quit();
      },
      55_000,
    );
  }

  for (const step of ["greeting", "RCPT", "DATA", "dot"] as const) {
    for (const piece of ["NOOP\r\n", "MAIL FROM:<a@b.example>\r\nRSET\r\n", "z"]) {
      test(
        `a backend silent at ${step}, a client that goes on with ${JSON.stringify(piece)} for ever`,
        async () => {
          if (step === "greeting") at.backend.dropAll("close");
          at.backend.script = on({ [step]: { then: "stall" } });
          const client = await at.proxy.client();
          const data = step === "DATA" ? "DATA\r\n" : step === "dot" ? "DATA\r\nS: x\r\n\r\n.\r\n" : "";
          await client.write(`MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\n${data}`);
          const bytes = bytesOf(piece.repeat(Math.floor(65_536 / piece.length)));
          let sent = 0;
          const grown = await growth(at.proxy, async () => {
            for (; sent < 60 << 20 && !client.ended; sent += bytes.length) {
              if (
                await Promise.race([
                  client.write(bytes).then(() => false),
                  sleep(400).then(() => true),
                ])
              ) break;
            }
          });
          expect(grown, `grew by ${grown.toFixed(1)} MiB for ${sent} bytes`).toBeLessThan(MARGIN);
          client.reset();
          at.backend.heal();
        },
        20_000,
      );
    }
  }

  test("twenty clients with 5 MB each into a backend that reads nothing", async () => {
    at.backend.script = on({ DATA: (m) => (m.connection.freeze(), undefined) });
    const piece = bytesOf(`${"z".repeat(998)}\r\n`.repeat(50));
    const clients: RawClient[] = [];
    const grown = await growth(at.proxy, async () => {
      for (let n = 0; n < 20; n++) {
        const client = await at.proxy.client(`127.0.0.${n + 2}`);
        clients.push(client);
        await inData(client);
        void (async () => {
          for (let i = 0; i < 100 && !client.ended; i++) await client.write(piece);
        })();
      }
      await sleep(1500);
    });
    for (const client of clients) client.reset();
    for (const connection of at.backend.open) connection.thaw();
    expect(grown, `grew by ${grown.toFixed(1)} MiB`).toBeLessThan(MARGIN + 20);
    at.backend.heal();
  }, 30_000);
});

describe.skipIf(!PROC)("rule 8: endless things", () => {
  /** Writes until the sender is told, cut off, or has sent all; then ends the data and hears the verdict. */
  async function pour(client: RawClient, piece: string, total: number): Promise<string> {
    const bytes = bytesOf(piece);
    for (let sent = 0; sent < total && !client.ended; sent += bytes.length) {
      if (await Promise.race([client.write(bytes).then(() => false), sleep(3000).then(() => true)])) break;
    }
    if (!client.ended) await client.write("\r\n.\r\n");
    return told(await client.hear(5000));
  }

  const rivers: readonly (readonly [string, string, string])[] = [
    ["a header that never ends", "", `X-Header: ${"h".repeat(60)}\r\n`.repeat(900)],
    ["a header field that never ends, folded", "X-Field: a\r\n", ` ${"f".repeat(70)}\r\n`.repeat(900)],
    ["a header line that never ends", "X-Line: ", "l".repeat(65_536)],
    ["header lines of nothing but a colon", "", ":\r\n".repeat(20_000)],
  ];
  for (const [name, start, piece] of rivers) {
    test(`${name}, 40 MB of it: refused, and memory stays`, async () => {
      const before = at.backend.deliveries.length;
      const client = await at.proxy.client();
      await inData(client);
      await client.write(start);
      let heard = "";
      const grown = await growth(at.proxy, async () => {
        heard = await pour(client, piece, 40 << 20);
      });
      expect(heard).toMatch(/^(5\d\d|4\d\d|closed)/);
      expect(grown, `grew by ${grown.toFixed(1)} MiB`).toBeLessThan(MARGIN);
      expect(at.backend.deliveries.length).toBe(before);
      client.vanish();
    }, 30_000);
  }

  test("a body line that never ends, 40 MB of it, is bounded: taken exactly or refused", async () => {
    const before = at.backend.deliveries.length;
    const client = await at.proxy.client();
    await inData(client);
    await client.write("Subject: x\r\n\r\n");
    let heard = "";
    const grown = await growth(at.proxy, async () => {
      heard = await pour(client, "b".repeat(65_536), 40 << 20);
    });
    expect(grown, `grew by ${grown.toFixed(1)} MiB`).toBeLessThan(MARGIN);
    expect(heard).toMatch(/^(250|4|5|closed)/);
    expect(at.backend.deliveries.length).toBe(before + (heard.startsWith("250") ? 1 : 0));
    at.backend.deliveries.length = 0;
    client.vanish();
  }, 30_000);

  const floods: readonly (readonly [string, string])[] = [
    ["a reply line without an end", "x".repeat(65_536)],
    ["a multi-line reply without an end", "250-more\r\n".repeat(6_000)],
  ];
  for (const [name, piece] of floods) {
    for (const step of ["EHLO", "RCPT", "dot"] as const) {
      test(`${name} from the backend at ${step}: 451, and memory stays`, async () => {
        const client = await at.proxy.client();
        if (step === "EHLO") at.backend.dropAll("close");
        at.backend.script = on({
          [step]: (m: Moment) => {
            m.connection.say(step === "EHLO" || piece.startsWith("250") ? "" : "250 ");
            for (let i = 0; i < 400; i++) m.connection.say(piece);
            return { then: "stall" };
          },
        });
        const { id, bytes } = letter();
        let sent = "";
        const grown = await growth(at.proxy, async () => {
          sent = ending(await client.send(bytes, { limit: 8000 }));
        });
        expect(sent).toMatch(/: 451 4\./);
        expect(grown, `grew by ${grown.toFixed(1)} MiB`).toBeLessThan(MARGIN);
        expect(at.backend.delivered(id)).toEqual([]);
        at.backend.heal();
        await client.quit();
      }, 30_000);
    }
  }
});

describe("rule 8: many sessions", () => {
  test("three hundred idle clients cost little, and one more is served or told 421", async () => {
    const clients: RawClient[] = [];
    for (let n = 0; n < 300; n++) clients.push(await at.proxy.connect(`127.0.${n % 30}.${10 + n % 200}`));
    const heard = await Promise.all(clients.map((c) => c.hear(3000)));
    expect(heard.map(code).filter((c) => c !== "220" && c !== "421")).toEqual([]);
    const other = await at.proxy.client("127.0.99.1");
    const sent = await other.send(letter().bytes);
    expect(taken(sent), ending(sent)).toBe(true);
    for (const client of clients) client.vanish();
    await other.quit();
  }, 30_000);

  test("a thousand connections that come and go at once leave nothing behind", async () => {
    const before = PROC ? at.proxy.resident() : 0;
    for (let round = 0; round < 10; round++) {
      const clients = await Promise.all(
        Array.from({ length: 100 }, (_, n) => at.proxy.connect(`127.0.${round}.${n + 1}`)),
      );
      for (const [n, client] of clients.entries()) n % 2 === 0 ? client.reset() : client.vanish();
    }
    await unharmed(at.proxy, at.backend);
    if (PROC) expect(at.proxy.resident() - before).toBeLessThan(MARGIN);
  }, 30_000);
});

test("afterwards the proxy serves and the backend saw clean SMTP only", async () => {
  await unharmed(at.proxy, at.backend);
}, 20_000);
