/** What a backend's EHLO reply is read as, whatever stands in it: clients are offered it (RFC 5321 §4.1.1.1). */
import { expect, test } from "bun:test";
import { readExtensions } from "../../src/smtp/extensions.ts";
import { latin1 } from "../../src/smtp/reply.ts";

const read = (...lines: readonly string[]) => {
  const text = ["mx.example", ...lines].map((line) => `250-${line}\r\n`).join("");
  return [...readExtensions({ code: 250, bytes: latin1(text) })];
};

test("keywords in any case, their parameters, and the old form with =", () => {
  expect(read("size 1000", "AUTH=LOGIN PLAIN", "DSN ", "x-y\t", "LIMITS \tRCPTMAX=1  MAILMAX=2")).toEqual([
    ["SIZE", "1000"],
    ["AUTH", "LOGIN PLAIN"],
    ["DSN", ""],
    ["X-Y", ""],
    ["LIMITS", "RCPTMAX=1  MAILMAX=2"],
  ]);
});

test("lines that are no ehlo-line are passed over", () => {
  expect(read("", "-DSN", "8BIT\xffMIME", "8BITMIME \xff", "DSN \x1b[31m", "RRVS \0", "SMTPUTF8")).toEqual([
    ["SMTPUTF8", ""],
  ]);
});

test("so are lines longer than a reply line may be", () => {
  expect(read(`DSN ${"y".repeat(502)}`)).toEqual([["DSN", "y".repeat(502)]]);
  expect(read(`DSN ${"y".repeat(503)}`)).toEqual([]);
});
