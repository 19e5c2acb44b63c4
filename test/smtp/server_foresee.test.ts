/** What the client-facing machine foresees: exactly the recipients that are its next events. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { DEFAULT_LIMITS, type Limits } from "../../src/smtp/limits.ts";
import { latin1, reply } from "../../src/smtp/reply.ts";
import { Server } from "../../src/smtp/server.ts";

const OFFERED = new Map([["PIPELINING", ""], ["SMTPUTF8", ""], ["8BITMIME", ""], ["DSN", ""]]);

/** A machine that has greeted and been told this in one write. */
function machine(lines: readonly string[], limits: Partial<Limits> = {}): Server {
  const server = new Server({
    limits: { ...DEFAULT_LIMITS, ...limits },
    bareLineFeeds: "reject",
    relay: new Set(),
  }, { ref: "7Q2M" });
  server.greet(reply(220, "", "x"), 0);
  server.receive(latin1("EHLO x\r\n"), 0);
  server.next();
  server.answerHelo(reply(250, "", "x"), OFFERED, 0);
  server.receive(latin1(lines.map((line) => `${line}\r\n`).join("")), 0);
  return server;
}

/** Recipients foreseen at the first event. */
function foreseen(lines: readonly string[], limits: Partial<Limits> = {}): string[] {
  const server = machine(lines, limits);
  expect(server.next()?.kind).toBe("mail");
  return server.foresee().map(({ path }) => path.mailbox);
}

const MAIL = "MAIL FROM:<s@x.example>";
const TO = ["RCPT TO:<a@x.example>", "rcpt to:<b@x.example> NOTIFY=NEVER", "RCPT TO:<c@x.example>"];
const ALL = ["a@x.example", "b@x.example", "c@x.example"];

test("the recipients between MAIL and DATA", () => {
  expect(foreseen([MAIL, ...TO, "data"])).toEqual(ALL);
});

const nobody: readonly (readonly [name: string, lines: readonly string[], limits?: Partial<Limits>])[] = [
  ["where DATA has not come", [MAIL, ...TO]],
  ["where something else stands between", [MAIL, TO[0]!, "NOOP", TO[1]!, "DATA"]],
  ["where the message comes by BDAT", [MAIL, ...TO, "BDAT 6", "DATA"]],
  ["where one cannot be read", [MAIL, TO[0]!, "RCPT TO:<>", "DATA"]],
  ["where one asks for what is not offered", [MAIL, "RCPT TO:<a@x.example> RRVS=x", "DATA"]],
  ["where an address needs SMTPUTF8 and MAIL did not say it", [MAIL, "RCPT TO:<\xc3\xbc@x.example>", "DATA"]],
  ["where a line holds a bare CR", [MAIL, "RCPT TO:<a@x.example>\rx", "DATA"]],
  ["where they are more than may be", [MAIL, ...TO, "DATA"], { recipients: 3 }],
  ["where so many refusals would end the session", [MAIL, ...TO, "DATA"], { refusedRecipients: 3 }],
];
for (const [name, lines, limits] of nobody) {
  test(`nobody ${name}`, () => expect(foreseen(lines, limits)).toEqual([]));
}

test("addresses in UTF-8 where MAIL says SMTPUTF8", () => {
  expect(foreseen([`${MAIL} SMTPUTF8`, "RCPT TO:<\xc3\xbc@x.example>", "DATA"])).toEqual([
    "\xc3\xbc@x.example",
  ]);
});

test("nobody is foreseen twice, or of what was looked at in vain, until more has come", () => {
  const server = machine([MAIL, ...TO, "NOOP", "DATA"]);
  server.next();
  expect(server.foresee()).toEqual([]);
  server.answer(reply(250, "1.0", "Ok"), 0);
  expect(server.next()?.kind).toBe("rcpt");
  expect(server.foresee()).toEqual([]);
  server.receive(latin1("RCPT TO:<d@x.example>\r\nDATA\r\n"), 0);
  expect(server.foresee()).toEqual([]);
});

test("whatever is foreseen comes next, whatever the answers are", () => {
  const line = fc.constantFrom(
    ...TO,
    ...TO,
    "RCPT TO:<>",
    "NOOP",
    "RSET",
    "DATA",
    "BDAT 2",
    "wibble",
    "QUIT",
  );
  const lines = fc.array(line, { maxLength: 8 });
  const codes = fc.array(fc.constantFrom(250, 450, 550), { minLength: 12, maxLength: 12 });
  let seen = 0;
  fc.assert(
    fc.property(lines, codes, fc.integer({ min: 1, max: 8 }), (lines, codes, refusedRecipients) => {
      const server = machine([MAIL, ...lines, "DATA"], { refusedRecipients });
      const expected: string[] = [];
      server.next();
      expected.push(...server.foresee().map(({ path }) => path.mailbox));
      server.answer(reply(250, "1.0", "Ok"), 0);
      for (const code of codes) {
        const event = server.next();
        const next = expected.shift();
        if (next !== undefined) {
          expect(event?.kind === "rcpt" ? event.path.mailbox : event?.kind).toBe(next);
          seen++;
        }
        if (event?.kind !== "rcpt") return;
        if (expected.length === 0) expected.push(...server.foresee().map(({ path }) => path.mailbox));
        server.answer(reply(code, "1.5", "so"), 0);
      }
    }),
    { numRuns: 2_000 },
  );
  expect(seen).toBeGreaterThan(100);
});
