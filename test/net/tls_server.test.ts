/** What every network promises of TLS on the server side beyond one certificate: names, early bytes, client certificates. */

import { describe, expect, test } from "bun:test";
import { spawn, spawnSync } from "node:child_process";
import { Buffer } from "node:buffer";
import { X509Certificate } from "node:crypto";
import net from "node:net";
import { Duplex } from "node:stream";
import tls from "node:tls";
import type { Network, TlsFacts, TlsService } from "../../src/net/wire.ts";
import { makeIdentity } from "../support/certificate.ts";
import { bytes, type Door, networks, onBun, openDoor, Recorder } from "./support.ts";

const hasOpenssl = spawnSync("openssl", ["version"]).status === 0;
const authority = makeIdentity({ names: ["Test CA"], authority: true });
const a = makeIdentity({ names: ["a.example"] });
const aRsa = makeIdentity({ names: ["a.example"], key: "rsa" });
const b = makeIdentity({ names: ["b.example", "*.b.example"] });
const known = makeIdentity({ names: ["known client"], issuer: authority });
const stranger = makeIdentity({ names: ["stranger"] });
const expired = makeIdentity({ names: ["late"], issuer: authority, notAfter: new Date(Date.now() - 1_000) });

for (const [name, network] of networks) {
  describe(`TLS service on ${name}`, () => suite(network, name === "node" && onBun));
}

/** Starts TLS at once and echoes. */
class Secured extends Recorder {
  facts: TlsFacts | undefined;
  readonly #service: TlsService;
  constructor(service: TlsService) {
    super();
    this.#service = service;
  }
  override open(wire: Recorder["wire"]): void {
    super.open(wire);
    wire.secure(this.#service, (facts) => {
      this.facts = facts;
      this.note("done");
    });
  }
  override data(chunk: Uint8Array): void {
    super.data(chunk);
    this.wire.write(chunk);
  }
}

/** One exchange; the certificate's common name and key, or the client's error. */
async function visit(port: number, options: tls.ConnectionOptions = {}): Promise<string> {
  const socket = tls.connect({ port, host: "127.0.0.1", rejectUnauthorized: false, ...options });
  try {
    await new Promise<void>((done, fail) => {
      socket.once("data", () => done());
      socket.once("error", fail);
      socket.once("close", () => fail(new Error("closed")));
      socket.write("hello");
    });
    const { raw } = socket.getPeerCertificate(true);
    const certificate = new X509Certificate(raw);
    return `${certificate.subject} ${certificate.publicKey.asymmetricKeyType}`;
  } catch (error) {
    return `failed: ${(error as Error).message}`;
  } finally {
    socket.destroy();
  }
}

/** @param notMeant node:tls over a Duplex on Bun, where it does not ask for certificates by name */
function suite(network: Network, notMeant: boolean): void {
  const open = (service: TlsService): Promise<Door> => openDoor(network, {}, () => new Secured(service));

  test.if(!notMeant)(
    "the name asked for chooses the certificate, wildcards too; the first is for everybody else",
    async () => {
      const door = await open({ certificates: [a, b] });
      const seen: string[] = [];
      for (const servername of ["b.example", "MX.B.example", "a.example", "c.example", ""]) {
        for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
          seen.push(await visit(door.address.port, { servername, maxVersion }));
        }
      }
      const [first, second] = ["CN=a.example ec", "CN=b.example ec"];
      expect(seen).toEqual(
        [second, second, second, second, first, first, first, first, first, first] as string[],
      );
      const server = (await door.next()) as Secured;
      expect(server.facts?.serverName).toBe("b.example");
      door.listener.close();
    },
  );

  // Deno shows the first of several certificates only.
  test.if(onBun)("an RSA and an ECDSA certificate for one name", async () => {
    const door = await open({ certificates: [aRsa, a] });
    const rsa = {
      servername: "a.example",
      maxVersion: "TLSv1.2",
      ciphers: "ECDHE-RSA-AES128-GCM-SHA256",
    } as const;
    expect(await visit(door.address.port, { servername: "a.example" })).toBe("CN=a.example ec");
    expect(await visit(door.address.port, rsa)).toBe("CN=a.example rsa");
    expect(await visit(door.address.port, { sigalgs: "rsa_pss_rsae_sha256" })).toBe("CN=a.example rsa");
    door.listener.close();
  });

  test.if(!onBun && hasOpenssl)("… also on Deno, to clients that ask for a name", async () => {
    const door = await open({ certificates: [aRsa, a] });
    const shown = async (...more: string[]): Promise<string> => {
      const at = ["s_client", "-connect", `127.0.0.1:${door.address.port}`, "-servername", "a.example"];
      const client = spawn("openssl", [...at, ...more]);
      client.stdin.end("Q\n");
      let output = "";
      client.stdout.on("data", (chunk) => output += chunk);
      await new Promise((done) => client.once("close", done));
      return /Peer signature type: (\S+)/.exec(output)?.[1] ?? output;
    };
    expect(await shown("-tls1_3")).toBe("ECDSA");
    expect(await shown("-tls1_2")).toBe("ECDSA");
    expect(await shown("-tls1_3", "-sigalgs", "RSA-PSS+SHA256")).toBe("RSA-PSS");
    expect(await shown("-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256")).toMatch(/^RSA/);
    door.listener.close();
  });

  test.if(!notMeant)("fifty clients at once, for two names", async () => {
    const door = await open({ certificates: [a, b] });
    const names = Array.from({ length: 50 }, (_, i) => i % 2 === 0 ? "a.example" : "b.example");
    const seen = await Promise.all(names.map((servername) => visit(door.address.port, { servername })));
    expect(seen).toEqual(names.map((name) => `CN=${name} ec`));
    door.listener.close();
  }, 20_000);

  test.if(onBun)("a session resumes under each name", async () => {
    const door = await open({ certificates: [a, b] });
    for (const servername of ["a.example", "b.example", "c.example"]) {
      for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
        let session: Buffer | undefined;
        for (const resumed of [false, true]) {
          const options = { servername, maxVersion, rejectUnauthorized: false, session };
          const socket = tls.connect(
            { port: door.address.port, host: "127.0.0.1", ...options } as tls.ConnectionOptions,
          );
          socket.on("session", (ticket: Buffer) => session = ticket);
          await new Promise((done) => {
            socket.once("data", done);
            socket.write("hello");
          });
          expect(socket.isSessionReused()).toBe(resumed);
          socket.destroy();
        }
      }
    }
    door.listener.close();
  });

  test("what was read of the ClientHello already, in one piece or in two, is not lost", async () => {
    class Behind extends Secured {
      override open(wire: Recorder["wire"]): void {
        this.wire = wire;
        this.note("open");
      }
      override data(chunk: Uint8Array): void {
        if (this.wire.tls !== undefined) return super.data(chunk);
        const end = new TextDecoder("latin1").decode(chunk).indexOf("\r\n") + 2;
        const early = chunk.subarray(end);
        this.wire.secure({ certificates: [a, b] }, (facts) => this.facts = facts, early);
        chunk.fill(0); // the view is void after the call
      }
    }
    const door = await openDoor(network, {}, () => new Behind(a));
    for (const split of [0, 1, 5, 100, Infinity]) {
      const socket = net.connect(door.address.port, "127.0.0.1");
      await new Promise((done) => socket.once("connect", done));
      expect(await visitBehindHeader(socket, split)).toBe("hello");
      socket.destroy();
    }
    door.listener.close();
  });

  test("client certificates are not asked for unless that is set", async () => {
    const door = await open({ certificates: [a] });
    await visit(door.address.port, { cert: known.cert, key: known.key });
    const server = (await door.next()) as Secured;
    expect(server.facts?.peer).toBe(undefined);
    door.listener.close();
  });

  test("optional client certificates: none, a known one, a stranger's and an expired one come in, and are told apart", async () => {
    const door = await open({ certificates: [a], clientCertificates: "optional", clientCa: authority.cert });
    const peers: unknown[] = [];
    const asked: unknown[] = [];
    for (const client of [undefined, known, stranger, expired]) {
      for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
        expect(await visit(door.address.port, { maxVersion, cert: client?.cert, key: client?.key })).toBe(
          "CN=a.example ec",
        );
        const { facts } = (await door.next()) as Secured;
        peers.push(facts?.peer);
        asked.push(facts?.peerAsked);
      }
    }
    const shown = new X509Certificate(known.cert);
    const digits = (fingerprint: string) => fingerprint.replaceAll(":", "").toLowerCase();
    expect(peers.slice(0, 2)).toEqual([undefined, undefined]);
    expect(asked).toEqual(new Array(8).fill(true));
    for (const peer of peers.slice(2, 4)) {
      expect(peer).toMatchObject({
        subject: "CN=known client",
        issuer: "CN=Test CA",
        fingerprint: digits(shown.fingerprint256),
        sha1: digits(shown.fingerprint),
        verified: true,
        pem: known.cert,
      });
      const { serial } = peer as { serial: string };
      expect(serial).toMatch(/^([0-9A-F]{2})+$/);
      expect(Number.parseInt(serial, 16)).toBe(Number.parseInt(shown.serialNumber, 16));
    }
    for (const peer of peers.slice(4, 6)) {
      expect(peer).toMatchObject({ subject: "CN=stranger", verified: false });
      expect((peer as { error: string }).error).toContain("self-signed");
    }
    for (const peer of peers.slice(6)) {
      expect((peer as { error: string }).error).toContain("expired");
    }
    door.listener.close();
  });

  test("optional client certificates resume with their peer", async () => {
    const door = await open({ certificates: [a], clientCertificates: "optional", clientCa: authority.cert });
    let session: Buffer | undefined;
    for (let i = 0; i < 3; i++) {
      const socket = tls.connect({
        port: door.address.port,
        host: "127.0.0.1",
        rejectUnauthorized: false,
        cert: known.cert,
        key: known.key,
        session,
      } as tls.ConnectionOptions);
      socket.on("session", (ticket: Buffer) => session = ticket);
      await new Promise((done) => {
        socket.once("data", done);
        socket.write("hello");
      });
      expect(((await door.next()) as Secured).facts?.peer).toMatchObject({
        subject: "CN=known client",
        verified: true,
      });
      socket.destroy();
    }
    door.listener.close();
  });

  test("without a CA nobody is verified", async () => {
    const door = await open({ certificates: [a], clientCertificates: "optional" });
    await visit(door.address.port, { cert: known.cert, key: known.key });
    expect(((await door.next()) as Secured).facts?.peer).toMatchObject({
      subject: "CN=known client",
      verified: false,
    });
    door.listener.close();
  });

  test("required client certificates: only a verified one comes in", async () => {
    const door = await open({ certificates: [a], clientCertificates: "required", clientCa: authority.cert });
    const said: string[] = [];
    for (const client of [undefined, stranger, expired]) {
      for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
        const heard = await visit(door.address.port, { maxVersion, cert: client?.cert, key: client?.key });
        expect(heard).toContain("failed");
        const server = (await door.next()) as Secured;
        await server.told("close");
        expect(server.events).toEqual(["open", expect.stringContaining("close ")] as string[]);
        said.push(server.error!.message);
      }
    }
    expect(said[0]).toBe("Cannot speak TLS with the client: it showed no certificate, and one is required");
    expect(said.filter((line) => !/^Cannot (speak TLS with|let) the client/.test(line))).toEqual([]);
    expect(await visit(door.address.port, { cert: known.cert, key: known.key })).toBe("CN=a.example ec");
    expect(((await door.next()) as Secured).facts?.peer?.verified).toBe(true);
    door.listener.close();
  });

  test("no certificate at all, or one whose key is another's, is said in words", async () => {
    const cases: [TlsService, string][] = [
      [{ certificates: [] }, "Cannot serve TLS: there is no certificate"],
      [
        { certificates: [a, { cert: b.cert, key: a.key }] },
        "Cannot use the private key: it does not belong to",
      ],
    ];
    for (const [service, complaint] of cases) {
      const failure = await openDoor(network, { tls: service }).catch((error) => error);
      expect(failure.message).toContain(complaint);
    }
  });

  test("implicit TLS: a handshake that comes to nothing is told, with whom and why", async () => {
    const told: string[] = [];
    let one = () => {};
    const next = () => new Promise<void>((done) => one = done);
    const door = await openDoor(network, {
      tls: { certificates: [a], clientCertificates: "required", clientCa: authority.cert },
      handshakeTimeout: 200,
      refused: ({ host }, { message }) => {
        told.push(`${host}: ${message}`);
        one();
      },
    });
    for (const text of ["EHLO x\r\n".repeat(20), ""]) {
      const waited = next();
      const socket = net.connect(door.address.port, "127.0.0.1");
      socket.on("error", () => {});
      if (text !== "") socket.write(text);
      await waited;
      socket.destroy();
    }
    const waited = next();
    expect(await visit(door.address.port, { maxVersion: "TLSv1.2" })).toContain("failed");
    await waited;
    const client = "127.0.0.1: Cannot speak TLS with the client:";
    expect(told).toEqual([
      `${client} what it sends is not TLS`,
      `${client} no handshake within 200 ms`,
      `${client} it showed no certificate, and one is required`,
    ]);
    door.listener.close();
  });

  test("implicit TLS: the next connection gets the certificate of that moment", async () => {
    let service: TlsService = { certificates: [a] };
    const door = await openDoor(network, { tls: () => service }, () => new Echoing());
    expect(await visit(door.address.port)).toBe("CN=a.example ec");
    service = { certificates: [b] };
    expect(await visit(door.address.port)).toBe("CN=b.example ec");
    door.listener.close();
  });
}

class Echoing extends Recorder {
  override data(chunk: Uint8Array): void {
    this.wire.write(chunk);
  }
}

/** Echo through TLS whose first flight goes out with a header before it, cut after `split` octets. */
function visitBehindHeader(socket: net.Socket, split: number): Promise<string> {
  let sent = false;
  const stream = new Duplex({
    read() {},
    write(chunk: Uint8Array, _encoding, written) {
      if (sent) socket.write(chunk);
      else {
        socket.write(Buffer.concat([bytes("PROXY UNKNOWN\r\n"), chunk.subarray(0, split)]));
        if (split < chunk.length) setTimeout(() => socket.write(chunk.subarray(split)), 20);
      }
      sent = true;
      written();
    },
  });
  socket.on("data", (chunk) => stream.push(chunk));
  const secure = tls.connect({ socket: stream, rejectUnauthorized: false, servername: "b.example" });
  return new Promise((done, fail) => {
    secure.once("data", (chunk: Uint8Array) => done(chunk.toString()));
    secure.once("error", fail);
    secure.write("hello");
  });
}
