/** The clock, the effects and the files of a transcript are plain data. */
import { describe, expect, test } from "bun:test";
import {
  definePlugin,
  DnsError,
  type Io,
  ListError,
  type Live,
  note,
  type Plugin,
  reject,
} from "../../src/mod.ts";
import { delivery, GREETED, transcript, type TranscriptOptions } from "../../src/testing.ts";
import { counting, DAY, faultOf, wrong } from "./transcript_scene.ts";

const DEFERRED = "S: 220 …\nC: HELO x.example\nS: 451 4.3.0 …";

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
