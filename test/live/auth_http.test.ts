// bun only: starts real servers
// auth-http with real sockets: what nginx's mail proxy and ours ask the same service about the same session, what their
// clients hear, and what becomes of services that misbehave.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { Buffer } from "node:buffer";
import { X509Certificate } from "node:crypto";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { authHttp } from "../../plugins/auth_http/mod.ts";
import { type Asked, type Certificate, type Login, requestFields } from "../../plugins/auth_http/request.ts";
import { route } from "../../src/mod.ts";
import { ask, factsAt } from "../../src/testing.ts";
import { readPage } from "../docs/blocks.ts";
import { RawClient } from "../support/blackbox_client.ts";
import { eventually } from "../support/blackbox_wait.ts";
import { makeIdentity } from "../support/certificate.ts";
import { type Arrived, AuthService, response } from "../support/live_auth_service.ts";
import { type Daemon, serverPort } from "../support/live_children.ts";
import { nginxMissing, nginxSays, startNginx } from "../support/live_nginx.ts";
import { HOSTNAME, type Runtime, startLiveProxy } from "../support/live_proxy.ts";
import { type Receiver, sinkReceiver } from "../support/live_receivers.ts";
import { receiverMissing } from "../support/live_stage.ts";
import { scratch } from "../support/scratch.ts";

const missing = nginxMissing() ?? receiverMissing("smtp-sink");
const title = missing === undefined ? "beside nginx" : `beside nginx (skipped: ${missing})`;

const SECURED = [
  "EHLO client.example",
  "STARTTLS",
  "EHLO secured.example",
  "MAIL FROM:<a@b.example>",
  "RCPT TO:<x@live.example>",
];
/** Speaks for others with a PROXY header; the tests' other clients come from 127.0.0.1. */
const FRONT = "127.0.0.2";

/**
 * What a client says up to its first recipient. `STARTTLS` is followed by the handshake, with a certificate in the
 * session that says so; a PROXY header comes before the greeting.
 */
const SESSIONS: Readonly<Record<string, readonly string[]>> = {
  "ESMTP with parameters": [
    "EHLO client.example",
    "MAIL FROM:<a@b.example> BODY=8BITMIME",
    "RCPT TO:<x@live.example>",
  ],
  "SMTP, in small letters": ["helo client.example", "mail from:<a@b.example>", "rcpt to:<X@live.example>"],
  "the null sender, and spaces": ["EHLO [192.0.2.7]", "MAIL FROM: <>", 'RCPT TO: <"x y%z"@live.example>'],
  "TLS": SECURED,
  "TLS with a certificate": SECURED,
  "a client that a PROXY header names": ["PROXY TCP4 192.0.2.7 198.51.100.25 4711 25", ...SECURED],
  "an IPv6 client that a PROXY header names": [
    "PROXY TCP6 2001:db8::7 2001:db8::25 4711 25",
    "EHLO client.example",
    "MAIL FROM:<a@b.example>",
    "RCPT TO:<x@live.example>",
  ],
};

describe.skipIf(missing !== undefined)(title, () => {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-auth-http-"));
  const policies = scratch();
  const identity = makeIdentity({ names: [HOSTNAME] });
  const authority = makeIdentity({ names: ["Live, CA"], authority: true });
  const known = makeIdentity({ names: ["Bücher & Söhne, #1"], issuer: authority });
  const ca = join(folder, "ca.pem");
  const tls = { cert: join(folder, "cert.pem"), key: join(folder, "key.pem") };
  const daemons: Daemon[] = [];
  const ports: Record<string, number> = {};
  let service: AuthService;
  let sink: Receiver;

  beforeAll(async () => {
    writeFileSync(tls.cert, identity.cert);
    writeFileSync(tls.key, identity.key);
    writeFileSync(ca, authority.cert);
    service = await new AuthService("").listen();
    sink = await sinkReceiver(folder);
    const url = `http://127.0.0.1:${service.port}/auth`;
    const policy = join(policies, "policy.ts");
    writeFileSync(
      policy,
      `import { definePolicy } from "sallyport";
import { authHttp } from "../../plugins/auth_http/mod.ts";
const plugin = authHttp({
  url: "${url}",
  servers: ["127.0.0.1"],
  headers: { "X-Key": "s3cret key" },
  passClientCertificate: true,
});
const tls = {
  certificates: [{ cert: "${tls.cert}", key: "${tls.key}" }],
  clientCertificates: "optional" as const,
  clientCa: "${ca}",
};
export default definePolicy(({ relayDomains: _, dnsbl: __, ...environment }) => ({
  ...environment,
  tls,
  trusted: ["${FRONT}"],
  plugins: [plugin],
}));
`,
    );
    const backend = `127.0.0.1:${sink.port}`;
    for (const runtime of ["Bun", "Deno"] as const) {
      const { port, process } = await startLiveProxy({
        runtime,
        policy: policy as `/${string}`,
        backend,
        cwd: folder,
        tls,
      });
      ports[runtime] = port;
      daemons.push(process);
    }
    const proxyPort = await serverPort();
    const more = `auth_http_header X-Key "s3cret key";
  ssl_verify_client optional;
  ssl_client_certificate ${ca};
  auth_http_pass_client_cert on;
  set_real_ip_from ${FRONT};
  server {
    listen 127.0.0.1:${proxyPort} proxy_protocol;
    protocol smtp;
    smtp_auth none;
  }`;
    ports["nginx behind a proxy"] = proxyPort;
    const nginx = await startNginx({ folder, authPort: service.port, tls, more });
    ports["nginx"] = nginx.port;
    daemons.push(nginx.process);
  }, 60_000);

  afterAll(async () => {
    await Promise.all(daemons.map((daemon) => daemon.stop()));
    await sink?.stop();
    service?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Plays a session; tells the last reply and what the service was asked. */
  async function played(port: number, lines: readonly string[], certificate = {}) {
    service.arrived.length = 0;
    const header = lines[0]!.startsWith("PROXY ") ? `${lines[0]}\r\n` : "";
    const client = await RawClient.connect(port, header === "" ? undefined : FRONT);
    await client.write(header);
    await client.expect("220");
    let reply = "";
    for (const line of header === "" ? lines : lines.slice(1)) {
      reply = (await client.command(line)).raw;
      if (line === "STARTTLS") await client.startTls(HOSTNAME, certificate);
    }
    await client.quit();
    return { reply, arrived: [...service.arrived] };
  }

  const fields = ({ fields }: Arrived) => new Map(fields);
  const ok = () => response({ "Auth-Status": "OK", "Auth-Server": "127.0.0.1", "Auth-Port": `${sink.port}` });

  for (const runtime of ["Bun", "Deno"] as const satisfies readonly Runtime[]) {
    for (const [name, lines] of Object.entries(SESSIONS)) {
      test(`the service is told the same on ${runtime}: ${name}`, async () => {
        service.response = ok();
        const headed = lines[0]!.startsWith("PROXY ");
        const certificate = name === "TLS with a certificate" ? known : {};
        const nginx = headed ? "nginx behind a proxy" : "nginx";
        const theirs = await played(ports[nginx]!, lines, certificate);
        const ours = await played(ports[runtime]!, lines, certificate);
        expect([theirs.arrived.length, ours.arrived.length]).toEqual([1, 1]);
        expect(theirs.reply.slice(0, 3)).toBe("250");
        expect(ours.reply.slice(0, 3)).toBe("250");
        expect(theirs.arrived[0]!.line).toBe("GET /auth HTTP/1.0");
        expect(ours.arrived[0]!.line).toBe("GET /auth HTTP/1.1");
        const [told, tells] = [fields(theirs.arrived[0]!), fields(ours.arrived[0]!)];
        // nginx leaves the port out of Host; what ours has besides is HTTP's own.
        expect(told.get("host")).toBe("127.0.0.1");
        expect(tells.get("host")).toBe(`127.0.0.1:${service.port}`);
        for (const each of [told, tells]) each.delete("host");
        const own = [...tells.keys()].filter((field) => !told.has(field));
        for (const field of own) {
          expect(field).toMatch(/^(accept(-\w+)?|user-agent|connection)$/);
          tells.delete(field);
        }
        expect(Object.fromEntries(tells)).toEqual(Object.fromEntries(told));
        expect(told.get("x-key")).toBe("s3cret key");
        expect(told.get("auth-smtp-to")).toBe(lines.at(-1)!);
        expect(told.has("auth-ssl-cipher")).toBe(lines.includes("STARTTLS"));
        expect(told.has("auth-ssl-cert")).toBe(certificate === known);
        expect(told.has("proxy-protocol-addr")).toBe(headed);
      });
    }
  }

  const REFUSALS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
    "with a code": { "Auth-Status": "No such user here", "Auth-Error-Code": "550 5.1.1" },
    "for now": { "Auth-Status": "Later", "Auth-Error-Code": "451 4.3.0" },
    "after a second": { "Auth-Status": "No", "Auth-Error-Code": "550 5.7.1", "Auth-Wait": "1" },
  };
  for (const [name, given] of Object.entries(REFUSALS)) {
    test(`clients hear the same refusal, ${name}`, async () => {
      service.response = response(given);
      const lines = SESSIONS["ESMTP with parameters"]!;
      const theirs = await played(ports["nginx"]!, lines);
      const ours = await played(ports["Bun"]!, lines);
      expect(ours.reply.replace(/ \[ref \w+\]/, "")).toBe(theirs.reply);
    });
  }

  test("the configuration that docs/from-nginx.md begins with is one", async () => {
    const block = readPage("from-nginx.md").blocks.find(({ language }) => language === "nginx")!;
    const port = await serverPort();
    const text = block.text.replaceAll("/etc/sallyport/mx.pem", tls.cert).replaceAll(
      "/etc/sallyport/mx.key",
      tls.key,
    )
      .replace("listen 25;", `listen 127.0.0.1:${port};`).replace(
        "listen 465",
        `listen 127.0.0.1:${await serverPort()}`,
      );
    expect(await nginxSays(folder, text)).toContain("test is successful");
  });

  test("where the service is in trouble, both answer 451 4.3.2", async () => {
    service.response = "HTTP/1.0 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n";
    const lines = SESSIONS["ESMTP with parameters"]!;
    for (const peer of ["nginx", "Bun", "Deno"]) {
      expect((await played(ports[peer]!, lines)).reply).toMatch(/^451 4\.3\.2 /);
    }
  });

  test("a service that forgets Auth-Status lets mail through nginx, and not through here", async () => {
    service.response = response({ "Auth-Server": "127.0.0.1", "Auth-Port": `${sink.port}` });
    const lines = SESSIONS["ESMTP with parameters"]!;
    expect((await played(ports["nginx"]!, lines)).reply).toMatch(/^250/);
    expect((await played(ports["Bun"]!, lines)).reply).toMatch(/^451 4\.3\.2 /);
  });
});

describe.skipIf(missing !== undefined)(`AUTH ${title}`, () => {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-auth-http-"));
  const tls = { cert: join(folder, "cert.pem"), key: join(folder, "key.pem") };
  const identity = makeIdentity({ names: ["client.example"] });
  let service: AuthService;
  let nginx: Awaited<ReturnType<typeof startNginx>>;

  beforeAll(async () => {
    const own = makeIdentity({ names: [HOSTNAME] });
    writeFileSync(tls.cert, own.cert);
    writeFileSync(tls.key, own.key);
    service = await new AuthService(response({ "Auth-Status": "No", "Auth-Wait": "1" })).listen();
    nginx = await startNginx({
      folder,
      tls,
      authPort: service.port,
      auth: "plain login cram-md5 external",
      more: "ssl_verify_client optional_no_ca; auth_http_pass_client_cert on;",
    });
  }, 60_000);
  afterAll(async () => {
    await nginx?.process.stop();
    service?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** What nginx tells of a session in which the client says this, but for Host. */
  async function told(auth: (client: RawClient) => Promise<unknown>) {
    service.arrived.length = 0;
    const client = await RawClient.greeted(nginx.port);
    await auth(client);
    await client.quit();
    return service.arrived[0]!.fields.filter(([name]) => name !== "host");
  }

  const ours = (login: Login, tls?: Asked["tls"]) =>
    requestFields({ login, attempt: 1, client: "127.0.0.1", clientName: "none", tls })
      .map(([name, value]) => [name.toLowerCase(), value] as const);
  const base64 = (text: string) => Buffer.from(text, "latin1").toString("base64");

  const user = "joe smith%@example.org";
  const password = "\x01 %\xc3\xbc+&=\x7e";

  test("PLAIN and LOGIN: the same fields in the same order, with the same escapes", async () => {
    const expected = ours({ method: "plain", user, password });
    expect(await told((client) => client.command(`AUTH PLAIN ${base64(`\0${user}\0${password}`)}`, "535")))
      .toEqual(expected);
    expect(
      await told(async (client) => {
        await client.command("AUTH LOGIN", "334");
        await client.command(base64(user), "334");
        await client.command(base64(password), "535");
      }),
    ).toEqual(expected);
  });

  test("CRAM-MD5: the challenge and the digest", async () => {
    const digest = "0123456789abcdef0123456789abcdef";
    // A space would end the user (RFC 2195).
    const name = "joe%@example.org";
    let salt = "";
    const fields = await told(async (client) => {
      salt = Buffer.from((await client.command("AUTH CRAM-MD5", "334")).lines[0]!, "base64").toString(
        "latin1",
      );
      await client.command(base64(`${name} ${digest}`), "535");
    });
    expect(fields).toEqual(ours({ method: "cram-md5", user: name, salt, digest }));
  });

  test("EXTERNAL", async () => {
    expect(await told((client) => client.command(`AUTH EXTERNAL ${base64(user)}`, "535")))
      .toEqual(ours({ method: "external", user }));
  });

  test("a client's certificate", async () => {
    const fields = await told(async (client) => {
      await client.command("STARTTLS", "220");
      await client.startTls(HOSTNAME, identity);
      await client.command("EHLO client.example", "250");
      await client.command(`AUTH EXTERNAL ${base64(user)}`, "535");
    });
    const { fingerprint, serialNumber } = new X509Certificate(identity.cert);
    const given = new Map(fields);
    const certificate: Certificate = {
      verify: given.get("auth-ssl-verify")!,
      subject: "CN=client.example",
      issuer: "CN=client.example",
      serial: serialNumber,
      fingerprint: fingerprint.replaceAll(":", "").toLowerCase(),
      pem: identity.cert,
    };
    expect(certificate.verify).toMatch(/^(SUCCESS$|FAILED:)/);
    const handshake = { protocol: given.get("auth-ssl-protocol")!, cipher: given.get("auth-ssl-cipher")! };
    expect(fields).toEqual(ours({ method: "external", user }, { ...handshake, certificate }));
  });
});

describe("a service that", () => {
  const GOOD = { "Auth-Status": "OK", "Auth-Server": "127.0.0.1", "Auth-Port": "25" };
  const services: AuthService[] = [];
  afterAll(() => services.forEach((service) => service.close()));

  async function asked(given: ConstructorParameters<typeof AuthService>[0], timeout = 2_000) {
    const service = await new AuthService(given).listen();
    services.push(service);
    const url = `http://127.0.0.1:${service.port}/auth`;
    return {
      ...await ask(authHttp({ url, servers: ["127.0.0.1"], timeout }), "rcpt", factsAt("rcpt")),
      service,
    };
  }

  const goodOnes: readonly (readonly [string, ConstructorParameters<typeof AuthService>[0]])[] = [
    ["answers in HTTP/1.0 and closes", response(GOOD)],
    ["answers in HTTP/1.1 without a length", response(GOOD, "HTTP/1.1 200 OK")],
    ["answers 204", response(GOOD, "HTTP/1.1 204 No Content")],
    ["answers in pieces", (socket) => pieces(socket, response(GOOD))],
    ["keeps its connection open", (socket) => void socket.write(response(GOOD))],
    ["never ends its body", (socket) => endless(socket, response(GOOD))],
    ["sends a body that is no text", response(GOOD) + "\xff\0\r\n\r\n"],
  ];
  for (const [name, given] of goodOnes) {
    test(`${name} is understood, and its connection given up`, async () => {
      const { actions, log, service } = await asked(given);
      expect([actions, log]).toEqual([[route({ host: "127.0.0.1", port: 25 })], []]);
      expect(await eventually(() => service.open === 0)).toBe(true);
    });
  }

  const badOnes: readonly (readonly [string, ConstructorParameters<typeof AuthService>[0]])[] = [
    ["closes without an answer", (socket) => void socket.end()],
    ["resets", (socket) => void socket.resetAndDestroy()],
    ["speaks SMTP", "220 mx.example ESMTP\r\n"],
    ["breaks off its head", (socket) => void socket.end(response(GOOD).slice(0, -30))],
    ["never answers", () => {}],
    ["never ends its head", (socket) => endless(socket, "HTTP/1.0 200 OK\r\nAuth-Status: OK\r\nX: ")],
    ["sends one field past all bounds", response({ ...GOOD, "X-A": "x".repeat(100_000) })],
    ["sends a field within a field", response({ ...GOOD, "Auth-Status": "No\r\nAuth-Status: OK" })],
    ["redirects", response({ Location: "http://127.0.0.1:1/" }, "HTTP/1.1 302 Found")],
  ];
  for (const [name, given] of badOnes) {
    test(`${name} lets nothing through`, async () => {
      const { verdict, actions, failed, log, service } = await asked(given, 500);
      expect(verdict).toMatchObject({ kind: "defer", code: 451, enhanced: "3.2" });
      expect([actions, failed, log.length]).toEqual([[], false, 1]);
      expect(await eventually(() => service.open === 0)).toBe(true);
    });
  }

  test("is not there lets nothing through", async () => {
    const url = `http://127.0.0.1:${await serverPort()}/`;
    const { verdict } = await ask(authHttp({ url, route: false }), "rcpt", factsAt("rcpt"));
    expect(verdict).toMatchObject({ code: 451, enhanced: "3.2" });
  });

  test("shows a certificate that nobody vouches for lets nothing through", async () => {
    const service = await new AuthService(response(GOOD), makeIdentity({ names: ["localhost"] })).listen();
    services.push(service);
    const url = `https://localhost:${service.port}/`;
    const { verdict, log } = await ask(authHttp({ url, route: false }), "rcpt", factsAt("rcpt"));
    expect(verdict).toMatchObject({ code: 451, enhanced: "3.2" });
    expect(log.join()).toMatch(/certificate/i);
    expect(service.arrived).toEqual([]);
  });
});

/** Octet by octet, each a segment of its own. */
function pieces(socket: Socket, text: string): void {
  let at = 0;
  const next = () => {
    if (at >= text.length) return void socket.end();
    socket.write(text[at++]!, "latin1", () => setImmediate(next));
  };
  socket.setNoDelay(true);
  next();
}

function endless(socket: Socket, start: string): void {
  socket.write(start);
  const more = setInterval(() => socket.write("x".repeat(1000)), 5);
  socket.on("close", () => clearInterval(more));
}
