// bun only: needs a peer in another process, which node is
// A peer that resets the connection while the owner is busy: the owner that then writes, and pauses if it is told to
// wait, still hears that the connection is over. (Bun tells no end of a paused socket.)
import { describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import type { Network } from "../../src/net/wire.ts";
import { bytes, networks, openDoor, Recorder } from "./support.ts";

/** Says something, and resets the connection a moment later. */
const PEER = `
  const socket = require("node:net").connect(Number(process.argv[1]), "127.0.0.1", () => {
    socket.write("hello");
    setTimeout(() => socket.resetAndDestroy(), 30);
  });
  socket.on("error", () => {});
`;

/** Writes when the peer is gone already, and waits for room as it is told. */
class Busy extends Recorder {
  override data(received: Uint8Array): void {
    super.data(received);
    const until = performance.now() + 200;
    while (performance.now() < until);
    if (!this.wire.write(bytes("answer"))) this.wire.pause();
  }

  override drain(): void {
    this.wire.resume();
    super.drain();
  }
}

for (const [name, network] of networks) describe(`a reset on ${name}`, () => suite(network));

function suite(network: Network): void {
  test("while the owner was busy ends the connection for it", async () => {
    const door = await openDoor(network, {}, () => new Busy());
    const child = spawn("node", ["-e", PEER, String(door.address.port)], { stdio: "ignore" });
    const server = await door.next();
    await server.told("close");
    expect(server.events.at(-1)).toMatch(/^close/);
    child.kill();
    door.listener.close();
  }, 5_000);
}
