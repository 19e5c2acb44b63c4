/** XCLIENT: who is believed, what changes with the client, and that nothing of the one before is left. */
import { describe, expect, test } from "bun:test";
import { earlyTalker } from "../../plugins/early_talker/mod.ts";
import { rateLimit } from "../../plugins/rate_limit/mod.ts";
import { relayGate } from "../../plugins/relay_gate/mod.ts";
import { addHeader, commit, found } from "../../src/policy/action.ts";
import { finding } from "../../src/policy/finding.ts";
import { definePlugin } from "../../src/policy/plugin.ts";
import { disconnect, reject } from "../../src/policy/verdict.ts";
import type { RcptFacts } from "../../src/policy/stages.ts";
import { memoryStore } from "../../src/store/memory.ts";
import { Scene } from "../../src/testing/scene.ts";
import { dialogue, type DialogueOptions } from "../support/dialogue.ts";
import {
  ADDRESSED,
  CHUNKED,
  CONNECTED,
  DELIVERED,
  GREETED,
  LAST_CHUNK,
  MAILED,
  OPENED,
  RECIPIENT,
  WITHIN,
} from "../support/dialogue_parts.ts";

const HOST: DialogueOptions = { trusted: ["203.0.113.0/24", "2001:db8:5::/48"] };
const MAIL = MAILED.slice(MAILED.indexOf("C: EHLO"));
/** Named, greeted anew, and up to one recipient. */
const NAMED = `
  C: XCLIENT ADDR=192.0.2.1
  S: 220 mx.example ESMTP
`;
const REFUSED = "S: 550 5.7.1 XCLIENT is taken from trusted hosts only [ref]";

/** What plugins are told of every recipient. */
function witness() {
  const known: RcptFacts[] = [];
  const plugin = definePlugin("witness", () => ({
    onError: "pass",
    rcpt: (session) => void known.push(session),
  }))();
  return { known, plugin };
}

describe("from an untrusted address", () => {
  dialogue(
    "it is refused, not offered, and changes nothing",
    {
      after: ({ connections, log, session }) => {
        expect(connections[0]!.trace).toContain("from client.example ([203.0.113.7])");
        expect(log.filter(({ event }) => event === "client named")).toEqual([]);
        expect(session.client).toBe("203.0.113.7");
      },
    },
    `${CONNECTED}
    C: XCLIENT ADDR=192.0.2.1
    ${REFUSED}
    C: EHLO client.example
    S: 250-mx.example
    S: 250-PIPELINING
    S: 250-CHUNKING
    S: 250-8BITMIME
    S: 250-SMTPUTF8
    S: 250-ENHANCEDSTATUSCODES
    S: 250-DSN
    S: 250 SIZE 10000000
    C: XCLIENT ADDR=192.0.2.1 LOGIN=admin
    ${REFUSED}
    C: XCLIENT nonsense
    ${REFUSED}
    ${MAIL.slice(MAIL.indexOf("C: MAIL")) + RECIPIENT + OPENED + DELIVERED}`,
  );
  dialogue(
    "within a transaction it is out of place for them as for anybody",
    {},
    `${ADDRESSED}
    C: XCLIENT ADDR=192.0.2.1
    S: 503 5.5.1 Not within a transaction [ref]
    ${OPENED + DELIVERED}`,
  );
});

describe("from a trusted host", () => {
  test("it is offered with its attributes, within TLS too", async () => {
    const scene = new Scene({ ...HOST, tls: true });
    scene.send("EHLO x\r\n");
    const line = "250-XCLIENT NAME REVERSE_NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT\r\n";
    expect(scene.take().replace("250 ", "250-")).toContain(line);
    scene.send("STARTTLS\r\n");
    scene.handshake();
    await scene.rest();
    scene.take();
    scene.send("EHLO x\r\n");
    expect(scene.take().replace("250 ", "250-")).toContain(line);
  });

  dialogue(
    "before EHLO: the session starts anew, and is the client's",
    {
      ...HOST,
      after: ({ connections, log, session }) => {
        expect(session.client).toBe("192.0.2.1");
        expect(connections[0]!.trace).toContain("from client.example ([192.0.2.1])");
        const line = log.find(({ event }) => event === "transaction")!;
        expect(line.fields).toMatchObject({ client: "192.0.2.1", via: "203.0.113.7" });
        expect(log.find(({ event }) => event === "client named")!.fields).toMatchObject({
          client: "192.0.2.1",
          via: "203.0.113.7",
        });
      },
    },
    `${CONNECTED + NAMED}
    C: MAIL FROM:<a@client.example>
    S: 503 5.5.1 Send EHLO or HELO first [ref]
    ${MAIL + RECIPIENT + OPENED + DELIVERED}`,
  );
  dialogue(
    "after EHLO: that must be said again",
    HOST,
    `${GREETED + NAMED}
    C: MAIL FROM:<a@client.example>
    S: 503 5.5.1 Send EHLO or HELO first [ref]
    C: BDAT 3
    C: abc¬
    S: 503 5.5.1 Send EHLO or HELO first [ref]
    C: HELO client.example
    S: 250 mx.example
    C: XCLIENT ADDR=192.0.2.2
    ${REFUSED}
    C: MAIL FROM:<>
       > MAIL FROM:<>
       < 250 2.1.0 Ok
    S: 250 2.1.0 Ok`,
  );
  dialogue(
    "behind a transaction: the next one is the client's",
    { ...HOST, after: ({ connections }) => expect(connections[0]!.trace).toContain("[192.0.2.1]") },
    `${ADDRESSED + OPENED + DELIVERED + NAMED + MAIL + RECIPIENT + OPENED + DELIVERED}`,
  );

  const places: readonly (readonly [name: string, before: string, rest: string])[] = [
    ["from MAIL", MAILED, RECIPIENT + OPENED + DELIVERED],
    ["from RCPT", ADDRESSED, OPENED + DELIVERED],
    ["from a chunk", CHUNKED, LAST_CHUNK],
  ];
  for (const [name, before, rest] of places) {
    dialogue(
      `within a transaction (${name}) it is out of place, and the transaction goes on as the host's`,
      { ...HOST, after: ({ connections }) => expect(connections[0]!.trace).toContain("[203.0.113.7]") },
      `${before}
      C: XCLIENT ADDR=192.0.2.1 LOGIN=u
      S: 503 5.5.1 Not within a transaction [ref]
      ${rest}`,
    );
  }
  dialogue(
    "as a line of a message it is a line of a message",
    { ...HOST, after: ({ session }) => expect(session.client).toBe("203.0.113.7") },
    `${WITHIN}
    C: XCLIENT ADDR=192.0.2.1
    C: .
       > XCLIENT ADDR=192.0.2.1
       > .
       < 250 2.0.0 Kept
    S: 250 2.0.0 Kept`,
  );

  const long = "x".repeat(300);
  const faults: readonly (readonly [argument: string, text: string])[] = [
    ["", "Syntax: XCLIENT and attributes, each name=value"],
    [" ADDR", "Syntax: XCLIENT and attributes, each name=value"],
    [" ADDR=", "Bad XCLIENT attribute ADDR: it has no value"],
    [" ADDR=192.0.2.1 ADDR=192.0.2.2", "XCLIENT attribute ADDR is there twice"],
    [" ADDR=192.0.2.1 COLOUR=red", "Unknown XCLIENT attribute; …"],
    [" ADDR=192.0.2.256", "Bad XCLIENT attribute ADDR: …"],
    [" ADDR=2001:db8::1", "Bad XCLIENT attribute ADDR: …"],
    [" ADDR=192.0.2.1 PORT=70000", "Bad XCLIENT attribute PORT: …"],
    [" ADDR=192.0.2.1 LOGIN=a+0D+0AMAIL", "Bad XCLIENT attribute LOGIN: control characters are not allowed"],
    [" ADDR=192.0.2.1 NAME=a+00b", "Bad XCLIENT attribute NAME: control characters are not allowed"],
    [" ADDR=192.0.2.1 HELO=a+zzb", "Bad XCLIENT attribute HELO: it is no xtext"],
    [" ADDR=192.0.2.1 LOGIN=a+FF", "Bad XCLIENT attribute LOGIN: …"],
    [` ADDR=192.0.2.1 LOGIN=${long}`, "Bad XCLIENT attribute LOGIN: it is too long, …"],
    [" ADDR=192.0.2.1 PROTO=LMTP", "Bad XCLIENT attribute PROTO: …"],
  ];
  for (const [argument, text] of faults) {
    dialogue(
      `XCLIENT${argument.length > 60 ? " with a long value" : argument}: 501, and all stays as it was`,
      { ...HOST, after: ({ session }) => expect(session.client).toBe("203.0.113.7") },
      `${GREETED}
      C: XCLIENT${argument}
      S: 501 5.5.4 ${text.endsWith("…") ? text : `${text} [ref]`}
      ${MAIL.slice(MAIL.indexOf("C: MAIL")) + RECIPIENT}`,
    );
  }

  test("attributes it does not believe are read and not used: the client is looked up and heard as any other", async () => {
    const { known, plugin } = witness();
    const scene = new Scene({ ...HOST, plugins: [plugin] });
    scene.send(
      "XCLIENT NAME=good.example REVERSE_NAME=[TEMPUNAVAIL] ADDR=IPV6:2001:DB8:0:0::1 PORT=4711 PROTO=ESMTP" +
        " HELO=said.example LOGIN=u+2Btag+40ex DESTADDR=198.51.100.9 DESTPORT=587\r\n",
    );
    scene.send("EHLO own.example\r\nMAIL FROM:<a@x.example>\r\n");
    scene.connections[0]!.send("250 Ok\r\n");
    scene.settle();
    scene.send("RCPT TO:<b@y.example>\r\n");
    await scene.rest();
    expect(known[0]).toMatchObject({
      client: { host: "2001:db8::1", port: 4711 },
      local: { host: "198.51.100.9", port: 587 },
      trusted: false,
      via: "203.0.113.7",
      helo: "own.example",
      verb: "EHLO",
      user: "u+tag@ex",
    });
  });
  test.each([
    ["IPV6:::ffff:192.0.2.1", "192.0.2.1"],
    ["ipv6:2001:db8:0:0:0:0:0:1", "2001:db8::1"],
    ["192.0.2.1", "192.0.2.1"],
  ])("ADDR=%s is %s: one client has one name", (given, host) => {
    const scene = new Scene(HOST);
    scene.send(`XCLIENT ADDR=${given}\r\n`);
    expect(scene.session.client).toBe(host);
  });
  test("without ADDR the host still speaks for itself, and may name a client yet", () => {
    const scene = new Scene(HOST);
    scene.send("XCLIENT NAME=[UNAVAILABLE]\r\nXCLIENT ADDR=192.0.2.1\r\n");
    expect(scene.take()).toBe("220 mx.example ESMTP\r\n".repeat(3));
    expect(scene.session.client).toBe("192.0.2.1");
  });
  test("an address that is not known is nobody's, not the host's, and nobody is named after it", () => {
    const scene = new Scene(HOST);
    scene.send("XCLIENT ADDR=[UNAVAILABLE]\r\nXCLIENT ADDR=192.0.2.1\r\n");
    expect(scene.take()).toMatch(/^(220 mx.example ESMTP\r\n){2}550 5\.7\.1 /);
    expect(scene.session.caller).toMatchObject({
      remote: { host: "unknown" },
      trusted: true,
      mayName: false,
    });
  });
});

dialogue(
  "a client that is named cannot name: the host may have stopped reading what it passes on",
  HOST,
  `${CONNECTED + NAMED}
  C: XCLIENT ADDR=203.0.113.8
  ${REFUSED}
  C: EHLO client.example
  S: 250-mx.example
  S: 250-PIPELINING
  S: 250-CHUNKING
  S: 250-8BITMIME
  S: 250-SMTPUTF8
  S: 250-ENHANCEDSTATUSCODES
  S: 250-DSN
  S: 250 SIZE 10000000
  C: XCLIENT LOGIN=admin
  ${REFUSED}`,
);
dialogue(
  "a trusted host that is named may name in turn",
  { ...HOST, after: ({ session }) => expect(session.client).toBe("192.0.2.1") },
  `${CONNECTED}
  C: XCLIENT ADDR=203.0.113.8
  S: 220 mx.example ESMTP
  ${NAMED}
  C: XCLIENT ADDR=192.0.2.2
  ${REFUSED}`,
);

describe("with TLS:", () => {
  dialogue(
    "XCLIENT, then STARTTLS: the client stays who it is",
    {
      ...HOST,
      tls: true,
      after: ({ connections }) => {
        expect(connections[0]!.trace).toContain("from client.example ([192.0.2.1])");
        expect(connections[0]!.trace).toContain("with ESMTPS ");
      },
    },
    `${CONNECTED + NAMED}
    C: EHLO client.example
    S: 250-mx.example …
    C: STARTTLS
    S: 220 2.0.0 Go ahead
    C: <handshake>
    C: XCLIENT ADDR=192.0.2.2
    ${REFUSED}
    ${MAIL + RECIPIENT + OPENED + DELIVERED}`,
  );
  dialogue(
    "STARTTLS, then XCLIENT: the connection stays within TLS, and no second STARTTLS is offered",
    {
      ...HOST,
      tls: true,
      after: ({ connections }) => expect(connections[0]!.trace).toContain("with ESMTPS "),
    },
    `${GREETED}
    C: STARTTLS
    S: 220 2.0.0 Go ahead
    C: <handshake>
    ${NAMED}
    C: EHLO client.example
    S: 250-mx.example …
    C: STARTTLS
    S: 502 5.5.1 STARTTLS is not offered here [ref]
    ${MAIL.slice(MAIL.indexOf("C: MAIL")) + RECIPIENT + OPENED + DELIVERED}`,
  );
  test("XCLIENT behind STARTTLS in one write ends the session", () => {
    const scene = new Scene({ ...HOST, tls: true });
    scene.send("EHLO x\r\n");
    scene.take();
    scene.send("STARTTLS\r\nXCLIENT ADDR=192.0.2.1\r\n");
    expect(scene.take()).toMatch(/^421 5?4?\.5\.0 Nothing may follow STARTTLS/);
    expect(scene.session.client).toBe("203.0.113.7");
  });
});

describe("the named client is judged as if it had come itself:", () => {
  const at = (verdict: ReturnType<typeof reject> | ReturnType<typeof disconnect>) =>
    definePlugin("judge", () => ({
      onError: "pass",
      judges: "client",
      connect: ({ client }) => client.host === "192.0.2.66" ? verdict : undefined,
    }))();
  dialogue(
    "who is rejected hears 554 in place of the greeting, and that is all",
    {
      ...HOST,
      plugins: [at(reject("5.7.1", "You are listed"))],
      after: ({ log, over }) => {
        expect(over).toBe(true);
        expect(log.find(({ event }) => event === "refused")!.fields).toMatchObject({
          client: "192.0.2.66",
          via: "203.0.113.7",
          code: 554,
          plugin: "judge",
        });
      },
    },
    `${GREETED}
    C: XCLIENT ADDR=192.0.2.66
    S: 554 5.7.1 You are listed [ref]
    S: <close>`,
  );
  dialogue(
    "who is sent away hears 421",
    { ...HOST, plugins: [at(disconnect("4.7.0", "Go away"))] },
    `${CONNECTED}
    C: XCLIENT ADDR=192.0.2.66
    S: 421 4.7.0 Go away [ref]
    S: <close>`,
  );
  test("nothing that came behind it in one write is answered or done", () => {
    const scene = new Scene({ ...HOST, plugins: [at(reject("5.7.1", "You are listed"))] });
    scene.settle();
    scene.take();
    scene.send("XCLIENT ADDR=192.0.2.66\r\nEHLO x\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<b@y.example>\r\n");
    expect(scene.take()).toMatch(/^554 5\.7\.1 You are listed \[ref \w+\]\r\n$/);
    expect(scene.connections.length).toBe(0);
  });
  test("a judge that takes its time is waited for; a host that leaves meanwhile ends it", async () => {
    let aborted = false;
    const slow = definePlugin("slow", () => ({
      onError: "pass",
      judges: "client",
      connect: (_session, io) => {
        io.signal.addEventListener("abort", () => void (aborted = true));
        return new Promise<void>(() => {});
      },
    }))();
    const scene = new Scene({ ...HOST, plugins: [slow] });
    scene.settle();
    scene.take();
    scene.send("XCLIENT ADDR=192.0.2.1\r\nEHLO x\r\n");
    await scene.rest();
    expect(scene.take()).toBe("");
    scene.wire.reset();
    await scene.rest();
    expect([aborted, scene.over]).toEqual([true, true]);
  });
  test("nobody waits for a silence that is long over, and what the host sent ahead is no early talk", async () => {
    const heard: boolean[] = [];
    const { known, plugin } = witness();
    const ear = definePlugin("ear", () => ({
      onError: "pass",
      judges: "client",
      connect: async (_session, io) => void heard.push(await io.silence(5000, "wait")),
    }))();
    const scene = new Scene({ ...HOST, plugins: [ear, plugin], dial: "rcpt" });
    scene.send("EHLO early\r\n");
    await scene.rest();
    scene.send("NOOP\r\nXCLIENT ADDR=192.0.2.1\r\nEHLO x\r\n");
    await scene.rest();
    expect(scene.take()).not.toContain("220-wait");
    scene.send("MAIL FROM:<a@x.example>\r\nRCPT TO:<b@y.example>\r\n");
    await scene.rest();
    expect([heard, known[0]!.conduct.spokeEarly]).toEqual([[true], false]);
  });
});

test("early-talker does not take it for one that has kept quiet", async () => {
  const store = memoryStore({ now: () => 1_000_000 });
  const scene = new Scene({
    trusted: ["203.0.113.7"],
    plugins: [earlyTalker()],
    effects: { store, local: store, now: () => 1_000_000 },
    dial: "rcpt",
  });
  for (
    const line of ["XCLIENT ADDR=192.0.2.1", "EHLO x", "MAIL FROM:<a@x.example>", "RCPT TO:<b@y.example>"]
  ) {
    scene.send(`${line}\r\n`);
    await scene.rest();
  }
  for (const reply of ["250 Ok", "250 Ok"]) {
    scene.connections[0]!.send(`${reply}\r\n`);
    await scene.rest();
  }
  scene.send("DATA\r\n");
  scene.connections[0]!.send("354 Ok\r\n");
  await scene.rest();
  scene.send(".\r\n");
  scene.connections[0]!.send("250 Kept\r\n");
  await scene.rest();
  expect(scene.take()).toMatch(/\r\n250 Kept\r\n$/);
  // By itself it is a stranger, and made to wait.
  expect(scene.call("192.0.2.1").heard).toBe("");
  await scene.rest();
  expect(scene.take()).toMatch(/^220-/);
});

describe("what belongs to the one before does not stick to the client:", () => {
  const mark = finding<string>("mark");
  test("findings, header fields and effects that wait", async () => {
    const committed: string[] = [];
    const seen: (string | undefined)[] = [];
    const marks = definePlugin("marks", () => ({
      onError: "pass",
      helo: ({ client, findings }) => {
        seen.push(findings.get(mark));
        return [found(mark, client.host), addHeader("X-Mark", client.host)];
      },
      mail: ({ client, findings }) => {
        seen.push(findings.get(mark));
        return [commit(() => Promise.resolve(void committed.push(client.host)))];
      },
    }))();
    const scene = new Scene({ ...HOST, plugins: [marks] });
    const say = async (octets: string, ...replies: readonly string[]) => {
      scene.send(octets);
      await scene.rest();
      for (const reply of replies) {
        scene.connections.at(-1)!.send(reply);
        await scene.rest();
      }
    };
    await say("EHLO host\r\n");
    await say("MAIL FROM:<a@x.example>\r\n", "250 Ok\r\n");
    await say("RSET\r\n", "250 Reset\r\n");
    await say("XCLIENT ADDR=192.0.2.1\r\n");
    await say("EHLO client\r\n");
    await say("MAIL FROM:<a@x.example>\r\n", "250 Ok\r\n");
    await say("RCPT TO:<b@y.example>\r\n", "250 Ok\r\n");
    await say("DATA\r\n", "354 Ok\r\n");
    await say(".\r\n", "250 Kept\r\n");
    expect(seen).toEqual([undefined, "203.0.113.7", undefined, "192.0.2.1"]);
    expect(committed).toEqual(["192.0.2.1"]);
  });
  test("conduct, and the counts of errors", async () => {
    const { known, plugin } = witness();
    const scene = new Scene({ ...HOST, plugins: [plugin], limits: { errors: 4 }, dial: "rcpt" });
    scene.send("WHAT\r\nWHAT\r\nWHAT\r\nXCLIENT ADDR=192.0.2.1\r\nWHAT\r\n");
    scene.send("EHLO x\r\n");
    scene.send("MAIL FROM:<a@x.example>\r\n");
    scene.send("RCPT TO:<b@y.example>\r\n");
    await scene.rest();
    expect(known[0]!.conduct).toEqual({
      spokeEarly: false,
      pipelinedEarly: false,
      unknownCommands: 1,
      refusedRecipients: 0,
    });
    for (let i = 0; i < 2; i++) {
      scene.connections[0]!.send("250 Ok\r\n");
      await scene.rest();
    }
    scene.send("WHAT\r\nWHAT\r\n");
    expect(scene.over).toBe(false);
    scene.send("WHAT\r\n");
    expect(scene.take()).toMatch(/\r\n421 4\.7\.0 .*\r\n$/);
  });
  test("places that plugins hold are given back", async () => {
    const store = memoryStore({ now: () => 1_000_000 });
    const limit = rateLimit({ concurrency: [{ per: "client", most: 1 }] });
    const scene = new Scene({
      ...HOST,
      plugins: [limit],
      effects: { store, local: store, now: () => 1_000_000 },
    });
    await scene.rest();
    const named = async (address: string) => {
      const client = scene.call();
      await scene.rest();
      client.heard = "";
      client.wire.send(new TextEncoder().encode(`XCLIENT ADDR=${address}\r\n`));
      await scene.rest();
      return client;
    };
    const first = await named("203.0.113.9");
    expect(first.heard).toMatch(/^220 /);
    const one = await named("192.0.2.1");
    expect(one.heard).toMatch(/^220 /);
    expect((await named("192.0.2.1")).heard).toMatch(/^421 /);
    one.wire.reset();
    await scene.rest();
    expect((await named("192.0.2.1")).heard).toMatch(/^220 /);
  });

  test("errors are counted for the client that makes them, whatever its host said before", async () => {
    const effects = {
      store: memoryStore({ now: () => 1_000_000 }),
      local: memoryStore({ now: () => 0 }),
      now: () => 1_000_000,
    };
    const errors = rateLimit({ limits: [{ name: "errors", per: "client", of: "errors", rate: "2/hour" }] });
    const scene = new Scene({
      ...HOST,
      dial: "rcpt",
      plugins: [errors, relayGate({ domains: ["mx.example"] })],
      effects,
    });
    await scene.rest();
    const says = async (...lines: string[]) => {
      const client = scene.call();
      for (const line of lines) {
        await scene.rest();
        client.heard = "";
        client.wire.send(new TextEncoder().encode(`${line}\r\n`));
      }
      await scene.rest();
      return client;
    };
    const mail = ["EHLO client.example", "MAIL FROM:<a@client.example>"];
    const wrong = ["RCPT TO:<b@elsewhere.example>", "RCPT TO:<c@elsewhere.example>"];
    // The host greets, and is told of as an event of this session, before it names the client.
    await says("EHLO host.example", "XCLIENT ADDR=192.0.2.1", ...mail, ...wrong, "QUIT");
    expect((await says("EHLO host.example", "XCLIENT ADDR=192.0.2.2")).heard).toMatch(/^220 /);
    expect((await says("EHLO host.example", "XCLIENT ADDR=192.0.2.1")).heard).toMatch(
      /^421 4\.7\.0 Too many errors/,
    );
  });
});

describe("LOGIN", () => {
  const gate: DialogueOptions = { ...HOST, plugins: [relayGate({ domains: ["mx.example"] })] };
  const foreign = "C: RCPT TO:<b@elsewhere.example>";
  const sender = MAIL.slice(MAIL.indexOf("C: MAIL"));
  dialogue(
    "makes a user, who may send everywhere, and whose mail says that it was authenticated",
    { ...gate, after: ({ connections }) => expect(connections[0]!.trace).toContain("with ESMTPA ") },
    `${GREETED}
    C: XCLIENT ADDR=192.0.2.1 LOGIN=u@mx.example
    S: 220 mx.example ESMTP
    ${MAIL}
    ${foreign}
       > RCPT TO:<b@elsewhere.example>
       < 250 2.1.5 Ok
    S: 250 2.1.5 Ok
    ${OPENED + DELIVERED}`,
  );
  for (
    const [name, second] of [
      ["the next XCLIENT that tells none", "XCLIENT ADDR=192.0.2.1"],
      ["an XCLIENT that says that there is none", "XCLIENT ADDR=192.0.2.1 LOGIN=[UNAVAILABLE]"],
      ["an XCLIENT that tells something else", "XCLIENT NAME=client.example"],
    ]
  ) {
    dialogue(
      `is forgotten by ${name}`,
      gate,
      `${CONNECTED}
      C: XCLIENT LOGIN=u@mx.example
      S: 220 mx.example ESMTP
      C: ${second}
      S: 220 mx.example ESMTP
      ${MAIL}
      ${foreign}
      S: 550 5.7.1 Relaying denied [ref]`,
    );
  }
  dialogue(
    "outlives STARTTLS: it is the host's word, not the client's",
    { ...gate, tls: true },
    `${CONNECTED}
    C: XCLIENT ADDR=192.0.2.1 LOGIN=u@mx.example
    S: 220 mx.example ESMTP
    C: EHLO client.example
    S: 250-mx.example …
    C: STARTTLS
    S: 220 2.0.0 Go ahead
    C: <handshake>
    C: EHLO client.example
    S: 250-mx.example …
    ${sender}
    ${foreign}
       > RCPT TO:<b@elsewhere.example>
       < 250 2.1.5 Ok
    S: 250 2.1.5 Ok`,
  );
});

dialogue(
  "a proxy that stops while the client is being judged tells it so",
  () => {
    let release = (): void => {};
    const held = definePlugin("held", () => ({
      onError: "defer",
      judges: "client",
      connect: () => new Promise<undefined>((resolve) => (release = () => resolve(undefined))),
    }))();
    return { ...HOST, plugins: [held], events: { "the policy agrees": () => release() } };
  },
  `${CONNECTED}
  C: XCLIENT ADDR=192.0.2.1
  (drain)
  (the policy agrees)
  S: 220 mx.example ESMTP
  S: 421 4.3.2 …
  S: <close>`,
);
