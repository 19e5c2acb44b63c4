/** A slow backend or a slow client never grows memory: whoever is ahead is not read (rule 8). */
import { describe, expect, test } from "bun:test";
import { Scene } from "../../src/testing/scene.ts";
import type { FakeBackend } from "../../src/testing/backend.ts";

/** A session within a message, and its backend. */
function within(extensions?: readonly string[], start = "DATA\r\n"): { scene: Scene; backend: FakeBackend } {
  const scene = new Scene(extensions === undefined ? {} : { extensions });
  scene.send(`EHLO x\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<b@y.example>\r\n${start}`);
  const backend = scene.connections[0]!;
  for (const reply of ["250 Ok\r\n", "250 Ok\r\n", ...(start.startsWith("DATA") ? ["354 Ok\r\n"] : [])]) {
    backend.send(reply);
    scene.settle();
  }
  scene.take();
  backend.seen = "";
  return { scene, backend };
}

const LINE = `${"x".repeat(1022)}\r\n`;

describe("a backend that reads slowly", () => {
  for (const start of ["DATA\r\n", "BDAT 102400\r\n"]) {
    test(`${start.trim()}: the client is not read while anything is queued, and is read again behind it`, () => {
      const { scene, backend } = within(undefined, start);
      backend.wire.read(5000);
      scene.settle();
      let most = 0;
      for (let i = 0; i < 100; i++) {
        scene.send(LINE);
        most = Math.max(most, backend.wire.queued);
        if (!scene.wire.paused) continue;
        expect(backend.wire.queued).toBeGreaterThan(0);
        backend.wire.read(3000);
        scene.settle();
      }
      backend.wire.read();
      scene.settle();
      expect(scene.wire.paused).toBe(false);
      // What one read brings, and the trace field before it.
      expect(most).toBeLessThan(2 * LINE.length);
      expect(backend.seen.match(/x{1022}\r\n/g)?.length).toBe(start.startsWith("DATA") ? 100 : 99);
    });
  }
  test("the end of data waits its turn behind what is queued", () => {
    const { scene, backend } = within();
    backend.wire.read(0);
    scene.settle();
    scene.send(`${LINE}.\r\n`);
    expect(backend.wire.queued).toBeGreaterThan(0);
    backend.wire.read();
    scene.settle();
    expect(backend.seen.endsWith("x\r\n.\r\n")).toBe(true);
    backend.send("250 Kept\r\n");
    expect(scene.take()).toBe("250 Kept\r\n");
  });
  test("a backend that is lost with octets queued frees the client", () => {
    const { scene, backend } = within();
    backend.wire.read(0);
    scene.settle();
    scene.send(LINE);
    expect(scene.wire.paused).toBe(true);
    backend.wire.reset();
    scene.settle();
    expect(scene.wire.paused).toBe(false);
    scene.send(`${LINE}.\r\n`);
    expect(scene.take()).toMatch(/^451 4\.3\.0 /);
  });
});

describe("a client that does not read its replies", () => {
  test("is not read itself, so that replies cannot pile up", () => {
    const scene = new Scene({ limits: { idleCommands: Infinity } });
    scene.take();
    scene.wire.read(0);
    let sent = 0;
    while (!scene.wire.paused && sent < 1000) {
      scene.send("NOOP\r\n".repeat(10));
      sent += 10;
    }
    expect(sent).toBe(10);
    for (let i = 0; i < 100; i++) scene.send("NOOP\r\n".repeat(10));
    expect(scene.wire.queued).toBe("250 2.0.0 Ok\r\n".length * 10);
    scene.wire.read();
    scene.settle();
    expect(scene.wire.paused).toBe(false);
    expect(scene.take().split("\r\n").length - 1).toBe(1010);
  });
});

describe("input that waits for an answer", () => {
  test("is bounded by inputBuffer and one read", () => {
    const scene = new Scene({ limits: { inputBuffer: 1000 } });
    scene.send("EHLO x\r\nMAIL FROM:<a@x.example>\r\n");
    scene.take();
    for (let i = 0; i < 50; i++) scene.send("NOOP 45678901234\r\n".repeat(5));
    expect(scene.wire.paused).toBe(true);
    scene.connections[0]!.send("250 Ok\r\n");
    scene.settle();
    expect(scene.wire.paused).toBe(false);
    expect(scene.take().split("\r\n").slice(0, -1).length).toBeGreaterThan(200);
  });
});
