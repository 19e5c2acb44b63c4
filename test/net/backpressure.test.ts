/** A sender that obeys `write` needs little memory however slow the reader, and nothing is lost or reordered. */

import { describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import net from "node:net";
import tls from "node:tls";
import type { Network } from "../../src/net/wire.ts";
import { makeIdentity } from "../support/certificate.ts";
import { bytes, networks, onBun, openDoor, pauseFor, Recorder } from "./support.ts";

const PIECE = 64 * 1024 - 7;
const PIECES = 1600; // 100 MB
const BOUND = 1_000_000;

for (const [name, network] of networks) describe(`backpressure on ${name}`, () => suite(network));

/** Sends the pieces, waiting whenever `write` says so, then FIN. Every piece is overwritten after its write. */
class Pump extends Recorder {
  readonly hash = createHash("sha256");
  sent = 0;
  mostQueued = 0;
  waits = 0;
  readonly #piece = new Uint8Array(PIECE);

  start(): void {
    while (this.sent < PIECES) {
      this.#piece.fill(this.sent).set(bytes(`piece ${this.sent}`));
      this.sent++;
      this.hash.update(this.#piece);
      const more = this.wire.write(this.#piece);
      this.mostQueued = Math.max(this.mostQueued, this.wire.queued);
      if (!more) {
        this.waits++;
        return;
      }
    }
    this.wire.end();
  }

  override drain(): void {
    this.start();
  }
}

class HashReader extends Recorder {
  readonly hash = createHash("sha256");
  override data(chunk: Uint8Array): void {
    this.received += chunk.length;
    this.hash.update(chunk);
  }
}

/** Resolves when this many bytes came. */
function readAll(socket: net.Socket, size: number, take: (chunk: Uint8Array) => void): Promise<void> {
  let left = size;
  return new Promise((done) =>
    socket.on("data", (chunk: Uint8Array) => {
      take(chunk);
      left -= chunk.length;
      if (left === 0) done();
    })
  );
}

function suite(network: Network): void {
  test("100 MB to a reader that pauses keep the queue bounded and arrive intact", async () => {
    const door = await openDoor(network, {}, () => new Pump());
    const reader = new HashReader();
    network.connect(door.endpoint, reader);
    const pump = (await door.next()) as Pump;
    await reader.told("open");
    reader.wire.pause();
    pump.start();
    await pauseFor(500);
    expect(pump.sent).toBeLessThan(PIECES);
    expect(reader.received).toBe(0);
    reader.wire.resume();
    await reader.told("end");
    reader.wire.end();
    await pump.told("close");
    expect(reader.received).toBe(PIECE * PIECES);
    expect(reader.hash.digest("hex")).toBe(pump.hash.digest("hex"));
    expect(pump.waits).toBeGreaterThan(0);
    expect(pump.mostQueued).toBeLessThan(BOUND);
    door.listener.close();
  });

  test("the same under TLS", async () => {
    const door = await openDoor(network, { tls: makeIdentity() }, () => new Pump());
    const client = tls.connect({ port: door.address.port, host: "127.0.0.1", rejectUnauthorized: false });
    client.on("error", () => {});
    await new Promise<void>((done) => client.once("secureConnect", done));
    const pump = (await door.next()) as Pump;
    pump.start();
    await pauseFor(500);
    // Deno's TLS client reads on though nobody takes its data: there only the queue shows that waiting works.
    if (onBun) expect(pump.sent).toBeLessThan(PIECES);
    const hash = createHash("sha256");
    // Not until "end": Deno's TLS client sometimes never tells it.
    await readAll(client, PIECE * PIECES, (chunk) => hash.update(chunk));
    client.end();
    await pump.told("close");
    expect(hash.digest("hex")).toBe(pump.hash.digest("hex"));
    expect(pump.waits).toBeGreaterThan(0);
    expect(pump.mostQueued).toBeLessThan(BOUND);
    door.listener.close();
  });

  test("a relay that pauses its source while its sink is full loses nothing", async () => {
    const sink = await openDoor(network, {}, () => new HashReader());
    class Relay extends Recorder {
      readonly onward = new Onward(this);
      override data(chunk: Uint8Array): void {
        this.received += chunk.length;
        if (!this.onward.wire.write(chunk)) this.wire.pause();
      }
      override end(): void {
        this.onward.wire.end();
      }
    }
    class Onward extends Recorder {
      readonly source: Recorder;
      constructor(source: Recorder) {
        super();
        this.source = source;
      }
      override open(wire: Recorder["wire"]): void {
        super.open(wire);
        this.source.wire.resume();
      }
      override drain(): void {
        this.source.wire.resume();
      }
      override end(): void {
        this.source.wire.end();
      }
    }
    const relay = await openDoor(network, {}, () => {
      const recorder = new Relay();
      network.connect(sink.endpoint, recorder.onward);
      return recorder;
    });
    const pump = new Pump();
    network.connect(relay.endpoint, pump);
    const middle = await relay.next();
    middle.wire.pause();
    const reader = (await sink.next()) as HashReader;
    await pump.told("open");
    reader.wire.pause();
    pump.start();
    await pauseFor(200);
    expect(pump.sent).toBeLessThan(PIECES);
    reader.wire.resume();
    await reader.told("end");
    reader.wire.end();
    await pump.told("close");
    expect(reader.hash.digest("hex")).toBe(pump.hash.digest("hex"));
    sink.listener.close();
    relay.listener.close();
  });

  test("a reader that never comes back does not keep an aborted wire", async () => {
    const door = await openDoor(network, {}, () => new Pump());
    const socket = net.connect(door.address.port, "127.0.0.1");
    socket.on("error", () => {});
    const pump = (await door.next()) as Pump;
    pump.start();
    expect(pump.wire.queued).toBeGreaterThan(0);
    pump.wire.abort();
    await pump.told("close");
    expect(pump.error).toBe(undefined);
    expect(pump.wire.queued).toBe(0);
    socket.destroy();
    door.listener.close();
  });
}
