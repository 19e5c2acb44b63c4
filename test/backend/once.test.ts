/**
 * Whatever two backends do at whatever step, with dials beside dials and transactions that are moved: an end of data is
 * sent once at the most, what the client was told is taken is there, and what it was not told is nowhere twice.
 */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { DEFAULTS } from "../../src/policy/settings.ts";
import { Receiver } from "../../src/testing/receiver.ts";
import { Scene } from "../../src/testing/scene.ts";

const STEPS = ["connect", "greeting", "EHLO", "MAIL", "RCPT", "DATA", ".", "RSET"] as const;
const DEEDS = [
  "<close>",
  "<reset>",
  "<silence>",
  "421 4.3.2 no",
  "450 4.2.0 later",
  "25",
  "<refuse>",
] as const;

type Fault = readonly [step: (typeof STEPS)[number], deed: (typeof DEEDS)[number]];

/** A backend that does something wrong at one step, or nothing. */
class Faulty extends Receiver {
  fault: Fault | undefined;
  /** Ends of data seen. */
  dots = 0;

  constructor() {
    super({ extensions: ["8BITMIME"], answer: (command) => this.#answer(command) });
  }

  #answer(command: string): string | undefined {
    if (command === ".") this.dots++;
    const [step, deed] = this.fault ?? [];
    if (step === undefined || !command.startsWith(step)) return undefined;
    return (deed === "<refuse>") === (step === "connect") || deed === "<silence>" ? deed : undefined;
  }
}

const fault = fc.option(fc.tuple(fc.constantFrom(...STEPS), fc.constantFrom(...DEEDS)), { nil: undefined });
const letters = fc.array(fc.record({ a: fault, b: fault, pause: fc.constantFrom(0, 600, 7000) }), {
  minLength: 1,
  maxLength: 8,
});

test("a message is sent to its end once, and to one backend", async () => {
  let taken = 0;
  await fc.assert(
    fc.asyncProperty(letters, async (given) => {
      const [a, b] = [new Faulty(), new Faulty()];
      const scene = new Scene({
        backends: ["a", "b"],
        health: { ...DEFAULTS.health, interval: 10_000 },
        limits: { commandTime: Infinity },
        empty: true,
      });
      scene.onDial = (dial, name) => (name === "a" ? a : b).meet(dial);
      for (const [i, { a: sick, b: ill, pause }] of given.entries()) {
        [a.fault, b.fault] = [sick, ill];
        await scene.pass(pause);
        const before = { dots: a.dots + b.dots, mails: a.mails.length + b.mails.length };
        const ok = await deliver(scene, `${i}@client.example`);
        expect(a.dots + b.dots - before.dots).toBeLessThanOrEqual(1);
        const mails = a.mails.length + b.mails.length - before.mails;
        if (ok) taken++;
        // A backend that took it and whose reply was torn has it, though the client heard 451.
        expect(mails).toBeLessThanOrEqual(1);
        if (ok) expect(mails).toBe(1);
      }
      for (const { wire } of scene.clients) expect(wire.over).toBe(true);
    }),
    { numRuns: 100 },
  );
  expect(taken).toBeGreaterThan(100);
}, 60_000);

/** One client's letter, with all the time it needs; whether it heard 250 to it. */
async function deliver(scene: Scene, from: string): Promise<boolean> {
  scene.call();
  scene.take();
  let last = "";
  for (const line of ["EHLO x", `MAIL FROM:<${from}>`, "RCPT TO:<you@y.example>", "DATA", "Hello.\r\n."]) {
    scene.send(`${line}\r\n`);
    for (let waited = 0; waited < 700_000; waited += 5000) {
      if ((last = scene.take()) !== "") break;
      await scene.pass(waited < 60_000 ? 1000 : 5000);
    }
    if (!/^[23]\d\d[ -]/m.test(last)) break;
  }
  scene.wire.reset();
  await scene.rest();
  return last.startsWith("250 ");
}
