/**
 * One failure is one line, and a client that leaves is nobody's failure: the chain alone, with a clock of its own.
 */
import { expect, test } from "bun:test";
import { Chain } from "../../src/policy/chain.ts";
import type { ErrorPolicy } from "../../src/policy/failure.ts";
import { definePlugin, type Plugin } from "../../src/policy/plugin.ts";
import type { Rule } from "../../src/policy/rule.ts";
import { reject } from "../../src/policy/verdict.ts";
import { factsAt } from "../../src/testing.ts";

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
