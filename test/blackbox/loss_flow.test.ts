// bun only: drives the program as a process
// Rules 1, 2 and 10 once the message flows: a backend that speaks, tears or dies within the body or at a
// chunk is no 250, and what it says after its 250 never becomes the answer to something else.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Action, on, type Script } from "../support/blackbox_backend.ts";
import { stuff } from "../support/blackbox_bytes.ts";
import { code, told } from "../support/blackbox_client.ts";
import { begin, faults, goesOn, wrongAnswer } from "../support/blackbox_faults.ts";
import { ending, letter, type Stage, stage, taken, unharmed } from "../support/blackbox_stage.ts";
import { eventually, sleep } from "../support/blackbox_wait.ts";

let at: Stage;
beforeAll(async () => {
  at = await stage();
});
afterAll(() => at.close());

describe("rules 1, 2 and 10: while the message flows", () => {
  const half = "x".repeat(70) + "\r\n";
  const bodies: readonly (readonly [string, Action, RegExp])[] = [
    ["4yz, reading on", { reply: "452 4.3.1 backend: no space" }, /^4\d\d/],
    ["4yz, then close", { reply: "452 4.3.1 backend: no space", then: "close" }, /^4\d\d/],
    ["5yz, reading on", { reply: "552 5.3.4 backend: too big" }, /^(4\d\d|552 5\.3\.4 backend: too big)/],
    [
      "5yz, then close",
      { reply: "552 5.3.4 backend: too big", then: "close" },
      /^(4\d\d|552 5\.3\.4 backend: too big)/,
    ],
    ["an early 250, reading on", { reply: "250 2.0.0 Queued early" }, /^451 4\./],
    ["an early 250, then close", { reply: "250 2.0.0 Queued early", then: "close" }, /^451 4\./],
    ["a second 354", { reply: "354 again" }, /^451 4\./],
    ["garbage", { raw: "\xff\0garbage\r\n" }, /^451 4\./],
    ["a torn line, then close", { raw: "250 2.0", then: "close" }, /^451 4\.3\.0/],
    ["421, then close", { reply: "421 4.3.2 bye", then: "close" }, /^451 4\.3\.0/],
    ["421, reading on", { reply: "421 4.3.2 bye" }, /^451 4\.3\.0/],
    ["close", { then: "close" }, /^451 4\.3\.0/],
    ["reset", { then: "reset" }, /^451 4\.3\.0/],
  ];
  for (const [name, action, wanted] of bodies) {
    test(`${name}: the client may finish, then hears ${wanted.source}`, async () => {
      const client = await begin(at, false);
      let done = false;
      at.backend.script = on({
        body: (m) => done || m.bodyBytes < 20_000 ? undefined : (done = true, action),
      });
      const { id, bytes } = letter(half.repeat(4000));
      for (
        const [line, prefix] of [["MAIL FROM:<>", "250"], ["RCPT TO:<a@b.example>", "250"], [
          "DATA",
          "354",
        ]] as const
      ) {
        await client.command(line, prefix);
      }
      const wire = stuff(bytes);
      await client.write(wire.subarray(0, wire.length >> 1));
      expect(await eventually(() => done)).toBe(true);
      expect(await client.hear(150), "no reply before the end of data").toBe("silent");
      await client.write(wire.subarray(wire.length >> 1));
      const heard = await client.hear();
      expect(told(heard)).toMatch(wanted);
      at.backend.heal();
      expect(await goesOn(at, client, false)).toBe("");
      expect(at.backend.delivered(id)).toEqual([]);
      await client.quit();
    }, 30_000);
  }

  test("an early 250 in the same segment as 354 is not taken for the word on the message", async () => {
    const client = await begin(at, false);
    at.backend.script = on({
      DATA: { raw: "354 go\r\n250 2.0.0 Queued before it came\r\n" },
      dot: { reply: "554 5.7.1 refused after all" },
    });
    const { id, bytes } = letter();
    const sent = await client.send(bytes);
    expect(taken(sent), ending(sent)).toBe(false);
    expect(told(sent.heard)).toMatch(/^[45]/);
    at.backend.heal();
    expect(await goesOn(at, client, true)).toBe("");
    expect(at.backend.delivered(id)).toEqual([]);
    await client.quit();
  }, 30_000);

  test(
    "a stall in the body ends nothing; a client that gives up destroys the backend connection, dot unsent",
    async () => {
      const client = await begin(at, false);
      at.backend.script = on({ body: { then: "stall" } });
      const { id, bytes } = letter(half.repeat(1000));
      const sent = await client.send(bytes, { limit: 500 });
      expect(told(sent.heard)).toMatch(/^silent$|^4/);
      client.reset();
      at.backend.heal();
      expect(at.backend.delivered(id)).toEqual([]);
    },
    30_000,
  );
});

describe("BDAT to a backend with CHUNKING: a fault at a chunk", () => {
  for (const fault of faults("dot")) {
    test(`${fault.name} at BDAT LAST is no 250`, async () => {
      const client = await begin(at, false);
      at.backend.script = on({ dot: fault.action });
      const { id, bytes } = letter();
      const sent = await client.sendChunks(bytes, 40);
      expect(taken(sent), ending(sent)).toBe(false);
      expect(wrongAnswer(fault.answer, fault.action, sent)).toBe("");
      at.backend.heal();
      expect(await goesOn(at, client, true)).toBe("");
      expect(at.backend.delivered(id)).toEqual([]);
      await client.quit();
    }, 30_000);
  }

  for (const fault of faults("dot")) {
    test(`${fault.name} at an inner BDAT, or in the body, is no 250 at the end`, async () => {
      const client = await begin(at, false);
      let done = false;
      const once: Script = () => done ? undefined : (done = true, fault.action);
      at.backend.script = on({ BDAT: once, body: once });
      const { id, bytes } = letter("y".repeat(200) + "\r\n");
      const sent = await client.sendChunks(bytes, 100);
      if (taken(sent)) {
        expect([done, at.backend.delivered(id).length], "a proxy that sends one chunk").toEqual([false, 1]);
      } else {
        expect(told(sent.heard)).toMatch(/^[45]\d\d/);
        at.backend.heal();
        expect(await goesOn(at, client, true)).toBe("");
        expect(at.backend.delivered(id)).toEqual([]);
      }
      await client.quit();
    }, 30_000);
  }
});

describe("rule 1: after the backend has said 250", () => {
  const extras: readonly (readonly [string, Action])[] = [
    ["it closes", { reply: "250 2.0.0 mine", then: "close" }],
    ["it resets", { reply: "250 2.0.0 mine", then: "reset" }],
    ["a second 250 in the same segment", { raw: "250 2.0.0 mine\r\n250 2.0.0 one too many\r\n" }],
    ["garbage in the same segment", { raw: "250 2.0.0 mine\r\n\xff\xfe\r\n" }],
    ["421 in the same segment, then close", { raw: "250 2.0.0 mine\r\n421 4.3.2 bye\r\n", then: "close" }],
    ["half a line in the same segment", { raw: "250 2.0.0 mine\r\n250 2.0.0 ha" }],
  ];
  for (const [name, action] of extras) {
    test(`${name}: the client has its 250, and no later reply is shifted`, async () => {
      const client = await begin(at, false);
      at.backend.script = on({ dot: action });
      const first = letter();
      const sent = await client.send(first.bytes);
      expect(ending(sent)).toBe("dot: 250 2.0.0 mine");
      expect(at.backend.delivered(first.id).length).toBe(1);
      at.backend.script = on({ RCPT: { reply: "550 5.1.1 unknown" } });
      const refused = await client.send(letter().bytes);
      expect(ending(refused)).toBe("RCPT: 550 5.1.1 unknown");
      at.backend.heal();
      expect(await goesOn(at, client, true)).toBe("");
      expect(at.backend.delivered(first.id).length).toBe(1);
      await client.quit();
    }, 30_000);
  }

  test("a late second 250 between transactions is not the answer to the next command", async () => {
    const client = await begin(at, false);
    expect(taken(await client.send(letter().bytes))).toBe(true);
    for (const connection of at.backend.open) connection.say("250 2.0.0 out of turn\r\n");
    await sleep(50);
    at.backend.script = on({ RCPT: { reply: "550 5.1.1 unknown" } });
    const refused = await client.send(letter().bytes);
    expect(ending(refused)).toBe("RCPT: 550 5.1.1 unknown");
    at.backend.heal();
    expect(await goesOn(at, client, true)).toBe("");
    await client.quit();
  }, 30_000);

  for (const step of ["greeting", "EHLO", "MAIL", "RCPT"] as const) {
    test(`a reply too many after ${step} never becomes the answer to a refused recipient`, async () => {
      const client = await begin(at, step === "greeting" || step === "EHLO");
      const refuse: Script = (m) =>
        m.line.includes("<bad@")
          ? { reply: "550 5.1.1 unknown" }
          : step === "RCPT"
          ? { raw: "250 2.1.5 ok\r\n250 2.1.5 bonus\r\n" }
          : undefined;
      const good = step === "greeting" ? "220" : "250";
      at.backend.script = step === "RCPT"
        ? on({ RCPT: refuse })
        : on({ RCPT: refuse, [step]: { raw: `${good} x\r\n${good} bonus\r\n` } });
      const heard: string[] = [];
      for (const line of ["MAIL FROM:<>", "RCPT TO:<good@b.example>", "RCPT TO:<bad@b.example>"]) {
        heard.push(code(await client.ask(line)));
        await sleep(30);
      }
      expect(heard[2], heard.join(" ")).toMatch(/^[45]/);
      at.backend.heal();
      expect(await goesOn(at, client, true)).toBe("");
      await client.quit();
    }, 30_000);
  }
});

test("afterwards the proxy serves and the backend saw clean SMTP only", async () => {
  await unharmed(at.proxy, at.backend);
}, 20_000);
