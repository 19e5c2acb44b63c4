// bun only: starts real servers
// The PROXY protocol with HAProxy: its headers are read here, and ours by HAProxy, which gives them on.
import { Buffer } from "node:buffer";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type ProxyRead, ProxyReader, proxyV1, proxyV2 } from "../../src/net/proxy_protocol.ts";
import { greets } from "../support/blackbox_proxy.ts";
import { eventually } from "../support/blackbox_wait.ts";
import { makeIdentity } from "../support/certificate.ts";
import { Daemon, findProgram, serverPort } from "../support/live_children.ts";

const EHLO = Buffer.from("EHLO a\r\n");

const haproxy = findProgram("haproxy");
const haproxyTitle = haproxy ? "HAProxy" : "HAProxy (skipped: Debian package haproxy is not installed)";

describe.skipIf(haproxy === undefined)(haproxyTitle, () => {
  let folder: string;
  const identity = makeIdentity({ names: ["mx.example"] });
  const client = makeIdentity({ names: ["client.example"] });
  const read: ProxyRead[] = [];
  let ports: Record<"v1" | "v2" | "tls" | "took1" | "took2", number>;
  let reader: Server;
  let daemon: Daemon;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "sallyport-haproxy-"));
    reader = createServer((socket) => {
      const header = new ProxyReader();
      socket.on("error", () => {});
      socket.on("data", (bytes: Uint8Array) => {
        const outcome = header.push(bytes);
        if (outcome === undefined) return;
        read.push(outcome);
        socket.end("220 read\r\n");
      });
    }).listen(0, "127.0.0.1");
    await once(reader, "listening");
    const target = (reader.address() as AddressInfo).port;
    ports = {
      v1: await serverPort(),
      v2: await serverPort(),
      tls: await serverPort(),
      took1: await serverPort(),
      took2: await serverPort(),
    };
    writeFileSync(join(folder, "server.pem"), identity.cert + identity.key);
    writeFileSync(join(folder, "clients.pem"), client.cert);
    const options = "ssl,cert-cn,ssl-cipher,cert-sig,cert-key,authority,crc32c,unique-id";
    const tls =
      `ssl crt ${folder}/server.pem ca-file ${folder}/clients.pem verify optional crt-ignore-err all`;
    const listen = (name: string, port: number, bind: string, send: string) =>
      `listen ${name}\n  bind 127.0.0.1:${port} ${bind}\n  unique-id-format id-%pid\n  server s 127.0.0.1:${target} ${send}\n`;
    writeFileSync(
      join(folder, "haproxy.cfg"),
      "defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 5s\n  timeout server 5s\n" +
        listen("v1", ports.v1, "", "send-proxy") +
        listen("v2", ports.v2, "", `send-proxy-v2 proxy-v2-options ${options}`) +
        listen("tls", ports.tls, tls, `send-proxy-v2 proxy-v2-options ${options}`) +
        listen("took1", ports.took1, "accept-proxy", "send-proxy") +
        listen("took2", ports.took2, "accept-proxy", "send-proxy-v2 proxy-v2-options authority,crc32c"),
    );
    daemon = new Daemon([haproxy!, "-db", "-f", join(folder, "haproxy.cfg")], folder);
    await daemon.up("HAProxy", () => greets(ports.v1));
  });
  afterAll(async () => {
    await daemon?.stop();
    reader?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Sends octets through HAProxy; what arrived at the reader behind it. */
  async function through(port: number, bytes: Uint8Array): Promise<ProxyRead & { local: number }> {
    read.length = 0;
    const socket = connect(port, "127.0.0.1");
    await once(socket, "connect");
    const local = socket.localPort!;
    socket.write(bytes);
    // A connection that asked whether HAProxy is up may come in late.
    const own = () => read.find((each) => !isLoopback(each) || sourceOf(each)?.port === local);
    expect(await eventually(() => Promise.resolve(own() !== undefined), 5000)).toBe(true);
    socket.destroy();
    return { ...own()!, local };
  }

  function sourceOf(outcome: ProxyRead) {
    return "header" in outcome && outcome.header.command === "proxy" ? outcome.header.source : undefined;
  }

  function isLoopback(outcome: ProxyRead): boolean {
    const source = sourceOf(outcome);
    return source !== undefined && "host" in source && source.host === "127.0.0.1";
  }

  test("its version 1 is read", async () => {
    const { local, ...told } = await through(ports.v1, EHLO);
    expect(told).toMatchObject({
      header: {
        version: 1,
        command: "proxy",
        source: { host: "127.0.0.1", port: local },
        destination: { host: "127.0.0.1", port: ports.v1 },
      },
    });
  });

  test("its version 2 is read, checksum and unique id with it; the client speaks no TLS", async () => {
    const { local, ...told } = await through(ports.v2, EHLO);
    expect(told).toMatchObject({
      header: { version: 2, command: "proxy", source: { host: "127.0.0.1", port: local } },
    });
    const header = "header" in told && told.header.command === "proxy" ? told.header : undefined;
    expect(Buffer.from(header?.uniqueId ?? []).toString()).toMatch(/^id-\d+$/);
    expect(header?.tls).toBeUndefined();
  });

  test.each([[true], [false]])(
    "what it says of TLS is read (with a certificate: %p)",
    async (withCertificate) => {
      read.length = 0;
      const socket = connectTls({
        port: ports.tls,
        host: "127.0.0.1",
        servername: "mx.example",
        ca: [identity.cert],
        ...(withCertificate ? { cert: client.cert, key: client.key } : {}),
      });
      socket.on("error", () => {});
      await once(socket, "secureConnect");
      const { standardName } = socket.getCipher();
      socket.write("EHLO a\r\n");
      expect(await eventually(() => Promise.resolve(read.length > 0), 5000)).toBe(true);
      socket.destroy();
      expect(read[0]).toMatchObject({
        header: {
          command: "proxy",
          authority: "mx.example",
          tls: {
            version: "TLSv1.3",
            cipher: standardName,
            keyAlgorithm: "EC256",
            signatureAlgorithm: expect.stringContaining("SHA256"),
          },
        },
      });
      const tls = "header" in read[0]! && read[0].header.command === "proxy" ? read[0].header.tls : undefined;
      if (!withCertificate) expect(tls?.certificate).toBeUndefined();
      else expect(tls?.certificate).toEqual({ verifyError: 0, fresh: true, commonName: "client.example" });
    },
  );

  const ends = [
    ["192.0.2.1", "198.51.100.2"],
    ["2001:db8::1", "2001:db8:0:1::2"],
  ] as const;
  test.each([...ends])("it takes our versions from %s to %s and gives them on", async (from, to) => {
    const [source, destination] = [{ host: from, port: 41234 }, { host: to, port: 25 }];
    const { local: _1, ...first } = await through(
      ports.took1,
      Buffer.concat([proxyV1(source, destination), EHLO]),
    );
    expect(first).toMatchObject({ header: { version: 1, source, destination } });
    const ours = proxyV2({
      source,
      destination,
      authority: "mx.example",
      crc32c: true,
      tls: { version: "TLSv1.3" },
    });
    const { local: _2, ...second } = await through(
      ports.took2,
      Buffer.concat([ours, EHLO]),
    );
    expect(second).toMatchObject({ header: { version: 2, source, destination, authority: "mx.example" } });
  });

  test("it takes our version 2 of two families", async () => {
    const [source, destination] = [{ host: "192.0.2.1", port: 1 }, { host: "2001:db8::2", port: 25 }];
    const { local: _, ...told } = await through(
      ports.took2,
      Buffer.concat([proxyV2({ source, destination }), EHLO]),
    );
    expect(told).toMatchObject({ header: { source, destination } });
  });
});
