/** The circuit of a backend: what opens it, when it is looked at again, what closes it, and how its share comes back. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Circuit } from "../../src/backend/circuit.ts";
import { DEFAULTS, type Health } from "../../src/policy/settings.ts";

const make = (settings: Partial<Health> = {}, random = () => 0) =>
  new Circuit({ ...DEFAULTS.health, ...settings }, random);

/** Opens it at `now`. */
function opened(circuit: Circuit, now: number): Circuit {
  for (let i = 0; i < DEFAULTS.health.failures; i++) circuit.failed("greeting", "refused", now);
  return circuit;
}

/** Takes a look when it is due, which fails; when that was. */
function failedLook(circuit: Circuit, from: number): number {
  let now = from;
  while (!circuit.due(now, false)) now++;
  circuit.halfOpen();
  circuit.lookedIll("refused", now);
  return now;
}

describe("a circuit opens", () => {
  test("at the third failure in a row, and says so once", () => {
    const circuit = make();
    expect([1, 2, 3, 4].map((n) => circuit.failed("greeting", `no ${n}`, n))).toEqual([
      false,
      false,
      true,
      false,
    ]);
    expect([circuit.state, circuit.reason]).toEqual(["open", "no 4"]);
  });

  test("not where something was greeted in between", () => {
    const circuit = make();
    for (let i = 0; i < 10; i++) {
      circuit.failed("greeting", "no", i);
      circuit.failed("greeting", "no", i);
      circuit.greeted(i);
    }
    expect([circuit.state, circuit.doubtful]).toEqual(["closed", false]);
  });

  test("for replies that fail, though it greets every time", () => {
    const circuit = make();
    for (let i = 0; i < 3; i++) {
      circuit.greeted(i);
      circuit.failed("reply", "no reply in time", i);
    }
    expect(circuit.state).toBe("open");
  });

  test("again at the next reply that fails, until it has worked", () => {
    const circuit = make();
    for (let i = 0; i < 3; i++) circuit.failed("reply", "no reply in time", i);
    circuit.halfOpen();
    circuit.lookedWell(2000);
    expect(circuit.failed("reply", "no reply in time", 3000)).toBe(true);
    circuit.halfOpen();
    circuit.lookedWell(6000);
    circuit.worked(7000);
    expect(circuit.failed("reply", "no reply in time", 8000)).toBe(false);
  });

  test("is doubtful from a failure to the next greeting, whatever failed", () => {
    const circuit = make();
    for (const what of ["greeting", "reply"] as const) {
      circuit.failed(what, "no", 0);
      expect(circuit.doubtful).toBe(true);
      circuit.lookedWell(1);
      expect(circuit.doubtful).toBe(false);
    }
  });

  test("not for replies that fail now and then", () => {
    const circuit = make();
    for (let i = 0; i < 9; i++) {
      circuit.failed("reply", "no reply in time", i);
      if (i % 2 === 1) circuit.worked(i);
    }
    expect(circuit.state).toBe("closed");
  });

  test("not for one client's replies, however many of them fail", () => {
    const circuit = make();
    for (let i = 0; i < 9; i++) {
      expect(circuit.failed("reply", "no reply in time", i, true, "one")).toBe(false);
      circuit.lookedWell(i);
    }
    expect(circuit.failed("reply", "no reply in time", 10, true, "two")).toBe(false);
    expect(circuit.failed("reply", "no reply in time", 11, true, "one")).toBe(false);
    expect(circuit.failed("reply", "no reply in time", 12, true, "three")).toBe(true);
  });

  test("not again for those who have opened it, until it has worked", () => {
    const circuit = make();
    for (const client of ["one", "two", "three"]) circuit.failed("reply", "no", 0, true, client);
    circuit.halfOpen();
    circuit.lookedWell(2000);
    expect(circuit.failed("reply", "no", 3000, true, "three")).toBe(false);
    expect(circuit.doubtful).toBe(false);
    expect(circuit.failed("reply", "no", 3000, true, "four")).toBe(true);
    circuit.halfOpen();
    circuit.lookedWell(6000);
    circuit.worked(7000);
    for (const client of ["one", "two"]) {
      expect(circuit.failed("reply", "no", 8000, true, client)).toBe(false);
    }
    expect(circuit.failed("reply", "no", 8000, true, "three")).toBe(true);
  });

  test("for looks that fail", () => {
    const circuit = make();
    expect([1, 2, 3].map((n) => circuit.lookedIll("no", n))).toEqual([false, false, true]);
  });
});

describe("an open circuit", () => {
  test("is looked at after a second, then after two, four … up to half a minute", () => {
    const circuit = opened(make(), 0);
    let before = 0;
    const pauses = Array.from({ length: 9 }, () => {
      const now = failedLook(circuit, before);
      const pause = now - before;
      before = now;
      return pause;
    });
    expect(pauses).toEqual([1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000, 30_000]);
  });

  test("is never left alone for longer than the longest pause, nor for less than three quarters of the shortest", () => {
    fc.assert(fc.property(fc.double({ min: 0, max: 0.999, noNaN: true }), fc.nat(100), (random, looks) => {
      const circuit = opened(make({}, () => random), 0);
      for (let i = 0; i < looks; i++) {
        circuit.halfOpen();
        circuit.lookedIll("no", 0);
      }
      expect(circuit.due(749, false)).toBe(false);
      expect(circuit.due(60_000, false)).toBe(true);
    }));
  });

  test("while all are out, is looked at after half of the first pause, each time", () => {
    const circuit = opened(make(), 0);
    for (let now = 0; now < 5000; now += 500) {
      expect([circuit.due(now + 499, true), circuit.due(now + 500, true)]).toEqual([false, true]);
      circuit.halfOpen();
      circuit.lookedIll("no", now + 500);
    }
    expect(circuit.due(5500, false)).toBe(false);
  });

  test("does not close by a dial made before, but is looked at at once", () => {
    const circuit = opened(make(), 0);
    circuit.greeted(10);
    expect([circuit.state, circuit.due(10, false)]).toEqual(["open", true]);
  });

  test("half-open, is not due for another look", () => {
    const circuit = opened(make(), 0);
    circuit.halfOpen();
    expect(circuit.due(1e9, true)).toBe(false);
  });

  test("closes with a good look", () => {
    const circuit = opened(make(), 0);
    circuit.halfOpen();
    expect([circuit.lookedWell(1000), circuit.state, circuit.doubtful]).toEqual([true, "closed", false]);
  });

  test("closes only with as many in a row as are asked for", () => {
    const circuit = opened(make({ successes: 2 }), 0);
    circuit.halfOpen();
    expect(circuit.lookedWell(1000)).toBe(false);
    circuit.lookedIll("no", 2000);
    circuit.halfOpen();
    expect([circuit.lookedWell(5000), circuit.lookedWell(6000)]).toEqual([false, true]);
  });

  test("that opens again at once is left alone for longer; after a good while it begins anew", () => {
    const circuit = opened(make(), 0);
    circuit.halfOpen();
    circuit.lookedWell(1000);
    circuit.worked(2000);
    opened(circuit, 3000);
    expect([circuit.due(4999, false), circuit.due(5000, false)]).toEqual([false, true]);
    circuit.halfOpen();
    circuit.lookedWell(5000);
    circuit.worked(5000 + DEFAULTS.health.slowStart);
    opened(circuit, 100_000);
    expect(circuit.due(101_000, false)).toBe(true);
  });
});

describe("the share of one that is back", () => {
  test("grows from a tenth to all over slowStart", () => {
    const circuit = opened(make(), 0);
    expect(circuit.share(0)).toBe(1);
    circuit.halfOpen();
    circuit.lookedWell(1000);
    expect([1000, 2000, 16_000, 31_000, 99_000].map((now) => circuit.share(now))).toEqual([
      0.1,
      0.1,
      0.5,
      1,
      1,
    ]);
  });

  test("is never 0, and all of it for who never failed, with any slowStart", () => {
    expect(make({ slowStart: Infinity }).share(5)).toBe(1);
    const circuit = opened(make({ slowStart: Infinity }), 0);
    circuit.halfOpen();
    circuit.lookedWell(1000);
    expect(circuit.share(1e9)).toBe(0.1);
  });
});
