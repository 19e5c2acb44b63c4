/**
 * A plugin that keeps failing is not asked for a while; what the owner of a domain can bring about does not count.
 */
import { describe, expect, test } from "bun:test";
import { DnsError, StoreError } from "../../src/policy/effects.ts";
import type { ErrorPolicy, OnError } from "../../src/policy/failure.ts";
import { definePlugin, pluginMistakes } from "../../src/policy/plugin.ts";
import { SessionChain } from "../support/session_chain.ts";

/** Fails as long as `fails` says so, and counts how often it is asked. */
function failing(onError: OnError, fails: () => unknown) {
  const seen = { asked: 0, broken: true };
  const plugin = definePlugin("shaky", () => ({
    onError,
    mail() {
      seen.asked++;
      if (seen.broken) throw fails();
    },
  }))();
  return { seen, chain: new SessionChain([plugin]) };
}

const away = () => new StoreError("ask the store", "ECONNREFUSED");

async function times(count: number, chain: SessionChain): Promise<string[]> {
  const verdicts: string[] = [];
  for (let i = 0; i < count; i++) verdicts.push(await chain.verdict("mail"));
  return verdicts;
}

describe("the circuit", () => {
  test("opens after ten failures, says so once, and the error policy goes on", async () => {
    const { seen, chain } = failing("defer", away);
    const verdicts = await times(30, chain);
    expect(seen.asked).toBe(10);
    expect(new Set(verdicts)).toEqual(new Set(["451 A check of this server failed, try again later"]));
    expect(chain.told("circuit open", "plugin")).toEqual(["shaky"]);
    expect(chain.metrics.text()).toContain('sallyport_circuit_open{plugin="shaky"} 1');
  });

  test("tries one question after half a minute: a failure keeps it open, a success closes it", async () => {
    const { seen, chain } = failing("pass", away);
    await times(20, chain);
    await chain.pass(29_999);
    await times(5, chain);
    expect(seen.asked).toBe(10);
    await chain.pass(1);
    await times(5, chain);
    expect(seen.asked).toBe(11);
    seen.broken = false;
    await chain.pass(30_000);
    await times(5, chain);
    expect(seen.asked).toBe(16);
    expect(chain.told("circuit closed", "plugin")).toEqual(["shaky"]);
    expect(chain.metrics.text()).toContain('sallyport_circuit_open{plugin="shaky"} 0');
  });

  test("half of the last twenty is enough, fewer are not", async () => {
    const { seen, chain } = failing("pass", away);
    for (let i = 0; i < 60; i++) {
      seen.broken = i % 3 === 0;
      await times(1, chain);
    }
    expect(seen.asked).toBe(60);
    for (let i = 0; i < 60; i++) {
      seen.broken = i % 2 === 0;
      await times(1, chain);
    }
    expect(seen.asked).toBeLessThan(100);
  });

  test("does not hear of a DNS that fails: whoever owns a domain could switch the check off", async () => {
    const { seen, chain } = failing(
      "pass",
      () => new DnsError("ESERVFAIL", "TXT of evil.example", "refused"),
    );
    await times(50, chain);
    expect(seen.asked).toBe(50);
  });

  test("nor of a deadline that passes while the DNS is asked", async () => {
    let asked = 0;
    const slow = definePlugin("slow", () => ({
      onError: "pass",
      mail: async (_session, io) => {
        asked++;
        await io.dns.resolve("evil.example", "A");
      },
    }))();
    const dns = { resolve: () => new Promise<never>(() => {}) };
    const chain = new SessionChain([slow], { effects: { dns } });
    for (let i = 0; i < 30; i++) {
      const judged = chain.judge("mail");
      await chain.pass(5000);
      await judged;
    }
    expect(asked).toBe(30);
  });

  test("but of one that passes without", async () => {
    let asked = 0;
    const hangs = definePlugin(
      "hangs",
      () => ({ onError: "pass", mail: () => (asked++, new Promise<void>(() => {})) }),
    )();
    const chain = new SessionChain([hangs]);
    for (let i = 0; i < 30; i++) {
      const judged = chain.judge("mail");
      await chain.pass(5000);
      await judged;
      await chain.pass(-5000);
    }
    expect(asked).toBeLessThan(16);
  });

  test("a client that leaves while it is tried leaves the try to the next", async () => {
    const { seen, chain } = failing("pass", away);
    await times(10, chain);
    let answer = (): void => {};
    const waits = definePlugin("shaky", () => ({
      onError: "pass",
      mail: () => (seen.asked++, new Promise<void>((resolve) => (answer = resolve))),
    }))();
    const { engine } = chain.chain;
    const again = new SessionChain([waits]);
    const circuit = again.chain.engine.record("shaky").circuit;
    for (let i = 0; i < 10; i++) circuit.failed(engine.clock(), false);
    await again.pass(30_000);
    const judged = again.judge("mail");
    again.dossier.leave();
    await judged;
    const second = again.judge("mail", {}, again.newDossier());
    answer();
    await second;
    expect(seen.asked).toBe(12);
  });
});

test("questions that were asked before it opened neither prolong nor try it", async () => {
  const answers: (() => void)[] = [];
  let asked = 0;
  const slow = definePlugin("slow", () => ({
    onError: "pass",
    mail: () => (asked++, new Promise<void>((_, fail) => answers.push(() => fail(away())))),
  }))();
  const chain = new SessionChain([slow]);
  const waiting = Array.from({ length: 12 }, () => chain.judge("mail", {}, chain.newDossier()));
  for (const answer of answers.splice(0, 10)) answer();
  await chain.pass(29_000);
  answers.splice(0, 1)[0]!();
  await chain.pass(1000);
  const trials = [chain.judge("mail", {}, chain.newDossier()), chain.judge("mail", {}, chain.newDossier())];
  expect(asked).toBe(13);
  answers.shift()!();
  await chain.pass(0);
  await chain.judge("mail", {}, chain.newDossier());
  expect(asked).toBe(13);
  for (const answer of answers) answer();
  await Promise.all([...waiting, ...trials]);
});

describe("an error policy for each kind", () => {
  const each = { timeout: "pass", temporary: "defer", crash: "reject" } as const satisfies OnError;
  const rows: readonly (readonly [kind: keyof typeof each, fails: () => unknown, verdict: string])[] = [
    ["temporary", away, "451 A check of this server failed, try again later"],
    ["crash", () => new TypeError("x is undefined"), "550 A check of this server failed"],
    ["crash", () => "text", "550 A check of this server failed"],
    [
      "temporary",
      () => Object.assign(new Error("ours"), { temporary: true }),
      "451 A check of this server failed, try again later",
    ],
  ];
  for (const [kind, fails, verdict] of rows) {
    test(`${kind}: ${String(fails())}`, async () => {
      const { chain } = failing(each, fails);
      expect(await chain.verdict("mail")).toBe(verdict);
      expect(chain.told("plugin failed", "kind")).toEqual([kind]);
    });
  }
  test("timeout", async () => {
    const hangs = definePlugin("hangs", () => ({ onError: each, mail: () => new Promise<void>(() => {}) }))();
    const chain = new SessionChain([hangs]);
    const judged = chain.verdict("mail");
    await chain.pass(5000);
    expect(await judged).toBe("pass");
    expect(chain.told("plugin failed", "kind")).toEqual(["timeout"]);
  });
  for (const onError of [undefined, "skip", {}, { timeout: "pass" }, { ...each, other: "pass" }, null]) {
    test(`${JSON.stringify(onError)} is none`, () => {
      const broken = definePlugin("broken", () => ({ onError: onError as ErrorPolicy }))();
      expect(pluginMistakes(broken)).toEqual([
        `onError ${
          JSON.stringify(onError)
        } was given; allowed are pass, defer, reject, or one each for timeout, temporary, crash`,
      ]);
    });
  }
});

test("a handler that holds the event loop for a second is told of, and put out when it keeps doing so", async () => {
  let asked = 0;
  const chain: SessionChain = new SessionChain([
    definePlugin("busy", () => ({
      onError: "pass",
      mail() {
        asked++;
        // What a second on the CPU looks like to the engine's clock.
        chain.timers.now += 1000;
      },
    }))(),
  ]);
  for (let i = 0; i < 20; i++) await chain.verdict("mail");
  expect(asked).toBe(10);
  expect(chain.told("plugin blocks", "plugin", "stage", "ms")[0]).toBe("busy mail 1000");
  expect(chain.told("circuit open", "plugin")).toEqual(["busy"]);
});
