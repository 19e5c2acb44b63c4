/** The chain by itself: who is asked, and what makes it wait. */
import { describe, expect, test } from "bun:test";
import { Chain, type Judgement } from "../../src/policy/chain.ts";
import { definePlugin, type Plugin, type Stages } from "../../src/policy/plugin.ts";
import { accept, reject, type Verdict } from "../../src/policy/verdict.ts";

const FACTS: Stages["connect"] = {
  id: "0123456789",
  client: { host: "203.0.113.7", port: 1 },
  local: { host: "192.0.2.25", port: 25 },
};

function plugin(name: string, connect?: () => Verdict | undefined | Promise<Verdict | undefined>): Plugin {
  return definePlugin(name, () => ({ onError: "defer", ...(connect ? { connect } : {}) }))();
}

function judge(...plugins: readonly Plugin[]): ReturnType<Chain["judge"]> {
  return new Chain(plugins, () => {}).judge("connect", FACTS, { abort: undefined });
}

const no = () => reject("5.7.1", "no");
const refused: Judgement = { verdict: no() as Judgement["verdict"], plugin: "b" };

describe("a chain of plugins that answer at once answers at once:", () => {
  test("nobody", () => {
    expect(judge()).toBeUndefined();
  });
  test("nobody objects", () => {
    expect(judge(plugin("a", () => undefined), plugin("b", () => undefined))).toBeUndefined();
  });
  test("somebody does", () => {
    expect(judge(plugin("a", () => undefined), plugin("b", no))).toEqual(refused);
  });
  test("somebody accepts first", () => {
    expect(judge(plugin("a", accept), plugin("b", no))).toBeUndefined();
  });
});

describe("one that waits makes the rest wait:", () => {
  test("and then goes on with the others", async () => {
    const judgement = judge(plugin("a", () => Promise.resolve(undefined)), plugin("b", no));
    expect(judgement).toBeInstanceOf(Promise);
    expect(await judgement).toEqual(refused);
  });
  test("and its verdict ends the stage", async () => {
    let asked = false;
    const judgement = judge(
      plugin("b", () => Promise.resolve(no())),
      plugin("c", () => void (asked = true) as undefined),
    );
    expect(await judgement).toEqual(refused);
    expect(asked).toBe(false);
  });
  test("accept too", async () => {
    expect(await judge(plugin("a", () => Promise.resolve(accept())), plugin("b", no))).toBeUndefined();
  });
});

test("only the stages that a plugin has a handler for ask it", () => {
  const chain = new Chain([plugin("a", no), plugin("b")], () => {});
  expect([chain.asks("connect"), chain.asks("rcpt")]).toEqual([true, false]);
  expect(new Chain([], () => {}).asks("connect")).toBe(false);
});

test("a handler is called on its plugin", () => {
  const seen: unknown[] = [];
  const self = definePlugin("self", () => ({
    onError: "defer",
    connect(this: Plugin) {
      seen.push(this.name);
    },
  }))();
  judge(self);
  expect(seen).toEqual(["self"]);
});

test("definePlugin gives the plugin its name, whatever its factory says", () => {
  const make = definePlugin("its-name", (options: { name: string }) => ({ onError: "pass", ...options }));
  expect(make({ name: "another" }).name).toBe("its-name");
});
