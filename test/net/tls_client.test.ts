/** What every network promises of TLS on the client side: towards a backend, after STARTTLS or at once. */

import { describe, expect, test } from "bun:test";
import { createHash, X509Certificate } from "node:crypto";
import net from "node:net";
import tls from "node:tls";
import type { Network, TlsClientOptions, TlsFacts } from "../../src/net/wire.ts";
import { makeIdentity } from "../support/certificate.ts";
import { bytes, networks, onBun, pauseFor, Recorder } from "./support.ts";

const DAY = 86_400_000;
const authority = makeIdentity({ names: ["Test CA"], authority: true });
const good = makeIdentity({ issuer: authority, addresses: ["127.0.0.1"] });
const other = makeIdentity({ issuer: authority, names: ["other.example"] });
const selfSigned = makeIdentity();
const expired = makeIdentity({
  issuer: authority,
  notBefore: new Date(Date.now() - 9 * DAY),
  notAfter: new Date(Date.now() - 2 * DAY),
});
const ours = makeIdentity({ names: ["client.example"], issuer: authority });

const byName: TlsClientOptions = { serverName: "mx.example", verify: "name", ca: authority.cert };

for (const [name, network] of networks) describe(`TLS as the client on ${name}`, () => suite(network));

function pinOf(cert: string): string {
  const key = new X509Certificate(cert).publicKey.export({ type: "spki", format: "der" });
  return createHash("sha256").update(key).digest("base64");
}

/** A client that starts TLS as soon as it is connected. */
class Secured extends Recorder {
  facts: TlsFacts | undefined;
  readonly #options: TlsClientOptions;
  constructor(options: TlsClientOptions) {
    super();
    this.#options = options;
  }
  override open(wire: Recorder["wire"]): void {
    super.open(wire);
    this.calling("secureAsClient", () =>
      wire.secureAsClient(this.#options, (facts) => {
        this.facts = facts;
        this.note("done");
      }));
  }
}

interface Server {
  readonly port: number;
  /** Whether each session was resumed. */
  readonly resumed: boolean[];
  readonly names: (string | false | undefined)[];
  close(): void;
}

/** A TLS server that says `hello` and echoes. */
async function serve(options: tls.TlsOptions): Promise<Server> {
  const resumed: boolean[] = [];
  const names: (string | false | undefined)[] = [];
  const server = tls.createServer(options, (socket) => {
    resumed.push(socket.isSessionReused());
    names.push((socket as tls.TLSSocket & { servername?: string | false }).servername);
    socket.on("error", () => {});
    socket.write("hello");
    socket.pipe(socket);
  });
  server.on("tlsClientError", () => {});
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return { port: (server.address() as net.AddressInfo).port, resumed, names, close: () => server.close() };
}

/** A server of plain bytes. */
async function servePlain(connected: (socket: net.Socket) => void): Promise<{ port: number; close(): void }> {
  const server = net.createServer((socket) => {
    socket.on("error", () => {});
    connected(socket);
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return { port: (server.address() as net.AddressInfo).port, close: () => server.close() };
}

function suite(network: Network): void {
  async function ask(port: number, options: TlsClientOptions): Promise<Secured> {
    const client = new Secured(options);
    network.connect({ host: "127.0.0.1", port }, client);
    await client.until(() => client.events.some((event) => event !== "open"));
    return client;
  }

  /** Connects to a server that must be refused, and says with what words. */
  async function refusal(server: tls.TlsOptions, options: TlsClientOptions): Promise<string> {
    const { port, close } = await serve(server);
    const client = await ask(port, options);
    await client.told("close");
    expect(client.events.length).toBe(2);
    expect(client.text).toBe("");
    close();
    return client.error!.message.replace(` port ${port}`, "");
  }

  test("the facts are told before the first data, then bytes flow both ways", async () => {
    const server = await serve(good);
    const client = await ask(server.port, byName);
    await client.reads("hello");
    expect(client.events).toEqual(["open", "done", "data"]);
    const fingerprint = new X509Certificate(good.cert).fingerprint256.replaceAll(":", "").toLowerCase();
    expect(client.facts?.version).toBe("TLSv1.3");
    expect(client.facts?.peer).toMatchObject({ subject: "CN=mx.example", fingerprint, verified: true });
    expect(client.facts?.peerAsked).toBe(undefined);
    expect(client.wire.tls).toEqual(client.facts!);
    expect(server.names).toEqual(["mx.example"]);
    client.wire.write(bytes(" there"));
    await client.reads("hello there");
    client.wire.close();
    await client.told("close");
    expect(client.error).toBe(undefined);
    server.close();
  });

  test("TLS 1.2 will do, TLS 1.1 is not spoken", async () => {
    const server = await serve({ ...good, maxVersion: "TLSv1.2" });
    const client = await ask(server.port, byName);
    await client.reads("hello");
    expect(client.facts?.version).toBe("TLSv1.2");
    client.wire.abort();
    server.close();
  });

  test("after a plain exchange, as STARTTLS does; what was written before leaves in plain", async () => {
    let plain = "";
    const { port, close } = await servePlain((socket) => {
      socket.write("220 ready");
      socket.once("data", (chunk) => {
        plain = chunk.toString();
        const secure = new tls.TLSSocket(socket, { isServer: true, ...good });
        secure.on("error", () => {});
        secure.write("secret");
        socket.write; // the plain half is TLS's now
      });
    });
    class AfterGreeting extends Recorder {
      override data(chunk: Uint8Array): void {
        super.data(chunk);
        if (this.wire.tls !== undefined || this.text !== "220 ready") return;
        this.wire.write(bytes("STARTTLS"));
        setTimeout(() => this.wire.secureAsClient(byName, () => this.note("done")), 30);
      }
    }
    const client = new AfterGreeting();
    network.connect({ host: "127.0.0.1", port }, client);
    await client.reads("220 readysecret");
    expect(plain).toBe("STARTTLS");
    expect(client.events).toEqual(["open", "data", "done", "data"]);
    client.wire.abort();
    close();
  });

  test("bytes written before the handshake is done arrive, under TLS", async () => {
    const server = await serve(good);
    class Eager extends Secured {
      override open(wire: Recorder["wire"]): void {
        super.open(wire);
        wire.write(bytes("early"));
      }
    }
    const client = new Eager(byName);
    network.connect({ host: "127.0.0.1", port: server.port }, client);
    await client.reads("helloearly");
    client.wire.abort();
    server.close();
  });

  test("a certificate for another name is refused by name, not by ca", async () => {
    expect(await refusal(other, byName)).toBe(
      "Cannot trust 127.0.0.1 under TLS: its certificate is not for mx.example but for DNS:other.example",
    );
    const server = await serve(other);
    const client = await ask(server.port, { ...byName, verify: "ca" });
    await client.reads("hello");
    expect(client.facts?.peer?.verified).toBe(true);
    client.wire.abort();
    server.close();
  });

  test("without a name the address must be in the certificate, and no SNI is sent", async () => {
    expect(await refusal(other, { verify: "name", ca: authority.cert })).toContain("is not for 127.0.0.1");
    const server = await serve(good);
    for (const serverName of [undefined, "127.0.0.1"]) {
      const client = await ask(server.port, { serverName, verify: "name", ca: authority.cert });
      await client.reads("hello");
      expect(client.facts?.peer?.verified).toBe(true);
      client.wire.abort();
    }
    expect(server.names.filter((name) => name)).toEqual([]);
    server.close();
  });

  test("an expired certificate, one that is self-signed, and an unknown CA are refused in words", async () => {
    const day = new Date(Date.now() - 2 * DAY).toISOString().slice(0, 10);
    expect(await refusal(expired, byName)).toBe(
      `Cannot trust 127.0.0.1 under TLS: its certificate expired on ${day}`,
    );
    expect(await refusal(selfSigned, byName)).toBe(
      "Cannot trust 127.0.0.1 under TLS: its certificate is self-signed (CN=mx.example) and not among the trusted ones",
    );
    expect(await refusal(good, { serverName: "mx.example", verify: "ca" })).toBe(
      "Cannot trust 127.0.0.1 under TLS: no trusted CA stands behind its certificate, whose issuer is CN=Test CA",
    );
  });

  test("verify none takes anybody, says so, and says what a check would have found", async () => {
    for (
      const [identity, fault] of [[selfSigned, "self-signed"], [expired, "expired"], [
        other,
        "is not for",
      ]] as const
    ) {
      const server = await serve(identity);
      const client = await ask(server.port, { ...byName, verify: "none" });
      await client.reads("hello");
      expect(client.facts?.peer?.verified).toBe(false);
      expect(client.facts?.peer?.error).toContain(fault);
      client.wire.abort();
      server.close();
    }
  });

  for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
    test(`a certificate that is wrong in its name and its chain: the chain is told, and nobody waits (${maxVersion})`, async () => {
      const server = await serve({ ...selfSigned, maxVersion });
      for (const serverName of ["other.example", "127.0.0.1", undefined]) {
        const client = await ask(server.port, { serverName, verify: "none" });
        await client.reads("hello");
        expect(client.facts?.peer?.error).toContain("self-signed");
        client.wire.abort();
        expect(await refusal({ ...selfSigned, maxVersion }, { serverName, verify: "name" })).toContain(
          "self-signed",
        );
      }
      server.close();
    });
  }

  test("a pin stands for verification where there is none, and beside it where there is", async () => {
    const wrong = pinOf(other.cert);
    const right = pinOf(selfSigned.cert);
    const pinned = { serverName: "mx.example", verify: "none", pins: [wrong, right] } as const;
    const server = await serve(selfSigned);
    const client = await ask(server.port, pinned);
    await client.reads("hello");
    expect(client.facts?.peer).toMatchObject({ verified: true });
    client.wire.abort();
    server.close();
    expect(await refusal(selfSigned, { ...pinned, pins: [wrong] })).toBe(
      `Cannot trust 127.0.0.1 under TLS: its public key is not a pinned one: it is ${right}`,
    );
    expect(await refusal(good, { ...byName, pins: [wrong] })).toContain("not a pinned one");
    expect(await refusal(selfSigned, { ...byName, pins: [right] })).toContain("self-signed");
  });

  test("a client certificate is shown where it is asked for", async () => {
    const server = await serve({ ...good, requestCert: true, rejectUnauthorized: true, ca: authority.cert });
    const client = await ask(server.port, { ...byName, cert: ours.cert, key: ours.key });
    await client.reads("hello");
    client.wire.abort();
    server.close();
  });

  test("a server that misses our certificate, or does not like it, is quoted", async () => {
    const strict = { ...good, requestCert: true, rejectUnauthorized: true, ca: authority.cert };
    for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
      const server = await serve({ ...strict, maxVersion });
      const client = await ask(server.port, byName);
      await client.told("close");
      // Not every server says why under TLS 1.2.
      if (maxVersion === "TLSv1.3") {
        expect(client.error?.message).toContain("it asks for a client certificate");
      } else expect(client.error?.message).toContain("Cannot speak TLS with 127.0.0.1");
      server.close();
    }
  });

  test("our own certificate that does not parse ends in close with an error, later", async () => {
    const server = await serve(good);
    const client = await ask(server.port, { ...byName, cert: "no", key: "no" });
    await client.told("close");
    expect(client.error?.message).toContain("Cannot use the client certificate");
    expect(client.events).toEqual(["open", "close undefined"]);
    server.close();
  });

  test("a peer that answers in plain, leaves, or says nothing", async () => {
    const plain = await servePlain((socket) => socket.end("500 5.5.1 What?\r\n"));
    const first = await ask(plain.port, byName);
    await first.told("close");
    expect(first.error?.message).toContain("it does not answer in TLS");
    plain.close();
    const gone = await servePlain((socket) => socket.once("data", () => socket.destroy()));
    const second = await ask(gone.port, byName);
    await second.told("close");
    expect(second.error?.message).toContain("it hung up in the middle of the handshake");
    gone.close();
    const mute = await servePlain(() => {});
    const third = new Secured(byName);
    network.connect({ host: "127.0.0.1", port: mute.port }, third);
    await third.told("open");
    await pauseFor(20);
    third.calling("abort", () => third.wire.abort());
    await third.told("close");
    expect(third.events).toEqual(["open", "close"]);
    mute.close();
  });

  test("plain text that waits behind a pause is never taken for something said under TLS", async () => {
    const { port, close } = await servePlain((socket) => {
      socket.write("220 ready\r\n250 injected\r\n");
      socket.once("data", () => {
        const secure = new tls.TLSSocket(socket, { isServer: true, ...good });
        secure.on("error", () => {});
        secure.write("secret");
      });
    });
    class Paused extends Recorder {
      override open(wire: Recorder["wire"]): void {
        super.open(wire);
        wire.pause();
        setTimeout(() => {
          wire.write(bytes("STARTTLS"));
          setTimeout(() => {
            wire.secureAsClient(byName, () => this.note("done"));
            wire.resume();
          }, 30);
        }, 30);
      }
    }
    const client = new Paused();
    network.connect({ host: "127.0.0.1", port }, client);
    await client.until(() => client.text !== "" || client.events.length > 1 && client.events[1] !== "done");
    expect(client.text).not.toContain("injected");
    client.wire.abort();
    close();
  });

  test("the wire can be paused through the handshake", async () => {
    const server = await serve(good);
    class Silent extends Secured {
      override open(wire: Recorder["wire"]): void {
        super.open(wire);
        wire.pause();
      }
    }
    const client = new Silent(byName);
    network.connect({ host: "127.0.0.1", port: server.port }, client);
    await client.told("done");
    await pauseFor(30);
    expect(client.text).toBe("");
    client.wire.resume();
    await client.reads("hello");
    client.wire.abort();
    server.close();
  });

  test.if(onBun)("a session resumes with the same options, and is verified all the same", async () => {
    for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
      const server = await serve({ ...good, maxVersion });
      const same = { ...byName };
      for (const options of [same, same, { ...byName }]) {
        const client = await ask(server.port, options);
        await client.reads("hello");
        expect(client.facts?.peer).toMatchObject({ subject: "CN=mx.example", verified: true });
        client.wire.close();
        await client.told("close");
      }
      expect(server.resumed).toEqual([false, true, false]);
      server.close();
    }
  });

  test("fifty at once", async () => {
    const server = await serve(good);
    const clients = await Promise.all(Array.from({ length: 50 }, () => ask(server.port, byName)));
    await Promise.all(clients.map((client) => client.reads("hello")));
    expect(clients.every((client) => client.facts?.peer?.verified)).toBe(true);
    for (const client of clients) client.wire.abort();
    server.close();
  }, 20_000);
}
