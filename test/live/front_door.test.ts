// bun only: starts real servers
// `policies/front_door.ts` as an operator runs it, with NSD, Redis and a receiver behind it: what a stranger meets, what
// is delivered in the end, what is left in the metrics, and what the loss of Redis does.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { code, RawClient, told } from "../support/blackbox_client.ts";
import { eventually } from "../support/blackbox_wait.ts";
import { Daemon, findProgram, run, serverPort } from "../support/live_children.ts";
import { type Nsd, nsdMissing, startNsd, zoneHead } from "../support/live_nsd.ts";
import { type Receiver, sinkReceiver } from "../support/live_receivers.ts";
import { redisMissing, RedisServer, stopServers } from "../support/live_redis.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const missing = nsdMissing() ?? redisMissing() ??
  (findProgram("smtp-sink") === undefined ? "Debian package postfix is not installed" : undefined);

const ZONES = new Map([
  ["bl.live", `${zoneHead()}2.0.0.127 A 127.0.0.2\n9.113.0.203 A 127.0.0.4\n9.113.0.203 TXT "see bl.live"\n`],
  ["113.0.203.in-addr.arpa", `${zoneHead()}9 PTR mail.sender.live.\n`],
  ["sender.live", `${zoneHead()}@ MX 10 mail\n@ TXT "v=spf1 ip4:203.0.113.9 -all"\nmail A 203.0.113.9\n`],
]);

describe.skipIf(missing !== undefined)(`front_door.ts${missing === undefined ? "" : ` [${missing}]`}`, () => {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-front-door-"));
  let nsd: Nsd, redis: RedisServer, sink: Receiver, proxy: Daemon;
  let port = 0, admin = 0;
  const variables = (): Record<string, string> => ({
    SALLYPORT_LISTEN: `127.0.0.1:${port}`,
    SALLYPORT_ADMIN: `127.0.0.1:${admin}`,
    SALLYPORT_BACKEND: `127.0.0.1:${sink.port}`,
    SALLYPORT_HOSTNAME: "mx.live.example",
    SALLYPORT_RELAY_DOMAINS: "example.org",
    SALLYPORT_DNS: `127.0.0.1:${nsd.port}`,
    SALLYPORT_DNSBL: "bl.live",
    SALLYPORT_STORE: `redis://127.0.0.1:${redis.port}/0`,
  });
  const program = [process.execPath, join(ROOT, "src/main.ts")];
  const policy = join(ROOT, "policies/front_door.ts");

  beforeAll(async () => {
    [nsd, redis, sink] = await Promise.all([
      startNsd({ zones: ZONES }),
      RedisServer.start(folder),
      sinkReceiver(folder),
    ]);
    [port, admin] = [await serverPort(), await serverPort()];
    proxy = new Daemon([...program, "serve", policy], ROOT, variables());
    await proxy.up("the proxy", () => Promise.resolve(proxy.stdout.includes('"event":"started"')));
  });
  afterAll(async () => {
    await proxy?.stop("SIGTERM");
    await Promise.all([nsd?.stop(), sink?.stop(), stopServers()]);
    rmSync(folder, { recursive: true, force: true });
  });

  /** A session up to RCPT: the reply to it. The client's address is one of loopback, the greeting comes when it may. */
  async function addressed(client: string, to: string, from = "a@sender.live") {
    const raw = await RawClient.connect(port, client);
    // A teaser first, then the greeting: one reply of two lines.
    await raw.expect("220", 10_000);
    await raw.command("EHLO mail.sender.live", "250");
    await raw.command(`MAIL FROM:<${from}>`, "250");
    return { raw, heard: await raw.ask(`RCPT TO:<${to}>`) };
  }

  test("a stranger is made to come again, and its mail is delivered then, once", async () => {
    const first = await addressed("127.0.0.21", "you@example.org");
    expect(told(first.heard)).toContain("450 4.7.1 Greylisted, try again in 300 seconds");
    await first.raw.quit();
    await age(400_000);
    const again = await addressed("127.0.0.21", "you@example.org");
    expect(code(again.heard)).toBe("250");
    await again.raw.command("DATA", "354");
    await again.raw.write("Subject: front-door-21\r\n\r\nhello\r\n.\r\n");
    await again.raw.expect("250");
    await again.raw.quit();
    expect(sink.stored("front-door-21").length).toBe(1);
  });

  /** Makes every triplet that waits older. */
  async function age(ms: number): Promise<void> {
    const keys = await redis.admin.keys("sallyport:*triplet*");
    expect(keys.length).toBeGreaterThan(0);
    for (const key of keys) {
      const [first = "", passed = ""] = (await redis.admin.get(key) ?? "").split(" ");
      await redis.admin.set(key, `${Number(first) - ms} ${passed}`, "KEEPTTL");
    }
  }

  test("a foreign recipient is refused, and so is a relay written into the local part", async () => {
    for (
      const to of [
        "victim@foreign.example",
        "victim%foreign.example@example.org",
        "@example.org:victim@foreign.example",
      ]
    ) {
      const { raw, heard } = await addressed("127.0.0.22", to);
      expect([to, told(heard)]).toEqual([to, expect.stringContaining("550 5.7.1 Relaying denied")]);
      raw.reset();
    }
  });

  test("a client that speaks before its greeting is refused, at RCPT, where it is known for whom", async () => {
    const raw = await RawClient.connect(port, "127.0.0.23");
    await raw.write("EHLO mail.sender.live\r\n");
    await raw.expect("220", 10_000);
    await raw.expect("250");
    await raw.command("MAIL FROM:<a@sender.live>", "250");
    expect(told(await raw.ask("RCPT TO:<you@example.org>"))).toContain("you spoke before you were greeted");
    raw.reset();
  });

  test("explain says which list knows a client, in the words that the client hears", async () => {
    const words = [
      "--ip",
      "203.0.113.9",
      "--helo",
      "mail.sender.live",
      "--from",
      "a@sender.live",
      "--to",
      "you@example.org",
    ];
    const { status, stdout } = await run([...program, "explain", policy, ...words], { env: variables() });
    expect(status).toBe(0);
    expect(stdout).toContain("Client host blocked using bl.live: see bl.live (held until RCPT)");
    expect(stdout).toMatch(/S: 550 5\.7\.1 Client host blocked using bl\.live: see bl\.live \[ref/);
    expect(stdout).toContain("reverse: pass mail.sender.live");
    expect(stdout).toContain("Nothing would have been delivered.");
  });

  test("explain writes nothing to the store", async () => {
    const words = [
      "--ip",
      "203.0.113.77",
      "--helo",
      "mail.sender.live",
      "--from",
      "b@other.live",
      "--to",
      "you@example.org",
    ];
    const before = await redis.admin.keys("*");
    const { stdout } = await run([...program, "explain", policy, ...words], { env: variables() });
    expect(stdout).toContain("450 4.7.1 Greylisted");
    expect((await redis.admin.keys("*")).filter((key) => !before.includes(key) && !key.includes("lease")))
      .toEqual([]);
  });

  test("metrics tell the verdicts", async () => {
    const text = await (await fetch(`http://127.0.0.1:${admin}/metrics`)).text();
    expect(text).toMatch(
      /sallyport_verdicts_total\{plugin="relay-gate",stage="rcpt",mode="enforce",verdict="reject"\} [1-9]/,
    );
    expect(text).toMatch(/sallyport_transactions_total\{outcome="delivered"\} 1\n/);
    expect(text).toMatch(/sallyport_dns_queries_total\{type="PTR"|sallyport_dns_queries_total\{/);
  });

  test("while Redis hangs nobody waits past a deadline, and all is well when it is back", async () => {
    redis.signal("SIGSTOP");
    const began = performance.now();
    const { raw, heard } = await addressed("127.0.0.24", "you@example.org");
    // The greylist's onError is "pass": a store that is away costs no mail.
    expect(code(heard)).toBe("250");
    expect(performance.now() - began).toBeLessThan(15_000);
    raw.reset();
    redis.signal("SIGCONT");
    const greylisted = async () => {
      const next = await addressed("127.0.0.24", "other@example.org");
      next.raw.reset();
      return told(next.heard).includes("Greylisted");
    };
    expect(await eventually(greylisted, 20_000)).toBe(true);
  }, 60_000);
});
