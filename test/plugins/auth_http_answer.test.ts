/**
 * What an auth service answers: only a clear OK lets anything through.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type Answer, readAnswer } from "../../plugins/auth_http/answer.ts";

/** A response's fields as lines, after its status. */
function read(head: string, server = true): Answer {
  const [status = "", ...lines] = head.split("\n").map((line) => line.trim());
  const headers = new Headers();
  for (const line of lines) {
    const [name = "", ...value] = line.split(":");
    headers.append(name, value.join(":").trim());
  }
  return readAnswer({ status: Number(status), headers }, { usual: [550, "7.0"], server });
}

const OK = "Auth-Server: 192.0.2.1\nAuth-Port: 25";
const ok = { kind: "ok", server: { host: "192.0.2.1", port: 25 }, user: undefined, password: undefined };
const refused = { kind: "refused", code: 550, enhanced: "7.0", text: "Bad", wait: 0 };

describe("an answer", () => {
  const rows: readonly (readonly [string, string, object])[] = [
    ["OK with a server", `200\nAuth-Status: OK\n${OK}`, ok],
    ["OK without content", `204\nAuth-Status: OK\n${OK}`, ok],
    ["names in any case", "200\nAUTH-STATUS: OK\nauth-server: 192.0.2.1\nauth-PORT: 25", ok],
    ["OK with an IPv6 server", "200\nAuth-Status: OK\nAuth-Server: 2001:db8::1\nAuth-Port: 2525", {
      ...ok,
      server: { host: "2001:db8::1", port: 2525 },
    }],
    ["OK with another login", `200\nAuth-Status: OK\n${OK}\nAuth-User: j%20s\nAuth-Pass: `, {
      ...ok,
      user: "j%20s",
      password: "",
    }],
    ["WAIT", "200\nAuth-Status: WAIT\nAuth-Wait: 3", { kind: "wait", seconds: 3 }],
    ["WAIT without a time", "200\nAuth-Status: WAIT", { kind: "wait", seconds: 0 }],
    ["WAIT with nonsense", "200\nAuth-Status: WAIT\nAuth-Wait: -3", { kind: "wait", seconds: 0 }],
    ["a refusal", "200\nAuth-Status: Bad", refused],
    ["a refusal by its status too", "403\nAuth-Status: Bad", refused],
    ["a refusal with a time", "200\nAuth-Status: Bad\nAuth-Wait: 3", { ...refused, wait: 3 }],
    ["a refusal with a code", "200\nAuth-Status: Bad\nAuth-Error-Code: 451 4.3.0", {
      ...refused,
      code: 451,
      enhanced: "3.0",
    }],
    ["a refusal with a basic code", "200\nAuth-Status: Bad\nAuth-Error-Code: 535", {
      ...refused,
      code: 535,
    }],
    ["ok in small letters is a refusal", `200\nAuth-Status: ok\n${OK}`, { ...refused, text: "ok" }],
    ["OK with more is a refusal", `200\nAuth-Status: OK.\n${OK}`, { ...refused, text: "OK." }],
    ["nothing is a refusal", `200\nAuth-Status:\n${OK}`, { ...refused, text: "Refused" }],
    ["a text with what no reply may hold", "200\nAuth-Status: a\tb\x01\xc3\xbc c", {
      ...refused,
      text: "a?b? c",
    }],
    ["a long text is cut", `200\nAuth-Status: ${"x".repeat(900)}`, { ...refused, text: "x".repeat(400) }],
  ];
  for (const [name, head, answer] of rows) test(name, () => expect(read(head)).toEqual(answer as Answer));
});

describe("nothing can be made of", () => {
  const rows: readonly (readonly [string, string, string])[] = [
    ["no Auth-Status", `200\n${OK}`, "no Auth-Status"],
    ["OK with another status", `500\nAuth-Status: OK\n${OK}`, "status is 500"],
    ["OK with a redirect", `302\nAuth-Status: OK\n${OK}`, "status is 302"],
    ["OK with a status that forbids", `403\nAuth-Status: OK\n${OK}`, "status is 403"],
    ["WAIT with a status that forbids", "403\nAuth-Status: WAIT", "status is 403"],
    ["OK with a partial success", `206\nAuth-Status: OK\n${OK}`, "status is 206"],
    ["a refusal by a server in trouble", "502\nAuth-Status: Bad", "status is 502"],
    ["a page that is not there", "404", "status is 404"],
    ["OK and a refusal", `200\nAuth-Status: OK\nAuth-Status: Bad\n${OK}`, "disagree"],
    ["a refusal and OK", `200\nAuth-Status: Bad\nAuth-Status: OK\n${OK}`, "disagree"],
    ["OK twice", `200\nAuth-Status: OK\nAuth-Status: OK\n${OK}`, "disagree"],
    ["OK without a server", "200\nAuth-Status: OK\nAuth-Port: 25", "Auth-Server nothing was given"],
    ["a server with a name", "200\nAuth-Status: OK\nAuth-Server: mx.example\nAuth-Port: 25", '"mx.example"'],
    ["a server in brackets", "200\nAuth-Status: OK\nAuth-Server: [::1]\nAuth-Port: 25", '"[::1]"'],
    ["a network", "200\nAuth-Status: OK\nAuth-Server: 192.0.2.0/24\nAuth-Port: 25", '"192.0.2.0/24"'],
    ["a zone", "200\nAuth-Status: OK\nAuth-Server: fe80::1%eth0\nAuth-Port: 25", '"fe80::1%eth0"'],
    ["a unix socket", "200\nAuth-Status: OK\nAuth-Server: unix:/run/x\nAuth-Port: 25", '"unix:/run/x"'],
    ["two servers", `200\nAuth-Status: OK\n${OK}\nAuth-Server: 192.0.2.2`, "192.0.2.1, 192.0.2.2"],
    ["OK without a port", "200\nAuth-Status: OK\nAuth-Server: 192.0.2.1", "Auth-Port nothing was given"],
    ["port 0", "200\nAuth-Status: OK\nAuth-Server: 192.0.2.1\nAuth-Port: 0", '"0"'],
    ["port 65536", "200\nAuth-Status: OK\nAuth-Server: 192.0.2.1\nAuth-Port: 65536", '"65536"'],
    ["port 25x", "200\nAuth-Status: OK\nAuth-Server: 192.0.2.1\nAuth-Port: 25x", '"25x"'],
    ["a code of success", "200\nAuth-Status: Bad\nAuth-Error-Code: 250 2.1.5", '"250 2.1.5"'],
    ["codes that disagree", "200\nAuth-Status: Bad\nAuth-Error-Code: 451 5.3.0", '"451 5.3.0"'],
    ["an enhanced code alone", "200\nAuth-Status: Bad\nAuth-Error-Code: 5.7.1", '"5.7.1"'],
    ["a code with words", "200\nAuth-Status: Bad\nAuth-Error-Code: 550 no", '"550 no"'],
    ["an empty code", "200\nAuth-Status: Bad\nAuth-Error-Code:", '""'],
    ["a head past 1024 octets", `200\nAuth-Status: OK\n${OK}\nX-A: ${"x".repeat(1000)}`, "longer than 1024"],
  ];
  for (const [name, head, why] of rows) {
    test(name, () => {
      const answer = read(head);
      expect(answer).toEqual({ kind: "fault", why: expect.stringContaining(why) as unknown as string });
    });
  }
});

test("where the server does not matter, it is not read", () => {
  expect(read("200\nAuth-Status: OK\nAuth-Server: mx.example", false)).toEqual({
    kind: "ok",
    server: undefined,
    user: undefined,
    password: undefined,
  });
});

test("a head of 1024 octets is read, and fields of the connection do not count", () => {
  const fixed = `200\nAuth-Status: OK\n${OK}`;
  const used =
    "HTTP/1.0 200 OK\r\nAuth-Status: OK\r\nAuth-Server: 192.0.2.1\r\nAuth-Port: 25\r\nX-A: \r\n\r\n";
  const room = 1024 - used.length;
  const longest = `${fixed}\nX-A: ${"x".repeat(room)}\nConnection: keep-alive\nTransfer-Encoding: chunked`;
  expect(read(longest).kind).toBe("ok");
  expect(read(`${fixed}\nX-A: ${"x".repeat(room + 1)}`).kind).toBe("fault");
});

const value = fc.oneof(
  fc.constantFrom("OK", "WAIT", "192.0.2.1", "25", "451 4.3.0", "550", "250 2.0.0", "", "3"),
  fc.string({ unit: "binary", maxLength: 40 }).map((text) => text.replace(/[^\t\x20-\xff]/g, "?")),
);
const NAMES = [
  "Auth-Status",
  "Auth-Server",
  "Auth-Port",
  "Auth-Wait",
  "Auth-Error-Code",
  "Auth-User",
  "X-Other",
];
const field = (name: string, good: string) =>
  fc.oneof(fc.constant(good), value).map((text) => [name, text] as [string, string]);
const heads = fc.record({
  status: fc.constantFrom(200, 200, 200, 204, 302, 403, 500),
  fields: fc.tuple(
    field("Auth-Status", "OK"),
    field("Auth-Server", "192.0.2.1"),
    field("Auth-Port", "25"),
    fc.array(fc.tuple(fc.constantFrom(...NAMES), value), { maxLength: 3 }),
  ).map(([status, server, port, more]) => [status, server, port, ...more]),
});

test("whatever the head, OK is what says so in full, and a refusal is one that a client can be told", () => {
  const seen = new Set<string>();
  fc.assert(
    fc.property(heads, ({ status, fields }) => {
      const headers = new Headers(fields);
      const answer = readAnswer({ status, headers }, { usual: [550, "7.0"], server: true });
      seen.add(answer.kind);
      if (answer.kind === "ok" || answer.kind === "wait") {
        expect(fields.filter(([name]) => name === "Auth-Status").map(([, text]) => text.trim())).toEqual([
          answer.kind.toUpperCase(),
        ]);
        expect(status === 200 || status === 204).toBe(true);
      }
      if (answer.kind === "ok") expect(answer.server!.port).toBeGreaterThan(0);
      if (answer.kind !== "refused") return;
      expect(answer.text).toMatch(/^[ -~]{1,400}$/);
      expect(Math.floor(answer.code / 100) === 4 || Math.floor(answer.code / 100) === 5).toBe(true);
      expect(answer.enhanced).toMatch(/^\d{1,3}\.\d{1,3}$/);
    }),
    { numRuns: 5_000 },
  );
  expect([...seen].sort()).toEqual(["fault", "ok", "refused", "wait"]);
});
