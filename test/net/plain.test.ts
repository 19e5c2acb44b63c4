/** What every network promises of a plain connection (src/net/wire.ts). */

import { describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Network } from "../../src/net/wire.ts";
import { bytes, networks, openDoor, pair, pauseFor, Recorder } from "./support.ts";

for (const [name, network] of networks) describe(`plain connections on ${name}`, () => suite(network));

function suite(network: Network): void {
  test("what one side writes the other reads, both ways", async () => {
    const { client, server, close } = await pair(network);
    client.wire.write(bytes("ping"));
    await server.reads("ping");
    server.wire.write(bytes("pong"));
    await client.reads("pong");
    client.wire.abort();
    close();
  });

  test("the caller may change a buffer as soon as write returns", async () => {
    const { client, server, close } = await pair(network);
    const buffer = bytes("one ");
    client.wire.write(buffer);
    buffer.set(bytes("two "));
    client.wire.write(buffer);
    await server.reads("one two ");
    client.wire.abort();
    close();
  });

  test("both ends know both addresses", async () => {
    const { client, server, close } = await pair(network);
    expect(server.wire.remote).toEqual(client.wire.local);
    expect(server.wire.local).toEqual(client.wire.remote);
    expect(server.wire.remote.host).toBe("127.0.0.1");
    client.wire.abort();
    close();
  });

  test("an IPv4 client of a dual-stack listener has an IPv4 address", async () => {
    const door = await openDoor(network, { endpoint: { host: "::", port: 0 } });
    const client = new Recorder();
    network.connect({ host: "127.0.0.1", port: door.address.port }, client);
    const server = await door.next();
    expect(server.wire.remote.host).toBe("127.0.0.1");
    expect(server.wire.local).toEqual({ host: "127.0.0.1", port: door.address.port });
    await client.told("open");
    client.wire.abort();
    door.listener.close();
  });

  test("after the client's FIN the server can still answer", async () => {
    const { client, server, close } = await pair(network);
    client.wire.write(bytes("question"));
    client.wire.end();
    await server.told("end");
    await pauseFor(20);
    server.wire.write(bytes("answer"));
    server.wire.end();
    await client.told("close");
    await server.told("close");
    expect(client.text).toBe("answer");
    expect(client.events).toEqual(["open", "data", "end", "close"]);
    expect(server.events).toEqual(["open", "data", "end", "close"]);
    close();
  });

  test("after the server's FIN the client can still send", async () => {
    const { client, server, close } = await pair(network);
    server.wire.end();
    await client.told("end");
    client.wire.write(bytes("late"));
    await server.reads("late");
    client.wire.end();
    await client.told("close");
    await server.told("close");
    expect(server.events).toEqual(["open", "data", "end", "close"]);
    close();
  });

  test("a paused wire is told nothing, and everything in order after resume", async () => {
    const { client, server, close } = await pair(network);
    server.wire.pause();
    client.wire.write(bytes("first"));
    await pauseFor(30);
    client.wire.write(bytes("second"));
    client.wire.end();
    await pauseFor(30);
    expect(server.events).toEqual(["open"]);
    server.calling("resume", () => server.wire.resume());
    await server.told("end");
    expect(server.text).toBe("firstsecond");
    expect(server.events).toEqual(["open", "data", "end"]);
    server.wire.end();
    await server.told("close");
    close();
  });

  test("pausing inside data stops the next data", async () => {
    class OneBite extends Recorder {
      override data(chunk: Uint8Array): void {
        super.data(chunk);
        this.wire.pause();
      }
    }
    const door = await openDoor(network, {}, () => new OneBite());
    const client = new Recorder();
    network.connect(door.endpoint, client);
    const server = await door.next();
    await client.told("open");
    client.wire.write(new Uint8Array(3_000_000));
    await server.told("data");
    const bite = server.received;
    await pauseFor(50);
    expect(server.received).toBe(bite);
    server.wire.resume();
    await server.until(() => server.received > bite);
    // Not the client's abort: node:net hears of a reset only when it reads.
    server.wire.abort();
    await client.told("close");
    door.listener.close();
  });

  test("bytes paused across a change of owner go to the new owner", async () => {
    const { client, server, close } = await pair(network);
    server.wire.pause();
    client.wire.write(bytes("for the heir"));
    await pauseFor(20);
    const heir = new Recorder();
    server.wire.owner = heir;
    server.wire.resume();
    await heir.reads("for the heir");
    expect(server.text).toBe("");
    client.wire.abort();
    await heir.told("close");
    close();
  });

  test("abort drops what is queued and tells close once, later", async () => {
    const { client, server, close } = await pair(network);
    client.wire.pause();
    let written = 0;
    while (server.wire.write(new Uint8Array(1_000_000)) && written < 100) written++;
    expect(server.wire.queued).toBeGreaterThan(0);
    server.calling("abort", () => server.wire.abort());
    expect(server.events).toEqual(["open"]);
    await server.told("close");
    client.wire.resume();
    await client.told("close");
    await pauseFor(10);
    expect(server.events).toEqual(["open", "close"]);
    expect(client.received).toBeLessThan((written + 1) * 1_000_000);
    close();
  });

  test("abort inside data is safe, and what it leaves unread is not told", async () => {
    class Aborter extends Recorder {
      override data(chunk: Uint8Array): void {
        super.data(chunk);
        this.calling("abort", () => this.wire.abort());
        this.wire.write(bytes("into the void"));
        this.wire.end();
        this.wire.close();
      }
    }
    const door = await openDoor(network, {}, () => new Aborter());
    const client = new Recorder();
    network.connect(door.endpoint, client);
    const server = await door.next();
    await client.told("open");
    client.wire.write(new Uint8Array(2_000_000));
    await server.told("close");
    await client.told("close");
    expect(server.events).toEqual(["open", "data", "close"]);
    expect(client.text).toBe("");
    door.listener.close();
  });

  test("close sends all that is queued before it ends", async () => {
    const { client, server, close } = await pair(network);
    client.wire.pause();
    for (let i = 0; i < 20; i++) server.wire.write(new Uint8Array(1_000_000));
    server.calling("close", () => server.wire.close());
    await pauseFor(20);
    expect(server.events).toEqual(["open"]);
    client.wire.resume();
    await client.told("end");
    client.wire.end();
    await server.told("close");
    expect(client.received).toBe(20_000_000);
    expect(server.error).toBe(undefined);
    close();
  });

  test("close gives a slow peer its seconds, whenever it comes", async () => {
    const closing = async () => {
      const { client, server, close } = await pair(network);
      client.wire.pause();
      for (let i = 0; i < 10; i++) server.wire.write(new Uint8Array(1_000_000));
      server.wire.close();
      await pauseFor(3000);
      client.wire.resume();
      await client.told("end");
      client.wire.end();
      await server.told("close");
      expect(server.events).toEqual(["open", "close"]);
      expect(client.received).toBe(10_000_000);
      close();
    };
    // A second apart, so that whoever looks every four seconds looks in between.
    await Promise.all([0, 1000, 2000, 3000].map((ms) => pauseFor(ms).then(closing)));
  });

  test("close with unread input still delivers the last reply", async () => {
    const { client, server, close } = await pair(network);
    server.wire.pause();
    client.wire.write(bytes("MAIL FROM:<>\r\n"));
    await pauseFor(20);
    server.wire.write(bytes("421 bye"));
    server.wire.close();
    client.wire.write(bytes("RCPT TO:<>\r\n"));
    await client.told("end");
    expect(client.text).toBe("421 bye");
    client.wire.end();
    await server.told("close");
    expect(server.events).toEqual(["open", "close"]);
    close();
  });

  test("close gives up on a peer that does not read", async () => {
    const { client, server, close } = await pair(network);
    client.wire.pause();
    for (let i = 0; i < 20; i++) server.wire.write(new Uint8Array(1_000_000));
    server.wire.close();
    await server.told("close");
    expect(server.events).toEqual(["open", "close ETIMEDOUT"]);
    client.wire.abort();
    close();
  }, 15_000);

  test("a reset by the peer ends in close with its code", async () => {
    const { client, server, close } = await pair(network);
    client.wire.abort();
    await server.told("close");
    expect(server.events.filter((event) => event !== "end")).toEqual(["open", "close ECONNRESET"]);
    await client.told("close");
    expect(client.events).toEqual(["open", "close"]);
    close();
  });

  test("a refused connection is told only by close, with the code", async () => {
    const door = await openDoor(network);
    door.listener.close();
    await pauseFor(10);
    const client = new Recorder();
    network.connect(door.endpoint, client);
    expect(client.events).toEqual([]);
    await client.told("close");
    expect(client.events).toEqual(["close ECONNREFUSED"]);
    expect(client.error?.message).toBe(`Cannot connect to 127.0.0.1:${door.address.port}: ECONNREFUSED`);
  });

  test("a unix socket that is not there is told only by close, later", async () => {
    const client = new Recorder();
    network.connect({ path: join(tmpdir(), "no-such.sock") }, client);
    expect(client.events).toEqual([]);
    await client.told("close");
    expect(client.events).toEqual(["close ENOENT"]);
  });

  test("an impossible port is told by close too", async () => {
    const client = new Recorder();
    network.connect({ host: "127.0.0.1", port: 70_000 }, client);
    await client.told("close");
    expect(client.events.length).toBe(1);
  });

  test("a cancelled attempt is told nothing", async () => {
    const door = await openDoor(network);
    const client = new Recorder();
    network.connect(door.endpoint, client).cancel();
    const refused = new Recorder();
    network.connect({ host: "127.0.0.1", port: 1 }, refused).cancel();
    await pauseFor(50);
    expect(client.events).toEqual([]);
    expect(refused.events).toEqual([]);
    door.listener.close();
  });

  test("cancel of an open connection does nothing", async () => {
    const door = await openDoor(network);
    const client = new Recorder();
    const attempt = network.connect(door.endpoint, client);
    const server = await door.next();
    await client.told("open");
    attempt.cancel();
    client.wire.write(bytes("still here"));
    await server.reads("still here");
    client.wire.abort();
    await client.told("close");
    door.listener.close();
  });

  test("listening on a taken port rejects with EADDRINUSE", async () => {
    const door = await openDoor(network);
    const failure = await openDoor(network, { endpoint: door.address }).catch((error) => error);
    expect(failure.code).toBe("EADDRINUSE");
    expect(failure.message).toBe(`Cannot listen on 127.0.0.1:${door.address.port}: EADDRINUSE`);
    door.listener.close();
  });

  test("reusePort lets two listeners share a port", async () => {
    const first = await openDoor(network, { reusePort: true });
    const second = await openDoor(network, { reusePort: true, endpoint: first.address });
    expect(second.address.port).toBe(first.address.port);
    first.listener.close();
    second.listener.close();
  });

  test("a closed listener leaves its connections open", async () => {
    const { client, server, close } = await pair(network);
    close();
    await pauseFor(20);
    client.wire.write(bytes("still here"));
    await server.reads("still here");
    server.wire.write(bytes("me too"));
    await client.reads("me too");
    client.wire.end();
    await server.told("end");
    server.wire.end();
    await client.told("close");
  });

  test("unix sockets work, and their file goes with the listener", async () => {
    const path = join(mkdtempSync(join(tmpdir(), "wire-")), "s");
    const door = await openDoor(network, { endpoint: { path } });
    expect(door.address).toEqual({ host: path, port: 0 });
    const client = new Recorder();
    network.connect({ path }, client);
    const server = await door.next();
    expect(server.wire.remote).toEqual({ host: path, port: 0 });
    await client.told("open");
    client.wire.write(bytes("hello"));
    await server.reads("hello");
    server.wire.close();
    await client.told("end");
    client.wire.close();
    await client.told("close");
    await server.told("close");
    door.listener.close();
    await pauseFor(20);
    expect(existsSync(path)).toBe(false);
  });

  test("accept may abort at once", async () => {
    const owner = new Recorder();
    const listener = await network.listen({
      endpoint: { host: "127.0.0.1", port: 0 },
      accept(wire) {
        wire.abort();
        return owner;
      },
    });
    const client = net.connect(listener.address.port, "127.0.0.1");
    client.on("error", () => {});
    await owner.told("close");
    expect(owner.events).toEqual(["close"]);
    client.destroy();
    listener.close();
  });

  test("fifty connections at once do not mix", async () => {
    class Echo extends Recorder {
      override data(chunk: Uint8Array): void {
        this.wire.write(chunk);
      }
      override end(): void {
        this.wire.end();
      }
    }
    const door = await openDoor(network, {}, () => new Echo());
    const clients = Array.from({ length: 50 }, () => new Recorder());
    for (const client of clients) network.connect(door.endpoint, client);
    await Promise.all(clients.map(async (client, i) => {
      await client.told("open");
      client.wire.write(bytes(`client ${i};`));
      client.wire.end();
      await client.told("close");
    }));
    expect(clients.map((client) => client.text)).toEqual(clients.map((_, i) => `client ${i};`));
    door.listener.close();
  });
}
