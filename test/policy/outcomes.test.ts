/**
 * Effects that wait for an outcome: done for mail that was taken and for no other, whichever way it was lost; and the
 * fields that plugins put before a message.
 */
import { describe, expect, test } from "bun:test";
import {
  addHeader,
  afterwards,
  commit,
  type Opinion,
  readOpinion,
  rollback,
} from "../../src/policy/action.ts";
import { definePlugin, type Plugin } from "../../src/policy/plugin.ts";
import type { Stage } from "../../src/policy/stages.ts";
import { parallel, shadow } from "../../src/policy/rule.ts";
import { reject } from "../../src/policy/verdict.ts";
import { memoryStore } from "../../src/store/memory.ts";
import { dialogue } from "../support/dialogue.ts";
import { ADDRESSED, CHUNKED, GREETED, LAST_CHUNK, MAILED, RESET, WITHIN } from "../support/dialogue_parts.ts";
import { Scene } from "../../src/testing/scene.ts";
import { SessionChain } from "../support/session_chain.ts";

const STAGES: readonly Stage[] = ["connect", "helo", "mail", "rcpt", "data", "message"];

/** Writes down what is done of all that waits, at every stage. */
function waits(done: string[], stages: readonly Stage[] = STAGES): Plugin {
  const waiting = (stage: Stage) => [
    commit(() => void done.push(`commit ${stage}`)),
    rollback(() => void done.push(`rollback ${stage}`)),
    afterwards(() => void done.push(`afterwards ${stage}`)),
  ];
  return definePlugin("waits", () => ({
    onError: "pass",
    ...Object.fromEntries(stages.map((stage) => [stage, () => waiting(stage)])),
  }))();
}

const COMMITTED = ["connect", "helo", "mail", "rcpt", "data", "message"].map((stage) => `commit ${stage}`);
const TRANSACTION = ["mail", "rcpt", "data", "message"];

/** Plays a session's end and tells what was done. */
function played(name: string, transcript: string, expected: readonly string[]): void {
  const done: string[][] = [];
  dialogue(name, () => {
    const own: string[] = [];
    done.push(own);
    return { plugins: [waits(own)], after: () => expect(done.at(-1)).toEqual([...expected]) };
  }, transcript);
}

describe("what waits", () => {
  const end = (code: string) => `
    C: Subject: x
    C:
    C: .
       > Subject: x
       >
       > .
       < ${code}
    S: ${code}
  `;
  played("is committed with the backend's 2yz", WITHIN + end("250 2.0.0 Kept"), [
    ...COMMITTED,
    ...TRANSACTION.map((stage) => `afterwards ${stage}`),
  ]);
  played("in chunks as well", CHUNKED + LAST_CHUNK, [
    ...COMMITTED,
    ...TRANSACTION.map((stage) => `afterwards ${stage}`),
  ]);
  const undone = (stages: readonly string[]) => [
    ...stages.map((stage) => `rollback ${stage}`),
    ...stages.map((stage) => `afterwards ${stage}`),
  ];
  const dropped = undone(TRANSACTION);
  played("is dropped with its 4yz", WITHIN + end("451 4.3.0 Full"), dropped);
  played("is dropped with its 5yz", WITHIN + end("554 5.7.0 Spam"), dropped);
  const early = undone(["mail", "rcpt"]);
  played("is dropped with RSET", `${ADDRESSED}C: RSET\nS: 250 2.0.0 Ok\n${RESET}`, early);
  played(
    "of a refused recipient is dropped at once, and the transaction's stays",
    `${MAILED}
    C: RCPT TO:<b@mx.example>
       > RCPT TO:<b@mx.example>
       < 550 5.1.1 Unknown
    S: 550 5.1.1 Unknown`,
    ["rollback rcpt", "afterwards rcpt"],
  );
  played(
    "of the session is over with it",
    `${GREETED}
    C: QUIT
    S: 221 2.0.0 Bye
    S: <close>`,
    ["rollback helo", "afterwards helo", "rollback connect", "afterwards connect"],
  );
  played(
    "is dropped when the client is lost before the end of data",
    `${WITHIN}
    C: Subject: x
       > Subject: x
    (then)
    C: <reset>
       > <abort>`,
    [
      ...undone(["mail", "rcpt", "data"]),
      ...["helo", "connect"].flatMap((stage) => [`rollback ${stage}`, `afterwards ${stage}`]),
    ],
  );
});

test("a client that is gone by the time the backend takes the message: committed all the same", async () => {
  const done: string[] = [];
  const scene = new Scene({ plugins: [waits(done, ["mail"])] });
  scene.send("EHLO x\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<b@y.example>\r\nDATA\r\n");
  const reply = (line: string) => (scene.connections.at(-1)!.send(`${line}\r\n`), scene.settle());
  for (const line of ["250 Ok", "250 Ok", "354 Go"]) reply(line);
  scene.send("x\r\n.\r\n");
  scene.wire.reset();
  scene.settle();
  expect(done).toEqual([]);
  reply("250 Kept");
  await scene.rest();
  expect(done).toEqual(["commit mail", "afterwards mail"]);
});

test("what a refused greeting brought is over at once; the one before it stays", async () => {
  const done: string[] = [];
  let names = 0;
  const helo = definePlugin("helo", () => ({
    onError: "pass",
    helo: (): Opinion => {
      const name = `greeting ${++names}`;
      return [afterwards(() => void done.push(name)), names === 2 ? reject("5.7.1", "no") : undefined];
    },
  }))();
  const scene = new Scene({ plugins: [helo] });
  scene.send("EHLO a\r\n");
  scene.send("EHLO b\r\n");
  await scene.rest();
  expect(done).toEqual(["greeting 2"]);
  scene.send("EHLO c\r\n");
  await scene.rest();
  expect(done).toEqual(["greeting 2", "greeting 1"]);
});

test("what came too late, or from a handler that failed, is never done", async () => {
  const done: string[] = [];
  let answer = (_opinion: Opinion): void => {};
  const late = definePlugin("late", () => ({
    onError: "pass",
    mail: () => new Promise<Opinion>((resolve) => (answer = resolve)),
  }))();
  const chain = new SessionChain([late]);
  const judged = chain.judge("mail");
  await chain.pass(5000);
  await judged;
  answer([commit(() => void done.push("late"))]);
  await chain.pass(0);
  chain.dossier.transactionOver("taken");
  expect(done).toEqual([]);
});

test("an effect that fails is told, and no other suffers", async () => {
  const done: string[] = [];
  const effects = definePlugin("effects", () => ({
    onError: "reject",
    mail: () => [
      commit(() => {
        throw new Error("at once");
      }),
      commit(() => Promise.reject(new Error("later"))),
      commit(() => void done.push("third")),
    ],
  }))();
  const chain = new SessionChain([effects]);
  await chain.judge("mail");
  chain.dossier.transactionOver("taken");
  await chain.chain.settled();
  expect(done).toEqual(["third"]);
  expect(chain.told("plugin failed", "stage", "cause")).toEqual(["commit at once", "commit later"]);
});

test("shadowed rules commit to a place of their own", async () => {
  const store = memoryStore({ now: () => 0 });
  const counts = (name: string) =>
    definePlugin(name, () => ({
      onError: "pass",
      mail: () => commit(async (io) => void await io.store.count("seen", 1, 60_000)),
    }))();
  const chain = new SessionChain([shadow(counts("a"), counts("b")), counts("c")], { effects: { store } });
  await chain.judge("mail");
  chain.dossier.transactionOver("taken");
  await chain.chain.settled();
  expect([await store.count("seen", 0, 1), await store.count("shadow:seen", 0, 1)]).toEqual([1, 2]);
});

describe("a shadowed rule that answers when its recipient is over", () => {
  for (
    const [outcome, expected] of [
      ["taken", ["commit", "afterwards"]],
      ["refused", ["rollback", "afterwards"]],
      ["dropped", ["rollback", "afterwards"]],
    ] as const
  ) {
    test(`finds out how that ended: ${outcome}`, async () => {
      const done: string[] = [];
      let answer = (): void => {};
      const late = definePlugin("late", () => ({
        onError: "pass",
        rcpt: () =>
          new Promise<Opinion>((resolve) =>
            answer = () =>
              resolve([
                commit(() => void done.push("commit")),
                rollback(() => void done.push("rollback")),
                afterwards(() => void done.push("afterwards")),
              ])
          ),
      }))();
      const chain = new SessionChain([shadow(late)]);
      await chain.judge("rcpt");
      chain.dossier.recipientOver(outcome !== "refused");
      if (outcome !== "refused") chain.dossier.transactionOver(outcome === "taken" ? "taken" : "not taken");
      expect(done).toEqual([]);
      answer();
      await chain.pass(0);
      expect(done).toEqual([...expected]);
    });
  }

  test("joins it where that is not over yet", async () => {
    const done: string[] = [];
    let answer = (): void => {};
    const late = definePlugin("late", () => ({
      onError: "pass",
      rcpt: () =>
        new Promise<Opinion>((resolve) => answer = () => resolve(commit(() => void done.push("commit")))),
    }))();
    const chain = new SessionChain([shadow(late)]);
    await chain.judge("rcpt");
    chain.dossier.recipientOver(true);
    answer();
    await chain.pass(0);
    expect(done).toEqual([]);
    chain.dossier.transactionOver("taken");
    expect(done).toEqual(["commit"]);
  });
});

test("of mail whose outcome nobody knows neither half is done, and observers hear what it is", async () => {
  const done: string[] = [];
  const heard: string[] = [];
  const looks = definePlugin("looks", () => ({
    onError: "pass",
    observe: (event) => void (event.kind === "transaction" && heard.push(event.outcome)),
  }))();
  const scene = new Scene({ plugins: [waits(done, ["mail", "rcpt"]), looks] });
  const reply = (line: string) => (scene.connections.at(-1)!.send(`${line}\r\n`), scene.settle());
  for (
    const [said, answer] of [["EHLO x"], ["MAIL FROM:<a@x.example>", "250 Ok"], [
      "RCPT TO:<b@y.example>",
      "250 Ok",
    ], ["DATA", "354 Go"]] as const
  ) {
    scene.send(`${said}\r\n`);
    if (answer !== undefined) reply(answer);
  }
  scene.send("x\r\n.\r\n");
  scene.connections.at(-1)!.wire.reset();
  await scene.rest();
  expect(done).toEqual(["afterwards mail", "afterwards rcpt"]);
  expect(heard).toEqual(["ambiguous"]);
});

test("a shadowed rule of the session that answers after mail was taken commits, and rolls nothing back", async () => {
  const done: string[] = [];
  let answer = (): void => {};
  const late = definePlugin("late", () => ({
    onError: "pass",
    connect: () =>
      new Promise<Opinion>((resolve) =>
        answer = () =>
          resolve([commit(() => void done.push("commit")), rollback(() => void done.push("rollback"))])
      ),
  }))();
  const chain = new SessionChain([shadow(late)]);
  await chain.judge("connect");
  await chain.judge("mail");
  chain.dossier.transactionOver("taken");
  answer();
  await chain.pass(0);
  chain.dossier.over();
  expect(done).toEqual(["commit"]);
});

test("of a client that leaves while it is judged, the end of its session is the last that observers hear", async () => {
  const heard: string[] = [];
  const slow = definePlugin("slow", () => ({
    onError: "pass",
    helo: () => new Promise<void>(() => {}),
    observe: (event) => void heard.push(event.kind === "judged" ? event.stage : event.kind),
  }))();
  const scene = new Scene({ plugins: [slow] });
  scene.settle();
  scene.send("EHLO x\r\n");
  scene.wire.reset();
  await scene.rest();
  expect(heard).toEqual(["connect", "session"]);
});

test("a shadowed observer stores apart too", async () => {
  const store = memoryStore({ now: () => 0 });
  const counts = definePlugin("counts", () => ({
    onError: "pass",
    observe: async (_event, io) => void await io.store.count("seen", 1, 60_000),
  }))();
  const chain = new SessionChain([shadow(counts)], { effects: { store } });
  await chain.judge("connect");
  await chain.chain.settled();
  expect([await store.count("seen", 0, 1), await store.count("shadow:seen", 0, 1)]).toEqual([0, 1]);
});

describe("fields", () => {
  const says = (name: string, later: boolean) =>
    definePlugin(name, () => ({
      onError: "pass",
      mail: () => {
        const field = addHeader("X-Check", name);
        return later ? Promise.resolve(field) : field;
      },
    }))();

  test("stand before the message in the policy's order, above Received, whoever was quicker", async () => {
    const scene = new Scene({
      plugins: [parallel(says("first", true), says("second", false)), says("third", false)],
    });
    scene.send("EHLO x\r\n");
    scene.send("MAIL FROM:<a@x.example>\r\n");
    await scene.rest();
    const backend = () => scene.connections.at(-1)!;
    const reply = (line: string) => (backend().send(`${line}\r\n`), scene.settle());
    reply("250 Ok");
    scene.send("RCPT TO:<b@y.example>\r\n");
    reply("250 Ok");
    scene.send("DATA\r\n");
    reply("354 Go");
    scene.send("Subject: x\r\n\r\n.\r\n");
    await scene.rest();
    expect(backend().trace).toMatch(/^Received: from x/);
    expect(backend().seen).toContain("X-Check: first\r\nX-Check: second\r\nX-Check: third\r\nSubject: x\r\n");
  });

  for (const value of ["a\r\nX-Evil: b", "a\nb", "", " a", "ü", "\0"]) {
    test(`of ${JSON.stringify(value)} there is none`, () => {
      expect(() => addHeader("X-Check", value)).toThrow("Cannot make a field: value");
    });
  }
  test("have a name", () => {
    for (const name of ["", "a b", "a:", "ü", "a\r\n"]) {
      expect(() => addHeader(name, "x")).toThrow("Cannot make a field: name");
    }
  });
  test("are checked once, so nobody can change them any more", () => {
    const field = addHeader("X-Check", "a");
    expect(() => Object.assign(field, { value: "a\r\nX-Evil: b" })).toThrow(TypeError);
    expect(readOpinion(field)).toEqual([field]);
    expect(readOpinion({ ...field, value: "a\r\nX-Evil: b" })).toBeUndefined();
  });
  test("made by hand are checked all the same", async () => {
    const evil = definePlugin("evil", () => ({
      onError: "defer",
      mail: () => ({ kind: "header", name: "X", value: "a\r\nb" }) as never,
    }))();
    expect(await new SessionChain([evil]).verdict("mail")).toMatch(/^451/);
  });
});
