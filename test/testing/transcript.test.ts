/** `transcript`: what comes true passes, what does not is told with its line, and what cannot be played is refused. */
import { describe, expect, test } from "bun:test";
import { commit, definePlugin, definePolicy, delay, note } from "../../src/mod.ts";
import { delivery, GREETED, transcript } from "../../src/testing.ts";
import { begins, ends, refusing, wrong } from "./transcript_scene.ts";

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
  +       > MAIL FROM:<a@client.example>
  +       > RCPT TO:<b@mx.example>`,
    );
  });

  test("a stage direction that is none is named", async () => {
    const told = await wrong([], "S: 220 …\n(it rains)");
    begins(told, "line 2: nothing is known of (it rains); allowed are (5 minutes pass), ");
    for (const known of ["(the DNS is away)", "(a client connects from ADDRESS)"]) {
      expect(told).toContain(known);
    }
  });

  test("a line that is none is named", async () => {
    expect(await wrong([], "S: 220 …\n  C:QUIT")).toBe(
      'Cannot read line 2 of the transcript: "C:QUIT" was given; allowed are "C: …", "S: …", "> …", "< …" and "(…)"',
    );
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
