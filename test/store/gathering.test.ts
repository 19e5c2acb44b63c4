// Which calls of scripts go to Redis together, and in which order.
import { describe, expect, test } from "bun:test";
import { setImmediate } from "node:timers";
import { type Call, Gathering } from "../../src/store/gathering.ts";
import { eventually } from "../support/blackbox_wait.ts";

function gathered() {
  const sent: string[][] = [];
  const gathering = new Gathering((calls) => sent.push(calls.map(({ keys }) => keys[0]!)));
  return { sent, gathering };
}

function call(key: string): Call {
  return { name: "count", keys: [key], args: [], answered: () => {}, refused: () => {} };
}

/** The end of this turn of the event loop. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

describe("calls", () => {
  test("of one turn go together at its end, in the order in which they were made", async () => {
    const { sent, gathering } = gathered();
    gathering.add(call("a"));
    await Promise.resolve();
    gathering.add(call("b"));
    expect(sent).toEqual([]);
    await turn();
    gathering.add(call("c"));
    await turn();
    expect(sent).toEqual([["a", "b"], ["c"]]);
  });

  test("go a hundred at a time", async () => {
    const { sent, gathering } = gathered();
    for (let i = 0; i < 250; i++) gathering.add(call(`${i}`));
    await turn();
    expect(sent.map((calls) => calls.length)).toEqual([100, 100, 50]);
    expect(sent.flat()).toEqual(Array.from({ length: 250 }, (_, i) => `${i}`));
  });

  test("that nobody waits for go before the next one, in one command with it", async () => {
    const { sent, gathering } = gathered();
    gathering.addLate(call("late"));
    await turn();
    gathering.add(call("next"));
    await turn();
    expect(sent).toEqual([["late", "next"]]);
  });

  test("that nobody waits for go by themselves where none follows", async () => {
    const { sent, gathering } = gathered();
    gathering.addLate(call("one"));
    gathering.addLate(call("two"));
    expect(await eventually(() => sent.length > 0)).toBe(true);
    expect(sent).toEqual([["one", "two"]]);
  });

  test("that wait go at once when the store is closed, and nothing goes twice", async () => {
    const { sent, gathering } = gathered();
    gathering.add(call("a"));
    gathering.addLate(call("late"));
    gathering.flush();
    expect(sent).toEqual([["a", "late"]]);
    await turn();
    expect(sent).toEqual([["a", "late"]]);
  });
});
