/**
 * What `spf` remembers of earlier messages, for whom, and for how long.
 */
import { describe, expect, test } from "bun:test";
import { spf } from "../../plugins/mail_authentication/spf.ts";
import { type Dns, type MailFacts, SPF } from "../../src/mod.ts";
import { ask, type DnsMap, dnsOf } from "../../src/testing.ts";
import { DNS, from, policies } from "./spf_scene.ts";

describe("what is remembered", () => {
  const TTL = 60_000;

  /** A plugin that is asked again and again, with its own clock. */
  function scene(dns: DnsMap, ttl = TTL) {
    const plugin = spf();
    const fake = dnsOf(dns, ttl);
    let now = 1_000_000;
    return {
      questions: fake.questions,
      wait: (ms: number) => void (now += ms),
      async ask(sender: string, given: Partial<MailFacts> = {}): Promise<string | undefined> {
        const effects = { dns: fake, now: () => now };
        const { findings } = await ask(plugin, "mail", from(sender, given), { effects });
        return findings.get(SPF)?.result;
      },
    };
  }

  test("a client's next message from the domain asks for nothing", async () => {
    const { ask, questions } = scene(DNS);
    expect(await ask("a@pass.example")).toBe("pass");
    expect(await ask("b@PASS.example", { helo: "other.example" })).toBe("pass");
    expect(questions.length).toBe(1);
  });

  test("another client, and another domain, are other questions", async () => {
    const { ask } = scene(DNS);
    expect(await ask("a@pass.example")).toBe("pass");
    expect(await ask("a@pass.example", { client: { host: "192.0.2.1", port: 1 } })).toBe("fail");
    expect(await ask("a@softfail.example")).toBe("softfail");
  });

  test("it holds as long as the shortest-lived answer, and no longer", async () => {
    const { ask, questions, wait } = scene(DNS);
    await ask("a@pass.example");
    wait(TTL - 1);
    await ask("a@pass.example");
    expect(questions.length).toBe(1);
    wait(1);
    await ask("a@pass.example");
    expect(questions.length).toBe(2);
  });

  test("of several answers the one that holds shortest counts, wherever it comes", async () => {
    const plugin = spf();
    const records = dnsOf(policies({
      "a.example": "v=spf1 include:b.example include:c.example ~all",
      "b.example": "v=spf1 -all",
      "c.example": "v=spf1 -all",
    }));
    const times: Readonly<Record<string, number>> = { "b.example": 1000 };
    const dns: Dns = {
      resolve: async (name, type) => ({ ...await records.resolve(name, type), ttl: times[name] ?? TTL }),
    };
    let now = 0;
    const next = () => ask(plugin, "mail", from("x@a.example"), { effects: { dns, now: () => now } });
    await next();
    now = 999;
    await next();
    expect(records.questions.length).toBe(3);
    now = 1000;
    await next();
    expect(records.questions.length).toBe(6);
  });

  test("it holds five minutes at most", async () => {
    const { ask, questions, wait } = scene(DNS, 86_400_000);
    await ask("a@pass.example");
    wait(299_999);
    await ask("a@pass.example");
    expect(questions.length).toBe(1);
    wait(1);
    await ask("a@pass.example");
    expect(questions.length).toBe(2);
  });

  test("an answer that does not hold is not kept", async () => {
    const { ask, questions } = scene(DNS, 0);
    await ask("a@pass.example");
    await ask("a@pass.example");
    expect(questions.length).toBe(2);
  });

  test("that there is no policy is remembered too", async () => {
    const { ask, questions } = scene({});
    expect(await ask("a@none.example")).toBe("none");
    expect(await ask("a@none.example")).toBe("none");
    expect(questions.length).toBe(1);
  });

  test("with a macro it holds for the one sender and HELO name", async () => {
    const { ask, questions } = scene(policies({ "a.example": "v=spf1 exists:%{l}.%{h}.ok.example -all" }, {
      "ann.one.example.ok.example": { A: ["127.0.0.2"] },
    }));
    expect(await ask("ann@a.example", { helo: "one.example" })).toBe("pass");
    expect(await ask("bob@a.example", { helo: "one.example" })).toBe("fail");
    expect(await ask("ann@a.example", { helo: "two.example" })).toBe("fail");
    const before = questions.length;
    expect(await ask("ann@a.example", { helo: "one.example" })).toBe("pass");
    expect(questions.length).toBe(before);
  });

  test("a macro of an included policy counts", async () => {
    const { ask } = scene(policies({
      "a.example": "v=spf1 include:b.example -all",
      "b.example": "v=spf1 exists:%{l}.ok.example -all",
    }, { "ann.ok.example": { A: ["127.0.0.2"] } }));
    expect(await ask("ann@a.example")).toBe("pass");
    expect(await ask("bob@a.example")).toBe("fail");
  });

  test("an explanation with a macro is not given to another sender", async () => {
    const plugin = spf();
    const dns = dnsOf(
      policies({ "a.example": "v=spf1 -all exp=why.example", "why.example": "not you, %{l}" }),
    );
    const text = async (sender: string) => {
      const { verdict } = await ask(plugin, "mail", from(sender), { effects: { dns } });
      return verdict?.kind === "reject" ? verdict.text.slice(-12) : "";
    };
    expect(await text("ann@a.example")).toBe("not you, ann");
    expect(await text("bob@a.example")).toBe("not you, bob");
  });
});
