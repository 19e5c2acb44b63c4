/**
 * TLS to backends with real sockets, on every network that this runtime has (RFC 3207): what is required is had or the mail
 * waits; what is opportunistic is done without for ten minutes, and the log says so.
 */
import { createHash, X509Certificate } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import tls from "node:tls";
import { describe, expect, test } from "bun:test";
import type { Taker } from "../../src/backend/attempt.ts";
import { backendTls } from "../../src/backend/backend_tls.ts";
import type { Connection } from "../../src/backend/connection.ts";
import { Pool } from "../../src/backend/pool.ts";
import type { Network, TlsService, Wire } from "../../src/net/wire.ts";
import { completeBackend } from "../../src/policy/backend_address.ts";
import { DEFAULTS } from "../../src/policy/settings.ts";
import type { Identity } from "../../src/backend/identity.ts";
import { ProxyReader } from "../../src/net/proxy_protocol.ts";
import { latin1, latin1Text } from "../../src/smtp/reply.ts";
import { makeIdentity } from "../support/certificate.ts";
import { networks, onBun } from "../net/support.ts";

const DAY = 86_400_000;
const authority = makeIdentity({ names: ["Test CA"], authority: true });
const good = makeIdentity({ issuer: authority, names: ["mx.example"] });
const other = makeIdentity({ issuer: authority, names: ["other.example"] });
const selfSigned = makeIdentity();
const expired = makeIdentity({
  issuer: authority,
  notBefore: new Date(Date.now() - 9 * DAY),
  notAfter: new Date(Date.now() - 2 * DAY),
});
const ours = makeIdentity({ names: ["proxy.example"], issuer: authority });
const FILES = new Map([["ca.pem", authority.cert], ["cert.pem", ours.cert], ["key.pem", ours.key]]);

const pinOf = (cert: string) =>
  createHash("sha256").update(new X509Certificate(cert).publicKey.export({ type: "spki", format: "der" }))
    .digest("base64");

for (const [name, network] of networks) describe(`TLS to a backend on ${name}:`, () => suite(network));

interface Manner {
  readonly tls?: TlsService;
  readonly implicit?: boolean;
  /** What it answers to STARTTLS, and whether it then does nothing at all. */
  readonly starttls?: string;
  readonly then?: "silence" | "close" | "nonsense";
  /** What it answers to AUTH. */
  readonly auth?: string;
}

/** A mail server with STARTTLS, and what it heard on each connection: "(TLS)" where it began. */
async function serve(
  network: Network,
  { tls = good, implicit, starttls = "220 go\r\n", then, auth = "235 x\r\n" }: Manner,
) {
  const heard: string[][] = [];
  const wires: Wire[] = [];
  const accept = (wire: Wire) => {
    const lines: string[] = [];
    let silent = false;
    heard.push(lines);
    wires.push(wire);
    const secure = () =>
      wire.secure(tls, () => (lines.push("(TLS)"), implicit && wire.write(latin1("220 x\r\n"))));
    const answer = (line: string) => {
      if (silent) {
        return void (then === "nonsense" && wire.write(latin1("500 this is no TLS, by any means\r\n")));
      }
      lines.push(line);
      if (line.startsWith("EHLO")) {
        return wire.write(latin1("250-x\r\n250-STARTTLS\r\n250-REQUIRETLS\r\n250 AUTH PLAIN\r\n"));
      }
      if (line !== "STARTTLS") return wire.write(latin1(line.startsWith("AUTH") ? auth : "250 x\r\n"));
      wire.write(latin1(starttls));
      if (then === "close") wire.close();
      silent = then === "silence" || then === "nonsense";
      if (then === undefined && starttls.startsWith("2")) secure();
    };
    if (implicit) queueMicrotask(secure);
    else wire.write(latin1("220 x\r\n"));
    return {
      data: (bytes: Uint8Array) =>
        void latin1Text(bytes).split("\r\n").filter((line) => line !== "").map(answer),
      drain() {},
      end: () => wire.close(),
      close() {},
    };
  };
  const listener = await network.listen({ endpoint: { host: "127.0.0.1", port: 0 }, accept });
  return {
    port: listener.address.port,
    heard,
    close() {
      listener.close();
      for (const wire of wires) wire.abort();
    },
  };
}

function suite(network: Network): void {
  /** A pool before one such server. */
  async function stage(option: string, manner: Manner = {}, times: Partial<typeof DEFAULTS.times> = {}) {
    const server = await serve(network, manner);
    const log: string[] = [];
    let ahead = 0;
    const now = () => Date.now() + ahead;
    const scheme = manner.implicit ? "smtps" : "smtp";
    const address = completeBackend(`${scheme}://127.0.0.1:${server.port}?${option}`);
    const pool = new Pool(
      [address],
      {
        network,
        hostname: "proxy.example",
        times: { ...DEFAULTS.times, ...times },
        tls: backendTls(FILES),
        now,
      },
      {
        reuse: DEFAULTS.reuse,
        balance: "round-robin",
        health: { ...DEFAULTS.health, interval: Infinity },
        tell: (_, event, fields) => void log.push(`${event}: ${fields["reason"]}`),
      },
    );
    const ticking = setInterval(() => pool.tick(now()), 50);
    return {
      heard: server.heard,
      log,
      pool,
      pass: (ms: number) => void (ahead += ms),
      take: () =>
        new Promise<Connection | string>((done) => {
          const taker: Taker = {
            taken: (connection) => done(connection),
            denied: () => done("denied"),
            unavailable: (reason) => done(reason.replaceAll(String(server.port), "PORT")),
          };
          pool.take(taker, new Set(), true);
        }),
      end() {
        clearInterval(ticking);
        server.close();
      },
    };
  }

  type Stage = Awaited<ReturnType<typeof stage>>;

  async function taken(of: Stage): Promise<Connection> {
    const connection = await of.take();
    if (typeof connection === "string") throw new Error(connection);
    return connection;
  }

  const sound: readonly (readonly [name: string, option: string, manner: Manner, verified: boolean])[] = [
    ["required, by CA and name", "tls=required&ca=ca.pem&serverName=mx.example", {}, true],
    ["required, by CA", "tls=required&ca=ca.pem&verify=ca", { tls: other }, true],
    [
      "required, by pin alone",
      `tls=required&verify=none&pins=${pinOf(selfSigned.cert)}`,
      { tls: selfSigned },
      true,
    ],
    ["required, of anybody", "tls=required&verify=none", { tls: selfSigned }, false],
    ["implicit", "ca=ca.pem&serverName=mx.example", { implicit: true }, true],
    ["opportunistic, of anybody", "tls=opportunistic", { tls: expired }, false],
    ["with our certificate", "tls=required&ca=ca.pem&serverName=mx.example&cert=cert.pem&key=key.pem", {
      tls: { certificates: [good], clientCertificates: "required", clientCa: authority.cert },
    }, true],
  ];
  for (const [name, option, manner, verified] of sound) {
    test(`${name}: REQUIRETLS is ${verified ? "" : "not "}kept by it`, async () => {
      const of = await stage(option, manner);
      const connection = await taken(of);
      expect(connection.secured).toBe(verified);
      expect(connection.extensions.has("REQUIRETLS")).toBe(verified);
      expect(of.heard.map((lines) => lines.at(-1))).toEqual(["EHLO proxy.example"]);
      expect(of.heard[0]).toContain("(TLS)");
      expect(of.log).toEqual([]);
      of.end();
    });
  }

  const BY_NAME = "tls=required&ca=ca.pem&serverName=mx.example";
  const faults: readonly (readonly [name: string, option: string, manner: Manner, told: RegExp])[] = [
    ["expired", BY_NAME, { tls: expired }, /its certificate expired on/],
    [
      "for another name",
      BY_NAME,
      { tls: other },
      /its certificate is not for mx\.example but for .*other\.example/,
    ],
    ["self-signed", BY_NAME, { tls: selfSigned }, /self-signed|not trusted/],
    [
      "self-signed, by the system's CAs",
      "tls=required&serverName=mx.example",
      { tls: selfSigned },
      /self-signed/,
    ],
    [
      "by a CA that the system does not know",
      "tls=required&serverName=mx.example",
      {},
      /no trusted CA stands behind/,
    ],
    ["not the pinned one", `${BY_NAME}&pins=${pinOf(other.cert)}`, {}, /its public key is not a pinned one/],
    [
      "implicit and expired",
      "ca=ca.pem&serverName=mx.example",
      { implicit: true, tls: expired },
      /expired on/,
    ],
    [
      "no TLS behind the 220",
      BY_NAME,
      { then: "nonsense" },
      /does not answer in TLS/,
    ],
    [
      "octets in the same write as the 220",
      BY_NAME,
      { starttls: "220 go\r\n250 injected\r\n" },
      /octets came before TLS/,
    ],
    ["closed behind the 220", BY_NAME, { then: "close" }, /closed the connection|hung up/],
    ["silent behind the 220", BY_NAME, { then: "silence" }, /no TLS in time/],
    [
      "refused",
      BY_NAME,
      { starttls: "454 4.7.0 not now\r\n" },
      /answered STARTTLS with 4\.7\.0 not now \(454\), and tls/,
    ],
  ];
  for (const [name, option, manner, told] of faults) {
    test(`required, and ${name}: nothing is sent, and the reason told`, async () => {
      const of = await stage(option, manner, { hello: 400 });
      expect(await of.take()).toMatch(told);
      expect(await of.take()).toMatch(told);
      const lines = of.heard.map((each) => each.filter((line) => line !== "(TLS)" && line !== "QUIT"));
      for (const each of lines) expect(["EHLO proxy.example,STARTTLS", ""]).toContain(each.join());
      expect(of.log.filter((line) => line.startsWith("backend without"))).toEqual([]);
      of.end();
    });
  }

  test("required, and it wants a certificate that we have not: the mail waits", async () => {
    const asking: TlsService = {
      certificates: [good],
      clientCertificates: "required",
      clientCa: authority.cert,
    };
    const of = await stage(BY_NAME, { tls: asking }, { hello: 2_000 });
    expect(await of.take()).toMatch(/client certificate|closed the connection/);
    of.end();
  });

  const halting: readonly (readonly [name: string, manner: Manner])[] = [
    ["there is none behind the 220", { then: "nonsense" }],
    ["it closes behind the 220", { then: "close" }],
    ["it is silent behind the 220", { then: "silence" }],
  ];
  for (const [name, manner] of halting) {
    test(`opportunistic, and ${name}: ten minutes without, and one line that says so`, async () => {
      const of = await stage("tls=opportunistic", manner, { hello: 300 });
      await Promise.all([taken(of), taken(of)]);
      const plain = await taken(of);
      expect([plain.secured, of.heard.at(-1)]).toEqual([false, ["EHLO proxy.example"]]);
      expect(of.log.length).toBe(1);
      expect(of.log[0]).toMatch(/^backend without TLS: /);
      of.pass(599_000);
      await taken(of);
      expect(of.heard.at(-1)).toEqual(["EHLO proxy.example"]);
      of.pass(2_000);
      await taken(of);
      expect(of.heard.filter((lines) => lines.includes("STARTTLS")).length).toBeGreaterThan(1);
      expect(of.log.length).toBe(2);
      of.end();
    });
  }

  test("opportunistic, and refused: the same connection goes on, and one line says so", async () => {
    const of = await stage("tls=opportunistic", { starttls: "454 4.7.0 not now\r\n" });
    await taken(of);
    await taken(of);
    expect(of.heard).toEqual([["EHLO proxy.example", "STARTTLS"], ["EHLO proxy.example", "STARTTLS"]]);
    expect(of.log).toEqual(["backend without TLS: answered STARTTLS with 4.7.0 not now (454)"]);
    of.end();
  });

  test("opportunistic, and octets with the 220: an attack is no reason to do without", async () => {
    const of = await stage("tls=opportunistic", { starttls: "220 go\r\n250 injected\r\n" });
    expect(await of.take()).toMatch(/octets came before TLS/);
    expect(of.log).toEqual([]);
    of.end();
  });

  test("a look at one whose TLS has failed is taken again without, and what it offers is known", async () => {
    const of = await stage("tls=opportunistic", { then: "close" });
    await new Promise<void>((done) => of.pool.probe(done));
    expect(of.pool.extensions()?.has("AUTH")).toBe(true);
    expect(of.heard.map((lines) => lines.includes("STARTTLS"))).toEqual([true, false]);
    of.end();
  });

  for (const version of [1, 2] as const) {
    test(`a PROXY header of version ${version} goes before TLS, and both arrive`, async () => {
      const told: string[] = [];
      const listener = await network.listen({
        endpoint: { host: "127.0.0.1", port: 0 },
        accept(wire) {
          const reader = new ProxyReader();
          const own = { drain() {}, end: () => wire.close(), close() {} };
          const talking = {
            ...own,
            data(bytes: Uint8Array) {
              told.push(latin1Text(bytes).trim());
              wire.write(latin1("250 x\r\n"));
            },
          };
          const data = (bytes: Uint8Array) => {
            const read = reader.push(bytes);
            if (read === undefined || "fault" in read || read.header.command !== "proxy") return;
            told.push(read.header.source.host);
            wire.owner = talking;
            wire.secure(good, () => void wire.write(latin1("220 x\r\n")), read.rest);
          };
          return { ...own, data };
        },
      });
      const address = completeBackend(
        `smtps://127.0.0.1:${listener.address.port}?identity=proxy-v${version}&ca=ca.pem&serverName=mx.example`,
      );
      const client: Identity = {
        remote: { host: "203.0.113.7", port: 50_000 },
        local: { host: "192.0.2.25", port: 25 },
        unknown: false,
        name: null,
        helo: "helo.example",
        verb: "EHLO",
        user: undefined,
        tls: undefined,
      };
      const pool = new Pool(
        [address],
        { network, hostname: "proxy.example", times: DEFAULTS.times, tls: backendTls(FILES), now: Date.now },
        { reuse: DEFAULTS.reuse, balance: "round-robin", health: DEFAULTS.health },
      );
      const connection = await new Promise<Connection>((taken, fail) =>
        pool.take({ taken, denied: fail, unavailable: fail }, new Set(), true, client)
      );
      expect([connection.secured, ...told]).toEqual([true, "203.0.113.7", "EHLO helo.example"]);
      connection.abort();
      listener.close();
    });
  }

  test("LMTP on a unix socket: no TLS is asked for on this machine, and LHLO is said", async () => {
    const folder = mkdtempSync(join(tmpdir(), "sallyport-unix-"));
    const path = join(folder, "lmtp");
    const heard: string[] = [];
    const listener = await network.listen({
      endpoint: { path },
      accept(wire) {
        wire.write(latin1("220 x\r\n"));
        return {
          data(bytes) {
            heard.push(latin1Text(bytes).trim());
            wire.write(latin1("250-x\r\n250 STARTTLS\r\n"));
          },
          drain() {},
          end: () => wire.close(),
          close() {},
        };
      },
    });
    const pool = new Pool(
      [completeBackend(`lmtp://unix:${path}`)],
      { network, hostname: "proxy.example", times: DEFAULTS.times, tls: backendTls(FILES), now: Date.now },
      { reuse: DEFAULTS.reuse, balance: "round-robin", health: DEFAULTS.health },
    );
    const connection = await new Promise<Connection>((taken, fail) =>
      pool.take({ taken, denied: fail, unavailable: fail }, new Set(), true)
    );
    expect([heard, connection.extensions.get("LIMITS")]).toEqual([["LHLO proxy.example"], "RCPTMAX=1"]);
    connection.abort();
    listener.close();
    rmSync(folder, { recursive: true, force: true });
  });

  // Deno's sessions are not to be had (test/net/tls_client).
  test.skipIf(!onBun)("the next connection resumes the session, and is verified all the same", async () => {
    const resumed: boolean[] = [];
    const server = tls.createServer(good, (socket) => {
      resumed.push(socket.isSessionReused());
      socket.on("error", () => {});
      socket.write("220 x\r\n");
      socket.on(
        "data",
        (bytes) => String(bytes).startsWith("EHLO") && socket.write("250-x\r\n250 REQUIRETLS\r\n"),
      );
    });
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    const { port } = server.address() as AddressInfo;
    const pool = new Pool(
      [completeBackend(`smtps://127.0.0.1:${port}?ca=ca.pem&serverName=mx.example`)],
      { network, hostname: "proxy.example", times: DEFAULTS.times, tls: backendTls(FILES), now: Date.now },
      { reuse: DEFAULTS.reuse, balance: "round-robin", health: DEFAULTS.health },
    );
    for (let i = 0; i < 3; i++) {
      const connection = await new Promise<Connection>((taken, fail) =>
        pool.take({ taken, denied: fail, unavailable: fail }, new Set(), true)
      );
      expect([connection.secured, connection.extensions.has("REQUIRETLS")]).toEqual([true, true]);
      connection.abort();
    }
    server.close();
    expect(resumed).toEqual([false, true, true]);
  });

  test("a password is said under TLS only", async () => {
    const of = await stage("tls=required&ca=ca.pem&serverName=mx.example&login=u:p");
    await taken(of);
    expect(of.heard[0]).toEqual([
      "EHLO proxy.example",
      "STARTTLS",
      "(TLS)",
      "EHLO proxy.example",
      "AUTH PLAIN AHUAcA==",
    ]);
    of.end();
  });

  const echoes = [
    'AUTH PLAIN AHUAaDRuczNs"?\r\n',
    '500 5.5.1 Command unrecognized: "AUTH PLAIN AHUAaDRuczNs"\r\n',
    "535 5.7.8 h4ns3l is not the password\r\n",
    "421 4.7.0 AHUAaDRuczNs\r\n",
    "334 AHUAaDRuczNs\r\n",
    "220 AHUAaDRuczNs\r\n",
    "354 AHUAaDRuczNs\r\n",
    "235-x\r\n235 x\r\n250 AHUAaDRuczNs\r\n",
  ];
  for (const auth of echoes) {
    test(`what repeats our password is not told: ${JSON.stringify(auth)}`, async () => {
      const of = await stage("login=u:h4ns3l", { auth });
      const outcome = await of.take();
      const told = typeof outcome === "string" ? outcome : "";
      expect([told, ...of.log].join()).not.toMatch(/h4ns3l|AHUA|aDRu/);
      of.end();
    });
  }
}

test("a backend's options are one object for as long as there is the backend, so that sessions resume", () => {
  const options = backendTls(FILES);
  const [one, two] = [completeBackend("10.0.0.1:25?ca=ca.pem"), completeBackend("10.0.0.1:25?ca=ca.pem")];
  expect(options(one)).toBe(options(one));
  expect(options(one)).not.toBe(options(two));
  expect(options(one).ca).toBe(authority.cert);
});
