// bun only: drives the program as a process
// Starting and stopping: a mistake in the environment is one clear line on stderr and exit 1, never a
// stack trace and never a proxy that runs half; a backend that is down is no mistake.
import { connect, createServer } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { on, ScriptedBackend } from "../support/blackbox_backend.ts";
import { stuff } from "../support/blackbox_bytes.ts";
import { code, RawClient, told } from "../support/blackbox_client.ts";
import { freePort, ProxyProcess, startProxy } from "../support/blackbox_proxy.ts";
import { healthy, letter } from "../support/blackbox_stage.ts";
import { CERT_FILE, KEY_FILE, OTHER_KEY_FILE, tempFile } from "../support/blackbox_tls.ts";
import { eventually, sleep } from "../support/blackbox_wait.ts";

let backend: ScriptedBackend;
beforeAll(async () => {
  backend = await ScriptedBackend.start();
});
afterAll(() => backend.stop());

/** Starts with these settings over a good set; undefined takes one away. Tells how it ended, or that it runs. */
async function attempt(env: Record<string, string | undefined>, args?: readonly string[]) {
  const port = await freePort();
  const settings: Record<string, string> = {};
  const all = {
    SALLYPORT_LISTEN: `127.0.0.1:${port}`,
    SALLYPORT_BACKEND: backend.address,
    SALLYPORT_HOSTNAME: "mx.example",
    ...env,
  };
  for (const [name, value] of Object.entries(all)) if (value !== undefined) settings[name] = value;
  const proxy = new ProxyProcess({ env: settings, ...(args === undefined ? {} : { args }) }, port);
  const exit = await Promise.race([proxy.exit, sleep(8000).then(() => undefined)]);
  if (exit === undefined) await proxy.stop();
  return { exit, stderr: proxy.stderr, stdout: proxy.stdout };
}

/** Complaints about how a mistake was told; it must name one of these words. */
function untold(result: Awaited<ReturnType<typeof attempt>>, words: readonly string[]): string[] {
  const problems: string[] = [];
  if (result.exit === undefined) return ["it runs"];
  if (result.exit.status !== 1) problems.push(`exit ${result.exit.status ?? result.exit.signal}`);
  const lines = result.stderr.trim().split("\n").filter((l) => l.trim() !== "");
  if (lines.length === 0) problems.push("nothing on stderr");
  if (lines.length > 1) problems.push(`${lines.length} lines on stderr`);
  if (/^\s+at |\bnode_modules\b|^\s*\d+ \|/m.test(result.stderr)) problems.push("a stack trace");
  if (!words.some((w) => result.stderr.includes(w))) problems.push(`names none of ${words.join(", ")}`);
  return problems.length === 0 ? [] : [...problems, result.stderr.slice(0, 600)];
}

describe("a mistake is one clear line on stderr and exit 1", () => {
  const listen = [
    "nonsense",
    "127.0.0.1",
    "127.0.0.1:",
    "127.0.0.1:abc",
    "127.0.0.1:99999",
    "127.0.0.1:-1",
    "999.1.1.1:2525",
    "127.0.0.1:2525:99",
    "http://127.0.0.1:2525",
    "tls://",
    "fd:x",
    "203.0.113.77:2525",
  ];
  for (const value of listen) {
    test(`SALLYPORT_LISTEN=${value}`, async () => {
      expect(untold(await attempt({ SALLYPORT_LISTEN: value }), ["SALLYPORT_LISTEN", value])).toEqual([]);
    }, 15_000);
  }

  test("SALLYPORT_LISTEN with tls:// and no certificate", async () => {
    const port = await freePort();
    expect(
      untold(await attempt({ SALLYPORT_LISTEN: `tls://127.0.0.1:${port}` }), [
        "certificate",
        "SALLYPORT_TLS_CERT",
        "TLS",
      ]),
    ).toEqual([]);
  }, 15_000);

  test("a port in use", async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
    const address = server.address();
    const port = address !== null && typeof address === "object" ? address.port : 0;
    try {
      expect(untold(await attempt({ SALLYPORT_LISTEN: `127.0.0.1:${port}` }), [String(port)])).toEqual([]);
    } finally {
      server.close();
    }
  }, 15_000);

  test("the second of two listeners in use: the first does not stay up alone", async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
    const address = server.address();
    const port = address !== null && typeof address === "object" ? address.port : 0;
    try {
      expect(
        untold(await attempt({ SALLYPORT_LISTEN: `127.0.0.1:${await freePort()},127.0.0.1:${port}` }), [
          String(port),
        ]),
      ).toEqual([]);
    } finally {
      server.close();
    }
  }, 15_000);

  const notPem = tempFile("not.pem", "this is no certificate\n");
  const torn = tempFile("torn.pem", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n");
  const empty = tempFile("empty.pem", "");
  const tls: readonly (readonly [string, string | undefined, string | undefined])[] = [
    ["a certificate that is not there", "/nowhere/cert.pem", KEY_FILE],
    ["a key that is not there", CERT_FILE, "/nowhere/key.pem"],
    ["a certificate that is a directory", "/tmp", KEY_FILE],
    ["a certificate that is no PEM", notPem, KEY_FILE],
    ["a torn certificate", torn, KEY_FILE],
    ["an empty certificate", empty, KEY_FILE],
    ["a key that is no PEM", CERT_FILE, notPem],
    ["an empty key", CERT_FILE, empty],
    ["a key of another certificate", CERT_FILE, OTHER_KEY_FILE],
    ["certificate and key exchanged", KEY_FILE, CERT_FILE],
    ["a certificate and no key", CERT_FILE, undefined],
    ["a key and no certificate", undefined, KEY_FILE],
  ];
  for (const [name, cert, key] of tls) {
    test(name, async () => {
      const result = await attempt({ SALLYPORT_TLS_CERT: cert, SALLYPORT_TLS_KEY: key });
      expect(untold(result, ["SALLYPORT_TLS", ...[cert, key].filter((f) => f !== undefined)])).toEqual([]);
    }, 15_000);
  }

  for (
    const value of [
      undefined,
      "",
      "nonsense",
      "127.0.0.1:abc",
      "127.0.0.1:99999",
      "ftp://127.0.0.1:25",
      "127.0.0.1:25,,",
    ]
  ) {
    test(`SALLYPORT_BACKEND ${value === undefined ? "unset" : `= "${value}"`}`, async () => {
      const result = await attempt({ SALLYPORT_BACKEND: value });
      // A bare name may mean its port 25, and an empty entry of a list may be passed over.
      if (result.exit === undefined && (value === "nonsense" || value === "127.0.0.1:25,,")) return;
      expect(untold(result, ["SALLYPORT_BACKEND", "backend"])).toEqual([]);
    }, 15_000);
  }

  const broken = tempFile("broken_policy.ts", "export default {{{\n");
  const throwing = tempFile("throwing_policy.ts", 'throw new Error("from the policy");\n');
  const wrong = tempFile("wrong_policy.ts", "export default 42;\n");
  const none = tempFile("no_policy.ts", "export const policy = 1;\n");
  for (const path of ["policies/no_such_policy.ts", broken, throwing, wrong, none, "/tmp"]) {
    test(`policy ${path.split("/").at(-1)}`, async () => {
      const result = await attempt({}, ["serve", path]);
      expect(untold(result, [path, path.split("/").at(-1) ?? path])).toEqual([]);
    }, 15_000);
  }

  test("an unknown command, and an unknown option", async () => {
    for (const args of [["swerve"], ["serve", "policies/pass.ts", "--no-such-option"]]) {
      const result = await attempt({}, args);
      expect(result.exit, `${args.join(" ")} runs`).not.toBe(undefined);
      expect(result.exit?.status).not.toBe(0);
      expect(result.stderr.trim()).not.toBe("");
      expect(result.stderr).not.toMatch(/^\s+at /m);
    }
  }, 25_000);

  test("`check` finds the same mistakes and binds nothing", async () => {
    const bad = await attempt({ SALLYPORT_LISTEN: "127.0.0.1:abc" }, ["check", "policies/pass.ts"]);
    expect(bad.exit?.status).toBe(1);
    expect(bad.stdout + bad.stderr).toContain("127.0.0.1:abc");
    const good = await attempt({}, ["check", "policies/pass.ts"]);
    expect(good.exit?.status, good.stderr).toBe(0);
  }, 25_000);
});

describe("starting", () => {
  test("a backend that is down is no reason not to start; mail flows once it is up", async () => {
    const later = await ScriptedBackend.start();
    await later.stop();
    const proxy = await startProxy(later.address, {}, { banner: /^(220|421)/ });
    try {
      await sleep(300);
      expect(proxy.ended, proxy.log).toBe(false);
      const client = await proxy.connect();
      const banner = await client.hear();
      if (code(banner) === "220") {
        await client.command("EHLO x.example", "250");
        const sent = await client.send(letter().bytes);
        expect(told(sent.heard)).toMatch(/^4\d\d/);
      } else expect(told(banner)).toMatch(/^421 4\.3\.2/);
      client.vanish();
      await later.listen();
      expect(await healthy(() => proxy.client(), 15_000), proxy.log).toBe(true);
    } finally {
      await proxy.stop();
      await later.stop();
    }
  }, 40_000);

  test("a backend that hangs at start is no reason not to start", async () => {
    const mute = await ScriptedBackend.start();
    mute.script = on({ greeting: { then: "stall" } });
    const proxy = await startProxy(mute.address, {}, { banner: /^(220|421)/ });
    try {
      expect(proxy.ended).toBe(false);
      mute.heal();
      expect(await healthy(() => proxy.client(), 15_000), proxy.log).toBe(true);
    } finally {
      await proxy.stop();
      await mute.stop();
    }
  }, 40_000);

  test(
    "several listeners all serve, the banner has the name that was set, the admin port stays shut",
    async () => {
      const [second, third] = [await freePort(), await freePort()];
      const proxy = await startProxy(backend.address, { SALLYPORT_HOSTNAME: "edge-7.example" }, {
        also: `127.0.0.1:${second}, 127.0.0.1:${third}`,
      });
      try {
        for (const port of [proxy.port, second, third]) {
          const client = await RawClient.connect(port);
          expect((await client.expect("220")).raw).toStartWith("220 edge-7.example ");
          await client.quit();
        }
        const refused = await new Promise<boolean>((resolve) => {
          const socket = connect(8025, "127.0.0.1");
          socket.once("connect", () => (socket.destroy(), resolve(false)));
          socket.once("error", () => resolve(true));
        });
        expect(refused, "SALLYPORT_ADMIN=off").toBe(true);
      } finally {
        await proxy.stop();
      }
    },
    20_000,
  );
});

test("SIGHUP ends nothing: a running message is finished, new clients are served", async () => {
  const own = await ScriptedBackend.start();
  const proxy = await startProxy(own.address);
  try {
    own.script = on({ dot: { after: 300 } });
    const busy = await proxy.client();
    const sending = busy.send(letter().bytes);
    await sleep(100);
    proxy.signal("SIGHUP");
    expect(told((await sending).heard)).toMatch(/^250/);
    expect(proxy.ended, proxy.log).toBe(false);
    expect(await healthy(() => proxy.client())).toBe(true);
    await busy.quit();
  } finally {
    await proxy.stop();
    await own.stop();
  }
}, 20_000);

describe("stopping with SIGTERM", () => {
  test(
    "a running message is finished, an idle session gets 421, new ones are refused, and it exits 0",
    async () => {
      const own = await ScriptedBackend.start();
      const proxy = await startProxy(own.address);
      try {
        own.script = on({ dot: { after: 800 } });
        const [busy, idle] = [await proxy.client(), await proxy.client()];
        const { id, bytes } = letter();
        for (const line of ["MAIL FROM:<a@client.example>", "RCPT TO:<r@b.example>"]) {
          await busy.command(
            line,
            "250",
          );
        }
        await busy.command("DATA", "354");
        await busy.write(stuff(bytes));
        await sleep(100);
        proxy.signal("SIGTERM");
        expect(told(await idle.hear(3000))).toMatch(/^421/);
        expect(await idle.closes(1000)).toBe(true);
        expect(told(await busy.hear(5000))).toMatch(/^250/);
        expect(own.delivered(id).length).toBe(1);
        const late = await proxy.connect().then((c) => c.hear(500).then(told), () => "refused");
        expect(late).toMatch(/^(refused|closed|421)/);
        expect(await eventually(() => proxy.ended, 8000), proxy.log).toBe(true);
        expect((await proxy.exit).status).toBe(0);
      } finally {
        await proxy.stop();
        await own.stop();
      }
    },
    30_000,
  );

  test("with nothing to do and a backend that is down or mute it is gone soon", async () => {
    const mute = await ScriptedBackend.start();
    mute.script = on({ greeting: { then: "stall" } });
    const down = await freePort();
    try {
      for (const address of [mute.address, `127.0.0.1:${down}`]) {
        const proxy = await startProxy(address, {}, { banner: /^(220|421)/ });
        proxy.signal("SIGTERM");
        const gone = await eventually(() => proxy.ended, 5000);
        await proxy.stop();
        expect(gone, `${address === mute.address ? "mute" : "down"}: ${proxy.log}`).toBe(true);
      }
    } finally {
      await mute.stop();
    }
  }, 20_000);

  test("with nothing to do it is gone at once", async () => {
    const proxy = await startProxy(backend.address);
    proxy.signal("SIGTERM");
    expect(await eventually(() => proxy.ended, 3000), proxy.log).toBe(true);
    expect((await proxy.exit).status).toBe(0);
  }, 10_000);
});
