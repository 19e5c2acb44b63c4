// bun only: drives the program as a process
// Rule 3 (exact bytes) through BDAT (RFC 3030), to a backend with CHUNKING and to one without:
// any chunks, any writes, and CRLF.CRLF, which ends nothing here.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { ALL_KEYWORDS, NO_CHUNKING } from "../support/blackbox_backend.ts";
import { bytesOf, inexact, seeded } from "../support/blackbox_bytes.ts";
import { code, type Cut, type RawClient, type Sent, told } from "../support/blackbox_client.ts";
import { randomBody, realMessages, SAMPLES } from "../support/blackbox_corpus.ts";
import { ending, letter, type Stage, stage, taken, unharmed } from "../support/blackbox_stage.ts";

const BACKENDS = [["with CHUNKING", ALL_KEYWORDS], ["without CHUNKING", NO_CHUNKING]] as const;

for (const [name, keywords] of BACKENDS) {
  describe(`rule 3: BDAT to a backend ${name}`, () => {
    let at: Stage;
    let offered = false;
    beforeAll(async () => {
      at = await stage(keywords);
      const client = await at.proxy.client();
      offered = (await client.command("EHLO client.example", "250")).lines.includes("CHUNKING");
      await client.quit();
      if (!offered) {
        console.warn(`CHUNKING is not offered before a backend ${name}: its BDAT cases are skipped`);
      }
    });
    afterAll(() => at.close());

    async function check(send: (client: RawClient) => Promise<Sent>, bytes: Buffer): Promise<string> {
      if (!offered) return "";
      const before = at.backend.deliveries.length;
      const client = await at.proxy.client();
      const sent = await send(client);
      await client.quit();
      if (!taken(sent)) return `not taken: ${ending(sent)}`;
      const arrived = at.backend.deliveries.slice(before);
      return arrived.length === 1 && arrived[0]
        ? inexact(arrived[0].bytes, bytes)
        : `${arrived.length} deliveries`;
    }
    const chunked = (bytes: Buffer, size: number, cut?: Cut) =>
      check((client) => client.sendChunks(bytes, size, cut === undefined ? {} : { cut }), bytes);

    test("CHUNKING is offered where the backend has it", () => {
      if (keywords === ALL_KEYWORDS) expect(offered).toBe(true);
    });

    for (const sample of SAMPLES) {
      test(
        `${sample.name}, in one chunk, in chunks of 64 kB${
          sample.bytes.length < 600 ? ", of 7 and of 1" : ""
        }`,
        async () => {
          expect(await chunked(sample.bytes, Math.max(1, sample.bytes.length))).toBe("");
          if (sample.bytes.length > 65_536) expect(await chunked(sample.bytes, 65_536)).toBe("");
          if (sample.bytes.length >= 600) return;
          expect(await chunked(sample.bytes, 7)).toBe("");
          expect(await chunked(sample.bytes, 1)).toBe("");
        },
        20_000,
      );
    }

    test("in two chunks, cut at every byte", async () => {
      const bytes = bytesOf("S: x\r\n\r\n.\r\n..\r\na\r\n.\r\n\r\n.b\r\n");
      const faults: string[] = [];
      for (let size = 1; size < bytes.length; size++) {
        const send = async (client: RawClient): Promise<Sent> => {
          await client.command("MAIL FROM:<>", "2");
          await client.command("RCPT TO:<a@b.example>", "2");
          await client.write(Buffer.concat([bytesOf(`BDAT ${size}\r\n`), bytes.subarray(0, size)]));
          const first = await client.hear();
          if (code(first) !== "250") return { step: "BDAT", heard: first };
          await client.write(
            Buffer.concat([bytesOf(`BDAT ${bytes.length - size} LAST\r\n`), bytes.subarray(size)]),
          );
          return { step: "dot", heard: await client.hear() };
        };
        const found = await check(send, bytes);
        if (found !== "") faults.push(`cut at ${size}: ${found}`);
      }
      expect(faults).toEqual([]);
    }, 20_000);

    test("in writes of 1, 7 and 65536 bytes that heed no chunk", async () => {
      const bytes = bytesOf(`S: x\r\n\r\n${randomBody(400, 3)}.\r\n`);
      for (const size of [1, 7]) expect(await chunked(bytes, 23, { size })).toBe("");
      const large = bytesOf(`S: x\r\n\r\n${randomBody(900_000, 4)}`);
      expect(await chunked(large, 100_001, { size: 65_536 })).toBe("");
    }, 20_000);

    test("everything pipelined in one write, `BDAT 0` in the middle, `BDAT 0 LAST` at the end", async () => {
      if (!offered) return;
      const { id, bytes } = letter(".\r\n\r\n.\r\nMAIL FROM:<x@y>\r\n");
      const half = 30;
      const client = await at.proxy.client();
      await client.write(Buffer.concat([
        bytesOf(`MAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\nBDAT ${half}\r\n`),
        bytes.subarray(0, half),
        bytesOf(`BDAT 0\r\nBDAT ${bytes.length - half}\r\n`),
        bytes.subarray(half),
        bytesOf("BDAT 0 LAST\r\nNOOP\r\nQUIT\r\n"),
      ]));
      const codes: string[] = [];
      for (let i = 0; i < 8; i++) codes.push(code(await client.hear()));
      expect(codes).toEqual(["250", "250", "250", "250", "250", "250", "250", "221"]);
      expect(at.backend.delivered(id).map((d) => inexact(d.bytes, bytes))).toEqual([""]);
    });

    test("random chunks in random writes", async () => {
      const random = seeded(3030);
      const faults: string[] = [];
      for (let round = 0; round < 30; round++) {
        const bytes = bytesOf(`S: ${round}\r\n\r\n${randomBody(Math.floor(random() * 40_000), round)}`);
        const found = await chunked(bytes, 200 + Math.floor(random() * 9000), {
          size: 200 + Math.floor(random() * 9000),
        });
        if (found !== "") faults.push(`round ${round}: ${found}`);
      }
      expect(faults).toEqual([]);
    }, 30_000);

    test("a message that does not end with CRLF is not changed where the backend can take it so", async () => {
      if (!offered) return;
      const { id, bytes } = letter("no line end");
      const client = await at.proxy.client();
      const sent = await client.sendChunks(bytes, 10);
      await client.quit();
      const arrived = at.backend.delivered(id);
      if (keywords === ALL_KEYWORDS) {
        expect(taken(sent), ending(sent)).toBe(true);
        expect(arrived.map((d) => inexact(d.bytes, bytes))).toEqual([""]);
      } else if (taken(sent)) {
        // DATA cannot say it: CRLF is added, or the message is refused.
        expect(arrived.map((d) => inexact(d.bytes, Buffer.concat([bytes, bytesOf("\r\n")])))).toEqual([""]);
      } else expect(arrived).toEqual([]);
    });

    test("BODY=BINARYMIME: exact bytes, or 5yz and nothing delivered", async () => {
      const client = await at.proxy.client();
      const ehlo = await client.command("EHLO client.example", "250");
      const has = ehlo.lines.includes("BINARYMIME");
      if (keywords === NO_CHUNKING) expect(has).toBe(false);
      if (!has) return await client.quit();
      const { id, bytes } = letter("bare\nLF, bare\rCR, \0\r\n.\n.\r\n.\r\n\r");
      const sent = await client.sendChunks(bytes, 11, { mail: "MAIL FROM:<a@b.example> BODY=BINARYMIME" });
      if (taken(sent)) expect(at.backend.delivered(id).map((d) => inexact(d.bytes, bytes))).toEqual([""]);
      else {
        expect(told(sent.heard)).toStartWith("5");
        expect(at.backend.delivered(id)).toEqual([]);
      }
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
          const found = await chunked(
            sample.bytes,
            500 + 97 * (i % 50) + Math.floor(sample.bytes.length / 20),
          );
          if (found !== "") faults.push(`${sample.name}: ${found}`);
        }
        expect(faults).toEqual([]);
      },
      60_000,
    );

    test("afterwards the proxy serves and the backend saw clean SMTP only", async () => {
      await unharmed(at.proxy, at.backend);
    });
  });
}
