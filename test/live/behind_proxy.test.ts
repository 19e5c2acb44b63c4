// bun only: starts real servers
// Sallyport behind HAProxy (PROXY v1 and v2, TLS ended there) and behind nginx's mail proxy (XCLIENT, PROXY), as a
// process with a shipped policy: whom it takes for its client, in the log and in the Received field.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { DENO } from "../../scripts/runtimes.ts";
import { code, RawClient, told } from "../support/blackbox_client.ts";
import { eventually } from "../support/blackbox_wait.ts";
import { makeIdentity } from "../support/certificate.ts";
import { Daemon, findProgram, serverPort } from "../support/live_children.ts";
import { haproxyMissing, nginxMissing, startHaproxy, startNginx } from "../support/live_front_proxies.ts";
import { type Nsd, nsdMissing, startNsd, zoneHead } from "../support/live_nsd.ts";
import { type Receiver, sinkReceiver } from "../support/live_receivers.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const missing = haproxyMissing() ?? nginxMissing() ?? nsdMissing() ??
  (findProgram("smtp-sink") === undefined ? "Debian package postfix is not installed" : undefined);
const note = missing === undefined ? "" : ` [skipped: ${missing}]`;

const ZONES = new Map([
  ["bl.live", `${zoneHead()}2.0.0.127 A 127.0.0.2\n9.113.0.203 A 127.0.0.4\n9.113.0.203 TXT "see bl.live"\n`],
  ["113.0.203.in-addr.arpa", `${zoneHead()}`],
  ["sender.live", `${zoneHead()}@ MX 10 mail\nmail A 203.0.113.8\n`],
]);
const PORTS = [
  "pass",
  "passProxy",
  "door",
  "auth",
  "v1",
  "v2",
  "tls",
  "checked",
  "told",
  "doorTold",
  "xclient",
] as const;
const MORE = [
  "nginxProxy",
  "nginxDoor",
  "untrusted",
  "stranger",
  "v1only",
  "passTls",
  "deno",
  "viaDeno",
  "denoTls",
  "passProxyTls",
  "denoProxyTls",
  "through",
  "throughDeno",
  "untrustedTls",
  "strangerTls",
] as const;

type Line = Record<string, unknown> & { readonly event: string };

describe.skipIf(missing !== undefined)(`behind other proxies${note}`, () => {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-behind-"));
  const identity = makeIdentity({ names: ["mx.example"] });
  const port = {} as Record<typeof PORTS[number] | typeof MORE[number], number>;
  let nsd: Nsd,
    sink: Receiver,
    pass: Daemon,
    onDeno: Daemon,
    door: Daemon,
    untrusting: Daemon,
    haproxy: Daemon,
    nginx: Daemon;

  /** Starts `serve POLICY`; it is up when it says so. */
  async function sallyport(
    policy: string,
    variables: Record<string, string>,
    runtime: readonly string[] = [process.execPath],
  ): Promise<Daemon> {
    const program = [
      ...runtime,
      join(ROOT, "src/main.ts"),
      "serve",
      join(ROOT, `policies/${policy}.ts`),
    ];
    const daemon = new Daemon(program, ROOT, {
      SALLYPORT_ADMIN: "off",
      SALLYPORT_BACKEND: `127.0.0.1:${sink.port}`,
      SALLYPORT_HOSTNAME: "mx.live.example",
      ...variables,
    });
    await daemon.up(policy, () => Promise.resolve(daemon.stdout.includes('"event":"started"')));
    return daemon;
  }

  beforeAll(async () => {
    for (const name of [...PORTS, ...MORE]) port[name] = await serverPort();
    [nsd, sink] = await Promise.all([startNsd({ zones: ZONES }), sinkReceiver(folder)]);
    const trusted = { SALLYPORT_TRUSTED: "127.0.0.1" };
    const certificate = {
      SALLYPORT_TLS_CERT: join(folder, "cert.pem"),
      SALLYPORT_TLS_KEY: join(folder, "key.pem"),
    };
    writeFileSync(join(folder, "cert.pem"), identity.cert);
    writeFileSync(join(folder, "key.pem"), identity.key);
    [pass, onDeno, door, untrusting] = await Promise.all([
      sallyport("pass", {
        ...trusted,
        SALLYPORT_LISTEN:
          `127.0.0.1:${port.pass},proxy://127.0.0.1:${port.passProxy},tls://127.0.0.1:${port.passTls},` +
          `proxy+tls://127.0.0.1:${port.passProxyTls}`,
        ...certificate,
      }),
      sallyport(
        "pass",
        {
          ...trusted,
          ...certificate,
          SALLYPORT_LISTEN: `proxy://127.0.0.1:${port.deno},tls://127.0.0.1:${port.denoTls},` +
            `proxy+tls://127.0.0.1:${port.denoProxyTls}`,
        },
        [DENO, "run", "-A"],
      ),
      sallyport("front_door", {
        ...trusted,
        SALLYPORT_LISTEN: `127.0.0.1:${port.door}`,
        SALLYPORT_RELAY_DOMAINS: "example.org",
        SALLYPORT_DNS: `127.0.0.1:${nsd.port}`,
        SALLYPORT_DNSBL: "bl.live",
      }),
      sallyport("pass", {
        ...certificate,
        SALLYPORT_LISTEN: `127.0.0.1:${port.untrusted},tls://127.0.0.1:${port.untrustedTls}`,
      }),
    ]);
    writeFileSync(join(folder, "server.pem"), identity.cert + identity.key);
    const tls = "send-proxy-v2 proxy-v2-options ssl,ssl-cipher,authority";
    mkdirSync(join(folder, "nginx"));
    [haproxy, nginx] = await Promise.all([
      startHaproxy(folder, [
        { name: "v1", port: port.v1, send: "send-proxy", target: port.pass },
        { name: "v1only", port: port.v1only, send: "send-proxy", target: port.passProxy },
        { name: "v2", port: port.v2, send: "send-proxy-v2", target: port.passProxy },
        {
          name: "tls",
          port: port.tls,
          bind: `ssl crt ${folder}/server.pem`,
          send: tls,
          target: port.passProxy,
        },
        { name: "deno", port: port.viaDeno, send: "send-proxy-v2", target: port.deno },
        { name: "through", port: port.through, send: "send-proxy-v2", target: port.passProxyTls },
        { name: "throughDeno", port: port.throughDeno, send: "send-proxy-v2", target: port.denoProxyTls },
        { name: "strangerTls", port: port.strangerTls, send: "send-proxy-v2", target: port.untrustedTls },
        { name: "told", port: port.told, bind: "accept-proxy", send: "send-proxy-v2", target: port.pass },
        {
          name: "doorTold",
          port: port.doorTold,
          bind: "accept-proxy",
          send: "send-proxy-v2",
          target: port.door,
        },
        { name: "stranger", port: port.stranger, send: "send-proxy", target: port.untrusted },
        {
          name: "checked",
          port: port.checked,
          send: "send-proxy-v2 check inter 200ms",
          target: port.passProxy,
          lines: ["option smtpchk EHLO haproxy.check"],
        },
      ]),
      startNginx(join(folder, "nginx"), port.auth, [
        { port: port.xclient, target: port.pass, lines: ["xclient on;"] },
        { port: port.nginxProxy, target: port.passProxy, lines: ["xclient off;", "proxy_protocol on;"] },
        {
          port: port.nginxDoor,
          target: port.door,
          listen: "proxy_protocol",
          lines: ["xclient on;", "set_real_ip_from 127.0.0.1;"],
        },
      ]),
    ]);
  }, 60_000);
  afterAll(async () => {
    // nginx takes its worker with it only where it is asked to end.
    await Promise.all([haproxy?.stop(), nginx?.stop("SIGTERM")]);
    await Promise.all([pass, onDeno, door, untrusting].map((each) => each?.stop("SIGTERM")));
    await Promise.all([nsd?.stop(), sink?.stop()]);
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  });

  function lines({ stdout }: Daemon, event: string): Line[] {
    return stdout.split("\n").flatMap((line) => line.startsWith("{") ? [JSON.parse(line) as Line] : [])
      .filter((line) => line.event === event);
  }

  /** Delivers a message; its Received field as the receiver has it, and its line in the log. */
  async function deliver(
    raw: RawClient,
    token: string,
    proxy: Daemon = pass,
  ): Promise<{ ehlo: string; trace: string; line: Line }> {
    await raw.expect("220", 10_000);
    const ehlo = (await raw.command("EHLO client.example", "250")).raw;
    await raw.command(`MAIL FROM:<${token}@sender.live>`, "250");
    await raw.command("RCPT TO:<you@example.org>", "250");
    await raw.command("DATA", "354");
    await raw.write(`Subject: ${token}\r\n\r\nhello\r\n.\r\n`);
    await raw.expect("250");
    await raw.quit();
    const found = () => lines(proxy, "transaction").find(({ from }) => String(from).startsWith(token));
    expect(await eventually(() => Promise.resolve(found() !== undefined), 5000)).toBe(true);
    const [stored = ""] = sink.stored(token).map(String);
    // The receiver's own field stands before it.
    const fields = stored.split(/\r\n(?![\t ])/).filter((field) =>
      field.includes("by mx.live.example (Sallyport)")
    );
    expect(fields.length).toBe(1);
    return { ehlo, trace: fields[0]!, line: found()! };
  }

  test.each([["v1", 41], ["v1only", 42], ["v2", 43], ["xclient", 44], ["nginxProxy", 45]] as const)(
    "%s: the client is whoever spoke to the proxy in front",
    async (name, last) => {
      const client = `127.0.0.${last}`;
      const { trace, line } = await deliver(await RawClient.connect(port[name], client), `${name}-token`);
      // Without XCLIENT nginx says EHLO itself, and does not pass on the client's.
      const helo = name === "nginxProxy" ? "nginx.example" : "client.example";
      expect(trace).toContain(`from ${helo} ([${client}])`);
      expect(trace).toContain(" with ESMTP id ");
      expect(line).toMatchObject({ client, via: "127.0.0.1", outcome: "delivered" });
    },
  );

  test("the same on Deno", async () => {
    const raw = await RawClient.connect(port.viaDeno, "127.0.0.51");
    const { trace, line } = await deliver(raw, "deno-token", onDeno);
    expect(trace).toContain("from client.example ([127.0.0.51])");
    expect(line).toMatchObject({ client: "127.0.0.51", via: "127.0.0.1" });
  });

  test("a client that comes by itself to a listener with implicit TLS, where others are trusted", async () => {
    const raw = await RawClient.connect(port.passTls, "127.0.0.52");
    await raw.startTls();
    const { trace, line } = await deliver(raw, "itself-token");
    expect(trace).toContain("from client.example ([127.0.0.52])");
    expect(trace).toContain(" with ESMTPS id ");
    expect([line["client"], line["via"]]).toEqual(["127.0.0.52", undefined]);
  });

  test.each([["Bun", "through", 53], ["Deno", "throughDeno", 54]] as const)(
    "TLS from the first octet, which HAProxy passes on behind its header, on %s",
    async (runtime, name, last) => {
      const client = `127.0.0.${last}`;
      const raw = await RawClient.connect(port[name], client);
      await raw.startTls();
      const { trace, line } = await deliver(raw, `${name}-token`, runtime === "Bun" ? pass : onDeno);
      expect(trace).toContain(`from client.example ([${client}])`);
      expect(trace).toContain(" with ESMTPS id ");
      expect(line).toMatchObject({ client, via: "127.0.0.1" });
    },
  );

  test.each([["Bun", "passTls"], ["Deno", "denoTls"]] as const)(
    "TLS from the trusted host itself, without a header and without waiting, on %s",
    async (runtime, name) => {
      const began = performance.now();
      const raw = await RawClient.connect(port[name]);
      await raw.startTls();
      await raw.expect("220");
      expect(performance.now() - began).toBeLessThan(250);
      await raw.quit();
      // Slower than the time in which others send a header.
      const late = await RawClient.connect(port[name]);
      await new Promise((done) => setTimeout(done, 500));
      await late.startTls();
      const { trace, line } = await deliver(late, `${name}-late`, runtime === "Bun" ? pass : onDeno);
      expect(trace).toContain(" with ESMTPS id ");
      expect([line["client"], line["via"]]).toEqual(["127.0.0.1", undefined]);
    },
  );

  test("a header where TLS should begin, from a host that is not trusted: the log says why nothing comes of it", async () => {
    const raw = await RawClient.connect(port.strangerTls);
    await raw.write("\x16\x03\x01");
    expect(await raw.closes()).toBe(true);
    const logged = () =>
      lines(untrusting, "proxy header").filter(({ listener }) => String(listener).startsWith("tls://"));
    expect(await eventually(() => Promise.resolve(logged().length > 0), 5000)).toBe(true);
    expect(String(logged()[0]!["detail"])).toContain(
      "Cannot take a PROXY header from 127.0.0.1: that is an untrusted address; allowed are those of",
    );
  });

  test("HAProxy that has ended the client's TLS: the mail came by ESMTPS, and no STARTTLS is offered", async () => {
    const raw = await RawClient.connect(port.tls, "127.0.0.46");
    await raw.startTls();
    const { ehlo, trace, line } = await deliver(raw, "tls-token");
    expect(ehlo).not.toContain("STARTTLS");
    expect(trace).toContain("from client.example ([127.0.0.46])");
    expect(trace).toMatch(/\(TLSv1\.3 TLS_[A-Z0-9_]+\)/);
    expect(trace).toContain(" with ESMTPS id ");
    expect(line).toMatchObject({ client: "127.0.0.46", via: "127.0.0.1" });
  });

  test.each([["203.0.113.8", "TCP4", "203.0.113.8"], ["2001:db8::8", "TCP6", "IPv6:2001:db8::8"]])(
    "a client that HAProxy was told of in turn: %s",
    async (client, family, literal) => {
      const raw = await RawClient.connect(port.told);
      const own = family === "TCP4" ? "198.51.100.1" : "2001:db8::1";
      await raw.write(`PROXY ${family} ${client} ${own} 41234 25\r\n`);
      const { trace, line } = await deliver(raw, `told-${family}`);
      expect(trace).toContain(`([${literal}])`);
      expect(line["client"]).toBe(client);
    },
  );

  test("HAProxy's health checks speak for HAProxy itself, and find the server up", async () => {
    const checks = () => lines(pass, "session").filter(({ helo }) => helo === "haproxy.check");
    expect(await eventually(() => Promise.resolve(checks().length >= 2), 10_000)).toBe(true);
    expect(checks()[0]).toMatchObject({ client: "127.0.0.1" });
    expect(checks()[0]!["via"]).toBeUndefined();
    expect(haproxy.log).not.toContain("is DOWN");
    const { line } = await deliver(await RawClient.connect(port.checked, "127.0.0.47"), "checked-token");
    expect(line["client"]).toBe("127.0.0.47");
  });

  test("a client cannot name another through HAProxy or nginx", async () => {
    const raw = await RawClient.connect(port.v2, "127.0.0.48");
    await raw.expect("220");
    const ehlo = await raw.command("EHLO client.example", "250");
    expect(ehlo.raw).not.toContain("XCLIENT");
    expect(told(await raw.ask("XCLIENT ADDR=127.0.0.1 LOGIN=admin"))).toMatch(/^550 5\.7\.1 XCLIENT/);
    raw.reset();
    const early = await RawClient.connect(port.v2, "127.0.0.49");
    await early.write("PROXY TCP4 127.0.0.1 127.0.0.1 1 25\r\nEHLO client.example\r\n");
    // Before the greeting or behind it: it is no command either way.
    const heard = [await early.hear(), await early.hear()].map(told).join("\n");
    expect(heard).toMatch(/421 4\.7\.1 A PROXY header is not taken here/);
    // Through nginx's tunnel, which begins behind the first recipient.
    const tunnel = await RawClient.greeted(port.xclient, "127.0.0.50");
    await tunnel.command("MAIL FROM:<a@sender.live>", "250");
    await tunnel.command("RCPT TO:<you@example.org>", "250");
    await tunnel.command("RSET", "250");
    expect(told(await tunnel.ask("XCLIENT ADDR=127.0.0.1 LOGIN=admin"))).toMatch(/^550 5\.7\.1 XCLIENT/);
    tunnel.reset();
  });

  /** A session up to RCPT in the front door, as a client that the proxy in front was told of. */
  async function addressed(where: "nginxDoor" | "doorTold", client: string): Promise<string> {
    const raw = await RawClient.connect(port[where]);
    await raw.write(`PROXY TCP4 ${client} 198.51.100.1 41234 25\r\n`);
    await raw.expect("220", 15_000);
    await raw.command("EHLO mail.sender.live", "250");
    await raw.command("MAIL FROM:<a@sender.live>", "250");
    const heard = await raw.ask("RCPT TO:<you@example.org>", 15_000);
    raw.reset();
    return told(heard);
  }
  test.each([["XCLIENT from nginx", "nginxDoor"], ["a header from HAProxy", "doorTold"]] as const)(
    "the front door refuses a listed client that it knows by %s, and greylists one that is not listed",
    async (_name, where) => {
      expect(await addressed(where, "203.0.113.9")).toContain(
        "550 5.7.1 Client host blocked using bl.live: see bl.live",
      );
      expect(await addressed(where, "203.0.113.8")).toContain("450 4.7.1 Greylisted");
      const refusals = lines(door, "refused").filter(({ client }) => client === "203.0.113.9");
      expect(refusals.at(-1)).toMatchObject({ via: "127.0.0.1", plugin: "dnsbl", code: 550 });
    },
  );

  test("where HAProxy is not trusted, its header is refused and the log says why", async () => {
    const raw = await RawClient.connect(port.stranger);
    // The greeting may have gone out before the header came.
    let heard = await raw.hear();
    if (code(heard) === "220") heard = await raw.hear();
    expect(told(heard)).toMatch(/^421 4\.7\.1 A PROXY header is not taken here/);
    expect(await raw.closes()).toBe(true);
    const logged = () => lines(untrusting, "proxy header");
    expect(await eventually(() => Promise.resolve(logged().length > 0), 5000)).toBe(true);
    expect(String(logged()[0]!["detail"])).toContain(
      "Cannot take a PROXY header from 127.0.0.1: that is an untrusted",
    );
  });
});
