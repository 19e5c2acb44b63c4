/**
 * How a client behaves before it may: what plugins are told of it, what it is let wait for, and that neither fills memory.
 */
import { describe, expect, test } from "bun:test";
import { definePlugin } from "../../src/policy/plugin.ts";
import type { Conduct } from "../../src/policy/stages.ts";
import { atRcpt } from "../../src/policy/rule.ts";
import { delay, reject } from "../../src/policy/verdict.ts";
import { Scene } from "../../src/testing/scene.ts";
import { dialogue } from "../support/dialogue.ts";
import { CONNECTED, GREETED, MAILED } from "../support/dialogue_parts.ts";

const early = (wait: number, teaser?: string) =>
  definePlugin("early", () => ({
    onError: "pass",
    connect: async (_session, io) =>
      await io.silence(wait, teaser) ? undefined : reject("5.5.1", "You spoke too early", 554),
  }))();

describe("a greeting that waits", () => {
  dialogue(
    "comes when the client has been silent",
    () => [early(6000, "mx.example please wait")],
    `
    S: 220-mx.example please wait
    (6 seconds pass)
    ${CONNECTED}
    C: EHLO client.example
    S: 250-mx.example …`,
  );
  test("does not come to a client that speaks: it is refused, and nothing that it said is read", async () => {
    const scene = new Scene({ plugins: [early(6000, "wait")] });
    scene.settle();
    scene.send("EHLO spammer\r\nMAIL FROM:<a@b.example>\r\n");
    await scene.rest();
    expect(scene.take()).toMatch(/^220-wait\r\n554 5\.5\.1 You spoke too early \[ref [0-9A-Z]{10}\]\r\n$/);
    expect(scene.connections.length).toBe(0);
  });
  test("to which too much is said is not read any further", () => {
    const scene = new Scene({
      plugins: [
        definePlugin("hangs", () => ({
          onError: "pass",
          connect: () => new Promise<void>(() => {}),
        }))(),
      ],
    });
    scene.settle();
    for (let i = 0; i < 3; i++) scene.send("x".repeat(40_000));
    expect(scene.wire.paused).toBe(true);
  });
  test("ends with the drain", async () => {
    const scene = new Scene({ plugins: [early(6000)] });
    scene.settle();
    scene.drain();
    await scene.rest();
    expect(scene.take()).toMatch(/^421 4\.3\.2/);
    await scene.pass(7000);
    expect(scene.take()).toBe("");
  });
});

describe("a delay", () => {
  const late = (stage: "helo" | "mail" | "rcpt") =>
    definePlugin("late", () => ({ onError: "pass", [stage]: () => delay(3000) }))();
  dialogue(
    "at EHLO",
    () => [late("helo")],
    `${CONNECTED}
    C: EHLO client.example
    (3 seconds pass)
    S: 250-mx.example …`,
  );
  dialogue(
    "at RCPT, before the backend is asked",
    () => [late("rcpt")],
    `${MAILED}
    C: RCPT TO:<b@mx.example>
    (3 seconds pass)
       > RCPT TO:<b@mx.example>
       < 250 2.1.5 Ok
    S: 250 2.1.5 Ok`,
  );
  dialogue(
    "beside a refusal",
    () => [
      late("mail"),
      definePlugin("no", () => ({ onError: "pass", mail: () => reject("5.7.1", "No") }))(),
    ],
    `${GREETED}
    C: MAIL FROM:<a@client.example>
    (3 seconds pass)
    S: 550 5.7.1 No [ref]`,
  );
  test("of a client that leaves ends with it", async () => {
    const scene = new Scene({ plugins: [late("helo")] });
    scene.settle();
    scene.send("EHLO x\r\n");
    scene.wire.reset();
    await scene.pass(5000);
    expect(scene.over).toBe(true);
  });
});

describe("plugins are told", () => {
  async function conduct(...said: readonly string[]): Promise<Conduct | undefined> {
    let seen: Conduct | undefined;
    const looks = definePlugin("looks", () => ({
      onError: "pass",
      mail: ({ conduct }) => void (seen = { ...conduct }),
    }))();
    const scene = new Scene({ plugins: [looks] });
    for (const octets of said) {
      scene.send(octets);
      await scene.rest();
    }
    return seen;
  }
  const polite = { spokeEarly: false, pipelinedEarly: false, unknownCommands: 0, refusedRecipients: 0 };

  test("nothing of a client that waits for its answers", async () => {
    expect(await conduct("EHLO x\r\n", "MAIL FROM:<a@b.example>\r\n")).toEqual(polite);
  });
  test("nor of one that sends ahead when it may", async () => {
    expect(await conduct("EHLO x\r\n", "MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\n")).toEqual(
      polite,
    );
  });
  test("of one that sends ahead behind EHLO", async () => {
    expect(await conduct("EHLO x\r\nMAIL FROM:<a@b.example>\r\n")).toEqual({
      ...polite,
      pipelinedEarly: true,
    });
  });
  test("of one that sends ahead though it said HELO", async () => {
    expect(await conduct("HELO x\r\n", "MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\n")).toEqual({
      ...polite,
      pipelinedEarly: true,
    });
  });
  test("of what is no command", async () => {
    expect(await conduct("EHLO x\r\n", "Subject: hello\r\n", "X\r\n", "MAIL FROM:<a@b.example>\r\n")).toEqual(
      {
        ...polite,
        unknownCommands: 2,
      },
    );
  });
  test("of recipients that were answered 5yz, whoever did, and not of those that were deferred", async () => {
    const seen: number[] = [];
    const looks = definePlugin("looks", () => ({
      onError: "pass",
      rcpt: ({ conduct, forwardPath }) => {
        seen.push(conduct.refusedRecipients);
        return forwardPath.localPart === "no" ? reject("5.1.1", "No") : undefined;
      },
    }))();
    const scene = new Scene({ plugins: [looks] });
    const backend = (reply: string) => (scene.connections.at(-1)!.send(`${reply}\r\n`), scene.settle());
    scene.send("EHLO x\r\n");
    scene.send("MAIL FROM:<a@b.example>\r\n");
    backend("250 Ok");
    scene.send("RCPT TO:<no@d.example>\r\n");
    for (const reply of ["550 Unknown", "450 Later", "250 Ok"]) {
      scene.send("RCPT TO:<c@d.example>\r\n");
      backend(reply);
    }
    scene.send("RCPT TO:<c@d.example>\r\n");
    await scene.rest();
    expect(seen).toEqual([0, 1, 2, 2, 2]);
  });
  test("of one that spoke before its greeting, and was let in all the same", async () => {
    let seen: Conduct | undefined;
    const scene = new Scene({
      plugins: [
        definePlugin("lenient", () => ({
          onError: "pass",
          connect: async (_session, io) => void await io.silence(1000),
          mail: ({ conduct }) => void (seen = { ...conduct }),
        }))(),
      ],
    });
    scene.settle();
    scene.send("EHLO x\r\n");
    await scene.rest();
    scene.send("MAIL FROM:<a@b.example>\r\n");
    await scene.rest();
    expect(seen?.spokeEarly).toBe(true);
  });
});

dialogue(
  "a refusal held until RCPT: the recipient is in the log, and postmaster is let through",
  () => ({
    plugins: [
      atRcpt(
        definePlugin("no", () => ({ onError: "pass", connect: () => reject("5.7.1", "Listed", 554) }))(),
      ),
    ],
    notPipelined: "RCPT is refused",
  }),
  `${MAILED}
  C: RCPT TO:<b@mx.example>
  S: 554 5.7.1 Listed [ref]
  C: RCPT TO:<postmaster@mx.example>
     > RCPT TO:<postmaster@mx.example>
     < 250 2.1.5 Ok
  S: 250 2.1.5 Ok`,
);

test("a refusal's line in the log names who refused what to whom, plugin or backend, in the words that were said", async () => {
  const scene = new Scene({
    plugins: [
      definePlugin("no", () => ({
        onError: "pass",
        rcpt: ({ forwardPath }) => forwardPath.localPart === "no" ? reject("5.7.1", "No") : undefined,
      }))(),
    ],
  });
  scene.send("EHLO x\r\n");
  scene.send("MAIL FROM:<a@b.example>\r\n");
  const backend = (reply: string) => (scene.connections.at(-1)!.send(`${reply}\r\n`), scene.settle());
  backend("250 Ok");
  scene.send("RCPT TO:<no@d.example>\r\n");
  scene.send("RCPT TO:<c@d.example>\r\n");
  backend("450 4.2.0 Later");
  await scene.rest();
  const told = scene.log.filter(({ event }) => event === "refused").map(({ fields }) => {
    const { stage, code, text, plugin, backend, from, to, client } = fields;
    return [stage, code, String(text).replace(/ \[ref .*/, ""), plugin, backend, from, to, client];
  });
  expect(told).toEqual([
    ["rcpt", 550, "5.7.1 No", "no", undefined, "a@b.example", "no@d.example", "203.0.113.7"],
    ["rcpt", 450, "4.2.0 Later", undefined, "backend", "a@b.example", "c@d.example", "203.0.113.7"],
  ]);
});

for (
  const [outcome, reply] of [["rejected", "550 5.1.1 Unknown"], ["deferred", "450 4.2.0 Later"], [
    "lost",
    "250 Ok",
  ]] as const
) {
  test(`a transaction whose only recipient heard ${reply} and whose client left is ${outcome}`, async () => {
    const scene = new Scene();
    scene.send("EHLO x\r\n");
    scene.send("MAIL FROM:<a@b.example>\r\n");
    const backend = (line: string) => (scene.connections.at(-1)!.send(`${line}\r\n`), scene.settle());
    backend("250 Ok");
    scene.send("RCPT TO:<c@d.example>\r\n");
    backend(reply);
    scene.send("QUIT\r\n");
    await scene.rest();
    expect(scene.log.find(({ event }) => event === "transaction")?.fields["outcome"]).toBe(outcome);
  });
}

test("a transaction's line in the log names who said what", async () => {
  const scene = new Scene({
    plugins: [definePlugin("no", () => ({ onError: "pass", rcpt: () => reject("5.7.1", "No") }))()],
  });
  scene.send("EHLO x\r\n");
  scene.send("MAIL FROM:<a@b.example>\r\n");
  scene.connections.at(-1)!.send("250 Ok\r\n");
  scene.settle();
  scene.send("RCPT TO:<c@d.example>\r\nRSET\r\n");
  await scene.rest();
  expect(scene.log.find(({ event }) => event === "transaction")?.fields["verdicts"]).toEqual([
    "no@rcpt:reject",
  ]);
});
