/**
 * What a plugin's verdict does at every stage, at once or later: the client hears it, the backend hears nothing that was
 * refused, and the end of data waits for the message stage (rule 2).
 */
import { describe, expect, test } from "bun:test";
import { definePlugin, type Plugin } from "../../src/policy/plugin.ts";
import type { Stage, Stages } from "../../src/policy/stages.ts";
import { accept, defer, disconnect, reject, type Verdict } from "../../src/policy/verdict.ts";
import { dialogue, type DialogueOptions } from "../support/dialogue.ts";
import { ADDRESSED, ANOTHER, CONNECTED, GREETED, MAILED, RESET, WITHIN } from "../support/dialogue_parts.ts";
import { Scene } from "../../src/testing/scene.ts";

/** A plugin that says this at this stage, the first time it is asked. */
function says(stage: Stage, verdict: Verdict | undefined, later: boolean, name = "says"): Plugin {
  let said = false;
  return definePlugin(name, () => ({
    onError: "defer",
    [stage]: () => {
      const opinion = said ? undefined : verdict;
      said = true;
      return later ? Promise.resolve(opinion) : opinion;
    },
  }))();
}

/** A stage in a transcript: what leads to it, what asks for it, what becomes of the transaction when it is refused. */
interface Place {
  readonly before: string;
  readonly asks: string;
  readonly cleanUp: string;
  /** What cannot be sent ahead, and why. */
  readonly notPipelined?: string;
}

const PLACES: Readonly<Record<Exclude<Stage, "connect">, Place>> = {
  helo: { before: CONNECTED, asks: "C: EHLO client.example", cleanUp: "" },
  mail: { before: GREETED, asks: "C: MAIL FROM:<x@y.example>", cleanUp: "" },
  rcpt: { before: MAILED, asks: "C: RCPT TO:<x@y.example>", cleanUp: RESET },
  data: { before: ADDRESSED, asks: "C: DATA", cleanUp: RESET, notPipelined: "DATA is refused" },
  message: { before: `${WITHIN}C: x\n> x\n(then)`, asks: "C: .", cleanUp: "> <abort>\n(then)" },
};

for (
  const [stage, { before, asks, cleanUp, notPipelined }] of Object.entries(PLACES) as [
    keyof typeof PLACES,
    Place,
  ][]
) {
  const more = notPipelined === undefined ? {} : { notPipelined };
  // In "message" the transaction is over with the refusal, elsewhere RSET ends it.
  const over = stage === "message" ? cleanUp : `C: RSET\nS: 250 2.0.0 Ok\n${cleanUp}`;
  const goesOn = stage === "helo" ? `C: EHLO client.example\nS: 250-mx.example …\n${ANOTHER}` : ANOTHER;
  for (const later of [false, true]) {
    describe(`${stage}, ${later ? "later" : "at once"}:`, () => {
      dialogue(
        "reject is 550, with its reference",
        () => ({ plugins: [says(stage, reject("5.7.1", "Not you"), later)], ...more }),
        `${before}
        ${asks}
        S: 550 5.7.1 Not you [ref]
        ${over}
        ${goesOn}`,
      );
      dialogue(
        "reject with a code of its own",
        () => ({ plugins: [says(stage, reject("5.7.25", "No name", 554), later)], ...more }),
        `${before}
        ${asks}
        S: 554 5.7.25 No name [ref]
        ${over}
        ${goesOn}`,
      );
      dialogue(
        "defer is 450",
        () => ({ plugins: [says(stage, defer("4.7.1", "Not now"), later)], ...more }),
        `${before}
        ${asks}
        S: 450 4.7.1 Not now [ref]
        ${over}
        ${goesOn}`,
      );
      dialogue(
        "disconnect is 421, and what was sent behind it is not read",
        () => ({ plugins: [says(stage, disconnect("4.7.0", "Go away"), later)] }),
        `${before}
        ${asks}
        C: NOOP
        S: 421 4.7.0 Go away [ref]
        S: <close>
        ${cleanUp}`,
      );
    });
  }
}

describe("connect:", () => {
  for (const later of [false, true]) {
    const how = later ? "later" : "at once";
    for (
      const [name, verdict, line] of [
        ["reject", reject("5.7.1", "Not you", 554), "554 5.7.1 Not you [ref]"],
        ["defer", defer("4.7.1", "Not now"), "421 4.7.1 Not now [ref]"],
        ["disconnect", disconnect("4.7.0", "Go away"), "421 4.7.0 Go away [ref]"],
      ] as const
    ) {
      dialogue(
        `${name} stands in place of the greeting, and the session is over, ${how}`,
        () => ({ plugins: [says("connect", verdict, later)] }),
        `
        S: ${line}
        S: <close>`,
      );
    }
  }
});

describe("a verdict at BDAT is that of the data stage, and the chunk is dropped:", () => {
  for (const later of [false, true]) {
    dialogue(
      later ? "later" : "at once",
      () => ({ plugins: [says("data", reject("5.7.1", "Not this"), later)] }),
      `${ADDRESSED}
      C: BDAT 6 LAST
      C: QUIT
      S: 550 5.7.1 Not this [ref]
      ${RESET}
      ${ANOTHER}`,
    );
  }
});

/** A plugin whose verdict waits for a stage direction. */
function held(stage: Stage, verdict: Verdict | undefined): DialogueOptions {
  let release = (): void => {};
  const asked = () => new Promise<Verdict | undefined>((resolve) => (release = () => resolve(verdict)));
  return {
    plugins: [definePlugin("held", () => ({ onError: "defer", [stage]: asked }))()],
    events: { "the policy speaks": () => release() },
  };
}

describe("what waits for a verdict:", () => {
  dialogue(
    "the greeting, and all that the client says before it",
    () => held("connect", undefined),
    `
    C: HELO client.example
    C: NOOP
    (the policy speaks)
    S: 220 mx.example ESMTP
    S: 250 mx.example
    S: 250 2.0.0 Ok`,
  );
  dialogue(
    "a recipient",
    () => held("rcpt", undefined),
    `${MAILED}
    C: RCPT TO:<b@mx.example>
    C: NOOP
    (the policy speaks)
       > RCPT TO:<b@mx.example>
       < 250 2.1.5 Ok
    S: 250 2.1.5 Ok
    S: 250 2.0.0 Ok`,
  );
  dialogue(
    "the dot: the message is with the backend, its end is not",
    () => held("message", undefined),
    `${WITHIN}
    C: x
    C: .
    C: NOOP
       > x
    (4 seconds pass)
    (the policy speaks)
       > .
       < 250 2.0.0 Kept
    S: 250 2.0.0 Kept
    S: 250 2.0.0 Ok`,
  );
  dialogue(
    "the last chunk",
    () => held("message", undefined),
    `${ADDRESSED}
    C: BDAT 2 LAST
    C:
       > BDAT 1
       > ␍¬
       < 250 2.0.0 Got it
    (4 seconds pass)
    (the policy speaks)
       > BDAT 1 LAST
       > ␊¬
       < 250 2.0.0 Kept
    S: 250 2.0.0 Kept`,
  );
  dialogue(
    "a refusal of the message: no dot, nothing delivered",
    () => held("message", reject("5.7.1", "Spam")),
    `${WITHIN}
    C: x
    C: .
       > x
    (the policy speaks)
       > <abort>
    S: 550 5.7.1 Spam [ref]`,
  );
  for (const loss of ["reset", "half-close"]) {
    dialogue(
      `a client that goes before the verdict (${loss})`,
      () => ({
        ...held("message", undefined),
        after: ({ counters }) => expect(counters.delivered).toBe(loss === "reset" ? 0 : 1),
      }),
      `${WITHIN}
      C: x
      C: .
         > x
      C: <${loss}>
      ${
        loss === "reset"
          ? "   > <abort>\n(the policy speaks)"
          : "(the policy speaks)\n > .\n < 250 2.0.0 Kept\nS: 250 2.0.0 Kept\nS: <close>"
      }`,
    );
  }
  dialogue(
    "a backend that is lost meanwhile",
    () => held("message", undefined),
    `${WITHIN}
    C: x
    C: .
       > x
       < <reset>
    (the policy speaks)
    S: 451 4.3.0 The mail server behind this one failed, try again later [ref]`,
  );
});

describe("several plugins:", () => {
  /** Asked in order, and only as long as nobody has decided. */
  function asked(...verdicts: readonly (Verdict | undefined)[]): { plugins: Plugin[]; names: string[] } {
    const names: string[] = [];
    const plugins = verdicts.map((verdict, i) =>
      definePlugin(`plugin-${i}`, () => ({
        onError: "defer",
        rcpt: () => {
          names.push(`plugin-${i}`);
          return i % 2 === 0 ? verdict : Promise.resolve(verdict);
        },
      }))()
    );
    return { plugins, names };
  }
  const rows: readonly (readonly [
    name: string,
    verdicts: readonly (Verdict | undefined)[],
    asked: number,
    code: string,
  ])[] = [
    ["nobody objects", [undefined, undefined, undefined], 3, ""],
    [
      "the first refusal counts",
      [undefined, reject("5.7.1", "one"), reject("5.7.2", "two")],
      2,
      "550 5.7.1",
    ],
    ["accept ends the stage", [undefined, accept(), reject("5.7.1", "too late")], 2, ""],
    ["a refusal before accept counts", [defer("4.7.1", "one"), accept()], 2, "450 4.7.1"],
    ["a rejection after a deferral counts", [defer("4.7.1", "one"), reject("5.7.1", "two")], 2, "550 5.7.1"],
  ];
  for (const [name, verdicts, count, code] of rows) {
    test(name, async () => {
      const { plugins, names } = asked(...verdicts);
      const scene = new Scene({ plugins, dial: "rcpt" });
      scene.send("EHLO x\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<b@y.example>\r\n");
      await scene.rest();
      expect(names).toEqual(["plugin-0", "plugin-1", "plugin-2"].slice(0, count));
      expect(scene.take().split("\r\n").at(-2)!.startsWith(code === "" ? "250 2.1.0" : code)).toBe(true);
    });
  }
});

test("each stage is told what is known then, and no more", () => {
  const told: Partial<Record<Stage, object>> = {};
  const note = (stage: Stage) => (facts: Stages[Stage]) => void (told[stage] = facts);
  const stages: readonly Stage[] = ["connect", "helo", "mail", "rcpt", "data", "message"];
  const handlers = Object.fromEntries(stages.map((stage) => [stage, note(stage)]));
  const scene = new Scene({
    plugins: [definePlugin("notes", () => ({ onError: "defer", ...handlers }))()],
    dial: "rcpt",
  });
  const reply = (line: string) => (scene.connections.at(-1)!.send(`${line}\r\n`), scene.settle());
  scene.send("ehlo  client.example\r\nMail From: <a@x.example> SIZE=5 \r\nRCPT TO:<b@y.example>\r\n");
  for (const line of ["250 Ok", "250 Ok"]) reply(line);
  scene.send('rcpt TO:<@z.example:"c d"@y.example>\r\n');
  reply("250 Ok");
  scene.send("DATA\r\n..a\r\n.\r\n");
  reply("354 Ok");
  reply("250 Ok");
  const connect = {
    id: scene.session.id,
    client: { host: "203.0.113.7", port: 50_000 },
    trusted: false,
    via: undefined,
    local: { host: "192.0.2.25", port: 25 },
    listener: "192.0.2.25:25",
    hostname: "mx.example",
    findings: expect.anything(),
  };
  const conduct = { spokeEarly: false, pipelinedEarly: true, unknownCommands: 0, refusedRecipients: 0 };
  const helo = { ...connect, helo: "client.example", verb: "EHLO", tls: undefined, conduct };
  const path = (mailbox: string, localPart: string, domain: string) => ({
    mailbox,
    localPart,
    domain,
    utf8: false,
  });
  const mail = {
    ...helo,
    user: undefined,
    reversePath: path("a@x.example", "a", "x.example"),
    parameters: [{ keyword: "SIZE", value: "5" }],
    mailLine: "Mail From: <a@x.example> SIZE=5 ",
  };
  const rcptLine = 'rcpt TO:<@z.example:"c d"@y.example>';
  const [b, c] = [path("b@y.example", "b", "y.example"), path('"c d"@y.example', '"c d"', "y.example")];
  expect(told).toEqual(
    {
      connect,
      helo,
      mail,
      rcpt: { ...mail, forwardPath: c, rcptLine, accepted: [b] },
      data: { ...mail, recipients: [b, c] },
      message: { ...mail, recipients: [b, c], size: 4 },
    } as typeof told,
  );
  expect(scene.counters.delivered).toBe(1);
});
