/** What EHLO offers: what the proxy can carry, cut down to what the backends have (rule 4). */
import { describe, expect, test } from "bun:test";
import { DEFAULT_LIMITS } from "../../src/smtp/limits.ts";
import { dialogue } from "../support/dialogue.ts";
import { CONNECTED, GREETED, OPENED, RECIPIENT } from "../support/dialogue_parts.ts";
import { Scene, type SceneOptions } from "../../src/testing/scene.ts";

/** The extension lines of the reply to EHLO. */
function offered(extensions: readonly string[], options: SceneOptions = {}): string[] {
  const scene = new Scene({ extensions, limits: { messageSize: Infinity }, ...options });
  scene.send("EHLO x\r\n");
  const lines = scene.take().split("\r\n").slice(1, -1);
  expect(lines.shift()).toMatch(/^250[ -]mx\.example$/);
  expect(lines.every((line, i) => line.startsWith(i === lines.length - 1 ? "250 " : "250-"))).toBe(true);
  return lines.map((line) => line.slice(4)).sort();
}

describe("what the backend has and the proxy", () => {
  const rows: readonly (readonly [
    name: string,
    backend: readonly string[],
    offer: readonly string[],
    options?: SceneOptions,
  ])[] = [
    ["nothing: what the proxy does by itself", [], ["CHUNKING", "PIPELINING"]],
    ["carries", ["8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES"], [
      "8BITMIME",
      "CHUNKING",
      "DSN",
      "ENHANCEDSTATUSCODES",
      "PIPELINING",
      "SMTPUTF8",
    ]],
    ["carries with parameters", [
      "DELIVERBY 600",
      "FUTURERELEASE 3600 2030-01-31T12:00:00Z",
      "MT-PRIORITY MIXER",
      "RRVS",
    ], [
      "CHUNKING",
      "DELIVERBY 600",
      "FUTURERELEASE 3600 2030-01-31T12:00:00Z",
      "MT-PRIORITY MIXER",
      "PIPELINING",
      "RRVS",
    ]],
    ["does not carry", [
      "XCLIENT NAME ADDR",
      "XFORWARD NAME",
      "ETRN",
      "VRFY",
      "HELP",
      "STARTTLS",
      "AUTH PLAIN",
      "BURL imap",
      "X-WHATEVER",
      "REQUIRETLS",
    ], ["CHUNKING", "PIPELINING"]],
    ["bounds: the smaller SIZE", ["SIZE 1000"], ["CHUNKING", "PIPELINING", "SIZE 1000"], {
      limits: { messageSize: 2000 },
    }],
    ["bounds: its own SIZE", ["SIZE 3000"], ["CHUNKING", "PIPELINING", "SIZE 2000"], {
      limits: { messageSize: 2000 },
    }],
    ["bounds: SIZE without a number", ["SIZE"], ["CHUNKING", "PIPELINING", "SIZE 2000"], {
      limits: { messageSize: 2000 },
    }],
    ["bounds: SIZE 0 is no limit", ["SIZE 0"], ["CHUNKING", "PIPELINING", "SIZE 2000"], {
      limits: { messageSize: 2000 },
    }],
    ["bounds: LIMITS", ["LIMITS RCPTMAX=10 MAILMAX=5000 RCPTDOMAINMAX=1"], [
      "CHUNKING",
      "LIMITS RCPTMAX=10 MAILMAX=1000 RCPTDOMAINMAX=1",
      "PIPELINING",
    ]],
    ["has only in part: BINARYMIME without CHUNKING", ["BINARYMIME"], ["CHUNKING", "PIPELINING"]],
  ];
  for (const [name, backend, offer, options] of rows) {
    test(name, () => {
      const limits = (lines: readonly string[]) =>
        lines.map((line) => line.startsWith("LIMITS") ? line.split(" ").sort().join(" ") : line);
      expect(limits(offered(backend, options))).toEqual(limits(offer));
    });
  }
  test("its own bounds are those of the settings", () => {
    expect([DEFAULT_LIMITS.recipients, DEFAULT_LIMITS.messages]).toEqual([1000, 1000]);
  });
});

/** A backend each, dialled in turn by the look at them, and what EHLO offers then. */
async function common(...all: readonly (readonly string[])[]): Promise<string[]> {
  const names = all.map((_, i) => `backend${i}`);
  const scene = new Scene({ unseen: true, backends: names, limits: { messageSize: Infinity } });
  scene.onDial = (dial, name) => scene.accept(dial, name).greet(all[names.indexOf(name)]!);
  scene.send("EHLO x\r\n");
  await scene.rest();
  return scene.take().split("\r\n").slice(2, -1).map((line) => line.slice(4)).sort();
}

describe("of several backends, what all have", () => {
  const rows:
    readonly (readonly [name: string, all: readonly (readonly string[])[], offer: readonly string[]])[] = [
      ["keywords", [["DSN", "8BITMIME"], ["SMTPUTF8", "8BITMIME"]], ["8BITMIME"]],
      ["the smallest SIZE", [["SIZE 300"], ["SIZE"], ["SIZE 200"]], ["SIZE 200"]],
      ["no SIZE where one has none", [["SIZE 300"], []], []],
      ["the smallest of each limit", [["LIMITS RCPTMAX=5"], ["LIMITS RCPTMAX=7 MAILMAX=2"]], [
        "LIMITS MAILMAX=2 RCPTMAX=5",
      ]],
      ["the longest DELIVERBY, which is the least that all can promise", [["DELIVERBY 60"], [
        "DELIVERBY 600",
      ]], ["DELIVERBY 600"]],
      ["no parameters that differ", [["FUTURERELEASE 60 x"], ["FUTURERELEASE 90 x"]], []],
    ];
  for (const [name, all, offer] of rows) {
    test(name, async () => {
      const lines = (await common(...all)).filter((line) => line !== "PIPELINING" && line !== "CHUNKING");
      expect(lines.map((line) => line.startsWith("LIMITS") ? line.split(" ").sort().join(" ") : line))
        .toEqual([...offer]);
    });
  }
});

describe("a parameter that is nobody's business is not sent to a backend that does not know it:", () => {
  /** The look at the backends is old: this one has less now. */
  const connect = (line: string) => `
       > <connect>
       < 220 x
       > EHLO mx.example
       < ${line}`;
  dialogue(
    "SIZE",
    {},
    `${GREETED}
    C: MAIL FROM:<a@client.example> SIZE=100 BODY=8BITMIME
    ${connect("250-x\n< 250 8BITMIME")}
       > MAIL FROM:<a@client.example> BODY=8BITMIME
       < 250 2.1.0 Ok
    S: 250 2.1.0 Ok`,
  );
  dialogue(
    "BODY=7BIT",
    {},
    `${GREETED}
    C: MAIL FROM:<a@client.example> BODY=7bit
    ${connect("250 x")}
       > MAIL FROM:<a@client.example>
       < 250 2.1.0 Ok
    S: 250 2.1.0 Ok`,
  );
});

describe("one that asks for something is not dropped:", () => {
  for (const parameter of ["BODY=8BITMIME", "SMTPUTF8", "RET=HDRS"]) {
    dialogue(
      parameter,
      {},
      `${GREETED}
      C: MAIL FROM:<a@client.example> ${parameter}
         > <connect>
         < 220 x
         > EHLO mx.example
         < 250-x
         < 250 SIZE
      S: 451 4.3.0 The mail server behind this one failed, try again later [ref]`,
    );
  }
  dialogue(
    "NOTIFY",
    { dial: "rcpt" },
    `${GREETED}
    C: MAIL FROM:<a@client.example>
    S: 250 2.1.0 Ok
    C: RCPT TO:<b@mx.example> NOTIFY=NEVER
       > <connect>
       < 220 x
       > EHLO mx.example
       < 250 x
    S: 451 4.3.0 The mail server behind this one failed, try again later [ref]
    C: RCPT TO:<b@mx.example>
       > MAIL FROM:<a@client.example>
       < 250 2.1.0 Ok
       > RCPT TO:<b@mx.example>
       < 250 2.1.5 Ok
    S: 250 2.1.5 Ok`,
  );
});

describe("HELO:", () => {
  dialogue(
    "a message that came so is told so",
    {
      after: (scene) => expect(scene.connections[0]!.trace).toContain(" with SMTP id "),
    },
    `${CONNECTED}
    C: HELO client.example
    S: 250 mx.example
    C: MAIL FROM:<a@client.example>
       > MAIL FROM:<a@client.example>
       < 250 2.1.0 Ok
    S: 250 2.1.0 Ok
    ${RECIPIENT + OPENED}
    C: .
       > .
       < 250 2.0.0 Kept
    S: 250 2.0.0 Kept`,
  );
});
