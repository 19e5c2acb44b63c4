/** A fault of the program's own costs the session that it happens in, and no other (rule 9). */
import { expect, test } from "bun:test";
import { Scene } from "../../src/testing/scene.ts";

const broken = () => {
  throw new Error("broken");
};

/** A session within a message. */
function within(): Scene {
  const scene = new Scene();
  scene.send("EHLO x\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<b@y.example>\r\nDATA\r\n");
  for (const reply of ["250 Ok\r\n", "250 Ok\r\n", "354 Ok\r\n"]) {
    scene.connections[0]!.send(reply);
    scene.settle();
  }
  scene.take();
  return scene;
}

function faults(scene: Scene): unknown[] {
  return scene.log.filter(({ event }) => event === "fault").map(({ fields }) =>
    String(fields["cause"]).split("\n")[0]
  );
}

test("within a message: nobody is told anything more, nothing is delivered, and both connections are broken off", () => {
  const scene = within();
  const [backend] = scene.connections;
  backend!.wire.write = broken;
  scene.send("x\r\n");
  expect([scene.wire.ended, backend!.wire.ended]).toEqual(["abort", "abort"]);
  expect(scene.take()).toBe("");
  expect(faults(scene)).toEqual(["Error: broken"]);
  expect([scene.over, scene.counters.delivered, scene.counters.ambiguous]).toEqual([true, 0, 0]);
});

test("when a backend's reply comes: the same", () => {
  const scene = new Scene();
  scene.send("EHLO x\r\nMAIL FROM:<a@x.example>\r\n");
  const [backend] = scene.connections;
  scene.wire.write = broken;
  backend!.send("250 Ok\r\n");
  scene.settle();
  expect(scene.wire.ended).toBe("abort");
  expect(faults(scene)).toEqual(["Error: broken"]);
  expect(scene.over).toBe(true);
  expect(backend!.seen.endsWith("RSET\r\n")).toBe(true);
});

test("behind the end of data: the backend's answer is still counted", () => {
  const scene = within();
  const [backend] = scene.connections;
  scene.send("x\r\n.\r\n");
  scene.wire.write = broken;
  scene.send("NOOP\r\n");
  backend!.send("250 Kept\r\n");
  scene.settle();
  expect(scene.counters.delivered).toBe(1);
  expect(scene.wire.ended).toBe("abort");
});
