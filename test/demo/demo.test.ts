/** The demo backend of the quickstart, over real sockets: what it says 250 to is in `new`, and nothing else is. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import { rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startDemo } from "../../src/cli/demo.ts";
import type { Network } from "../../src/net/wire.ts";
import { SettingsError } from "../../src/policy/policy.ts";
import { networks } from "../net/support.ts";
import { bytesOf, seeded, stuff } from "../support/blackbox_bytes.ts";
import { code, RawClient } from "../support/blackbox_client.ts";
import { eventually } from "../support/blackbox_wait.ts";
import { Stage } from "./stage.ts";

const FIELDS = "Return-Path: <sender@client.example>\r\nDelivered-To: rcpt@backend.example\r\n";
const ENVELOPE = ["MAIL FROM:<sender@client.example>", "RCPT TO:<rcpt@backend.example>"];

const DOTS = bytesOf("Subject: dots\r\n\r\n.\r\n..\r\n.a\r\n.\r\n\r\nb.\r\n");
const LATIN = bytesOf("Subject: caf\xe9\r\n\r\nna\xefve \x00\x80\xff\r\n");

for (const [name, network] of networks) describe(`the demo backend on ${name}`, () => suite(network));

function suite(network: Network): void {
  let stage: Stage;
  let client: RawClient;
  beforeEach(async () => {
    stage = await Stage.open(network);
    client = await stage.greeted();
  });
  afterEach(() => {
    client.vanish();
    stage.close();
  });

  async function begin(last: string, answer: string): Promise<void> {
    for (const line of ENVELOPE) await client.command(line, "250");
    await client.command(last, answer);
  }

  test("EHLO offers what a backend can have", async () => {
    const { lines } = await client.command("EHLO proxy.example", "250");
    expect(lines).toEqual([
      "demo.localhost",
      "PIPELINING",
      "SIZE 0",
      "8BITMIME",
      "SMTPUTF8",
      "ENHANCEDSTATUSCODES",
      "DSN",
      "CHUNKING",
      "BINARYMIME",
    ]);
  });

  test.each([["dots", DOTS], ["any bytes", LATIN], ["nothing", bytesOf("")]])(
    "DATA delivers %s exactly, behind its two fields",
    async (_, message) => {
      expect(code((await client.send(message)).heard)).toBe("250");
      expect(stage.delivered()).toEqual([Buffer.concat([bytesOf(FIELDS), message])]);
      expect(await stage.emptied()).toBe(true);
    },
  );

  test.each([1, 7, 1000])("BDAT in chunks of %d delivers exactly", async (size) => {
    const message = Buffer.concat([DOTS, LATIN]);
    expect(code((await client.sendChunks(message, size)).heard)).toBe("250");
    expect(stage.delivered()).toEqual([Buffer.concat([bytesOf(FIELDS), message])]);
  });

  test("BINARYMIME keeps bare line ends and an unended last line", async () => {
    const message = bytesOf("Subject: b\r\n\r\n\n\r\0\r\r\n.\n.");
    const mail = `${ENVELOPE[0]} BODY=BINARYMIME`;
    expect(code((await client.sendChunks(message, 5, { mail })).heard)).toBe("250");
    expect(stage.delivered()).toEqual([Buffer.concat([bytesOf(FIELDS), message])]);
  });

  test("each recipient has a Delivered-To, a null reverse-path is <>, UTF-8 addresses keep their bytes", async () => {
    const rcpt = [
      "RCPT TO:<a@b.example> NOTIFY=NEVER",
      'RCPT TO:<"c d"@b.example>',
      "RCPT TO:<\xc3\xa9@b.example>",
      "RCPT TO:<Postmaster>",
    ];
    await client.send(DOTS, { mail: "MAIL FROM:<> SMTPUTF8 RET=HDRS", rcpt });
    const fields = 'Return-Path: <>\r\nDelivered-To: a@b.example\r\nDelivered-To: "c d"@b.example\r\n' +
      "Delivered-To: \xc3\xa9@b.example\r\nDelivered-To: Postmaster\r\n";
    expect(stage.delivered()).toEqual([Buffer.concat([bytesOf(fields), DOTS])]);
  });

  test("two messages of one session, one pipelined after the other, are two files with names of their own", async () => {
    const lines = bytesOf([...ENVELOPE, "DATA", ""].join("\r\n"));
    await client.write(Buffer.concat([lines, stuff(DOTS), lines, stuff(LATIN), bytesOf("QUIT\r\n")]));
    const codes = [];
    for (let i = 0; i < 9; i++) codes.push(code(await client.hear()));
    expect(codes).toEqual(["250", "250", "354", "250", "250", "250", "354", "250", "221"]);
    expect(await client.closes()).toBe(true);
    expect(stage.delivered()).toEqual([DOTS, LATIN].map((each) => Buffer.concat([bytesOf(FIELDS), each])));
    for (const name of stage.names("new")) expect(name).toMatch(/^\d+\.M\d+P\d+Q\d+\.[^/:]+$/);
    expect(new Set(stage.names("new")).size).toBe(2);
  });

  test("a message of 20 MiB by DATA and by BDAT", async () => {
    const random = seeded(7);
    const line = () => bytesOf(".".repeat(random() * 3) + "x".repeat(random() * 100_000) + "\r\n");
    const lines: Buffer[] = [];
    for (let size = 0; size < 20 << 20; size += lines.at(-1)!.length) lines.push(line());
    const message = Buffer.concat(lines);
    expect(code((await client.send(message, { limit: 20_000 })).heard)).toBe("250");
    expect(code((await client.sendChunks(message, 6 << 20, { limit: 20_000 })).heard)).toBe("250");
    const expected = Buffer.concat([bytesOf(FIELDS), message]);
    expect(stage.delivered().map((each) => each.equals(expected))).toEqual([true, true]);
    expect(await stage.emptied()).toBe(true);
  });

  test.each(["reset", "vanish", "finish"] as const)(
    "a client's %s in the middle of DATA leaves nothing",
    async (way) => {
      await begin("DATA", "354");
      await client.write(stuff(DOTS).subarray(0, -3));
      expect(await eventually(() => stage.names("tmp").length === 1)).toBe(true);
      client[way]();
      expect(await stage.emptied()).toBe(true);
      expect(stage.names("new")).toEqual([]);
    },
  );

  test("a client gone between two chunks leaves nothing", async () => {
    await begin("BDAT 3\r\na", "250");
    client.vanish();
    expect(await stage.emptied()).toBe(true);
    expect(stage.names("new")).toEqual([]);
  });

  test.each(["RSET", "EHLO client.example"])(
    "%s between two chunks leaves nothing, and the next message is taken",
    async (line) => {
      await begin("BDAT 3\r\nx", "250");
      await client.command(line, "250");
      expect(await stage.emptied()).toBe(true);
      expect(code((await client.send(DOTS)).heard)).toBe("250");
      expect(stage.delivered()).toEqual([Buffer.concat([bytesOf(FIELDS), DOTS])]);
    },
  );

  test("a client that half-closes after the dot still hears the answer", async () => {
    await begin("DATA", "354");
    await client.write(stuff(DOTS));
    client.finish();
    expect(code(await client.hear())).toBe("250");
    expect(stage.names("new").length).toBe(1);
  });

  test("a bare LF is refused at the end of data and leaves nothing", async () => {
    await begin("DATA", "354");
    await client.write("a\nb\r\n.\r\n");
    expect((await client.expect("550")).raw).toBe("550 5.6.0 Cannot take the message: bare LF\r\n");
    expect(await stage.emptied()).toBe(true);
    expect(stage.names("new")).toEqual([]);
  });

  test("the end of the demo backend leaves nothing of what is under way", async () => {
    await begin("DATA", "354");
    await client.write("Subject: half\r\n");
    expect(await eventually(() => stage.names("tmp").length === 1)).toBe(true);
    stage.demo.close();
    expect(stage.names("tmp")).toEqual([]);
    expect(await client.closes()).toBe(true);
    expect(await stage.emptied()).toBe(true);
  });

  test.each(["tmp", "new"] as const)(
    "without %s every message gets 452, and the session goes on",
    async (part) => {
      rmSync(join(stage.maildir, part), { recursive: true });
      const said = "452 4.3.1 Cannot write the message: ENOENT\r\n";
      expect((await client.send(DOTS)).heard).toMatchObject({ raw: said });
      const { heard } = await client.sendChunks(DOTS, 10);
      expect(heard).toMatchObject({ raw: said });
      await client.command("RSET", "250");
      expect(code(await client.ask(ENVELOPE[0]!))).toBe("250");
      if (part === "new") expect(await stage.emptied()).toBe(true);
    },
  );
}

describe("the Maildir", () => {
  const [[, network]] = networks as [[string, Network]];

  test("is made with tmp, new and cur, for the owner only, and taken as it is when it is there", async () => {
    const stage = await Stage.open(network);
    for (const part of ["tmp", "new", "cur", "."]) {
      expect(statSync(join(stage.maildir, part)).mode & 0o777).toBe(0o700);
    }
    const second = await startDemo(network, stage.maildir);
    second.close();
    stage.close();
  });

  test("that cannot be made is one clear SettingsError", async () => {
    const stage = await Stage.open(network);
    const path = join(stage.maildir, "file");
    writeFileSync(path, "");
    const fault = await startDemo(network, path).catch((cause) => cause);
    expect(fault).toBeInstanceOf(SettingsError);
    expect(fault.mistakes.length).toBe(1);
    expect(fault.message).toMatch(/^Cannot write the Maildir \/\S+\/file: E(NOTDIR|EXIST): [^\n]+$/);
    stage.close();
  });
});
