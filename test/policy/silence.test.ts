/**
 * Letting a client wait for its greeting: who speaks meanwhile, and whose time it is.
 */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { definePlugin } from "../../src/policy/plugin.ts";
import { parallel, shadow } from "../../src/policy/rule.ts";
import { reject } from "../../src/policy/verdict.ts";
import { SessionChain } from "../support/session_chain.ts";

/** Refuses whoever speaks within `ms`. */
const early = (ms: number, teaser?: string) =>
  definePlugin("early", () => ({
    onError: "pass",
    connect: async (_session, io) =>
      await io.silence(ms, teaser) ? undefined : reject("5.5.1", "You spoke too early", 554),
  }))();

test("a silent client goes on after the time, and not before", async () => {
  const chain = new SessionChain([early(6000, "mx.example wait")]);
  let judged = false;
  const verdict = chain.verdict("connect").finally(() => judged = true);
  await chain.pass(5999);
  expect([judged, chain.teasers]).toEqual([false, ["mx.example wait"]]);
  await chain.pass(1);
  expect(await verdict).toBe("pass");
});

test("one that speaks is known at once", async () => {
  const chain = new SessionChain([early(6000)]);
  const verdict = chain.verdict("connect");
  await chain.pass(100);
  chain.speak();
  expect(await verdict).toBe("554 You spoke too early");
});

test("one that has spoken already is not teased", async () => {
  const chain = new SessionChain([early(6000, "wait")]);
  chain.speak();
  expect(await chain.verdict("connect")).toBe("554 You spoke too early");
  expect(chain.teasers).toEqual([]);
});

test("the waiting is nobody's time: the deadline counts before and after it, for others beside it as ever", async () => {
  const hangs = (name: string) =>
    definePlugin(name, () => ({ onError: "pass", connect: () => new Promise<void>(() => {}) }))();
  const slow = definePlugin("slow", () => ({
    onError: "defer",
    connect: async (_session, io) => {
      await io.silence(6000);
      await new Promise(() => {});
    },
  }))();
  const chain = new SessionChain([parallel(slow, hangs("beside")), hangs("behind")]);
  const verdict = chain.verdict("connect");
  await chain.pass(5000);
  expect(chain.told("plugin failed", "plugin")).toEqual(["beside"]);
  await chain.pass(1000);
  await chain.pass(4999);
  expect(chain.told("plugin failed", "plugin")).toEqual(["beside"]);
  await chain.pass(1);
  expect(chain.told("plugin failed", "plugin")).toEqual(["beside", "slow", "behind"]);
  expect(await verdict).toMatch(/^451/);
});

test("who does not wait for the silence that it asked for holds up nobody's clock", async () => {
  const careless = definePlugin("careless", () => ({
    onError: "pass",
    connect: (_session, io) => void io.silence(6000),
  }))();
  const hangs = definePlugin(
    "hangs",
    () => ({ onError: "pass", connect: () => new Promise<void>(() => {}) }),
  )();
  for (const rules of [[careless, hangs], [parallel(careless, hangs)]]) {
    const chain = new SessionChain(rules);
    const verdict = chain.verdict("connect");
    await chain.pass(5000);
    expect(chain.told("plugin failed", "plugin")).toEqual(["hangs"]);
    expect(await verdict).toBe("pass");
  }
});

test("two that listen at the same time have one pause between them", async () => {
  const listens = (name: string, ms: number) =>
    definePlugin(
      name,
      () => ({ onError: "pass", connect: async (_session, io) => void await io.silence(ms) }),
    )();
  const hangs = definePlugin(
    "hangs",
    () => ({ onError: "pass", connect: () => new Promise<void>(() => {}) }),
  )();
  const chain = new SessionChain([parallel(listens("one", 3000), listens("two", 4000)), hangs]);
  const verdict = chain.verdict("connect");
  for (const ms of [3000, 1000, 4999]) await chain.pass(ms);
  expect(chain.told("plugin failed", "plugin")).toEqual([]);
  await chain.pass(1);
  expect(chain.told("plugin failed", "plugin")).toEqual(["hangs"]);
  expect(await verdict).toBe("pass");
});

test("whatever of the time of several is spent listening, it does not count, and counts once", async () => {
  /** Thinks, listens, and answers. */
  const listens = ([thinks, ms]: readonly [number, number], i: number) =>
    definePlugin(`listens-${i}`, () => ({
      onError: "pass",
      connect: async (_session, io) => {
        await new Promise<void>((resolve) => void io.after(thinks, resolve));
        await io.silence(ms);
      },
    }))();
  const hangs = definePlugin(
    "hangs",
    () => ({ onError: "pass", connect: () => new Promise<void>(() => {}) }),
  )();
  const times = fc.tuple(fc.integer({ min: 0, max: 49 }), fc.integer({ min: 1, max: 90 }))
    .map(([thinks, ms]) => [100 * thinks, 100 * ms] as const);
  await fc.assert(
    fc.asyncProperty(fc.array(times, { minLength: 1, maxLength: 4 }), async (all) => {
      const chain = new SessionChain([parallel(...all.map(listens)), hangs]);
      const began = chain.timers.now;
      let judged = false;
      void chain.judge("connect").then(() => judged = true);
      for (let ms = 0; !judged; ms = 100) await chain.pass(ms);
      expect(chain.told("plugin failed", "plugin")).toEqual(["hangs"]);
      expect(chain.timers.now - began).toBe(5000 + covered(all));
    }),
    { numRuns: 30 },
  );
});

/** Milliseconds in which any of them listens. */
function covered(all: readonly (readonly [thinks: number, ms: number])[]): number {
  const heard = new Set(
    all.flatMap(([thinks, ms]) => Array.from({ length: ms / 100 }, (_, i) => thinks / 100 + i)),
  );
  return 100 * heard.size;
}

test("who listens after its time sends nothing and waits for nothing", async () => {
  const heard: boolean[] = [];
  const late = definePlugin("late", () => ({
    onError: "pass",
    connect: async (_session, io) => {
      await new Promise((resolve) => io.signal.addEventListener("abort", resolve));
      heard.push(await io.silence(6000, "mx.example wait"));
    },
  }))();
  const chain = new SessionChain([late]);
  const verdict = chain.verdict("connect");
  await chain.pass(5000);
  expect(await verdict).toBe("pass");
  await chain.pass(0);
  expect([heard, chain.teasers]).toEqual([[true], []]);
});

test("who listens when it has answered, at once, sends nothing and holds up nobody's clock", async () => {
  const heard: boolean[] = [];
  const careless = definePlugin("careless", () => ({
    onError: "pass",
    connect: (_session, io) => {
      void Promise.resolve().then(async () => heard.push(await io.silence(6000, "mx.example wait")));
    },
  }))();
  const hangs = definePlugin(
    "hangs",
    () => ({
      onError: "pass",
      connect: async (_session, io) => {
        await io.silence(1000);
        await new Promise(() => {});
      },
    }),
  )();
  const chain = new SessionChain([careless, hangs]);
  const verdict = chain.verdict("connect");
  await chain.pass(1000);
  expect([heard, chain.teasers]).toEqual([[true], []]);
  await chain.pass(5000);
  expect(chain.told("plugin failed", "plugin")).toEqual(["hangs"]);
  expect(await verdict).toBe("pass");
});

test("a silence that its plugin does not wait for is nobody's fault when the client leaves", async () => {
  const unheard: unknown[] = [];
  const hear = (cause: unknown) => void unheard.push(cause);
  process.on("unhandledRejection", hear);
  try {
    const careless = definePlugin("careless", () => ({
      onError: "pass",
      connect: (_session, io) => {
        void io.silence(20_000);
        return new Promise<void>(() => {});
      },
    }))();
    const chain = new SessionChain([careless]);
    const verdict = chain.verdict("connect");
    chain.dossier.leave();
    await verdict;
    await chain.pass(0);
  } finally {
    process.off("unhandledRejection", hear);
  }
  expect(unheard).toEqual([]);
});

for (
  const [name, ms, teaser, why] of [
    ["too long a wait", 60_001, undefined, "60001 ms was given; allowed is 0 to 60000"],
    ["no number", NaN, undefined, "NaN ms was given"],
    ["a teaser of two lines", 1, "a\r\n220 b", "allowed is 1 to 400 characters of printable ASCII"],
  ] as const
) {
  test(`${name} is the plugin's failure`, async () => {
    const chain = new SessionChain([early(ms, teaser)]);
    expect(await chain.verdict("connect")).toBe("pass");
    expect(chain.told("plugin failed", "cause")[0]).toContain(why);
  });
}

test("a shadowed rule hears nothing and sends nothing: nobody waits for it", async () => {
  const chain = new SessionChain([shadow(early(6000, "mx.example wait"))]);
  expect(await chain.verdict("connect")).toBe("pass");
  await chain.pass(0);
  expect([chain.teasers, chain.told("shadow", "plugin")]).toEqual([[], []]);
});

test("a client that leaves meanwhile leaves no timer and no listener behind", async () => {
  const chain = new SessionChain([early(6000)]);
  const verdict = chain.verdict("connect");
  chain.dossier.leave();
  expect(await verdict).toMatch(/^450/);
  expect(chain.timers.advance(60_000)).toBe(false);
  await chain.pass(6000);
  expect(chain.told("plugin failed", "plugin")).toEqual([]);
});
