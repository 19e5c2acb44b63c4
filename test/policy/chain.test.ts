/**
 * One failure is one line, and a client that leaves is nobody's failure: the chain alone, with a clock of its own.
 */
import { expect, test } from "bun:test";
import { Chain } from "../../src/policy/chain.ts";
import type { ErrorPolicy } from "../../src/policy/failure.ts";
import { definePlugin, type Plugin } from "../../src/policy/plugin.ts";
import { named, type Rule, shadow } from "../../src/policy/rule.ts";
import { reject } from "../../src/policy/verdict.ts";
import { factsAt } from "../../src/testing.ts";
import { SessionChain } from "../support/session_chain.ts";

/** A chain whose deadlines pass when `late` is called. */
function chainOf(plugins: readonly Rule[]) {
  const failures: string[] = [];
  const waiting = new Set<() => void>();
  const chain = new Chain(plugins, {
    log: (_level, event, { plugin, stage, cause }) =>
      void (event === "plugin failed" && failures.push(`${plugin} at ${stage}: ${cause}`)),
    after: (_ms, callback) => (waiting.add(callback), () => void waiting.delete(callback)),
  });
  const late = () => [...waiting].forEach((callback) => (waiting.delete(callback), callback()));
  const ears = { spoke: false, greeted: false, tease() {}, onSpeech: () => () => {} };
  const dossier = chain.dossier("7Q2M", "203.0.113.7", ears);
  return { chain, dossier, failures, waiting, late };
}

/** Rejects when its signal fires. */
function obedient(name: string, onError: ErrorPolicy): Plugin {
  return definePlugin(name, () => ({
    onError,
    rcpt: (_session, { signal }) =>
      new Promise<undefined>((_, fail) => signal.addEventListener("abort", () => fail(signal.reason))),
  }))();
}

const no = definePlugin("no", () => ({ onError: "pass", rcpt: () => reject("5.7.1", "No") }))();

test("a handler that rejects because its time is over has failed once, and the next is asked", async () => {
  const { chain, dossier, failures, late } = chainOf([obedient("slow", "pass"), no]);
  const judged = chain.judge("rcpt", factsAt("rcpt"), dossier);
  late();
  expect((await judged)?.plugin).toBe("no");
  expect(failures).toEqual(["slow at rcpt: no verdict within 5000 ms"]);
});

test("a client that leaves: no failure, no other plugin, no timer left, and no way on", async () => {
  let asked = false;
  const next = definePlugin("next", () => ({ onError: "pass", rcpt: () => void (asked = true) }))();
  const { chain, dossier, failures, waiting } = chainOf([obedient("slow", "pass"), next]);
  const judged = chain.judge("rcpt", factsAt("rcpt"), dossier);
  expect(waiting.size).toBe(1);
  dossier.leave();
  expect((await judged)?.verdict?.kind).toBe("defer");
  expect([failures, asked, waiting.size]).toEqual([[], false, 0]);
});

test("of a plugin whose client leaves nothing is logged and nothing counted: it has said nothing", async () => {
  const hangs = definePlugin(
    "hangs",
    () => ({ onError: "pass", mail: () => new Promise<undefined>(() => {}) }),
  );
  const chain = new SessionChain([shadow(named("shadowed", hangs())), hangs()]);
  const judged = chain.verdict("mail");
  chain.dossier.leave();
  expect(chain.dossier.takeTrail()).toEqual([]);
  expect(await judged).toBe("450 The client has left");
  await chain.pass(0);
  expect([chain.dossier.takeTrail(), chain.told("shadow", "plugin")]).toEqual([[], []]);
  expect(chain.metrics.text()).not.toMatch(/sallyport_(verdicts|shadow_differences)_total\{/);
});

test("a handler that rejects before its client leaves has failed", async () => {
  const broken = definePlugin("broken", () => ({
    onError: "reject",
    rcpt: () => Promise.reject(new Error("broken")),
  }))();
  const { chain, dossier, failures, waiting } = chainOf([broken]);
  const judged = await chain.judge("rcpt", factsAt("rcpt"), dossier);
  dossier.leave();
  expect(judged?.verdict).toEqual(reject("5.3.0", "A check of this server failed"));
  expect([failures, waiting.size]).toEqual([["broken at rcpt: broken"], 0]);
});

function thrownAt(): never {
  throw new Error("do not look");
}

for (
  const [name, thrown] of [
    ["an object that makes no text", Object.create(null)],
    ["an error whose message is none", Object.assign(new Error(), { message: Object.create(null) })],
    ["what throws when it is looked at", new Proxy({}, { get: () => thrownAt() })],
  ] as const
) {
  for (
    const [when, fails] of [
      ["at once", () => {
        throw thrown;
      }],
      ["later", () => Promise.reject(thrown)],
    ] as const
  ) {
    test(`${name}, thrown ${when}, is a failure like any other, of a handler and of an observer`, async () => {
      const broken = definePlugin("broken", () => ({ onError: "defer", mail: fails, observe: fails }))();
      const chain = new SessionChain([broken]);
      expect(await chain.verdict("mail")).toBe("451 A check of this server failed, try again later");
      await chain.chain.settled();
      expect(chain.told("plugin failed", "stage", "cause")).toEqual([
        expect.stringMatching(/^mail .+ was thrown; allowed is an Error$/),
        expect.stringMatching(/^observe .+ was thrown; allowed is an Error$/),
      ]);
    });
  }
}

for (const after of [undefined, 1000]) {
  test(`a fault in taking what was said ends the judging, ${after === undefined ? "at once" : "later"}`, async () => {
    let read = 0;
    const changeable = {
      kind: "header" as const,
      name: "X-Changeable",
      get value() {
        if (read++ > 0) throw new Error("it was read twice");
        return "text";
      },
    };
    const plugin = definePlugin("changeable", () => ({
      onError: "pass",
      mail: (_session, { after: wait }) => {
        if (after === undefined) return changeable;
        return new Promise<typeof changeable>((resolve) => void wait(after, () => resolve(changeable)));
      },
    }))();
    const chain = new SessionChain([plugin]);
    const judged = Promise.resolve().then(() => chain.judge("mail")).catch((cause: Error) => cause.message);
    await chain.pass(after ?? 0);
    expect(await judged as unknown).toBe("it was read twice");
    expect(chain.dossier.open.size).toBe(0);
  });
}
