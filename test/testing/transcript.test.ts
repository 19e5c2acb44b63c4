/**
 * `transcript`: what comes true passes, what does not is told with its line, and what a plugin does shows.
 */
import { describe, expect, test } from "bun:test";
import {
  addHeader,
  commit,
  defer,
  definePlugin,
  definePolicy,
  delay,
  DnsError,
  finding,
  found,
  type Io,
  ListError,
  type Live,
  note,
  type Plugin,
  reject,
  rollback,
  score,
  shadow,
} from "../../src/mod.ts";
import { delivery, type Given, GREETED, transcript, type TranscriptOptions } from "../../src/testing.ts";

const DAY = 86_400_000;

/** Counts what a sender has sent, and what was drawn and given back. */
const counting = definePlugin("counting", () => ({
  onError: "defer",
  rcpt({ reversePath }) {
    const key = reversePath.mailbox;
    return [
      commit(async (io) => void await io.store.count(`taken ${key}`, 1, DAY)),
      rollback(async (io) => void await io.store.count(`dropped ${key}`, 1, DAY)),
      addHeader("X-Counted", "yes"),
    ];
  },
}));

const refusing = definePlugin("refusing", (name: string) => ({
  onError: "defer",
  helo: ({ helo }) => helo === name ? reject("5.7.1", "Not you") : undefined,
}));

/** The words of what is thrown. */
async function faultOf(playing: Promise<unknown>): Promise<string> {
  try {
    await playing;
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error("the transcript came true");
}

function wrong(given: Given, text: string): Promise<string> {
  return faultOf(transcript(given, text));
}

function begins(message: string, words: string): void {
  expect(message.slice(0, words.length)).toBe(words);
}

function ends(message: string, words: string): void {
  expect(message.slice(-words.length)).toBe(words);
}

describe("a transcript that does not come true", () => {
  test("names the line, and shows what came instead and who said it", async () => {
    const text = `
      S: 220 mx.example ESMTP Sallyport
      C: EHLO bad.example
      S: 250-mx.example …
      C: QUIT`;
    const [place, ...rest] = (await wrong(refusing("bad.example"), text)).split("\n");
    expect(place).toBe("line 4: the client hears otherwise");
    expect(rest.join("\n").replace(/\[ref \w+\]/, "[ref]")).toBe(`
    2  S: 220 mx.example ESMTP Sallyport
    3  C: EHLO bad.example
  - 4  S: 250-mx.example …
  +    S: 550 5.7.1 Not you [ref]

  refusing said reject at helo: Not you`);
  });

  test("shows what the client hears besides", async () => {
    const message = await wrong([], "S: 220 …\nC: EHLO x.example\nS: 250-mx.example\nC: QUIT");
    begins(message, "line 3: before line 4 the client hears more\n");
    expect(message).toContain("+    S: 250-PIPELINING\n");
  });

  test("shows what is heard after the last line", async () => {
    begins(await wrong([], "S: 220 …\nC: NOOP"), "line 2: before the end the client hears more\n");
  });

  test("says that somebody waits for the clock", async () => {
    const slow = definePlugin("slow", () => ({ onError: "pass", helo: () => delay(5000) }))();
    const message = await wrong(slow, "S: 220 …\nC: HELO x.example\nS: 250 mx.example");
    begins(message, "line 3: the client hears nothing\n");
    ends(message, "somebody waits for the clock: (5 seconds pass)");
  });

  test("tells which plugin has crashed", async () => {
    const crashing = definePlugin("crashing", () => ({
      onError: "defer",
      helo() {
        throw new Error("no such thing");
      },
    }))();
    ends(
      await wrong(crashing, GREETED),
      "  crashing failed at helo (crash): no such thing\n" +
        "  crashing said defer at helo: A check of this server failed, try again later",
    );
  });

  test("shows the backend's leg", async () => {
    const leg = `${GREETED}
      C: MAIL FROM:<a@client.example>
      S: 250 …
      C: RCPT TO:<b@mx.example>
         > MAIL FROM:<other@client.example>`;
    ends(
      await wrong([], leg),
      `
  - 9     > MAIL FROM:<other@client.example>
  +       > MAIL FROM:<a@client.example>`,
    );
  });

  test("a stage direction that is none is named", async () => {
    begins(await wrong([], "S: 220 …\n(it rains)"), "line 2: nothing is known of (it rains)\n");
  });

  test("a line that is none is named", async () => {
    expect(await wrong([], "S: 220 …\nQUIT")).toBe("Cannot read line 2 of the transcript: QUIT");
  });

  test("a connection that is closed is shown", async () => {
    begins(
      await wrong([], "S: 220 …\nC: QUIT\nS: 221 2.0.0 Bye"),
      "line 3: before the end the client's connection was ended (close)",
    );
  });
});

describe("what cannot be played is refused:", () => {
  const cases: readonly (readonly [string, () => Promise<unknown>, string])[] = [
    [
      "a plugin with a mistake",
      () => transcript({ ...refusing("x"), onError: "never" as "pass" }, GREETED),
      'onError "never" was given',
    ],
    [
      "two plugins of one name",
      () => transcript([refusing("x"), refusing("y")], GREETED),
      "is named as plugins[0] is",
    ],
    ["a reply that is none", () => transcript([], { backend: { RCPT: "no" } }, GREETED), '"no" was given'],
    [
      "a backend that is scripted twice",
      () => transcript([], { backend: { RCPT: "250 Ok" } }, "S: 220 …\n   > RSET"),
      "options.backend was given and the transcript shows the backend's leg",
    ],
    ["a date that is none", () => transcript([], { now: "soon" }, GREETED), 'Cannot begin at "soon"'],
  ];
  for (const [name, play, words] of cases) {
    test(name, async () => await expect(play()).rejects.toThrow(words));
  }

  test("a crash that the client does not notice, unless it may be", async () => {
    const crashing = definePlugin("crashing", () => ({
      onError: "pass",
      helo() {
        throw new RangeError("far out");
      },
    }))();
    begins(await wrong(crashing, GREETED), "crashing has crashed at helo (mayCrash: true would");
    const { metric } = await transcript(crashing, { mayCrash: true }, GREETED);
    expect(metric("sallyport_plugin_failures_total", { kind: "crash" })).toBe(1);
  });

  test("a crash of an effect that nobody waits for", async () => {
    const late = definePlugin("late", () => ({
      onError: "pass",
      rcpt: () =>
        commit(() => {
          throw new Error("too late");
        }),
    }))();
    begins(await wrong(late, GREETED + delivery()), "late has crashed at commit");
  });
});

describe("the clock", () => {
  test("moves only when the transcript says so, and everything goes by it", async () => {
    const stamped = definePlugin("stamped", () => ({
      onError: "pass",
      helo: (_session, io) => note("at", new Date(io.now()).toISOString()),
    }))();
    const { verdicts, now } = await transcript(
      stamped,
      { now: "2026-12-31T23:59:00Z" },
      `
      S: 220 …
      C: HELO x.example
      S: 250 …
      (1 minute passes)
      C: HELO x.example
      S: 250 …
      (200 milliseconds pass)`,
    );
    expect(verdicts).toEqual([
      "stamped@helo:at=2026-12-31T23:59:00.000Z",
      "stamped@helo:at=2027-01-01T00:00:00.000Z",
    ]);
    expect(now).toBe(Date.UTC(2027, 0, 1) + 200);
  });

  test("passes a plugin's deadline, which the client then hears", async () => {
    const hanging = definePlugin("hanging", () => ({
      onError: { timeout: "defer", temporary: "pass", crash: "reject" },
      helo: (_session, io) =>
        new Promise<undefined>((_, fail) =>
          io.signal.addEventListener("abort", () => fail(io.signal.reason))
        ),
    }))();
    await transcript(
      hanging,
      `
      S: 220 …
      C: HELO x.example
      (4 seconds pass)
      (1 second passes)
      S: 451 4.3.0 A check of this server failed, try again later`,
    );
  });

  test("passes a silence before the greeting, or a client breaks it", async () => {
    const quiet = definePlugin("quiet", () => ({
      onError: "pass",
      async connect(_session, io) {
        if (!await io.silence(6000, "mx.example waits")) return reject("5.7.1", "You spoke too soon");
      },
    }))();
    await transcript(quiet, "S: 220-mx.example waits\n(6 seconds pass)\nS: 220 mx.example …");
    await transcript(
      quiet,
      `
      S: 220-mx.example waits
      (5 seconds pass)
      C: HELO x.example
      S: 554 5.7.1 You spoke too soon
      S: <close>`,
    );
  });

  test("passes days in no time, and the store forgets", async () => {
    const { store } = await transcript(
      counting(),
      `${GREETED}${delivery()}
      C: QUIT
      S: 221 …
      S: <close>
      (35 days pass)`,
    );
    expect(await store.count("taken a@client.example", 0, DAY)).toBe(0);
  });
});

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

  test("may be shown, and then says only what the transcript says", async () => {
    await transcript(
      counting(),
      `${GREETED}
      C: MAIL FROM:<a@client.example>
      S: 250 …
      C: RCPT TO:<b@mx.example>
         > <connect>
         > MAIL FROM:<a@client.example>
         < 250 2.1.0 Ok
         > RCPT TO:<b@mx.example>
         < 250 2.1.5 Hm
      S: 250 2.1.5 Hm
      C: BDAT 3 LAST
      C: x
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

describe("effects are plain data:", () => {
  /** Tells what an effect says. */
  const asking = definePlugin("asking", (ask: (io: Io) => Promise<string>) => ({
    onError: "defer",
    helo: async (_session, io) => note("says", await ask(io)),
  }));
  const said = async (plugin: Plugin, options: TranscriptOptions) =>
    (await transcript(plugin, options, "S: 220 …\nC: HELO x.example\nS: 250 …")).verdicts;

  test("the DNS, a map", async () => {
    const dns = { "x.example": { A: ["192.0.2.1"] } };
    const plugin = asking(async (io) => (await io.dns.resolve("x.example", "A")).records.join());
    expect(await said(plugin, { dns })).toEqual(["asking@helo:says=192.0.2.1"]);
    await expect(said(plugin, {})).rejects.toThrow("the test gives no DNS");
  });

  test("the web, a map; nobody there is a temporary failure", async () => {
    const plugin = asking(async (io) => await (await io.fetch("https://a.example/?ip=1")).text());
    expect(await said(plugin, { fetch: { "https://a.example/": { text: "good" } } })).toEqual([
      "asking@helo:says=good",
    ]);
    await transcript(plugin, { fetch: { "https://a.example/": "refused" } }, DEFERRED);
    await expect(said(plugin, {})).rejects.toThrow("the test gives no answers");
  });

  test("a request gets what a function makes of it", async () => {
    const plugin = asking(async (io) => {
      const answer = await io.fetch("https://a.example/", { method: "POST", body: "42" });
      return `${answer.status} ${JSON.stringify(await answer.json())}`;
    });
    const fetch = {
      "POST https://a.example/": async (request: Request) => ({ status: 201, json: [await request.text()] }),
    };
    expect(await said(plugin, { fetch })).toEqual(['asking@helo:says=201 ["42"]']);
  });

  test("chance, a half unless given", async () => {
    const plugin = asking((io) => Promise.resolve(String(io.random())));
    expect(await said(plugin, {})).toEqual(["asking@helo:says=0.5"]);
    expect(await said(plugin, { random: () => 0.25 })).toEqual(["asking@helo:says=0.25"]);
  });

  test("what takes real time is waited for", async () => {
    const plugin = asking(async () => {
      const digest = await crypto.subtle.digest("SHA-256", new Uint8Array(2_000_000));
      return String(digest.byteLength);
    });
    expect(await said(plugin, {})).toEqual(["asking@helo:says=32"]);
  });

  test("store, DNS and web may be away for a while", async () => {
    const plugin = asking(async (io) => {
      await io.store.get("x");
      await io.dns.resolve("x.example", "A");
      return await (await io.fetch("https://a.example/")).text();
    });
    const heard = (reply: string) => `C: HELO x.example\nS: ${reply} …\n`;
    const options = { dns: {}, fetch: { "https://a.example/": {} } };
    const { metric } = await transcript(
      plugin,
      options,
      `
      S: 220 …
      (the store is away)
      ${heard("451")}
      (the store is back)
      ${heard("250")}
      (the DNS is away)
      ${heard("451")}
      (the DNS is back)
      (the web is away)
      ${heard("451")}
      (the web is back)
      ${heard("250")}`,
    );
    expect(metric("sallyport_plugin_failures_total", { plugin: "asking", kind: "temporary" })).toBe(3);
  });
});

const DEFERRED = "S: 220 …\nC: HELO x.example\nS: 451 4.3.0 …";

describe("files", () => {
  const listing = definePlugin("listing", (path: string) => {
    let names: Live<readonly string[]>;
    return {
      onError: "defer",
      async setup(setup) {
        names = await setup.file(path, (bytes) => {
          const lines = new TextDecoder().decode(bytes).split("\n");
          if (lines.includes("")) {
            throw new ListError([`${path}: an empty line was given; allowed is a name`]);
          }
          return lines;
        });
      },
      helo: ({ helo }) => names.value.includes(helo) ? reject("5.7.1", "You are on the list") : undefined,
    };
  });

  test("are a map, and may change", async () => {
    const options: TranscriptOptions = {
      files: { list: "one.example" },
      directions: {
        "the list changes": ({ write }) => write("list", "two.example"),
        "the list breaks": ({ write }) => write("list", ""),
      },
    };
    const { log } = await transcript(
      listing("list"),
      options,
      `
      S: 220 …
      C: HELO two.example
      S: 250 …
      (the list changes)
      C: HELO two.example
      S: 550 5.7.1 You are on the list
      (the list breaks)
      C: HELO two.example
      S: 550 …`,
    );
    expect(log.find(({ level }) => level === "warn")?.fields["mistake"]).toBe(
      "list: an empty line was given; allowed is a name",
    );
  });

  test("that are missing or wrong fail the transcript as they fail the start", async () => {
    expect(await wrong(listing("list"), GREETED)).toBe(
      "Cannot set the plugins up: listing: Cannot read list: the test gives no such file",
    );
    expect(await faultOf(transcript(listing("list"), { files: { list: "" } }, GREETED))).toContain(
      "an empty line was given",
    );
  });

  test("and jobs run at once and by the clock", async () => {
    let runs = 0;
    const working = definePlugin("working", () => ({
      onError: "pass",
      setup: (setup) => setup.every(3_600_000, () => void runs++),
    }))();
    await transcript(working, "S: 220 …\nC: QUIT\nS: 221 …\nS: <close>\n(3 hours pass)");
    expect(runs).toBe(4);
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

test("a whole policy is played with its settings, a user, and TLS", async () => {
  const naming = definePlugin("naming", () => ({
    onError: "pass",
    mail: ({ user, tls, hostname }) => note("user", `${user} by ${tls?.version} at ${hostname}`),
  }))();
  const policy = definePolicy({
    hostname: "in-1.mx.example",
    listen: ["127.0.0.1:2525"],
    backends: ["127.0.0.1:10025"],
    limits: { recipients: 1 },
    plugins: [naming],
  });
  const { verdicts } = await transcript(
    policy,
    { user: "alice", tls: true },
    `
    S: 220 in-1.mx.example ESMTP Sallyport
    C: STARTTLS
    S: 503 …
    C: EHLO client.example
    S: 250-in-1.mx.example …
    C: STARTTLS
    S: 220 …
    C: <handshake>
    ${GREETED.split("\n").slice(2).join("\n").replace("250-mx", "250-in-1.mx")}
    C: MAIL FROM:<a@client.example>
    S: 250 …
    C: RCPT TO:<b@mx.example>
    S: 250 …
    C: RCPT TO:<c@mx.example>
    S: 452 …`,
  );
  expect(verdicts).toEqual(["naming@mail:user=alice by TLSv1.3 at in-1.mx.example"]);
});

test("a DNS of one's own is taken as it is", async () => {
  const plugin = definePlugin("asking", () => ({
    onError: "defer",
    helo: async (_session, io) => void await io.dns.resolve("x.example", "A"),
  }))();
  const dns = {
    resolve: () => Promise.reject(new DnsError("ESERVFAIL", "A of x.example", "broken")),
  };
  await transcript(plugin, { dns }, DEFERRED);
});
