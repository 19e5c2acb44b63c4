/** The backend-facing machine: which octets are a reply, and which reply can answer what (RFC 5321 §4.2, §4.3.2). */
import { describe, expect, test } from "bun:test";
import { Client, type ClientEvent, type Step } from "../../src/smtp/client.ts";
import { latin1, latin1Text } from "../../src/smtp/reply.ts";
import { run, TRIES } from "../fuzz/run.ts";

function events(steps: readonly Step[], ...writes: readonly string[]): string[] {
  const client = new Client();
  for (const step of steps) client.expect(step);
  const found: string[] = [];
  for (const write of writes) {
    client.receive(latin1(write));
    for (let event = client.next(); event !== undefined; event = client.next()) found.push(told(event));
    client.keep();
  }
  return found;
}

function told(event: ClientEvent): string {
  if (event.kind === "fault") return `${event.step ?? "nothing"}: ${event.fault}`;
  return `${event.step}: ${latin1Text(event.reply.bytes).replaceAll("\r\n", "|")}`;
}

const STEPS: readonly Step[] = [
  "greeting",
  "ehlo",
  "helo",
  "mail",
  "rcpt",
  "data",
  "chunk",
  "end",
  "rset",
  "ask",
  "quit",
];

describe("which codes can answer which step", () => {
  for (const step of STEPS) {
    test(step, () => {
      const taken = [200, 220, 250, 251, 252, 299, 300, 334, 354, 355, 399, 400, 420, 422, 451, 500, 554, 599]
        .filter((code) => events([step], `${code} x\r\n`)[0] === `${step}: ${code} x|`);
      const refusals = [400, 420, 422, 451, 500, 554, 599];
      expect(taken).toEqual(
        step === "data" ? [354, ...refusals] : [200, 220, 250, 251, 252, 299, ...refusals],
      );
    });
    test(`421 to ${step} is the connection's end`, () => {
      expect(events([step], "421 4.3.2 closing\r\n250 Ok\r\n")).toEqual([`${step}: 421`]);
    });
  }
});

describe("a reply is passed on octet for octet", () => {
  for (
    const reply of [
      "250\r\n",
      "250 \r\n",
      "250 Ok \t\r\n",
      "250-\r\n250-a\r\n250\r\n",
      "550 5.1.1 \xe4\xff\x07 \x1b\r\n",
      "250 250-x\r\n",
    ]
  ) {
    test(JSON.stringify(reply), () => {
      const wanted = [`rcpt: ${reply.replaceAll("\r\n", "|")}`];
      expect(events(["rcpt"], reply)).toEqual(wanted);
      expect(events(["rcpt"], ...reply)).toEqual(wanted);
    });
  }
});

describe("what is no reply is a fault as soon as it shows", () => {
  const rows: readonly (readonly [octets: string, fault: string])[] = [
    ["h", "garbage"],
    ["1", "garbage"],
    ["6", "garbage"],
    ["2a", "garbage"],
    ["25x", "garbage"],
    ["250x", "garbage"],
    ["2500", "garbage"],
    ["250_", "garbage"],
    ["\0", "garbage"],
    ["\x15\x03", "garbage"],
    ["\r\n", "garbage"],
    ["25\r\n", "garbage"],
    ["250\n", "garbage"],
    ["250 x\n", "garbage"],
    ["250 a\rb\r\n", "garbage"],
    ["250 a\0b\r\n", "garbage"],
    ["250\rx\r\n", "garbage"],
    ["250-a\r\n251 b\r\n", "garbage"],
    ["250-a\r\n451 b\r\n", "garbage"],
    ["250-a\r\n\r\n", "garbage"],
    ["250-a\r\nx", "garbage"],
    [`250 ${"x".repeat(70_000)}`, "too long"],
    ["250-x\r\n".repeat(10_000), "too long"],
  ];
  for (const [octets, fault] of rows) {
    test(JSON.stringify(octets.slice(0, 20)), () => {
      expect(events(["mail"], octets)).toEqual([`mail: ${fault}`]);
      expect(events(["mail"], octets.slice(0, 1), octets.slice(1))).toEqual([`mail: ${fault}`]);
    });
  }
});

describe("replies and what they answer", () => {
  test("come in order", () => {
    expect(events(["mail", "rcpt", "data"], "250 a\r\n550 b\r\n354 c\r\n")).toEqual([
      "mail: 250 a|",
      "rcpt: 550 b|",
      "data: 354 c|",
    ]);
  });
  test("one too many is a fault", () => {
    expect(events(["mail"], "250 a\r\n250 b\r\n")).toEqual(["mail: 250 a|", "nothing: unasked"]);
    expect(events([], "250 a\r\n")).toEqual(["nothing: unasked"]);
  });
  test("nothing comes after a fault", () => {
    expect(events(["data", "end"], "250 a\r\n", "250 b\r\n", "250 c\r\n")).toEqual(["data: unexpected"]);
  });
  test("half a reply is none", () => {
    expect(events(["mail"], "250-a\r\n", "250-b\r\n", "25")).toEqual([]);
  });
  for (const octets of ["250 too early\r\n", "2"]) {
    test(`what came before the command is not its reply: ${JSON.stringify(octets)}`, () => {
      const client = new Client();
      client.expect("mail");
      client.receive(latin1(`250 a\r\n${octets}`));
      expect(told(client.next()!)).toBe("mail: 250 a|");
      client.expect("rcpt");
      expect(told(client.next()!)).toBe("rcpt: unasked");
      expect(client.quiet).toBe(false);
    });
  }
});

test("it is quiet when nothing is owed and nothing is unread", () => {
  const client = new Client();
  expect(client.quiet).toBe(true);
  client.expect("mail");
  expect([client.quiet, client.awaited, client.torn]).toEqual([false, "mail", false]);
  client.receive(latin1("25"));
  expect(client.next()).toBeUndefined();
  client.keep();
  expect([client.quiet, client.torn]).toEqual([false, true]);
  client.receive(latin1("0 Ok\r\n"));
  expect(told(client.next()!)).toBe("mail: 250 Ok|");
  client.keep();
  expect([client.quiet, client.awaited, client.torn]).toEqual([true, undefined, false]);
});

test("what a fault tells of the octets is printable and short", () => {
  const client = new Client();
  client.receive(latin1(`\x1b[2J\r\n\0${"x".repeat(1000)}`));
  const event = client.next()!;
  expect(event.kind === "fault" && event.text).toMatch(/^\?\[2J\?\?\?x{100,200}$/);
});

test("3,000 random streams are read as the pattern of RFC 5321 §4.2 reads them, whole and cut up", () => {
  expect(run(TRIES.client.trial, 1, 3000)).toEqual([]);
});

test("a reply of the longest kind, octet by octet, costs no more than it must", () => {
  const client = new Client();
  client.expect("mail");
  const reply = latin1(`${"250-x\r\n".repeat(2000)}250 y\r\n`);
  let steps = 0;
  for (const octet of reply) {
    client.receive(Uint8Array.of(octet));
    if (client.next() !== undefined) steps++;
    client.keep();
  }
  expect(steps).toBe(1);
});
