/** What every network promises of TLS on the server side: STARTTLS (`secure`) and implicit TLS. */

import { describe, expect, test } from "bun:test";
import { spawn, spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import net from "node:net";
import tls from "node:tls";
import type { Network, TlsFacts } from "../../src/net/wire.ts";
import { makeIdentity } from "../support/certificate.ts";
import { bytes, type Door, networks, onBun, openDoor, pauseFor, Recorder } from "./support.ts";

const identity = makeIdentity();
const hasOpenssl = spawnSync("openssl", ["version"]).status === 0;

for (const [name, network] of networks) describe(`TLS on ${name}`, () => suite(network));

/** Answers STARTTLS with `go` and a handshake; `done` and its facts are events too. */
class Starttls extends Recorder {
  facts: TlsFacts | undefined;
  override data(chunk: Uint8Array): void {
    super.data(chunk);
    if (this.facts !== undefined || !this.text.includes("STARTTLS")) return;
    this.wire.write(bytes("go"));
    this.upgrade();
  }
  upgrade(): void {
    this.calling("secure", () =>
      this.wire.secure(identity, (facts) => {
        this.facts = facts;
        this.note("done");
      }));
  }
}

/** Echoes what comes under TLS; before that as `Starttls`. */
class Echo extends Starttls {
  override data(chunk: Uint8Array): void {
    if (this.wire.tls === undefined) super.data(chunk);
    else this.wire.write(chunk);
  }
  override end(): void {
    super.end();
    this.wire.end();
  }
}

/** A plain client that has said STARTTLS and heard `go`. */
async function askForTls(door: Door): Promise<net.Socket> {
  const socket = net.connect({ port: door.address.port, host: "127.0.0.1", allowHalfOpen: true });
  socket.on("error", () => {});
  socket.write("STARTTLS");
  await new Promise((done) => socket.once("data", done));
  return socket;
}

type ClientOptions = tls.ConnectionOptions & { collect?: boolean };

/** A TLS client, once its handshake is done; over a STARTTLS socket or directly to an implicit listener. */
async function tlsClient(to: net.Socket | Door, options: ClientOptions = {}): Promise<tls.TLSSocket> {
  const place = "address" in to && !(to instanceof net.Socket)
    ? { port: to.address.port, host: "127.0.0.1" }
    : { socket: to as net.Socket };
  const socket = tls.connect({ ...place, rejectUnauthorized: false, servername: "mx.example", ...options });
  await new Promise<void>((done, fail) => {
    socket.once("secureConnect", done);
    socket.once("error", fail);
  });
  socket.on("error", () => {});
  return socket;
}

/** Sends text and resolves with as much coming back. */
function exchange(socket: tls.TLSSocket, text: string): Promise<string> {
  return new Promise((done) => {
    let answer = "";
    socket.on("data", function more(chunk: Uint8Array) {
      answer += chunk.toString();
      if (answer.length < text.length) return;
      socket.removeListener("data", more);
      done(answer);
    });
    socket.write(text);
  });
}

function suite(network: Network): void {
  test("STARTTLS: the facts are told, then bytes flow both ways", async () => {
    const door = await openDoor(network, {}, () => new Echo());
    const client = await tlsClient(await askForTls(door));
    const server = (await door.next()) as Echo;
    expect(await exchange(client, "hello")).toBe("hello");
    expect(server.facts?.version).toBe("TLSv1.3");
    expect(server.facts?.cipher).toMatch(/^TLS_/);
    expect(server.facts?.serverName).toBe("mx.example");
    expect(server.wire.tls).toEqual(server.facts);
    expect(server.wire.remote.host).toBe("127.0.0.1");
    client.end();
    await server.told("close");
    expect(server.events).toEqual(["open", "data", "done", "end", "close"]);
    door.listener.close();
  });

  test("STARTTLS: TLS 1.2 and a client without SNI", async () => {
    const door = await openDoor(network, {}, () => new Echo());
    const client = await tlsClient(await askForTls(door), { maxVersion: "TLSv1.2", servername: "" });
    const server = (await door.next()) as Echo;
    expect(await exchange(client, "hello")).toBe("hello");
    expect(server.facts?.version).toBe("TLSv1.2");
    expect(server.facts?.serverName).toBe(undefined);
    client.end();
    await server.told("close");
    door.listener.close();
  });

  test("STARTTLS: fifty clients at once", async () => {
    const door = await openDoor(network, {}, () => new Echo());
    const answers = await Promise.all(Array.from({ length: 50 }, async (_, i) => {
      const client = await tlsClient(await askForTls(door));
      const answer = await exchange(client, `client ${i}`);
      client.end();
      return answer;
    }));
    expect(answers).toEqual(Array.from({ length: 50 }, (_, i) => `client ${i}`));
    door.listener.close();
  }, 20_000);

  test("STARTTLS: plain text sent ahead of the handshake is never data", async () => {
    const door = await openDoor(network, {}, () => new Starttls());
    const socket = net.connect(door.address.port, "127.0.0.1");
    socket.on("error", () => {});
    socket.write("STARTTLS");
    await new Promise((done) => socket.once("data", done));
    socket.write("MAIL FROM:<evil@example>\r\n");
    const server = await door.next();
    await server.told("close");
    expect(server.text).toBe("STARTTLS");
    expect(server.events.at(-1)).not.toBe("close");
    expect(server.events).not.toContain("done");
    socket.destroy();
    door.listener.close();
  });

  test("STARTTLS: plain text that waits behind a pause is thrown away", async () => {
    class Paused extends Starttls {
      override data(chunk: Uint8Array): void {
        this.text += new TextDecoder().decode(chunk);
        this.wire.pause();
        setTimeout(() => {
          this.wire.write(bytes("go"));
          this.upgrade();
          this.wire.resume();
        }, 40);
      }
    }
    const door = await openDoor(network, {}, () => new Paused());
    const socket = net.connect(door.address.port, "127.0.0.1");
    socket.on("error", () => {});
    socket.write("STARTTLS");
    await pauseFor(20);
    socket.write("RSET\r\n");
    const server = await door.next();
    await server.told("close");
    expect(server.text).toBe("STARTTLS");
    socket.destroy();
    door.listener.close();
  });

  test("STARTTLS: bytes written before it leave in plain, bytes written after it under TLS", async () => {
    class Eager extends Starttls {
      override upgrade(): void {
        super.upgrade();
        this.wire.write(bytes("secret"));
      }
    }
    const door = await openDoor(network, {}, () => new Eager());
    const socket = await askForTls(door);
    const plain: string[] = [];
    const listen = (chunk: Uint8Array) => plain.push(chunk.toString());
    socket.on("data", listen);
    await pauseFor(30);
    socket.removeListener("data", listen);
    expect(plain).toEqual([]);
    const client = tls.connect({ socket, rejectUnauthorized: false });
    const first = await new Promise<Uint8Array>((done) => client.once("data", done));
    expect(first.toString()).toBe("secret");
    client.destroy();
    door.listener.close();
  });

  test("STARTTLS: a plain backlog goes out before the handshake starts", async () => {
    const size = 12_000_000;
    class Backlogged extends Starttls {
      override data(chunk: Uint8Array): void {
        if (this.wire.tls === undefined) {
          this.wire.write(new Uint8Array(size));
          this.upgrade();
        } else this.wire.write(chunk);
      }
    }
    const door = await openDoor(network, {}, () => new Backlogged());
    const socket = net.connect(door.address.port, "127.0.0.1");
    let plain = 0;
    await new Promise<void>((done) => {
      socket.on("data", function count(chunk: Uint8Array) {
        plain += chunk.length;
        if (plain < size) return;
        socket.removeListener("data", count);
        done();
      });
      socket.write("STARTTLS");
    });
    expect(plain).toBe(size);
    const client = await tlsClient(socket);
    expect(await exchange(client, "hello")).toBe("hello");
    client.destroy();
    door.listener.close();
  });

  test("STARTTLS: garbage for a handshake closes with an error and hurts nobody else", async () => {
    const door = await openDoor(network, {}, () => new Echo());
    const socket = await askForTls(door);
    socket.write("\x16\x03\x01\xff\xffEHLO nonsense\r\n".repeat(10));
    const server = await door.next();
    await server.told("close");
    expect(server.error?.message).toBe("Cannot speak TLS with the client: what it sends is not TLS");
    const client = await tlsClient(await askForTls(door));
    expect(await exchange(client, "alive")).toBe("alive");
    client.destroy();
    door.listener.close();
  });

  test("STARTTLS: a client that stalls is ended by abort", async () => {
    const door = await openDoor(network, {}, () => new Starttls());
    const socket = await askForTls(door);
    const server = await door.next();
    await pauseFor(20);
    expect(server.events).toEqual(["open", "data"]);
    server.calling("abort", () => server.wire.abort());
    await server.told("close");
    expect(server.events).toEqual(["open", "data", "close"]);
    socket.destroy();
    door.listener.close();
  });

  test("STARTTLS: a reset or FIN in the middle of the handshake is close with an error", async () => {
    for (const leave of ["resetAndDestroy", "end"] as const) {
      const door = await openDoor(network, {}, () => new Starttls());
      const socket = await askForTls(door);
      const server = await door.next();
      socket.write(Uint8Array.of(0x16, 3, 1, 1, 0, 1, 0, 0));
      await pauseFor(20);
      socket[leave]();
      await server.told("close");
      expect(server.error).toBeInstanceOf(Error);
      socket.destroy();
      door.listener.close();
    }
  });

  test.if(onBun)("STARTTLS: a session resumes", async () => {
    const door = await openDoor(network, {}, () => new Echo());
    for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
      const first = await tlsClient(await askForTls(door), { maxVersion });
      let session: Buffer | undefined;
      first.on("session", (ticket) => session = ticket);
      await exchange(first, "hello");
      await pauseFor(20);
      session ??= first.getSession();
      expect(first.isSessionReused()).toBe(false);
      first.end();
      const again = await tlsClient(await askForTls(door), { maxVersion, session: session! });
      await exchange(again, "hello");
      expect(again.isSessionReused()).toBe(true);
      again.end();
    }
    door.listener.close();
  });

  test("STARTTLS: pause holds decrypted bytes back", async () => {
    const door = await openDoor(network, {}, () => new Starttls());
    const client = await tlsClient(await askForTls(door));
    const server = (await door.next()) as Starttls;
    await server.told("done");
    server.wire.pause();
    client.write("held");
    await pauseFor(20);
    client.end("back");
    await pauseFor(20);
    expect(server.text).toBe("STARTTLS");
    server.wire.resume();
    await server.told("end");
    expect(server.text).toBe("STARTTLSheldback");
    server.wire.close();
    await server.told("close");
    expect(server.error).toBe(undefined);
    door.listener.close();
  });

  test("STARTTLS: after our close_notify the client can still send", async () => {
    const door = await openDoor(network, {}, () => new Starttls());
    const client = await tlsClient(await askForTls(door), { allowHalfOpen: true } as ClientOptions);
    const server = (await door.next()) as Starttls;
    await server.told("done");
    const ended = new Promise((done) => client.once("end", done));
    client.resume();
    server.wire.write(bytes("bye"));
    server.wire.end();
    await ended;
    client.write("late");
    await server.reads("late");
    client.end();
    await server.told("close");
    door.listener.close();
  });

  test("STARTTLS: a big answer to a slow reader arrives intact, also with close behind it", async () => {
    const door = await openDoor(network, {}, () => new Starttls());
    const client = await tlsClient(await askForTls(door));
    const server = (await door.next()) as Starttls;
    await server.told("done");
    const part = randomBytes(997_331);
    const expected = createHash("sha256");
    for (let i = 0; i < 20; i++) {
      expected.update(part);
      server.wire.write(part);
    }
    expect(server.wire.queued).toBeGreaterThan(0);
    server.wire.close();
    await pauseFor(100);
    const got = createHash("sha256");
    let left = 20 * part.length;
    await new Promise<void>((done) =>
      client.on("data", (chunk: Uint8Array) => {
        got.update(chunk);
        left -= chunk.length;
        if (left === 0) done();
      })
    );
    client.end();
    await server.told("close");
    expect(got.digest("hex")).toBe(expected.digest("hex"));
    door.listener.close();
  });

  test("STARTTLS: close during the handshake tells close and never done", async () => {
    const door = await openDoor(network, {}, () => new Starttls());
    const socket = await askForTls(door);
    const server = await door.next();
    server.wire.close();
    socket.destroy();
    await server.told("close");
    expect(server.events.filter((event) => event === "done")).toEqual([]);
    door.listener.close();
  });

  test("an identity that does not parse ends in close with an error", async () => {
    const door = await openDoor(network);
    const client = new Recorder();
    network.connect(door.endpoint, client);
    const server = await door.next();
    server.calling(
      "secure",
      () => server.wire.secure({ cert: "no", key: "no" }, () => server.events.push("done")),
    );
    await server.told("close");
    expect(server.error).toBeInstanceOf(Error);
    await client.until(() => client.events.length > 1);
    client.wire.abort();
    door.listener.close();
  });

  test("implicit TLS: accepted after the handshake, with its facts", async () => {
    const door = await openDoor(network, { tls: identity }, () => new Echo());
    const client = await tlsClient(door);
    const server = await door.next();
    expect(server.wire.tls).toEqual({
      version: "TLSv1.3",
      cipher: expect.stringMatching(/^TLS_/),
      serverName: "mx.example",
    });
    expect(server.wire.remote).toEqual({ host: "127.0.0.1", port: client.localPort! });
    expect(await exchange(client, "hello")).toBe("hello");
    client.end();
    await server.told("close");
    expect(server.events).toEqual(["open", "end", "close"]);
    door.listener.close();
  });

  test("implicit TLS: clients that send garbage, hang up or reset are never accepted", async () => {
    const door = await openDoor(network, { tls: identity }, () => new Echo());
    for (const leave of ["end", "destroy", "resetAndDestroy"] as const) {
      const socket = net.connect(door.address.port, "127.0.0.1");
      socket.on("error", () => {});
      if (leave !== "end") socket.write("EHLO client.example\r\n".repeat(100));
      await pauseFor(10);
      socket[leave]();
    }
    const client = await tlsClient(door);
    const server = await door.next();
    expect(server.wire.remote.port).toBe(client.localPort!);
    expect(await exchange(client, "alive")).toBe("alive");
    client.destroy();
    door.listener.close();
  });

  test("implicit TLS: a client that stalls is dropped at the handshake timeout", async () => {
    const door = await openDoor(network, { tls: identity, handshakeTimeout: 50 });
    const socket = net.connect(door.address.port, "127.0.0.1");
    socket.on("error", () => {});
    const start = performance.now();
    await new Promise((done) => socket.once("close", done));
    expect(performance.now() - start).toBeLessThan(2_000);
    door.listener.close();
  });

  test("implicit TLS: the handshake timeout does not end an accepted connection", async () => {
    const door = await openDoor(network, { tls: identity, handshakeTimeout: 100 }, () => new Echo());
    const client = await tlsClient(door);
    await pauseFor(150);
    expect(await exchange(client, "alive")).toBe("alive");
    client.destroy();
    door.listener.close();
  });

  test.if(onBun)("implicit TLS: a session resumes", async () => {
    const door = await openDoor(network, { tls: identity }, () => new Echo());
    const first = await tlsClient(door, { maxVersion: "TLSv1.3" });
    let session: Buffer | undefined;
    first.on("session", (ticket) => session = ticket);
    await exchange(first, "hello");
    await pauseFor(20);
    first.end();
    const again = await tlsClient(door, { session: session! });
    await exchange(again, "hello");
    expect(again.isSessionReused()).toBe(true);
    again.end();
    door.listener.close();
  });

  // Deno's own TLS client does not really resume, openssl does.
  test.if(!onBun && hasOpenssl)("implicit TLS: openssl's sessions resume", async () => {
    const door = await openDoor(network, { tls: identity }, () => new Echo());
    const at = `127.0.0.1:${door.address.port}`;
    const client = spawn("openssl", ["s_client", "-connect", at, "-tls1_2", "-reconnect"]);
    client.stdin.end();
    let output = "";
    client.stdout.on("data", (chunk) => output += chunk);
    await new Promise((done) => client.once("close", done));
    expect(output.match(/^New,/gm)?.length).toBe(1);
    expect(output.match(/^Reused,/gm)?.length).toBe(5);
    door.listener.close();
  });

  test("implicit TLS: an identity that does not parse rejects the listen", async () => {
    const failure = await openDoor(network, { tls: { cert: "no", key: "no" } }).catch((error) => error);
    expect(failure).toBeInstanceOf(Error);
    expect(failure.message).toMatch(/^Cannot listen on 127\.0\.0\.1:0: Cannot read the certificate: /);
  });
}
