/** The backend and the clients of a transcript, and what can be looked at when it has been played. */
import { describe, expect, test } from "bun:test";
import {
  defer,
  definePlugin,
  definePolicy,
  finding,
  found,
  note,
  route,
  score,
  shadow,
} from "../../src/mod.ts";
import { delivery, GREETED, transcript } from "../../src/testing.ts";
import { counting, DAY, wrong } from "./transcript_scene.ts";

describe("the backend", () => {
  test("takes everything unless told otherwise, and what it took can be looked at", async () => {
    const { mails } = await transcript(counting(), GREETED + delivery());
    expect(mails).toEqual([{
      from: "a@client.example",
      to: ["b@mx.example"],
      added: "X-Counted: yes\r\n",
      message: "Subject: a mail\r\n\r\nHello\r\n",
    }]);
  });

  test("says what is scripted, each reply in its turn", async () => {
    const backend = { "RCPT TO:<b@": ["450 4.2.0 Later", "250 2.1.5 Now"], RCPT: "550 5.1.1 Nobody" };
    await transcript(
      [],
      { backend },
      `${GREETED}
      C: MAIL FROM:<a@client.example>
      S: 250 …
      C: RCPT TO:<c@mx.example>
      S: 550 5.1.1 Nobody
      C: RCPT TO:<b@mx.example>
      S: 450 4.2.0 Later
      C: RCPT TO:<b@mx.example>
      S: 250 2.1.5 Now
      C: RCPT TO:<b@mx.example>
      S: 250 2.1.5 Now`,
    );
  });

  test("refuses a message: what waits for its delivery is not done, and the opposite is", async () => {
    const text = GREETED + delivery().replace(/S: 250 …\n$/, "S: 451 4.3.0 Full\n");
    const { store, mails } = await transcript(counting(), { backend: { ".": "451 4.3.0 Full" } }, text);
    expect(await store.count("taken a@client.example", 0, DAY)).toBe(0);
    expect(await store.count("dropped a@client.example", 0, DAY)).toBe(1);
    expect(mails).toEqual([]);
  });

  for (
    const [behaviour, told] of [["<refuse>", "connect"], ["<close>", "RCPT"], ["<reset>", "RCPT"]] as const
  ) {
    test(`is not there: ${behaviour} to ${told}`, async () => {
      await transcript(
        [],
        { backend: { [told]: behaviour } },
        `${GREETED}
        C: MAIL FROM:<a@client.example>
        S: 250 …
        C: RCPT TO:<b@mx.example>
        S: 451 4.3.0 …`,
      );
    });
  }

  test("is one of several pools where the policy has them, and a plugin may choose", async () => {
    const policy = definePolicy({
      hostname: "mx.example",
      listen: ["192.0.2.25:25"],
      backends: ["10.0.0.1:25"],
      pools: { a: ["10.0.0.2:25"], b: ["10.0.0.3:25"] },
      routes: [{ domain: "mx.example", pool: "a" }],
      plugins: [
        definePlugin("router", () => ({
          onError: "pass",
          helo: ({ helo }) => helo === "b.example" ? route("b") : undefined,
          rcpt: ({ forwardPath }) =>
            forwardPath.localPart === "there" ? route({ host: "192.0.2.7", port: 25 }) : undefined,
        }))(),
      ],
    });
    const { log, mails } = await transcript(
      policy,
      `${GREETED + delivery()}
      C: EHLO b.example
      S: 250-mx.example …
      ${delivery()}
      C: MAIL FROM:<a@client.example>
      S: 250 …
      C: RCPT TO:<there@mx.example>
      S: 250 …
      C: RCPT TO:<b@mx.example>
      S: 451 4.5.3 …`,
    );
    const pools = log.filter(({ event }) => event === "transaction").map(({ fields }) => fields["pool"]);
    expect(pools).toEqual(["a", "b"]);
    expect(mails.length).toBe(2);
  });

  test("may be shown, and then says only what the transcript says", async () => {
    await transcript(
      counting(),
      `${GREETED}
      C: MAIL FROM:<a@client.example>
      S: 250 …
      C: RCPT TO:<b@mx.example>
         > <connect>
         > MAIL FROM:<a@client.example>
         > RCPT TO:<b@mx.example>
         < 250 2.1.0 Ok
         < 250 2.1.5 Hm
      S: 250 2.1.5 Hm
      C: BDAT 3 LAST
      C: x
         > RSET
         > <connect>
         > MAIL FROM:<a@client.example>
         < 250 2.1.0 Ok
         > RCPT TO:<b@mx.example>
         < 250 2.1.5 Hm
         > BDAT 18
         > X-Counted: yes
         > x␍¬
         < 250 Ok
         > BDAT 1 LAST
         > ␊¬
         < 250 2.0.0 Kept
      S: 250 2.0.0 Kept`,
    );
  });

  test("its extensions are what is offered", async () => {
    const { mails } = await transcript(
      [],
      { extensions: ["SIZE 1000", "SMTPUTF8", "8BITMIME"] },
      `
      S: 220 …
      C: EHLO x.example
      S: 250-mx.example
      S: 250-PIPELINING
      S: 250-CHUNKING
      S: 250-8BITMIME
      S: 250-SMTPUTF8
      S: 250 SIZE 1000
      C: MAIL FROM:<jörg@client.example> SMTPUTF8
      S: 250 …
      C: RCPT TO:<b@mx.example>
      S: 250 …
      C: BDAT 5 LAST
      C: jö
      S: 250 …`,
    );
    expect(mails).toEqual([{
      from: "jörg@client.example",
      to: ["b@mx.example"],
      added: "",
      message: "jö\r\n",
    }]);
  });
});

describe("several clients", () => {
  test("come one after the other, from where the transcript says", async () => {
    const told = definePlugin("told", () => ({
      onError: "pass",
      connect: ({ client, listener }) => note("client", `${client.host} at ${listener}`),
    }))();
    const { verdicts } = await transcript(
      told,
      { client: "192.0.2.7" },
      `
      S: 220 …
      (a client connects)
      S: 220 …
      (a client connects from 2001:db8::7)
      S: 220 …
      (on the first client)
      C: QUIT
      S: 221 …
      S: <close>`,
    );
    expect(verdicts).toEqual([
      "told@connect:client=192.0.2.7 at 192.0.2.25:25",
      "told@connect:client=192.0.2.7 at 192.0.2.25:25",
      "told@connect:client=2001:db8::7 at 192.0.2.25:25",
    ]);
  });

  test("are all listened to", async () => {
    const message = await wrong(
      [],
      "S: 220 …\n(a client connects)\n(on the first client)\nC: NOOP\nS: 250 …",
    );
    expect(message).toContain("before line 3 the client hears more");
  });
});

describe("what can be looked at:", () => {
  const COUNTRY = finding<string>("country");
  const finder = definePlugin("finder", (country: string) => ({
    onError: "pass",
    connect: (_session, io) => {
      io.count("looked_up", { country });
      io.log.info("looked up", { country });
      return [found(COUNTRY, country), score(2, country), note("country", country)];
    },
  }));

  test("findings, scores, metrics, the log", async () => {
    const played = await transcript(finder("NL"), "S: 220 …");
    expect(played.finding(COUNTRY)).toBe("NL");
    expect(played.scores).toEqual([{ plugin: "finder", points: 2, reason: "NL" }]);
    expect(played.metric("sallyport_plugin_looked_up_total", { plugin: "finder", country: "NL" })).toBe(1);
    expect(played.metric("sallyport_plugin_looked_up_total", { country: "BE" })).toBe(0);
    expect(played.log.map(({ event, fields }) => [event, fields["text"], fields["country"]])).toEqual([
      ["plugin", "looked up", "NL"],
    ]);
  });

  test("what a shadowed plugin would have done, apart", async () => {
    const strict = definePlugin("strict", () => ({
      onError: "pass",
      connect: () => [found(COUNTRY, "XX"), score(9, "shady"), defer("4.7.1", "No")],
    }))();
    const { verdicts, finding, scores, metric } = await transcript(shadow(strict), "S: 220 …");
    expect(verdicts).toEqual(["(strict@connect:defer)"]);
    expect([finding(COUNTRY), scores]).toEqual([undefined, []]);
    expect(metric("sallyport_shadow_differences_total", { would: "defer", did: "pass" })).toBe(1);
  });

  test("questions and requests", async () => {
    const curious = definePlugin("curious", () => ({
      onError: "pass",
      async connect(_session, io) {
        await Promise.all([io.dns.resolve("a.example", "MX"), io.fetch("https://a.example/")]);
      },
    }))();
    const { questions, requests } = await transcript(
      curious,
      { dns: {}, fetch: { "https://a.example/": {} } },
      "S: 220 …",
    );
    expect([questions, requests]).toEqual([["MX a.example"], ["GET https://a.example/"]]);
  });
});
