// bun only: drives the program as a process
// Rules 1, 5 and 10 in the middle of an envelope: a backend that goes between two commands, or within a
// pipelined group. Doubt of the proxy's own is 4yz: a 5yz to DATA would bounce a recipient that was taken.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { type Action, type Delivery, on, ScriptedBackend } from "../support/blackbox_backend.ts";
import { bytesOf, inexact, stuff } from "../support/blackbox_bytes.ts";
import { code, type Heard, type RawClient, told } from "../support/blackbox_client.ts";
import { startProxy } from "../support/blackbox_proxy.ts";
import { ending, healthy, letter, type Stage, stage, taken, unharmed } from "../support/blackbox_stage.ts";
import { eventually, inParallel, sleep } from "../support/blackbox_wait.ts";

let at: Stage;
beforeAll(async () => {
  at = await stage();
});
beforeEach(async () => {
  at.backend.heal();
  expect(await healthy(() => at.proxy.client())).toBe(true);
});
afterAll(() => at.close());

const MAIL = "MAIL FROM:<a@client.example>";
const rcpt = (name: string) => `RCPT TO:<${name}@b.example>`;

/** The session is as good as new: one more mail arrives once, with its own envelope and nothing of another. */
async function goesOn(client: RawClient): Promise<void> {
  at.backend.heal();
  const { id, bytes } = letter();
  let last = "";
  const ok = await eventually(async () => {
    await client.command("RSET", "250");
    const sent = await client.send(bytes, { mail: "MAIL FROM:<next@client.example>", rcpt: [rcpt("next")] });
    last = ending(sent);
    if (!taken(sent)) await sleep(100);
    return taken(sent);
  }, 8000);
  expect(ok, last).toBe(true);
  expect(at.backend.delivered(id).map((d) => [d.mail, ...d.recipients, inexact(d.bytes, bytes)])).toEqual([
    ["MAIL FROM:<next@client.example>", rcpt("next"), ""],
  ]);
}

const DEATHS: readonly (readonly [string, Action])[] = [
  ["close", { then: "close" }],
  ["reset", { then: "reset" }],
  ["421", { reply: "421 4.3.2 backend: leaving", then: "close" }],
  ["garbage", { reply: "x y z" }],
];

/** Taken only for all who heard 250; refused with 4yz where one had heard 250; nothing delivered when refused. */
function honest(heard: readonly string[], last: Heard, arrived: readonly Delivery[]): void {
  const good = ["one", "two", "three", "four"].filter((_, i) => heard[i + 1]?.startsWith("250")).map(rcpt);
  if (code(last).startsWith("2")) expect(arrived.map((d) => d.recipients)).toEqual([good]);
  else {
    expect(told(last)).toMatch(good.length > 0 ? /^4/ : /^[45]/);
    expect(arrived).toEqual([]);
  }
}

describe("rule 10: a backend that goes while a pipelined group is under way", () => {
  for (const [name, action] of DEATHS) {
    test(
      `${name} at the second of four recipients: one reply each, 4yz for the lost, no 5yz for DATA`,
      async () => {
        for (const body of ["DATA", "BDAT"]) {
          at.backend.script = on({ RCPT: (m) => m.line.includes("two@") ? action : undefined });
          const client = await at.proxy.client();
          const { id, bytes } = letter();
          const group = [MAIL, rcpt("one"), rcpt("two"), rcpt("three"), rcpt("four")].map((l) => `${l}\r\n`)
            .join("");
          await client.write(group);
          const heard: string[] = [];
          for (let i = 0; i < 5; i++) heard.push(told(await client.hear()));
          expect(heard[0]).toMatch(/^250|^451/);
          expect(heard[2]).toMatch(/^451 4\./);
          for (const h of heard.slice(3)) expect(h).toMatch(/^(250|451 4\.)/);
          // Recipient one was taken: what becomes of the message now must not bounce it.
          await client.write(
            body === "DATA" ? "DATA\r\n" : Buffer.concat([bytesOf(`BDAT ${bytes.length} LAST\r\n`), bytes]),
          );
          let last = await client.hear();
          if (code(last) === "354") {
            await client.write(stuff(bytes));
            last = await client.hear();
          }
          honest(heard, last, at.backend.delivered(id));
          await goesOn(client);
          await client.quit();
        }
      },
      30_000,
    );
  }

  for (const [name, action] of DEATHS) {
    test(`${name} at the second recipient of a lock-step client: the same`, async () => {
      at.backend.script = on({ RCPT: (m) => m.line.includes("two@") ? action : undefined });
      const client = await at.proxy.client();
      const { id, bytes } = letter();
      await client.command(MAIL, "250");
      expect(told(await client.ask(rcpt("one")))).toMatch(/^250/);
      expect(told(await client.ask(rcpt("two")))).toMatch(/^451 4\./);
      const three = told(await client.ask(rcpt("three")));
      expect(three).toMatch(/^(250|451 4\.)/);
      let last = await client.ask("DATA");
      if (code(last) === "354") {
        await client.write(stuff(bytes));
        last = await client.hear();
      }
      honest(["", "250", "451", three], last, at.backend.delivered(id));
      await goesOn(client);
      await client.quit();
    }, 30_000);
  }
});

test(
  "rule 5: a recipient that was taken, and is refused when asked anew on another connection, is not dropped in silence",
  async () => {
    for (const body of ["DATA", "BDAT"]) {
      let died = false;
      at.backend.script = on({
        RCPT: (m) => {
          if (died) return m.line.includes("one@") ? { reply: "550 5.1.1 gone now" } : undefined;
          if (!m.line.includes("two@")) return undefined;
          died = true;
          return { then: "close" };
        },
      });
      const client = await at.proxy.client();
      const { id, bytes } = letter();
      const heard = [told(await client.ask(MAIL))];
      for (const name of ["one", "two", "three", "four"]) heard.push(told(await client.ask(rcpt(name))));
      await client.write(
        body === "DATA" ? "DATA\r\n" : Buffer.concat([bytesOf(`BDAT ${bytes.length} LAST\r\n`), bytes]),
      );
      let last = await client.hear();
      if (code(last) === "354") {
        await client.write(stuff(bytes));
        last = await client.hear();
      }
      honest(heard, last, at.backend.delivered(id));
      await goesOn(client);
      await client.quit();
    }
  },
  20_000,
);

describe("rule 10: a backend that goes between two commands", () => {
  const WHEN: readonly (readonly [string, readonly string[]])[] = [
    ["after MAIL", [MAIL]],
    ["after RCPT", [MAIL, rcpt("one")]],
    ["after a refused RCPT", [MAIL, rcpt("one"), rcpt("bad")]],
    ["after DATA", [MAIL, rcpt("one"), "DATA"]],
  ];
  for (const [name, lines] of WHEN) {
    for (const how of ["close", "reset", "421"] as const) {
      test(`${name}, by ${how}: 4yz or, before the message, another connection; never a bounce`, async () => {
        at.backend.script = on({
          RCPT: (m) => m.line.includes("bad@") ? { reply: "550 5.1.1 bad" } : undefined,
        });
        const client = await at.proxy.client();
        const { id, bytes } = letter();
        for (const line of lines) await client.ask(line);
        for (const connection of at.backend.open) {
          if (how === "421") connection.say("421 4.4.2 backend: too slow\r\n");
          connection.drop(how === "421" ? "close" : how);
        }
        await sleep(30);
        let last: Heard = "silent";
        if (!lines.includes("DATA")) {
          if (!lines.includes(rcpt("one"))) {
            expect(told(await client.ask(rcpt("one")))).toMatch(/^(250|451 4\.)/);
          }
          last = await client.ask("DATA");
        }
        if (lines.includes("DATA") || code(last) === "354") {
          await client.write(stuff(bytes));
          last = await client.hear();
        }
        const count = at.backend.delivered(id).length;
        if (code(last).startsWith("2")) expect(count).toBe(1);
        else {
          expect(count).toBe(0);
          expect(told(last)).toMatch(/^4/);
        }
        client.reset();
        expect(await healthy(() => at.proxy.client())).toBe(true);
      }, 30_000);
    }
  }

  test("in the body of a message whose client is slow: 451 at its end, nothing delivered", async () => {
    for (const how of ["close", "reset"] as const) {
      const client = await at.proxy.client();
      const { id, bytes } = letter("slow\r\n".repeat(50));
      for (const [line, wanted] of [[MAIL, "250"], [rcpt("one"), "250"], ["DATA", "354"]] as const) {
        await client.command(line, wanted);
      }
      const wire = stuff(bytes);
      await client.write(wire.subarray(0, 100));
      await sleep(50);
      at.backend.dropAll(how);
      await sleep(50);
      await client.write(wire.subarray(100));
      expect(told(await client.hear())).toMatch(/^451 4\.3\.0/);
      expect(at.backend.delivered(id)).toEqual([]);
      await goesOn(client);
      await client.quit();
    }
  }, 20_000);
});

describe("rule 5: a refused MAIL, told late", () => {
  for (const reply of ["451 4.7.1 not now", "550 5.7.1 never from you"]) {
    test(`${reply}: no recipient hears better or worse than that`, async () => {
      at.backend.script = on({ MAIL: { reply } });
      const client = await at.proxy.client();
      const heard: string[] = [];
      await client.write([MAIL, rcpt("one"), rcpt("two"), "DATA", "NOOP"].map((l) => `${l}\r\n`).join(""));
      for (let i = 0; i < 5; i++) heard.push(told(await client.hear()));
      if (heard[0]?.startsWith("250")) {
        for (const h of heard.slice(1, 3)) expect(h[0], heard.join(" | ")).toBe(reply.slice(0, 1));
      } else {
        expect(heard[0]).toBe(reply);
        for (const h of heard.slice(1, 3)) expect(h, "MAIL was refused in plain sight").toMatch(/^503|^[45]/);
      }
      expect(heard[3]).toMatch(/^[45]/);
      expect(heard[4]).toMatch(/^250/);
      await goesOn(client);
      await client.quit();
    }, 20_000);
  }
});

describe("rule 5: sessions do not mix", () => {
  test("a hundred at once: every message has its own sender, recipients and bytes", async () => {
    const jobs = Array.from(
      { length: 300 },
      (_, n) => ({ n, ...letter(`${n} `.repeat(1 + (n % 13) * 90) + "\r\n") }),
    );
    await inParallel(jobs, 100, async ({ n, bytes }) => {
      const client = await at.proxy.client(`127.0.1.${1 + n % 100}`);
      // Some leave envelopes behind first: their connections must not carry them into the next.
      if (n % 4 === 0) {
        await client.command(`MAIL FROM:<stale${n}@client.example>`, "2");
        await client.command(rcpt(`stale${n}`), "2");
        if (n % 8 === 0) {
          client.reset();
          return;
        }
        await client.command("RSET", "2");
      }
      const options = {
        mail: `MAIL FROM:<from${n}@client.example> ENVID=e${n}`,
        rcpt: [rcpt(`to${n}`), rcpt(`too${n}`)],
      };
      const sent = n % 3 === 0
        ? await client.sendChunks(bytes, 500, options)
        : await client.send(bytes, options);
      expect(taken(sent), ending(sent)).toBe(true);
      await client.quit();
    });
    for (const { n, id, bytes } of jobs) {
      const arrived = at.backend.delivered(id).map((d) => [d.mail, ...d.recipients, inexact(d.bytes, bytes)]);
      expect(arrived).toEqual(
        n % 8 === 0
          ? []
          : [[`MAIL FROM:<from${n}@client.example> ENVID=e${n}`, rcpt(`to${n}`), rcpt(`too${n}`), ""]],
      );
    }
  }, 30_000);
});

describe("greetings and EHLO answers of every shape", () => {
  const shapes: readonly (readonly [string, Parameters<typeof on>[0]])[] = [
    ["a greeting of three lines", { greeting: { reply: "220-backend.example\r\n220-no spam\r\n220 ready" } }],
    ["a bare 220", { greeting: { raw: "220\r\n" } }],
    ["an EHLO answer of one line", { EHLO: { reply: "250 backend.example" } }],
    ["an EHLO answer with no text", { EHLO: { raw: "250\r\n" } }],
    ["no EHLO, HELO only", { EHLO: { reply: "502 5.5.1 what?" } }],
    ["a slow greeting", { greeting: { after: 400 } }],
    ["everything a byte at a time", { greeting: { bytewise: true }, EHLO: { bytewise: true } }],
  ];
  for (const [name, table] of shapes) {
    test(name, async () => {
      const backend = await ScriptedBackend.start(["8BITMIME"]);
      backend.script = on(table);
      const proxy = await startProxy(backend.address, {}, { banner: /^(220|421)/ });
      try {
        const works = await healthy(() => proxy.client(), 5000);
        // RFC 5321 §3.2 asks a client to fall back to HELO; a proxy that will not must say 4yz.
        if (name.startsWith("no EHLO") && !works) {
          const client = await proxy.connect();
          expect(told(await client.hear())).toMatch(/^(220|421)/);
          client.vanish();
        } else expect(works, proxy.log).toBe(true);
      } finally {
        await proxy.stop();
        await backend.stop();
      }
    }, 20_000);
  }
});

test("afterwards the proxy serves and the backend saw clean SMTP only", async () => {
  await unharmed(at.proxy, at.backend);
}, 20_000);
