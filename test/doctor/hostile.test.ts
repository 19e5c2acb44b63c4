/** Backends that mean harm, or are none: the examination ends in its time, and nothing of theirs reaches a terminal. */
import { describe, expect, test } from "bun:test";
import { CannotExamine } from "../../src/doctor/meeting.ts";
import { reportJson, reportLines } from "../../src/doctor/report.ts";
import type { Wire, WireOwner } from "../../src/net/wire.ts";
import { latin1 } from "../../src/smtp/reply.ts";
import { examined, ScriptedBackend } from "./scripted_backend.ts";

const SHORT = { patience: { reply: 200, total: 3000, quiet: 50 } };
const deaf = (said: (wire: Wire) => void) => (wire: Wire): WireOwner => {
  said(wire);
  return { data() {}, drain() {}, end: () => wire.close(), close() {} };
};

async function refusal(backend: { port: number }): Promise<string> {
  try {
    await examined(backend, SHORT);
  } catch (cause) {
    expect(cause).toBeInstanceOf(CannotExamine);
    return (cause as Error).message;
  }
  throw new Error("it was examined");
}

describe("nobody gets in", () => {
  test("where nobody listens", async () => {
    expect(await refusal({ port: 1 })).toBe(
      "Cannot examine 127.0.0.1:1: Cannot connect to 127.0.0.1:1: ECONNREFUSED",
    );
  });

  test.each([
    ["says nothing", () => {}, "nothing within 0.2 s"],
    [
      "speaks another language",
      (wire: Wire) => void wire.write(latin1("SSH-2.0-OpenSSH\r\n")),
      "it is no reply: SSH-2.0",
    ],
    ["closes at once", (wire: Wire) => wire.close(), "the connection was closed"],
    ["refuses", (wire: Wire) => void wire.write(latin1("554 5.7.1 go away\r\n")), "554 5.7.1 go away"],
    [
      "never ends its line",
      (wire: Wire) => void wire.write(latin1(`220 ${"x".repeat(70_000)}`)),
      "a line of more than",
    ],
    [
      "never ends its reply",
      (wire: Wire) => void wire.write(latin1("220-x\r\n".repeat(20_000))),
      "a reply of more than",
    ],
  ])("where it %s", async (_, said, why) => {
    expect(await refusal(await ScriptedBackend.raw(deaf(said)))).toContain(why);
  });

  test("where it drips: the time is that of the reply, not of each octet", async () => {
    const timers: ReturnType<typeof setInterval>[] = [];
    const backend = await ScriptedBackend.raw(deaf((wire) => {
      timers.push(setInterval(() => void wire.write(latin1("220-x\r\n")), 20));
    }));
    const began = performance.now();
    expect(await refusal(backend)).toContain("nothing within 0.2 s");
    expect(performance.now() - began).toBeLessThan(3000);
    timers.forEach(clearInterval);
  });
});

test("escape sequences, controls and wide octets are shown as what they are, in both reports", async () => {
  const evil = "\x1b]0;owned\x07\x1b[2J\x9b31m\xe2\x80\xae";
  const backend = await ScriptedBackend.start({
    greeting: `220 backend.example ${evil}`,
    hello: () => `backend.example ${evil}`,
    offers: () => [`SIZE 1${evil}`, `X-EVIL ${evil}`],
    answer: (line) => line.startsWith("RCPT") ? `550 5.7.1 ${evil}` : undefined,
  });
  const { findings } = await examined(backend);
  const diagnosis = { target: "t", seenFrom: "127.0.0.1", server: undefined, findings };
  const lines = [...reportLines(diagnosis, [], { terminal: false, width: 100 }), reportJson(diagnosis, [])]
    .join("");
  expect(lines).toContain("\\x1b]0;owned\\x07");
  expect(lines.replaceAll("\n", "")).toMatch(/^[ -~]*$/);
});

test("a backend that turns silent after the greeting costs the whole time, and no more", async () => {
  let commands = 0;
  const backend = await ScriptedBackend.start({ answer: () => ++commands > 12 ? "" : undefined });
  const began = performance.now();
  const found = await examined(backend, { patience: { reply: 300, total: 1500, quiet: 50 } });
  expect(performance.now() - began).toBeLessThan(4000);
  expect(found.findings.filter(({ level }) => level === "unknown").length).toBeGreaterThan(1);
});

test("a backend that floods is cut off", async () => {
  const backend = await ScriptedBackend.start({
    answer: (line) => line.startsWith("MAIL") ? "250 2.1.0 ok\r\n".repeat(100_000) : undefined,
  });
  const found = await examined(backend, { to: "t@b.example" });
  expect(found.findings.length).toBeGreaterThan(5);
});
