// bun only: drives the program as a process
// BDAT (RFC 3030 §2) in the hands of an enemy: sizes that are huge, negative, overflowing or no numbers,
// chunks that hold commands, chunks without a transaction. No byte of a chunk is ever run as a command.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { ALL_KEYWORDS, NO_CHUNKING } from "../support/blackbox_backend.ts";
import { bytesOf } from "../support/blackbox_bytes.ts";
import { code, type RawClient, told } from "../support/blackbox_client.ts";
import { ending, letter, type Stage, stage, taken, unharmed } from "../support/blackbox_stage.ts";
import { sleep } from "../support/blackbox_wait.ts";

for (
  const [name, keywords] of [["with CHUNKING", ALL_KEYWORDS], ["without CHUNKING", NO_CHUNKING]] as const
) {
  describe(`before a backend ${name}`, () => {
    let at: Stage;
    let offered = false;
    beforeAll(async () => {
      at = await stage(keywords);
      const client = await at.proxy.client();
      offered = (await client.command("EHLO client.example", "250")).lines.includes("CHUNKING");
      await client.quit();
    });
    afterAll(() => at.close());

    async function envelope(): Promise<RawClient> {
      const client = await at.proxy.client();
      await client.command("MAIL FROM:<a@client.example>", "250");
      await client.command("RCPT TO:<r@b.example>", "250");
      return client;
    }

    const bad = [
      "BDAT",
      "BDAT ",
      "BDAT x",
      "BDAT -1",
      "BDAT -1 LAST",
      "BDAT -9223372036854775808 LAST",
      "BDAT +5",
      "BDAT 0x10",
      "BDAT 1e3",
      "BDAT 5.0",
      "BDAT 5 LATS",
      "BDAT 5 LAST x",
      "BDAT 5,LAST",
      "BDAT LAST",
      "BDAT LAST 5",
      "BDAT \xd9\xa1",
      "BDAT Infinity LAST",
      "BDAT NaN LAST",
    ];
    for (const line of bad) {
      test(`${JSON.stringify(line)} is 501 (or the session ends), and delivers nothing`, async () => {
        const before = at.backend.deliveries.length;
        const client = await envelope();
        const heard = await client.ask(line);
        expect(told(heard)).toMatch(/^50[0-3]|^421|^closed/);
        expect(told(await client.hear(50))).toMatch(/^silent$|^closed$|^421/);
        client.reset();
        await sleep(30);
        expect(at.backend.deliveries.length).toBe(before);
      });
    }

    const huge = [
      "4294967295",
      "4294967296",
      "4294967301 LAST",
      "9007199254740993",
      "9223372036854775807",
      "9223372036854775808",
      "18446744073709551616 LAST",
      "18446744073709551621 LAST",
      "99999999999999999999999999999999999999999999",
      `${"9".repeat(400)} LAST`,
    ];
    for (const size of huge) {
      test(`BDAT ${size.slice(0, 48)}: no wrap-around, nothing of the chunk is run, nothing delivered, no memory taken`, async () => {
        const before = at.backend.deliveries.length;
        const resident = at.proxy.resident();
        const client = await envelope();
        await client.write(`BDAT ${size}\r\nhello${"RSET\r\nNOOP\r\nQUIT\r\n".repeat(3)}`);
        // One refusal at most; then silence (it waits for the rest of the chunk) or the end of the session.
        const heard: string[] = [];
        for (let reply = await client.hear(300);; reply = await client.hear(300)) {
          heard.push(told(reply));
          if (typeof reply === "string") break;
        }
        expect(heard.filter((h) => /^2/.test(h)), heard.join(" | ")).toEqual([]);
        expect(heard.length).toBeLessThanOrEqual(3);
        client.reset();
        await sleep(30);
        expect(at.backend.deliveries.length).toBe(before);
        expect(at.proxy.resident() - resident).toBeLessThan(40);
      });
    }

    test("a chunk without MAIL is read and dropped: its bytes are not run (RFC 3030: MUST accept and discard)", async () => {
      for (const last of ["", " LAST"]) {
        const client = await at.proxy.client();
        const chunk = "RSET\r\nMAIL FROM:<evil@b.example>\r\nQUIT\r\n";
        await client.write(`BDAT ${chunk.length}${last}\r\n${chunk}NOOP\r\n`);
        expect(told(await client.hear())).toMatch(/^50[023]/);
        expect(code(await client.hear())).toBe("250");
        expect(await client.hear(50)).toBe("silent");
        const sent = await client.send(letter().bytes);
        expect(taken(sent), ending(sent)).toBe(true);
        await client.quit();
      }
    });

    test("a second LAST is 503 and its bytes are dropped", async () => {
      if (!offered) return;
      const client = await envelope();
      const { id, bytes } = letter();
      await client.write(
        Buffer.concat([
          bytesOf(`BDAT ${bytes.length} LAST\r\n`),
          bytes,
          bytesOf("BDAT 6 LAST\r\nQUIT\r\nNOOP\r\n"),
        ]),
      );
      expect(code(await client.hear())).toBe("250");
      expect(code(await client.hear())).toBe("503");
      expect(code(await client.hear())).toBe("250");
      await client.quit();
      expect(at.backend.delivered(id).length).toBe(1);
    });

    test("chunks pipelined after a refused one are dropped, each answered, none run", async () => {
      if (!offered) return;
      const client = await envelope();
      await client.write("BDAT 8\r\nbare\nLF.BDAT 6\r\nQUIT\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n");
      const heard: string[] = [];
      for (let i = 0; i < 4; i++) heard.push(told(await client.hear()));
      expect(heard.slice(0, 3).some((h) => /^550[ -]5\.6\.0/.test(h)), heard.join(" | ")).toBe(true);
      expect(heard[2]).toMatch(/^[45]/);
      expect(heard[3]).toStartWith("250");
      await client.command("RSET", "250");
      const sent = await client.sendChunks(letter().bytes, 30);
      expect(taken(sent), ending(sent)).toBe(true);
      await client.quit();
    });

    test("the SIZE of the backend holds for chunks too: past it 552, nothing delivered", async () => {
      const small = await stage([...keywords.filter((k) => !k.startsWith("SIZE")), "SIZE 100000"]);
      try {
        const client = await small.proxy.client();
        const ehlo = await client.command("EHLO client.example", "250");
        if (!ehlo.lines.includes("CHUNKING")) return;
        const { id, bytes } = letter("x".repeat(78).concat("\r\n").repeat(4000));
        const sent = await client.sendChunks(bytes, 50_000);
        // A backend that offers SIZE would refuse itself; the scripted one does not, so either is right.
        if (!taken(sent)) {
          expect(told(sent.heard)).toMatch(/^552/);
          expect(small.backend.delivered(id)).toEqual([]);
        }
        const declared = await small.proxy.client();
        expect(told(await declared.ask("MAIL FROM:<a@b.example> SIZE=100001"))).toMatch(/^(552|250)/);
        await client.quit();
        await declared.quit();
      } finally {
        await small.close();
      }
    }, 20_000);

    test("ten thousand empty chunks and chunks of one byte are bounded in memory", async () => {
      if (!offered) return;
      const resident = at.proxy.resident();
      const client = await envelope();
      const codes = new Set<string>();
      for (let round = 0; round < 20 && !client.ended; round++) {
        await client.write("BDAT 0\r\nBDAT 1\r\nx".repeat(500));
        for (let i = 0; i < 1000 && !client.ended; i++) codes.add(code(await client.hear()));
      }
      expect([...codes].filter((c) => !/^(250|552|421|451|closed)$/.test(c))).toEqual([]);
      expect(at.proxy.resident() - resident).toBeLessThan(40);
      client.reset();
    }, 30_000);

    test("afterwards the proxy serves and the backend saw clean SMTP only", async () => {
      await unharmed(at.proxy, at.backend);
      expect(at.backend.connections.flatMap((c) => c.commands).filter((l) => l.includes("evil"))).toEqual([]);
    }, 20_000);
  });
}
