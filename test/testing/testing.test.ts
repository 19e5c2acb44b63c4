/**
 * `sallyport/testing`: a plugin is asked as the proxy asks it, and a test that could not fail is refused.
 */
import { describe, expect, test } from "bun:test";
import { relayGate } from "../../plugins/relay_gate/mod.ts";
import {
  accept,
  defer,
  definePlugin,
  type ErrorPolicy,
  type Io,
  ListError,
  type Live,
  note,
  type Plugin,
  reject,
  type Stage,
} from "../../src/mod.ts";
import { ask, atOnce, factsAt, path, prepare } from "../../src/testing.ts";

const FAILED = { reject: reject("5.3.0", "A check of this server failed"), pass: undefined };
const DEFERRED = defer("4.3.0", "A check of this server failed, try again later", 451);

function doing(
  helo: (facts: unknown, io: Io) => unknown,
  onError: ErrorPolicy = "defer",
): Plugin {
  return definePlugin("doing", () => ({ onError, helo: helo as () => undefined }))();
}

/** Rejects when its signal fires, as a well-behaved plugin does. */
const obedient = (_facts: unknown, { signal }: Io) =>
  new Promise((_, fail) => signal.addEventListener("abort", () => fail(signal.reason)));

describe("a verdict is told as it is:", () => {
  for (const verdict of [undefined, accept(), reject("5.7.1", "No"), defer("4.7.1", "Later")]) {
    test(JSON.stringify(verdict) ?? "none", async () => {
      const answers = [await ask(doing(() => verdict), "helo", factsAt("helo"))];
      answers.push(await ask(doing(() => Promise.resolve(verdict)), "helo", factsAt("helo")));
      for (const { failed, failure, verdict: heard } of answers) {
        expect({ heard, failed, failure }).toEqual({ heard: verdict, failed: false, failure: undefined });
      }
    });
  }
});

const ALLOWED = "; allowed are verdicts, actions, a list of them, or nothing (undefined)";

describe("a failure costs what onError says, and is told:", () => {
  const faults: readonly (readonly [name: string, handler: () => unknown, cause: string])[] = [
    ["a throw", () => {
      throw new Error("broken");
    }, "broken"],
    ["a rejection", () => Promise.reject(new Error("broken")), "broken"],
    ["nonsense", () => "550 no", `the handler returned "550 no"${ALLOWED}`],
    [
      "nonsense later",
      () => Promise.resolve({ kind: "reject" }),
      `the handler returned {"kind":"reject"}${ALLOWED}`,
    ],
    ["a verdict's maker", () => reject, `the handler returned a function (reject)${ALLOWED}`],
    [
      "nonsense among others",
      () => [accept(), false],
      `the handler returned [{"kind":"accept"},false]${ALLOWED}`,
    ],
    ["no answer", () => new Promise(() => {}), "no verdict within 5000 ms"],
    ["no answer, and a rejection at the deadline", obedient as () => unknown, "no verdict within 5000 ms"],
  ];
  for (const [name, handler, cause] of faults) {
    for (const [onError, verdict] of [...Object.entries(FAILED), ["defer", DEFERRED] as const]) {
      test(`${name}: ${onError}`, async () => {
        const plugin = doing(handler, onError as ErrorPolicy);
        const answer = await ask(plugin, "helo", factsAt("helo"), { after: atOnce });
        expect(answer.verdict).toEqual(verdict);
        expect((answer.failure as Error).message).toBe(cause);
      });
    }
  }

  test("a throw of nothing", async () => {
    const answer = await ask(doing(() => Promise.reject(undefined)), "helo", factsAt("helo"));
    expect([answer.verdict, answer.failure, answer.failed]).toEqual([DEFERRED, undefined, true]);
  });
});

test("the deadline is 5 s, of message 30 s, and is given back when the plugin has answered", async () => {
  const seen: (number | "cancelled")[] = [];
  const after = (ms: number) => (seen.push(ms), () => void seen.push("cancelled"));
  const stages: readonly Stage[] = ["mail", "message"];
  for (const stage of stages) {
    const plugin = definePlugin("late", () => ({ onError: "pass", [stage]: () => Promise.resolve() }))();
    await ask(plugin, stage, factsAt(stage), { after });
  }
  expect(seen).toEqual([5000, "cancelled", 30_000, "cancelled"]);
});

test("a plugin that gives up because its client left has not failed", async () => {
  for (const handler of [obedient, () => new Promise(() => {})]) {
    const leaving = new AbortController();
    const answer = ask(doing(handler), "helo", factsAt("helo"), { clientLeaves: leaving.signal });
    leaving.abort();
    expect((await answer).failed).toBe(false);
    // What nobody judged does not go on.
    expect((await answer).verdict?.kind).toBe("defer");
  }
});

describe("a test that could not fail is refused:", () => {
  test("a stage that the plugin has nothing for", async () => {
    await expect(ask(doing(() => undefined), "mail", factsAt("mail"))).rejects.toThrow(
      "Cannot ask doing at mail: it has no such handler; it has helo",
    );
  });
  test("a plugin that no policy would take", async () => {
    const plugin = { name: "Bad Name", onError: "pass", helo: () => undefined } as const;
    await expect(ask(plugin, "helo", factsAt("helo"))).rejects.toThrow('name "Bad Name" was given');
  });
});

describe("facts:", () => {
  test("defaults, and what is given over them", () => {
    const facts = factsAt("message", { size: 5, helo: "x" });
    expect([facts.size, facts.helo, facts.recipients[0]?.mailbox]).toEqual([5, "x", "b@mx.example"]);
    expect(Object.keys(factsAt("connect"))).toEqual([
      "id",
      "client",
      "trusted",
      "via",
      "local",
      "listener",
      "hostname",
      "findings",
    ]);
  });

  test("paths as a client would send them", () => {
    expect(path("a@x.example")).toEqual({
      mailbox: "a@x.example",
      localPart: "a",
      domain: "x.example",
      utf8: false,
    });
    expect(path("ü@x.example")).toMatchObject({ localPart: "\xc3\xbc", utf8: true });
    expect([path("").mailbox, path("Postmaster").domain]).toEqual(["", ""]);
    for (const wrong of ["a", "a b@x.example", "a@x>y"]) {
      expect(() => path(wrong)).toThrow(`Cannot make the path <${wrong}>: `);
    }
  });
});

describe("relay-gate:", () => {
  const plugin = relayGate({ domains: ["mx.example", "BÜCHER.example"] });
  const cases: readonly (readonly [string, boolean])[] = [
    ["b@mx.example", true],
    ["b@MX.Example", true],
    ["b@bücher.example", true],
    ["Postmaster", true],
    ["b@other.example", false],
    ["b@sub.mx.example", false],
    ["b%other.example@mx.example", false],
    ["other.example!b@mx.example", false],
    ['"b@other.example"@mx.example', false],
  ];
  for (const [mailbox, taken] of cases) {
    test(`<${mailbox}> is ${taken ? "taken" : "refused"}`, async () => {
      const { verdict, failed } = await ask(plugin, "rcpt", factsAt("rcpt", { forwardPath: path(mailbox) }));
      expect(failed).toBe(false);
      expect(verdict).toEqual(taken ? undefined : reject("5.7.1", "Relaying denied"));
    });
  }
});

describe("a plugin that is set up", () => {
  const counting = definePlugin("counting", () => {
    let lines: Live<number>;
    return {
      onError: "pass",
      async setup(setup) {
        lines = await setup.file("list", (bytes) => {
          if (bytes.length === 0) throw new ListError(["list: nothing was given; allowed is a line or more"]);
          return new TextDecoder().decode(bytes).split("\n").length;
        });
        setup.every(1000, () => setup.io.log.info("at work"));
      },
      helo: () => note("lines", lines.value),
    };
  });
  const lines = async (plugin: Plugin) => (await ask(plugin, "helo", factsAt("helo"))).actions;

  test("can be asked, and hears of files that change", async () => {
    const plugin = counting();
    const prepared = await prepare(plugin, { files: { list: "a\nb" } });
    expect(await lines(plugin)).toEqual([note("lines", 2)]);
    prepared.write("list", "a");
    prepared.write("list", "");
    prepared.stop();
    expect(await lines(plugin)).toEqual([note("lines", 1)]);
    expect(prepared.log).toEqual([
      "info: at work",
      "info: file taken",
      "warn: file not taken, the last one stays: list: nothing was given; allowed is a line or more",
    ]);
    expect(() => prepared.write("other", "a")).toThrow("Cannot change other: no plugin has read it");
  });

  test("tells its mistakes, and works by the clock that is given", async () => {
    const due: (() => void)[] = [];
    const after = (_ms: number, callback: () => void) => (due.push(callback), () => {});
    expect((await prepare(counting(), { files: { list: "" }, after })).mistakes).toEqual([
      "counting: list: nothing was given; allowed is a line or more",
    ]);
    expect((await prepare(counting(), { after })).mistakes).toEqual([
      "counting: Cannot read list: the test gives no such file",
    ]);
    const { log, mistakes } = await prepare(counting(), { files: { list: "a" }, after });
    await Promise.resolve();
    due.forEach((run) => run());
    expect([mistakes, log]).toEqual([[], ["info: at work", "info: at work"]]);
  });
});
