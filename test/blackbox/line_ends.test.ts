// bun only: drives the program as a process
// Rule 6 (one reading of the bytes): the end-of-data look-alikes of the SMTP smuggling papers, whole,
// cut at every byte, pipelined and in BDAT. The backend never sees a second message, a bare CR or LF,
// or any byte after the fault.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { NO_CHUNKING } from "../support/blackbox_backend.ts";
import { bytesOf, readData } from "../support/blackbox_bytes.ts";
import { code, type RawClient, told } from "../support/blackbox_client.ts";
import { bareBodies, judge, judgeChunks, lookAlikes, mark } from "../support/blackbox_smuggle.ts";
import { ending, letter, type Stage, stage, taken, unharmed } from "../support/blackbox_stage.ts";

let at: Stage;
beforeAll(async () => {
  at = await stage(NO_CHUNKING);
});
afterAll(() => at.close());

const SEQUENCES = lookAlikes();
const ABSENT = "the look-alikes: 20 cases SKIPPED, ../shared/vectors/smuggling is absent";
const SMUGGLED =
  "MAIL FROM:<evil@x.example>\r\nRCPT TO:<victim@b.example>\r\nDATA\r\nSubject: smuggled\r\n\r\nevil\r\n.\r\n";

/** A message, the look-alike in the middle, and commands that a lax server would run. */
function stream(id: string, sequence: Buffer, tail = SMUGGLED): Buffer {
  return Buffer.concat([bytesOf(`Subject: ${id}\r\n\r\nbody of ${id}`), sequence, bytesOf(tail)]);
}

function smuggled(): number {
  return at.backend.deliveries.filter((d) => d.mail.includes("evil@")).length;
}

/** After a fault the session goes on: another message is taken. */
async function alive(client: RawClient): Promise<string> {
  const sent = await client.send(letter().bytes);
  return taken(sent) ? "" : `the session does not go on: ${ending(sent)}`;
}

describe("rule 6: the look-alikes in DATA", () => {
  if (SEQUENCES.length === 0) test.skip(ABSENT, () => undefined);

  for (const { name, bytes } of SEQUENCES) {
    // A genuine CRLF.CRLF ends the message, and what follows is the same client's commands.
    const genuine = bytes.includes("\r\n.\r\n");
    if (genuine) {
      test(`${name} ends the data where it says, and the NUL moves nothing`, async () => {
        const id = mark();
        const client = await at.proxy.client();
        const sent = stream(id, bytes);
        const before = smuggled();
        const { problems } = await judge(at.backend, client, id, sent);
        expect(problems).toEqual([]);
        const rest = sent.subarray(readData(sent).end);
        if (rest.includes(0)) {
          // A NUL in a command: 500 and close, nothing of it run.
          expect(code(await client.hear())).toBe("500");
          expect(await client.closes()).toBe(true);
          expect(smuggled()).toBe(before);
        } else {
          // A second, honest transaction of this client.
          for (const wanted of ["250", "250", "354", "250"]) expect(code(await client.hear())).toBe(wanted);
          expect(smuggled()).toBe(before + 1);
        }
        await client.quit();
      });
      continue;
    }

    test(`${name} ends nothing and smuggles nothing; the session goes on`, async () => {
      const id = mark();
      const before = smuggled();
      const client = await at.proxy.client();
      expect((await judge(at.backend, client, id, stream(id, bytes))).problems).toEqual([]);
      expect(await alive(client)).toBe("");
      await client.quit();
      expect(smuggled()).toBe(before);
    });

    test(`${name} cut in two segments at every byte, and byte by byte`, async () => {
      const problems: string[] = [];
      const before = smuggled();
      const lead = stream("markNNNNNx", Buffer.alloc(0), "").length;
      const cuts = Array.from({ length: bytes.length + 4 }, (_, i) => lead - 2 + i);
      for (const cut of [...cuts, 0]) {
        const id = mark();
        const client = await at.proxy.client();
        const whole = stream(id, bytes);
        const found = await judge(
          at.backend,
          client,
          id,
          whole,
          cut === 0 ? { cut: { size: 1 } } : { cutAt: cut },
        );
        problems.push(...found.problems.map((p) => `cut at ${cut}: ${p}`));
        if (found.usable) problems.push(...[await alive(client)].filter((p) => p !== ""));
        await client.quit();
      }
      expect(problems).toEqual([]);
      expect(smuggled()).toBe(before);
    }, 30_000);

    test(`${name} with envelope, data and what follows in one write`, async () => {
      const id = mark();
      const before = smuggled();
      const client = await at.proxy.client();
      const whole = Buffer.concat([stream(id, bytes), bytesOf("NOOP\r\nQUIT\r\n")]);
      expect((await judge(at.backend, client, id, whole, { pipelined: true })).problems).toEqual([]);
      expect([code(await client.hear()), code(await client.hear())]).toEqual(["250", "221"]);
      expect(smuggled()).toBe(before);
    });

    test(`${name} right at the start of the data and right before its end`, async () => {
      const problems: string[] = [];
      const before = smuggled();
      const id = mark();
      const first = Buffer.concat([bytes, bytesOf(`Subject: ${id}\r\n\r\n${SMUGGLED}`)]);
      const last = Buffer.concat([bytesOf(`Subject: ${id}2\r\n\r\nx`), bytes, bytesOf("\r\n.\r\n")]);
      for (const whole of [first, last]) {
        const reading = readData(whole);
        // What ends at once, or holds a NUL where a header may be, is judged elsewhere.
        if (whole === first && (whole.includes(0) || !whole.subarray(0, reading.end).includes(id))) continue;
        const client = await at.proxy.client();
        const found = await judge(at.backend, client, whole === first ? id : `${id}2`, whole);
        problems.push(...found.problems);
        await client.quit();
      }
      expect(problems).toEqual([]);
      expect(smuggled()).toBe(before);
    });
  }
});

describe("rule 6: the look-alikes in BDAT, to a backend without and with CHUNKING", () => {
  let chunky: Stage;
  beforeAll(async () => {
    chunky = await stage();
  });
  afterAll(() => chunky.close());

  for (const { name, bytes } of SEQUENCES) {
    test(`${name} in one chunk, in chunks of 1 byte, and cut by a chunk`, async () => {
      const problems: string[] = [];
      for (const here of [at, chunky]) {
        const probe = await here.proxy.client();
        const offered = (await probe.command("EHLO x.example", "250")).lines.includes("CHUNKING");
        await probe.quit();
        if (!offered) continue;
        for (const size of [10_000, 1, 5, 49, 50, 51]) {
          const id = mark();
          const client = await here.proxy.client();
          const message = stream(id, bytes, size === 1 ? "MAIL FROM:<evil@x.example>\r\n" : SMUGGLED);
          problems.push(
            ...(await judgeChunks(here.backend, client, id, message, size)).map((p) =>
              `chunks of ${size}: ${p}`
            ),
          );
          await client.command("RSET", "250");
          const found = await alive(client);
          if (found !== "") problems.push(`chunks of ${size}: ${found}`);
          await client.quit();
        }
        expect(here.backend.deliveries.filter((d) => d.via === "BDAT" && d.mail.includes("evil@"))).toEqual(
          [],
        );
      }
      expect(problems).toEqual([]);
    }, 30_000);
  }

  test("a CR at the end of one chunk and its LF at the start of the next are one line end", async () => {
    for (const here of [at, chunky]) {
      const id = mark();
      const message = bytesOf(`Subject: ${id}\r\n\r\na\r\n.\r\n`);
      for (let size = 1; size < message.length; size++) {
        const client = await here.proxy.client();
        const probe = await client.command("EHLO x.example", "250");
        const before = here.backend.deliveries.length;
        if (probe.lines.includes("CHUNKING")) {
          expect(taken(await client.sendChunks(message, size))).toBe(true);
          expect(here.backend.deliveries.length).toBe(before + 1);
        }
        await client.quit();
      }
    }
  }, 20_000);

  test("the mails of a client that mixes DATA after BDAT do not merge", async () => {
    const id = mark();
    const client = await chunky.proxy.client();
    await client.write(
      `MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nBDAT 11\r\nSubject: \r\nDATA\r\nNOOP\r\n`,
    );
    const codes: string[] = [];
    for (let i = 0; i < 5; i++) codes.push(code(await client.hear()));
    expect(codes).toEqual(["250", "250", "250", "503", "250"]);
    await client.command("RSET", "250");
    expect(await alive(client)).toBe("");
    await client.quit();
    expect(chunky.backend.delivered(id)).toEqual([]);
  });
});

describe("rule 6: NUL in a header field", () => {
  for (
    const header of [
      "Sub\0ject: x",
      "Subject: a\0b",
      "Subject: x\r\n fol\0ded",
      "Subject: x\r\nX: \0",
      "\0: x",
    ]
  ) {
    test(`${JSON.stringify(header)} is 550 5.6.0 and mails nothing; the session goes on`, async () => {
      const id = mark();
      const client = await at.proxy.client();
      const whole = bytesOf(`X-Id: ${id}\r\n${header}\r\n\r\nbody\r\n.\r\n`);
      const { problems } = await judge(at.backend, client, id, whole, { nulInHeader: true });
      expect(problems).toEqual([]);
      expect(await alive(client)).toBe("");
      await client.quit();
    });
  }

  test("nothing past the NUL goes on", async () => {
    const id = mark();
    const client = await at.proxy.client();
    await judge(at.backend, client, id, bytesOf(`X-Id: ${id}\r\nX: \0past${id}\r\n\r\nbody\r\n.\r\n`), {
      nulInHeader: true,
    });
    const raws = at.backend.connections.map((c) => c.raw().toString("latin1"));
    expect(raws.filter((r) => r.includes(`past${id}`))).toEqual([]);
    await client.quit();
  });
});

test(
  "a bare LF in a long message: nothing past it goes on, not even into a connection about to die",
  async () => {
    for (const size of [100, 5000, 70_000, 400_000]) {
      const id = mark();
      const lead = `Subject: ${id}\r\n\r\n${"clean line\r\n".repeat(size / 12)}`;
      const client = await at.proxy.client();
      const found = await judge(
        at.backend,
        client,
        id,
        bytesOf(`${lead}here\nFAULT${"after\r\n".repeat(size / 7)}.\r\n`),
      );
      expect(found.problems).toEqual([]);
      const raws = at.backend.connections.map((c) => c.raw().toString("latin1"));
      expect(raws.filter((r) => r.includes("FAULT"))).toEqual([]);
      expect(await alive(client)).toBe("");
      await client.quit();
    }
  },
  20_000,
);

test("the refusal waits for the true end: no reply comes before CRLF.CRLF", async () => {
  const client = await at.proxy.client();
  for (
    const [line, wanted] of [["MAIL FROM:<>", "250"], ["RCPT TO:<a@b.example>", "250"], [
      "DATA",
      "354",
    ]] as const
  ) {
    await client.command(line, wanted);
  }
  await client.write("Subject: x\r\n\r\nbare\nLF\r\nmore\r\n.\nstill\r\n\n.\r\nstill\r\n");
  expect(told(await client.hear(200))).toBe("silent");
  await client.write(".\r\n");
  expect(told(await client.hear())).toMatch(/^550[ -]5\.6\.0/);
  expect(await alive(client)).toBe("");
  await client.quit();
});

test("afterwards the proxy serves and the backend saw clean SMTP only", async () => {
  await unharmed(at.proxy, at.backend);
  expect(bareBodies(at.backend)).toEqual([]);
}, 20_000);
