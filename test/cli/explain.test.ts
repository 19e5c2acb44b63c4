// bun only: runs the program as its users do
// `sallyport explain`: what it prints, what it refuses, and that it leaves nothing behind.
import { afterAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { makeIdentity } from "../support/certificate.ts";
import { run } from "../support/live_children.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "sallyport-explain-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** Runs it on a policy with these rules, and settings besides. */
async function explain(rules: string, options: readonly string[], store = "memory:", settings = "") {
  const path = join(folder, "policy.ts");
  const from = JSON.stringify(join(ROOT, "src/mod.ts"));
  writeFileSync(
    path,
    `import * as s from ${from};
    const { atRcpt, definePlugin, delay, note, reject, score, threshold } = s;
    export default s.definePolicy({
      hostname: "mx.example.org",
      listen: ["127.0.0.1:2525"],
      backends: ["127.0.0.1:10025"],
      store: ${JSON.stringify(store)},
      plugins: [${rules}],
      ${settings}
    });`,
  );
  const command = [process.execPath, join(ROOT, "src/main.ts"), "explain", path, ...options];
  const { status, stdout, stderr } = await run(command);
  const text = (latin1: string) => Buffer.from(latin1, "latin1").toString("utf8");
  return { status, stdout: text(stdout), stderr: text(stderr) };
}

const SESSION = [
  "--ip",
  "203.0.113.9",
  "--helo",
  "client.example",
  "--from",
  "a@b.example",
  "--to",
  "c@d.example",
];
const LISTED = `atRcpt(definePlugin("listed", () => ({
  onError: "pass",
  connect: () => [note("zone", "bl.example"), reject("5.7.1", "Listed")],
}))())`;

test("a refusal that is held: who said it, when the client hears it, and that nothing is delivered", async () => {
  const { status, stdout } = await explain(LISTED, [...SESSION, "--offline"]);
  expect(status).toBe(0);
  expect(stdout).toMatch(/listed at connect +reject: 554 5\.7\.1 Listed \(held until RCPT\)/);
  expect(stdout).toContain("      zone: bl.example\n");
  expect(stdout).toMatch(/C: RCPT TO:<c@d\.example>\nS: 550 5\.7\.1 Listed \[ref [0-9A-Z]{10}\]\n/);
  expect(stdout).toEndWith("Nothing would have been delivered.\n");
});

test("a shadowed rule that takes its time is shown at the command that it was asked about", async () => {
  const slow = `s.shadow(definePlugin("slow", () => ({
    onError: "pass",
    rcpt: ({ forwardPath }, io) => new Promise((resolve) =>
      io.after(300, () => resolve(note("of", forwardPath.localPart)))),
  }))())`;
  const refused = `definePlugin("refused", () => ({
    onError: "pass",
    rcpt: () => reject("5.7.1", "No"),
  }))()`;
  const { stdout } = await explain(`${slow}, ${refused}`, [...SESSION, "--offline", "--to", "e@d.example"]);
  const at = (mailbox: string) => stdout.split(`C: RCPT TO:<${mailbox}@d.example>`)[1]!.split("C: ")[0];
  expect([at("c"), at("e")]).toEqual([
    expect.stringContaining("      of: c\n"),
    expect.stringContaining("      of: e\n"),
  ]);
});

test("what was thrown is told, a verdict too", async () => {
  const thrower = `definePlugin("thrower", () => ({
    onError: "pass",
    mail() {
      throw reject("5.7.1", "No");
    },
  }))()`;
  const { stdout } = await explain(thrower, [...SESSION, "--offline"]);
  expect(stdout).toContain("was thrown; a verdict is to be returned)");
});

test("the pool of each recipient, and who has chosen it", async () => {
  const pools =
    `pools: { a: ["10.0.0.1:25"], b: ["10.0.0.2:25"] }, routes: [{ domain: "d.example", pool: "a" }],`;
  const router = `definePlugin("router", () => ({
    onError: "pass",
    rcpt: ({ forwardPath }) => forwardPath.localPart === "b" ? s.route("b") : undefined,
  }))()`;
  const said = [...SESSION, "--offline", "--to", "e@other.example", "--to", "b@d.example"];
  const { stdout } = await explain(router, said, "memory:", pools);
  expect(stdout).toContain("C: RCPT TO:<c@d.example>\n");
  expect(stdout).toMatch(/ {3}to pool a \(routes\[0\]\)\nS: 250 /);
  expect(stdout).toMatch(/ {3}to pool default \(no route holds\)\nS: 451 4\.5\.3 /);
  expect(stdout).toMatch(/ {6}routes to pool b\n {3}to pool b \(router\)\nS: 451 4\.5\.3 /);
  expect(stdout).toEndWith("Delivered to <c@d.example>.\n");
});

test("nobody waits for what the client would wait for", async () => {
  const slow =
    `definePlugin("slow", () => ({ onError: "pass", mail: () => [delay(100000), score(3, "why")] }))()`;
  const { stdout } = await explain(`${slow}, threshold({ reject: 5 })`, SESSION);
  expect(stdout).toContain("   … the client waits 100 s\n");
  expect(stdout).toContain("      score +3: why\n");
  expect(stdout).toContain("Delivered to <c@d.example>.");
});

test("addresses that are not ASCII are said as UTF-8, and shown as text", async () => {
  const { stdout } = await explain("", [
    "--ip",
    "2001:db8::7",
    "--helo",
    "x",
    "--from",
    "ü@b.example",
    "--to",
    "c@d.example",
    "--tls",
  ]);
  expect(stdout).toContain("a session from 2001:db8::7 (at 127.0.0.1:2525, TLS)\n");
  expect(stdout).toContain("C: MAIL FROM:<ü@b.example> SMTPUTF8\nS: 250");
});

test("a store that is not there is not made", async () => {
  const path = join(folder, "absent.db");
  const { status } = await explain(LISTED, SESSION, `sqlite:${path}`);
  expect([status, existsSync(path)]).toEqual([0, false]);
});

describe("mistakes are named, all at once:", () => {
  test("what is missing", async () => {
    const { status, stderr } = await explain("", ["--ip", "203.0.113.9"]);
    expect(status).toBe(1);
    for (const flag of ["--helo", "--from", "--to"]) {
      expect(stderr).toContain(`Cannot explain: ${flag} is needed`);
    }
    expect(stderr).toContain("--from ADDRESS --to ADDRESS [--to …] [--auth USER]");
  });
  test("what no client can be or say", async () => {
    const { status, stderr } = await explain("", [
      "--ip",
      "203.0.113",
      "--helo",
      "x\r\nRSET",
      "--from",
      "",
      "--to",
      "b@c.example",
    ]);
    expect(status).toBe(1);
    expect(stderr).toContain('--ip: "203.0.113" was given; allowed is an IP address');
    expect(stderr).toContain('--helo: "x\\r\\nRSET" was given; allowed is text without control characters');
  });
  test("a message that cannot be read", async () => {
    const { status, stderr } = await explain("", ["/absent.eml", ...SESSION]);
    expect([status, stderr.includes("Cannot read the message /absent.eml")]).toEqual([1, true]);
  });
  test("an option that is none", async () => {
    const { status, stderr } = await explain("", [...SESSION, "--form", "x"]);
    expect([status, stderr.includes("Cannot take --form")]).toEqual([1, true]);
  });
});

/** The session of another client. */
const from = (ip: string) => SESSION.with(1, ip);

describe("the listener", () => {
  const [cert, key] = [join(folder, "cert.pem"), join(folder, "key.pem")];
  const identity = makeIdentity({ names: ["mx.example.org"] });
  writeFileSync(cert, identity.cert);
  writeFileSync(key, identity.key);
  const REQUIRED = '{ address: "127.0.0.1:2525", tls: "required" }';
  const FIRST = '"tls://127.0.0.1:2465"';
  const at = (listen: string, ...more: string[]) =>
    explain(
      "",
      [...SESSION, "--offline", ...more],
      "memory:",
      `listen: [${listen}], tls: ${JSON.stringify({ cert, key })},`,
    );

  test("that takes no mail in the clear takes none, and takes it under TLS", async () => {
    const clear = await at(REQUIRED);
    expect(clear.stdout).toContain("(at 127.0.0.1:2525, no TLS, offline)");
    expect(clear.stdout).toMatch(/C: MAIL FROM.*\nS: 530 5\.7\.0 Must issue a STARTTLS command first/);
    expect(clear.stdout).toEndWith("Nothing would have been delivered.\n");
    expect((await at(REQUIRED, "--tls")).stdout).toContain("Delivered to <c@d.example>.");
  });

  test("is the one with TLS first where the client comes with it, and the other where it does not", async () => {
    const { stdout } = await at(`${REQUIRED}, ${FIRST}`, "--tls");
    expect(stdout).toContain("(at tls://127.0.0.1:2465, TLS, offline)");
    expect(stdout).toContain("Delivered to <c@d.example>.");
    expect((await at(`${FIRST}, ${REQUIRED}`)).stdout).toContain("(at 127.0.0.1:2525, no TLS, offline)");
  });

  test("that has TLS first has it without being told", async () => {
    const { stdout } = await at(FIRST);
    expect(stdout).toContain("(at tls://127.0.0.1:2465, TLS, offline)");
    expect(stdout).toContain("Delivered to <c@d.example>.");
  });

  test("that needs a PROXY header is come to as the client that it would name", async () => {
    const settings = 'listen: ["proxy://127.0.0.1:2525"], trusted: ["192.0.2.0/24"],';
    const { stdout } = await explain("", [...SESSION, "--offline"], "memory:", settings);
    expect(stdout).toContain("Delivered to <c@d.example>.");
    expect(stdout).not.toContain("trusted");
  });
});

test("a trusted host is not judged: it is said, with whom that leaves out, and nobody waits for a header", async () => {
  const rules =
    `definePlugin("addresses", () => ({ onError: "pass", judges: "client", helo: () => reject() }))(),
    definePlugin("names", () => ({ onError: "pass", helo: () => undefined }))()`;
  const { stdout } = await explain(
    rules,
    [...from("192.0.2.5"), "--offline"],
    "memory:",
    'trusted: ["192.0.2.0/24"],',
  );
  expect(stdout).toContain("192.0.2.5 is a trusted host (setting trusted): it speaks for others");
  expect(stdout).toContain("Not asked: anybody at connect, addresses.\n");
  expect(stdout).toContain("names at helo");
  expect(stdout).not.toContain("addresses at");
  expect(stdout).not.toContain("the client waits");
});

test("a plugin that looks nothing up for a private address says so, and only then", async () => {
  const dnsbl = join(ROOT, "plugins/dnsbl/mod.ts");
  const rules = `(await import(${JSON.stringify(dnsbl)})).dnsbl({ sites: "bl.example" })`;
  const AWAY = /dnsbl at \w+ +no objection: nothing is looked up for a private address \(privateAddresses\)/;
  expect((await explain(rules, [...from("10.1.2.3"), "--offline"])).stdout).toMatch(AWAY);
  expect((await explain(rules, [...SESSION, "--offline"])).stdout).not.toMatch(AWAY);
});
