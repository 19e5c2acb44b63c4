/** Whether the backend does what it offers, its pace, and whether a connection may be used again. */
import { describe, expect, test } from "bun:test";
import { examined, ScriptedBackend } from "./scripted_backend.ts";

const refusing = (pattern: RegExp, reply: string) => (line: string) => pattern.test(line) ? reply : undefined;

describe("what is offered", () => {
  const OFFERS = [
    "PIPELINING",
    "SIZE 1000",
    "8BITMIME",
    "SMTPUTF8",
    "DSN",
    "CHUNKING",
    "ENHANCEDSTATUSCODES",
  ];
  const offers = () => OFFERS;
  const strict = refusing(/SIZE=1001/, "552 5.3.4 too large");

  test("and done, is no matter", async () => {
    const found = await examined(await ScriptedBackend.start({ offers, answer: strict }));
    expect(found.level("offers-true")).toBe("good");
  });

  test.each([
    ["8bitmime-refused", refusing(/BODY=8BITMIME/, "555 5.5.4 no")],
    ["smtputf8-refused", refusing(/SMTPUTF8/, "555 5.5.4 no")],
    ["dsn-refused", refusing(/RET=/, "555 5.5.4 no")],
    ["size-refused", refusing(/SIZE=1000$/, "552 5.3.4 no")],
    ["size-taken", refusing(/SIZE=1001/, "250 2.1.0 ok")],
    ["chunking-refused", refusing(/^BDAT/, "500 5.5.1 not known")],
  ])("%s", async (id, answer) => {
    const all = (line: string) => answer(line) ?? strict(line);
    const found = await examined(await ScriptedBackend.start({ offers, answer: all }));
    expect(found.level(id)).toBe("warning");
    expect(found.level("offers-true")).toBeUndefined();
  });

  test("PIPELINING that loses commands", async () => {
    const answer = (line: string) => line === "RSET" ? "" : strict(line);
    const patience = { reply: 200, total: 20_000, quiet: 50 };
    const found = await examined(await ScriptedBackend.start({ offers, answer }), { patience });
    expect(found.level("pipelining-broken")).toBe("warning");
  });

  test("enhanced codes that do not come", async () => {
    const answer = (line: string) => strict(line) ?? refusing(/^MAIL/, "250 ok")(line);
    expect((await examined(await ScriptedBackend.start({ offers, answer }))).level("no-enhanced-codes")).toBe(
      "note",
    );
  });
});

test("nothing offered, and HELO alone", async () => {
  const answer = refusing(/^EHLO/, "502 5.5.1 not known");
  const helo = (line: string) => answer(line) ?? refusing(/^HELO/, "250 backend.example")(line);
  const found = await examined(await ScriptedBackend.start({ answer: helo }));
  expect(found.level("no-extensions")).toBe("warning");
  expect(found.level("own-refused")).toBe("good");
});

test("a bare LF and a NUL that are taken in commands are told", async () => {
  const answer = refusing(/\0/, "250 2.0.0 ok");
  const found = await examined(await ScriptedBackend.start({ answer }));
  expect(found.level("bare-lf-command")).toBe("note");
  expect(found.level("nul-taken")).toBe("note");
  expect(found.find("bare-lf-command")!.advice).toContain("is told by --to ADDRESS");
});

test("who has given --to is not advised to give it", async () => {
  const found = await examined(await ScriptedBackend.start(), { to: "t@b.example" });
  expect(found.find("bare-lf-command")!.advice).toContain("stands with what it takes for an end of data");
  expect(found.findings.filter(({ advice }) => advice?.includes("--to"))).toEqual([]);
});

test("a connection that serves no second transaction", async () => {
  let reset = false;
  const answer = (line: string) => {
    if (line.startsWith("EHLO")) reset = false;
    if (line.startsWith("MAIL") && reset) return "503 5.5.1 once only";
    reset ||= line === "RSET";
    return undefined;
  };
  const found = await examined(await ScriptedBackend.start({ answer }));
  expect(found.find("not-reusable")).toMatchObject({ level: "warning" });
});
