// bun only: runs the program as its users do
/** `sallyport doctor`: what it prints, its exit codes, and what it refuses. */
import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import process from "node:process";
import { orderOf } from "../../src/cli/doctor_order.ts";
import { ScriptedBackend, type Session } from "../doctor/scripted_backend.ts";
import { run } from "../support/live_children.ts";
import { ROOT } from "../support/scratch.ts";

async function doctor(...words: readonly string[]) {
  const { status, stdout, stderr } = await run([
    process.execPath,
    join(ROOT, "src/main.ts"),
    "doctor",
    ...words,
  ]);
  const utf8 = (latin1: string) => Buffer.from(latin1, "latin1").toString("utf8");
  return { status, stdout: utf8(stdout), stderr: utf8(stderr) };
}

test("a sound backend: exit code 0, plain ASCII, the lines of the server it is", async () => {
  const { port } = await ScriptedBackend.start({ greeting: "220 mx.example ESMTP Exim 4.97" });
  const { status, stdout, stderr } = await doctor(`127.0.0.1:${port}`);
  expect(stdout).toStartWith(
    `127.0.0.1:${port}, examined from 127.0.0.1\n\nThe server\n  [ok] It greets, and looks like Exim\n`,
  );
  expect(stdout).toMatch(/^[ -~\n]*$/);
  expect(stdout).toContain("What to add to Exim, for a proxy at 127.0.0.1\n");
  expect(stdout).not.toContain("What to add to Postfix");
  expect(stdout).toContain("0 endanger mail");
  expect([status, stderr]).toEqual([0, ""]);
});

test("an open relay: exit code 1, as JSON too, for a server of one's choice", async () => {
  const relays = ({ address }: Session) => address === "127.0.0.1";
  const { port } = await ScriptedBackend.start({ relays });
  const { status, stdout } = await doctor(`127.0.0.1:${port}`, "--json", "--for", "sendmail");
  const told = JSON.parse(stdout);
  expect(status).toBe(1);
  expect(told.exitCode).toBe(1);
  expect(told.findings.find(({ id }: { id: string }) => id === "own-relays").level).toBe("danger");
  expect(Object.keys(told.configuration)).toEqual(["sendmail"]);
});

test("what will be delivered is said beforehand", async () => {
  const backend = await ScriptedBackend.start();
  const { status, stderr } = await doctor(`127.0.0.1:${backend.port}`, "--deliver", "t@b.example");
  expect(stderr).toContain('"Sallyport doctor test: from ..." will be delivered to t@b.example');
  expect(status).toBe(0);
  expect(backend.delivered.length).toBe(1);
});

describe("exit code 2", () => {
  test("nobody is there, as JSON too", async () => {
    const words = "Cannot examine 127.0.0.1:1: Cannot connect to 127.0.0.1:1: ECONNREFUSED";
    expect(await doctor("127.0.0.1:1")).toEqual({ status: 2, stdout: "", stderr: `sallyport: ${words}\n` });
    const { status, stdout } = await doctor("127.0.0.1:1", "--json");
    expect([status, JSON.parse(stdout)]).toEqual([2, { target: "127.0.0.1:1", exitCode: 2, error: words }]);
  });

  test("every mistake is told at once", async () => {
    const { status, stderr } = await doctor(
      ...["mx.example", "--to", "a b@c.example", "--deliver", "nobody", "--foreign", "x y", "--for", "qmail"],
      ...[
        "--timeout",
        "0",
        "--limit",
        "soon",
        "--name",
        "a..b",
        "--ca",
        "/no/such",
        "--mailbox",
        "/no/such/box",
      ],
    );
    expect(status).toBe(2);
    const lines = stderr.trimEnd().split("\n").map((line) =>
      /^sallyport: Cannot \w+ (--\w+|HOST:PORT)/.exec(line)?.[1]
    );
    expect(lines.toSorted()).toEqual(
      [
        "--ca",
        "--deliver",
        "--for",
        "--foreign",
        "--limit",
        "--mailbox",
        "--name",
        "--timeout",
        "--to",
        "HOST:PORT",
      ],
    );
    expect(stderr).toContain(
      'Cannot take HOST:PORT: "mx.example" was given; allowed is host:port or [IPv6]:port, with smtps:// before it for TLS first; not LMTP',
    );
  });

  test("smtps:// and --implicit-tls are TLS first, host:port is not", () => {
    const first = (target: string, given = {}) => {
      const order = orderOf(target, given);
      return "options" in order && order.options.place.implicitTls;
    };
    expect([first("smtps://mx.example:465"), first("mx.example:465", { "implicit-tls": true })]).toEqual([
      true,
      true,
    ]);
    expect(first("mx.example:25")).toBe(false);
  });

  test.each([
    [["127.0.0.1:1", "--frm", "x"], "Cannot take --frm: there is no such option; allowed is --to, --deliver"],
    [[], "Cannot doctor: too little was given; allowed is sallyport doctor HOST:PORT"],
    [["a:1", "b:2"], "Cannot doctor a:1 b:2: too much was given"],
    [["127.0.0.1:1", "--mailbox", "/tmp"], "--deliver ADDRESS is needed with it"],
    [["127.0.0.1:1", "--to", "a@b\r\nRCPT TO:<x@y>"], "Cannot take --to"],
    [["unix:/tmp/x"], "Cannot take HOST:PORT"],
    [["lmtp://127.0.0.1:24"], "Cannot take HOST:PORT"],
  ])("%j", async (words, text) => {
    const { status, stderr } = await doctor(...words);
    expect(stderr).toContain(text);
    expect(status).toBe(2);
  });
});
