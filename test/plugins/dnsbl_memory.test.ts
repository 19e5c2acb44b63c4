/**
 * What `dnsbl` remembers of clients and names that came before, for how long, and what ends it sooner: that a list turns
 * out to be none, or to be one again.
 */
import { describe, expect, test } from "bun:test";
import { dnsbl, type DnsblOptions } from "../../plugins/dnsbl/mod.ts";
import { ALLOWED, DNSBL, REVERSE } from "../../src/mod.ts";
import { dnsOf, findingsOf, path } from "../../src/testing.ts";
import { changed, Visits } from "../support/visits.ts";
import { type Lists, Lookout, recordsOf, sound } from "./dnsbl_scene.ts";

/** The client of the tests, 203.0.113.7, in a zone. */
const at = (zone: string) => `7.113.0.203.${zone}`;

const TTL = 60_000;

function scene(lists: Lists, options: DnsblOptions, how: Parameters<typeof changed>[1] = {}) {
  const dns = dnsOf(recordsOf(lists), TTL);
  return { dns, visits: new Visits(dnsbl({ selfTest: false, ...options }), changed(dns, how)) };
}

describe("a client that comes again", () => {
  test("and is on no list asks for nothing", async () => {
    const { dns, visits } = scene({}, { sites: "a.example b.example" });
    for (let i = 0; i < 3; i++) {
      const { said, found } = await visits.at("connect");
      expect(said).toBe("pass");
      expect(found(DNSBL)).toEqual({ score: 0, lists: [] });
    }
    expect(dns.questions).toEqual([`A ${at("a.example")}`, `A ${at("b.example")}`]);
  });

  test("is refused again, with the reason, and counted and noted again", async () => {
    const { dns, visits } = scene({
      [at("a.example")]: { A: ["127.0.0.2"], TXT: [["spam seen"]] },
      [at("b.example")]: "127.0.0.4",
    }, { sites: "a.example*2 b.example" });
    const said = "550 Client host blocked using a.example, b.example: spam seen " +
      "dnsbl@connect:a.example=127.0.0.2 dnsbl@connect:b.example=127.0.0.4 dnsbl@connect:reject";
    for (let i = 0; i < 3; i++) {
      const visit = await visits.at("connect");
      expect(visit.said).toBe(said);
      expect(visit.found(DNSBL)).toMatchObject({ score: 3, lists: [{ reason: "spam seen" }, {}] });
    }
    expect(dns.questions).toHaveLength(3);
    expect(visits.counted("dnsbl_listed")).toEqual({ 'zone="a.example"': 3, 'zone="b.example"': 3 });
  });

  test("hears of no reason twice where the list gives none", async () => {
    const { dns, visits } = scene({ [at("a.example")]: "127.0.0.2" }, { sites: "a.example" });
    for (let i = 0; i < 2; i++) {
      expect((await visits.at("connect")).said).toMatch(/^550 Client host blocked using a\.example dnsbl/);
    }
    expect(dns.questions).toEqual([`A ${at("a.example")}`, `TXT ${at("a.example")}`]);
  });

  test("has its points again", async () => {
    const { visits } = scene({ [at("a.example")]: "127.0.0.2" }, { sites: "a.example*4", mode: "score" });
    for (let i = 0; i < 2; i++) {
      const dossier = visits.chain.newDossier();
      await visits.chain.judge("connect", {}, dossier);
      expect(dossier.findings("connect").score).toBe(4);
    }
  });

  test("is spared once it is on an allow list", async () => {
    const { visits } = scene({ [at("a.example")]: "127.0.0.2" }, { sites: "a.example" });
    const allowed = { findings: findingsOf([ALLOWED, "a list"]) };
    const answers = [];
    for (const given of [{}, allowed, {}]) answers.push((await visits.at("connect", given)).said.slice(0, 4));
    expect(answers).toEqual(["550 ", "pass", "550 "]);
  });

  test("is not taken for another one", async () => {
    const { visits } = scene({ [at("a.example")]: "127.0.0.2" }, { sites: "a.example" });
    const said = async (client: string) => (await visits.at("connect", {}, { client })).said.slice(0, 4);
    expect([await said("203.0.113.7"), await said("203.0.113.8"), await said("203.0.113.7")])
      .toEqual(["550 ", "pass", "550 "]);
  });

  test("adds to what another plugin has found, each time", async () => {
    const { visits } = scene({}, { sites: "a.example" });
    const findings = findingsOf([DNSBL, { score: 2, lists: [] }]);
    await visits.at("connect");
    expect((await visits.at("connect", { findings })).found(DNSBL)?.score).toBe(2);
  });
});

describe("it holds", () => {
  test("as long as the answer that holds shortest", async () => {
    const sites = "a.example b.example";
    const { dns, visits } = scene({}, { sites }, { [at("b.example")]: { ttl: 1000 } });
    for (const ms of [999, 1, 0]) {
      await visits.at("connect");
      visits.wait(ms);
    }
    expect(dns.questions).toHaveLength(4);
  });

  test("for the reason as long as that does", async () => {
    const { dns, visits } = scene({ [at("a.example")]: "127.0.0.2" }, { sites: "a.example" });
    await visits.at("connect");
    visits.wait(TTL);
    await visits.at("connect");
    expect(dns.questions).toHaveLength(4);
  });

  test("not at all where a list could not be asked, or its answer is past its time", async () => {
    const sites = "a.example b.example";
    for (
      const [lists, how] of [[{ [at("a.example")]: "ESERVFAIL" }, {}], [{}, {
        [at("a.example")]: { stale: true },
      }]]
    ) {
      const { dns, visits } = scene(lists as Lists, { sites }, how as Parameters<typeof changed>[1]);
      const first = await visits.at("connect");
      expect((await visits.at("connect")).said).toBe(first.said);
      expect(dns.questions).toHaveLength(4);
    }
  });

  test("not at all where a list was late", async () => {
    const { dns, visits } = scene({ [at("a.example")]: "never" }, { sites: "a.example b.example" });
    for (let i = 0; i < 2; i++) {
      expect((await visits.at("connect", {}, { ms: 2000 })).said).toBe("pass dnsbl@connect:a.example=late");
    }
    expect(dns.questions).toHaveLength(4);
  });

  test("where a list answers that it does not answer us, of which is told each time", async () => {
    const { dns, visits } = scene({ [at("a.example")]: "127.255.255.254" }, { sites: "a.example" });
    for (let i = 0; i < 3; i++) {
      expect((await visits.at("connect")).said).toBe("pass dnsbl@connect:a.example=refused");
    }
    expect(visits.counted("dnsbl_errors")).toEqual({ 'zone="a.example",error="refused"': 3 });
    expect(dns.questions).toHaveLength(1);
  });
});

describe("names that come again", () => {
  test("are asked about once, each for itself", async () => {
    const { dns, visits } = scene({ "bad.example.a.example": "127.0.0.2" }, {
      sites: [{ zone: "a.example", of: "helo" }, { zone: "a.example", of: "reverse" }],
      reasonTimeout: 0,
    });
    const said = async (helo: string, name: string) => {
      const findings = findingsOf([REVERSE, { status: "pass", names: [name], name }]);
      return (await visits.at("helo", { helo, findings })).said.slice(0, 4);
    };
    const pairs = [["good.example", "fine.example"], ["bad.example", "fine.example"], [
      "good.example",
      "bad.example",
    ]];
    for (let i = 0; i < 2; i++) {
      const answers = [];
      for (const [helo, name] of pairs) answers.push(await said(helo!, name!));
      expect(answers).toEqual(["pass", "550 ", "550 "]);
      expect(dns.questions).toHaveLength(6);
    }
  });

  test("as senders are asked about once, each for itself", async () => {
    const { dns, visits } = scene({ "bad.example.a.example": "127.0.0.2" }, {
      sites: "a.example",
      of: "sender",
      reasonTimeout: 0,
    });
    for (let i = 0; i < 2; i++) {
      const said = [];
      for (const sender of ["a@good.example", "a@bad.example", "b@bad.example", ""]) {
        said.push((await visits.at("mail", { reversePath: path(sender) })).said.slice(0, 4));
      }
      expect(said).toEqual(["pass", "550 ", "550 ", "pass"]);
    }
    expect(dns.questions).toHaveLength(2);
  });

  test("as a sender are no HELO name", async () => {
    const { dns, visits } = scene({ "bad.example.a.example": "127.0.0.2" }, {
      sites: [{ zone: "a.example", of: "helo" }, { zone: "b.example", of: "sender" }],
      reasonTimeout: 0,
    });
    expect((await visits.at("helo", { helo: "bad.example" })).said).toMatch(/^550 HELO name/);
    const mail = () => visits.at("mail", { reversePath: path("a@bad.example") });
    expect([(await mail()).said, (await mail()).said]).toEqual(["pass", "pass"]);
    expect(dns.questions).toEqual(["A bad.example.a.example", "A bad.example.b.example"]);
  });
});

describe("a zone's test", () => {
  const listed = { [at("a.example")]: "127.0.0.2" };
  const good = { ...listed, ...sound("a.example") };
  const everybody = { ...good, "1.0.0.127.a.example": "127.0.0.2" };
  const MINUTE = 60_000;

  /** A zone whose records a test changes, and clients of sessions of their own. */
  function changing(first: Lists) {
    let current = dnsOf(recordsOf(first));
    const lookout: Lookout = new Lookout({}, { sites: "a.example", reasonTimeout: 0 }, {
      dns: () => ({ resolve: (name, type) => current.resolve(name, type) }),
    });
    return {
      lookout,
      become: (lists: Lists) => void (current = dnsOf(recordsOf(lists))),
      asked: () => current.questions.filter((question) => question === `A ${at("a.example")}`).length,
      async visit(): Promise<string> {
        const dossier = lookout.chain.newDossier();
        return [await lookout.chain.verdict("connect", {}, dossier), ...dossier.takeTrail()].join(" ").slice(
          0,
          36,
        );
      },
    };
  }

  test("that fails ends what was remembered, and so does one that passes again", async () => {
    const { lookout, become, asked, visit } = changing(good);
    await lookout.setUp();
    for (let minutes = 0; minutes < 55; minutes += 5) await lookout.pass(5 * MINUTE);
    await lookout.pass(4 * MINUTE);
    expect(await visit()).toBe("550 Client host blocked using a.exam");
    become(everybody);
    await lookout.pass(MINUTE);
    expect(await visit()).toBe("pass dnsbl@connect:a.example=skipped");
    expect(await visit()).toBe("pass dnsbl@connect:a.example=skipped");
    expect(lookout.counted("dnsbl_skipped")).toEqual({ 'zone="a.example"': 2 });
    become(good);
    await lookout.pass(4 * MINUTE);
    expect(await visit()).toBe("pass dnsbl@connect:a.example=skipped");
    await lookout.pass(MINUTE);
    expect(await visit()).toBe("550 Client host blocked using a.exam");
    expect(await visit()).toBe("550 Client host blocked using a.exam");
    expect(asked()).toBe(1);
  });

  test("that finds nothing new ends nothing", async () => {
    const { lookout, asked, visit } = changing(good);
    await lookout.setUp();
    for (let minutes = 0; minutes < 55; minutes += 5) await lookout.pass(5 * MINUTE);
    await lookout.pass(4 * MINUTE);
    await visit();
    await lookout.pass(MINUTE);
    await visit();
    expect(asked()).toBe(1);
  });
});
