// bun only: drives the program as a process
// Rule 4 (exact parameters): EHLO offers what the proxy can carry and the backend offers, and every
// path and parameter of MAIL and RCPT arrives as the client wrote it.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { ALL_KEYWORDS, ScriptedBackend } from "../support/blackbox_backend.ts";
import { bytesOf, inexact } from "../support/blackbox_bytes.ts";
import type { RawClient } from "../support/blackbox_client.ts";
import { startProxy } from "../support/blackbox_proxy.ts";
import { ending, letter, type Stage, stage, taken, unharmed } from "../support/blackbox_stage.ts";
import { eventually } from "../support/blackbox_wait.ts";

/** Keywords that the proxy may only offer when the backend does: it can merely carry them. */
const CARRIED = [
  "8BITMIME",
  "SMTPUTF8",
  "DSN",
  "BINARYMIME",
  "DELIVERBY",
  "FUTURERELEASE",
  "MT-PRIORITY",
  "RRVS",
];

async function offers(client: RawClient): Promise<Map<string, string>> {
  const reply = await client.command("EHLO client.example", "250");
  return new Map(reply.lines.slice(1).map((l) => [l.split(" ", 1)[0]?.toUpperCase() ?? "", l]));
}

/** Whether a new session is soon offered exactly this subset of the carried keywords. */
function soonOffers(at: Stage, wanted: readonly string[]): Promise<boolean> {
  return eventually(async () => {
    const client = await at.proxy.client();
    const got = await offers(client);
    await client.quit();
    return CARRIED.every((k) => got.has(k) === wanted.includes(k));
  }, 5000);
}

describe("rule 4: what EHLO offers", () => {
  const sets: readonly (readonly string[])[] = [
    [],
    ["8BITMIME"],
    ["8BITMIME", "SMTPUTF8"],
    ["DSN"],
    ["SIZE 1000", "DSN", "8BITMIME"],
    ["size 1000", "dsn", "8bitMime"],
    ["CHUNKING", "BINARYMIME", "8BITMIME"],
    ["DELIVERBY", "RRVS", "FUTURERELEASE 100 2030-01-01T00:00:00Z", "MT-PRIORITY"],
  ];
  for (const keywords of sets) {
    test(`before a backend with ${keywords.join(", ") || "nothing"}`, async () => {
      const at = await stage(keywords);
      try {
        const wanted = keywords.map((k) => (k.split(" ", 1)[0] ?? "").toUpperCase()).filter((k) =>
          CARRIED.includes(k)
        );
        expect(await soonOffers(at, wanted), "learnt by the probe at start").toBe(true);
        const client = await at.proxy.client();
        const got = await offers(client);
        const size = Number(got.get("SIZE")?.split(" ")[1] ?? 0);
        if (keywords.some((k) => /^size 1000$/i.test(k))) {
          expect(size > 0 && size <= 1000, got.get("SIZE")).toBe(true);
        }
        await client.quit();
      } finally {
        await at.close();
      }
    }, 15_000);
  }

  test(
    "nothing unknown, nothing for trusted peers, no AUTH in the clear, no STARTTLS without a certificate",
    async () => {
      const at = await stage([
        ...ALL_KEYWORDS,
        "X-STRANGE",
        "XCLIENT NAME ADDR",
        "XFORWARD NAME",
        "AUTH PLAIN LOGIN",
        "STARTTLS",
        "VERB",
        "ETRN",
      ]);
      try {
        expect(await soonOffers(at, CARRIED)).toBe(true);
        const client = await at.proxy.client();
        const got = await offers(client);
        for (
          const k of [
            "X-STRANGE",
            "XCLIENT",
            "XFORWARD",
            "AUTH",
            "AUTH=PLAIN",
            "STARTTLS",
            "VERB",
            "REQUIRETLS",
          ]
        ) {
          expect(got.has(k), k).toBe(false);
        }
        for (const k of ["PIPELINING", "ENHANCEDSTATUSCODES", "SIZE", "CHUNKING"]) {
          expect(got.has(k), k)
            .toBe(true);
        }
        await client.quit();
      } finally {
        await at.close();
      }
    },
    15_000,
  );

  test("is learnt anew from later backend connections", async () => {
    const at = await stage(ALL_KEYWORDS);
    try {
      expect(await soonOffers(at, CARRIED)).toBe(true);
      at.backend.keywords = ["8BITMIME"];
      at.backend.dropAll("close");
      const learnt = await eventually(async () => {
        const client = await at.proxy.client();
        await client.send(letter().bytes);
        const got = await offers(client);
        await client.quit();
        return !got.has("DSN") && got.has("8BITMIME");
      }, 10_000);
      expect(learnt).toBe(true);
    } finally {
      await at.close();
    }
  }, 20_000);

  test("is learnt once a backend that was down at start comes up", async () => {
    const backend = await ScriptedBackend.start(ALL_KEYWORDS);
    await backend.stop();
    const proxy = await startProxy(backend.address, {}, { banner: /^(220|421)/ });
    try {
      await backend.listen();
      const learnt = await eventually(async () => {
        try {
          const client = await proxy.client();
          await client.send(letter().bytes);
          const got = await offers(client);
          await client.quit();
          return got.has("DSN") && got.has("8BITMIME");
        } catch {
          return false;
        }
      }, 15_000);
      expect(learnt, proxy.log).toBe(true);
    } finally {
      await proxy.stop();
      await backend.stop();
    }
  }, 30_000);
});

describe("rule 4: paths and parameters", () => {
  let at: Stage;
  beforeAll(async () => {
    at = await stage(ALL_KEYWORDS);
    expect(await soonOffers(at, CARRIED)).toBe(true);
  });
  afterAll(() => at.close());

  const MAIL = [
    "<>",
    "<a@b.example>",
    "<Mixed.Case+Tag@B.Example>",
    '<"quoted \\" string"@b.example>',
    '<"a@b c"@b.example>',
    "<user@[127.0.0.1]>",
    "<user@[IPv6:2001:db8::1]>",
    "<!#$%&'*+-/=?^_`{|}~@b.example>",
    `<${"l".repeat(64)}@${"d".repeat(60)}.${"e".repeat(60)}.${"f".repeat(60)}.example>`,
    "<a@b.example> SIZE=100",
    "<a@b.example> BODY=8BITMIME",
    "<a@b.example> BODY=7BIT",
    "<a@b.example> body=8bitmime size=200",
    "<a@b.example> SIZE=300 BODY=8BITMIME RET=HDRS ENVID=QQ314159",
    "<> RET=FULL ENVID=a+2Bb+3Dc",
    `<a@b.example> ENVID=${"e".repeat(100)}`,
    "<a@b.example> SMTPUTF8",
    "<gr\xc3\xbc\xc3\x9fe@b\xc3\xbccher.example> SMTPUTF8 BODY=8BITMIME SIZE=12",
    "<a@b.example> BY=120;R",
    "<a@b.example> BY=-3600;NT",
    "<a@b.example> HOLDFOR=600",
    "<a@b.example> HOLDUNTIL=2029-01-01T00:00:00Z",
    "<a@b.example> MT-PRIORITY=3",
    "<a@b.example> MT-PRIORITY=-9 ENVID=z RET=HDRS SIZE=55 BODY=8BITMIME",
  ];
  for (const argument of MAIL) {
    test(`MAIL FROM:${argument}`, async () => {
      const client = await at.proxy.client();
      const { id, bytes } = letter();
      const sent = await client.send(bytes, { mail: `MAIL FROM:${bytesOf(argument).toString("latin1")}` });
      expect(taken(sent), ending(sent)).toBe(true);
      expect(at.backend.delivered(id).map((d) => d.mail)).toEqual([`MAIL FROM:${argument}`]);
      await client.quit();
    });
  }

  const RCPT = [
    "<postmaster>",
    "<Postmaster@B.Example>",
    '<"odd >name"@b.example>',
    "<user@[IPv6:::1]>",
    "<a@b.example> NOTIFY=NEVER",
    "<a@b.example> NOTIFY=SUCCESS,FAILURE,DELAY",
    "<a@b.example> notify=Failure ORCPT=rfc822;a+2Bx@b.example",
    "<a@b.example> ORCPT=utf-8;gr\\x{FC}n@b.example NOTIFY=DELAY",
    `<a@b.example> ORCPT=rfc822;${"o".repeat(480)}@b.example`,
    "<a@b.example> RRVS=2014-04-03T23:01:00Z",
    "<a@b.example> RRVS=2014-04-03T23:01:00Z;C NOTIFY=FAILURE",
  ];
  for (const argument of RCPT) {
    test(`RCPT TO:${argument.slice(0, 90)}`, async () => {
      const client = await at.proxy.client();
      const { id, bytes } = letter();
      const sent = await client.send(bytes, { rcpt: [`RCPT TO:${argument}`, "RCPT TO:<second@b.example>"] });
      expect(taken(sent), ending(sent)).toBe(true);
      expect(at.backend.delivered(id).map((d) => d.recipients)).toEqual([[
        `RCPT TO:${argument}`,
        "RCPT TO:<second@b.example>",
      ]]);
      await client.quit();
    });
  }

  test("verbs in any case do the same", async () => {
    const client = await at.proxy.client();
    const { id, bytes } = letter();
    const sent = await client.send(bytes, {
      mail: "mail from:<A@b.example> Size=70",
      rcpt: ["rCpT tO:<C@d.example>"],
    });
    expect(taken(sent), ending(sent)).toBe(true);
    const [arrived] = at.backend.delivered(id);
    expect(arrived?.mail.slice(10)).toBe("<A@b.example> Size=70");
    expect(arrived?.recipients.map((r) => r.slice(8))).toEqual(["<C@d.example>"]);
    await client.quit();
  });

  test("a broken argument is refused, or reaches the backend as it was: it is never repaired", async () => {
    const bad = [
      "<a@b.example> FOO=BAR",
      "<a@b.example> SIZE=",
      "<a@b.example> BODY=9BIT",
      "<a@b.example> XYZZY",
      "a@b.example",
      "<a@b.example",
      "<a@b.example>junk",
    ];
    const faults: string[] = [];
    for (const argument of bad) {
      const client = await at.proxy.client();
      const { id, bytes } = letter();
      // The proxy may judge itself or leave it to the backend; this one refuses nothing.
      const sent = await client.send(bytes, { mail: `MAIL FROM:${argument}` });
      const arrived = at.backend.delivered(id);
      if (taken(sent) !== (arrived.length === 1)) {
        faults.push(`${argument}: ${ending(sent)}, ${arrived.length} delivered`);
      }
      if (arrived[0] && arrived[0].mail !== `MAIL FROM:${argument}`) {
        faults.push(`${argument} became ${arrived[0].mail}`);
      }
      if (arrived[0] && inexact(arrived[0].bytes, bytes) !== "") faults.push(`${argument}: bytes differ`);
      await client.quit();
    }
    expect(faults).toEqual([]);
  });

  test("parameters of an extension that the backend lacks never reach it", async () => {
    const bare = await stage([]);
    try {
      const asked = [
        "<a@b.example> SIZE=100",
        "<a@b.example> BODY=8BITMIME",
        "<a@b.example> SMTPUTF8",
        "<a@b.example> RET=HDRS ENVID=x",
        "<a@b.example> BY=120;R",
      ];
      for (const argument of asked) {
        const client = await bare.proxy.client();
        await client.send(letter().bytes, { mail: `MAIL FROM:${argument}` });
        await client.quit();
      }
      const sent = bare.backend.connections.flatMap((c) => c.commands).filter((l) => /^MAIL/i.test(l));
      expect(sent.filter((l) => /(?:SIZE|BODY|RET|ENVID|BY)=|SMTPUTF8/i.test(l))).toEqual([]);
    } finally {
      await bare.close();
    }
  }, 15_000);

  test("a NUL, CR or LF cannot ride into the backend on a parameter", async () => {
    for (const evil of ["ENVID=a\nRCPT TO:<evil@x>", "ENVID=a\rRSET", "ENVID=a\0b"]) {
      const client = await at.proxy.client();
      await client.ask(`MAIL FROM:<a@b.example> ${evil}`, 2000);
      client.vanish();
    }
    await unharmed(at.proxy, at.backend);
    expect(at.backend.connections.flatMap((c) => c.commands).filter((l) => /evil/.test(l))).toEqual([]);
  }, 20_000);
});
