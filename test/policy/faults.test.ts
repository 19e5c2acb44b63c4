/**
 * A plugin that throws, hangs or returns rubbish costs what its `onError` says and nothing else: rule 9 of the data
 * path, at every stage.
 */
import { describe, expect, test } from "bun:test";
import type { Io } from "../../src/policy/effects.ts";
import type { ErrorPolicy } from "../../src/policy/failure.ts";
import { definePlugin, type Plugin } from "../../src/policy/plugin.ts";
import type { Stage } from "../../src/policy/stages.ts";
import { reject } from "../../src/policy/verdict.ts";
import { dialogue, type DialogueOptions } from "../support/dialogue.ts";
import {
  ADDRESSED,
  ANOTHER,
  CONNECTED,
  DELIVERED,
  GREETED,
  MAILED,
  OPENED,
  RECIPIENT,
  RESET,
  WITHIN,
} from "../support/dialogue_parts.ts";
import { Scene } from "../../src/testing/scene.ts";
import { withTimers } from "../support/fake_timers.ts";

/** What a handler does wrong; `wait` is how long it takes to be seen. */
interface Fault {
  readonly name: string;
  readonly handler: () => unknown;
  readonly wait?: string;
}

const hangs = () => new Promise<undefined>(() => {});
const FAULTS: readonly Fault[] = [
  {
    name: "throws",
    handler: () => {
      throw new Error("broken");
    },
  },
  {
    name: "throws nothing",
    handler: () => {
      const nothing: unknown = undefined;
      throw nothing;
    },
  },
  { name: "throws later", handler: () => Promise.reject(new Error("broken")) },
  { name: "never answers", handler: hangs, wait: "(30 seconds pass)" },
  { name: "returns null", handler: () => null },
  { name: "returns true", handler: () => true },
  { name: "returns a string later", handler: () => Promise.resolve("550 no") },
  { name: "returns an object", handler: () => ({}) },
  {
    name: "returns a promise of a promise's function",
    handler: () => Promise.resolve(() => reject("5.7.1", "no")),
  },
];

/** Verdicts by hand, and what is wrong with them. */
const RUBBISH: readonly (readonly [name: string, verdict: unknown])[] = [
  ["no code", { kind: "reject", enhanced: "7.1", text: "no" }],
  ["a code of the wrong class", { kind: "reject", code: 250, enhanced: "7.1", text: "no" }],
  ["defer with 5yz", { kind: "defer", code: 550, enhanced: "7.1", text: "no" }],
  ["a code that is no number", { kind: "reject", code: "550", enhanced: "7.1", text: "no" }],
  ["a code out of range", { kind: "reject", code: 5500, enhanced: "7.1", text: "no" }],
  ["an enhanced code with its class", { kind: "reject", code: 550, enhanced: "5.7.1", text: "no" }],
  ["an enhanced code that is none", { kind: "reject", code: 550, enhanced: "x", text: "no" }],
  ["no text", { kind: "reject", code: 550, enhanced: "7.1" }],
  ["CR LF in its text", { kind: "reject", code: 550, enhanced: "7.1", text: "no\r\n250 yes" }],
  ["octets above 127 in its text", { kind: "reject", code: 550, enhanced: "7.1", text: "n\xf6" }],
  ["a kind that is none", { kind: "rejects", code: 550, enhanced: "7.1", text: "no" }],
  ["a disconnect without text", { kind: "disconnect", enhanced: "7.1" }],
  ["a getter that throws", {
    get kind() {
      throw new Error("broken");
    },
  }],
];

function faulty(stage: Stage, onError: ErrorPolicy, handler: () => unknown): Plugin {
  let asked = false;
  return definePlugin("faulty", () => ({
    onError,
    [stage]: () => {
      if (asked) return undefined;
      asked = true;
      return handler();
    },
  }))();
}

const logged: DialogueOptions["after"] = (scene) => {
  const entries = scene.log.filter(({ event }) => event === "plugin failed");
  expect(entries.map(({ fields }) => fields["plugin"])).toEqual(["faulty"]);
};

const DEFERRED = "451 4.3.0 A check of this server failed, try again later [ref]";
const REJECTED = "550 5.3.0 A check of this server failed [ref]";

/** Before the stage, what asks for it, how it goes on when it passes, and how when it is refused. */
const PLACES: Readonly<
  Record<Exclude<Stage, "connect">, readonly [before: string, asks: string, passed: string, refused: string]>
> = {
  helo: [CONNECTED, "C: EHLO client.example", `S: 250-mx.example …${ANOTHER}`, ""],
  mail: [
    GREETED,
    "C: MAIL FROM:<a@client.example>",
    MAILED.split("C: MAIL FROM:<a@client.example>\n")[1]! + RECIPIENT,
    "",
  ],
  rcpt: [
    MAILED,
    "C: RCPT TO:<b@mx.example>",
    RECIPIENT.split("C: RCPT TO:<b@mx.example>\n")[1]! + OPENED + DELIVERED,
    `C: RSET\nS: 250 2.0.0 Ok\n${RESET}`,
  ],
  data: [
    ADDRESSED,
    "C: DATA",
    OPENED.split("C: DATA\n")[1]! + DELIVERED,
    `C: RSET\nS: 250 2.0.0 Ok\n${RESET}`,
  ],
  message: [`${WITHIN}C: x\n> x\n(then)`, "C: .", "> .\n< 250 2.0.0 Kept\nS: 250 2.0.0 Kept", "> <abort>"],
};

for (
  const [stage, [before, asks, passed, refused]] of Object.entries(PLACES) as [
    Exclude<Stage, "connect">,
    typeof PLACES["helo"],
  ][]
) {
  describe(`at ${stage}, a plugin that`, () => {
    const outcomes: readonly (readonly [ErrorPolicy, string])[] = [
      ["pass", passed],
      ["defer", `S: ${DEFERRED}\n${refused}`],
      ["reject", `S: ${REJECTED}\n${refused}`],
    ];
    for (const { name, handler, wait = "" } of FAULTS) {
      for (const [onError, outcome] of outcomes) {
        dialogue(
          `${name}: ${onError}`,
          () => ({
            plugins: [faulty(stage, onError, handler)],
            after: logged,
            ...(stage === "data" && onError !== "pass" ? { notPipelined: "DATA is refused" } : {}),
          }),
          `${before}
          ${asks}
          ${wait}
          ${outcome}`,
        );
      }
    }
    for (const [name, verdict] of RUBBISH) {
      for (const later of [false, true]) {
        dialogue(
          `returns a verdict with ${name}${later ? ", later" : ""}`,
          () => ({
            plugins: [faulty(stage, "reject", () => (later ? Promise.resolve(verdict) : verdict))],
            after: logged,
            ...(stage === "data" ? { notPipelined: "DATA is refused" } : {}),
          }),
          `${before}
          ${asks}
          S: ${REJECTED}
          ${refused}`,
        );
      }
    }
  });
}

describe("at connect, a plugin that", () => {
  for (const { name, handler, wait = "" } of FAULTS) {
    dialogue(
      `${name}: pass`,
      () => ({ plugins: [faulty("connect", "pass", handler)], after: logged }),
      `
      ${wait}
      S: 220 mx.example ESMTP
      C: NOOP
      S: 250 2.0.0 Ok`,
    );
    dialogue(
      `${name}: defer`,
      () => ({ plugins: [faulty("connect", "defer", handler)], after: logged }),
      `
      ${wait}
      S: 421 4.3.0 A check of this server failed, try again later [ref]
      S: <close>`,
    );
    dialogue(
      `${name}: reject`,
      () => ({ plugins: [faulty("connect", "reject", handler)], after: logged }),
      `
      ${wait}
      S: ${REJECTED.replace("550", "554")}
      S: <close>`,
    );
  }
});

describe("a plugin that takes too long", () => {
  for (const [stage, seconds] of [["rcpt", 5], ["message", 30]] as const) {
    const [before, asks, passed] = PLACES[stage];
    let io: Io | undefined;
    const slow = (): DialogueOptions => ({
      plugins: [
        definePlugin(
          "slow",
          () => ({
            onError: "pass",
            [stage]: (_facts: unknown, given: Io) => ((io = given), hangs()),
          }),
        )(),
      ],
      events: {
        "it still has time": () => expect([io?.late, io?.signal.aborted]).toEqual([false, false]),
        "its time is over": () => expect([io?.late, io?.signal.aborted]).toEqual([true, true]),
      },
    });
    dialogue(
      `has ${seconds} s at ${stage}, and is told when they are over`,
      slow,
      `${before}
      ${asks}
      (${seconds * 1000 - 500} milliseconds pass)
      (it still has time)
      (500 milliseconds pass)
      ${passed}
      (its time is over)`,
    );
  }
  dialogue(
    "is told when its client goes",
    () => {
      let io: Io | undefined;
      return {
        plugins: [
          definePlugin(
            "slow",
            () => ({
              onError: "pass",
              rcpt: (_facts: unknown, given: Io) => ((io = given), hangs()),
            }),
          )(),
        ],
        events: { "it is told": () => expect([io?.late, io?.signal.aborted]).toEqual([true, true]) },
      };
    },
    `${MAILED}
    C: RCPT TO:<b@mx.example>
    C: <reset>
    ${RESET}
    (it is told)`,
  );
  test("and answers after its time is not heard any more", async () => {
    let answer = (_verdict: unknown): void => {};
    const late = definePlugin(
      "late",
      () => ({
        onError: "pass",
        rcpt: () => new Promise<undefined>((resolve) => (answer = resolve as typeof answer)),
      }),
    )();
    const scene = new Scene({ plugins: [late], dial: "rcpt" });
    await withTimers(scene.timers, async () => {
      scene.send("EHLO x\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<b@y.example>\r\n");
      await scene.pass(6000);
    });
    expect(scene.connections.length).toBe(1);
    answer(reject("5.7.1", "too late"));
    await scene.rest();
    expect(scene.take()).not.toContain("too late");
  });
});

test("one session's plugin fault is no other session's", async () => {
  const scene = new Scene({
    plugins: [faulty("helo", "defer", () => {
      throw new Error("broken");
    })],
  });
  scene.send("EHLO x\r\n");
  expect(scene.take()).toContain("451 4.3.0");
  scene.send("EHLO x\r\n");
  await scene.rest();
  expect(scene.take()).toContain("250-mx.example");
});
