// bun only: drives the program as a process
// Rule 5 (true recipients) and rule 7 (order): each RCPT is put to the backend before it is answered,
// and what the backend says to RCPT and to the end of data reaches the client, codes and text.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { on } from "../support/blackbox_backend.ts";
import { bytesOf, inexact, stuff } from "../support/blackbox_bytes.ts";
import { code, told } from "../support/blackbox_client.ts";
import { ending, letter, type Stage, stage, taken, unharmed } from "../support/blackbox_stage.ts";
import { sleep } from "../support/blackbox_wait.ts";

let at: Stage;
beforeAll(async () => {
  at = await stage();
});
beforeEach(() => at.backend.heal());
afterAll(() => at.close());

const REFUSALS = [
  "550 5.1.1 <x@b.example>: Recipient address rejected: User unknown",
  "550 no enhanced code at all",
  "551 5.7.1 User not local; please try <forward@other.example>",
  "552 5.2.2 Mailbox full",
  "553 5.1.3 Bad address syntax",
  "554 5.7.1 Relay access denied",
  "450 4.2.0 <x@b.example>: Recipient address rejected: Greylisted, see http://g.example/?a=b&c",
  "451 4.7.1 Try again later",
  "452 4.5.3 Too many recipients",
  "450-4.2.1 The user you are trying to contact is receiving\r\n450-4.2.1 mail at a rate that prevents\r\n450 4.2.1 delivery. - gsmtp",
  "550-first line\r\n550-\r\n550-  indented, with trailing blanks  \r\n550 last",
  "550 5.7.1 8-bit text: gr\xc3\xbc\xc3\x9fe \xe4",
  "550 5.1.1 %s %n ${jndi} <script>alert(1)</script> \\r\\n",
  `554 5.7.1 ${"long ".repeat(90)}end`,
  "521 5.3.2 This host takes no mail",
  "599 5.9.9 a code nobody registered",
];

describe("rule 5: refusals of RCPT", () => {
  for (const reply of REFUSALS) {
    test(`are relayed as they are: ${JSON.stringify(reply).slice(0, 80)}`, async () => {
      at.backend.script = on({ RCPT: (m) => m.line.includes("<x@") ? { reply } : undefined });
      const client = await at.proxy.client();
      await client.command("MAIL FROM:<a@client.example>", "2");
      expect(told(await client.ask("RCPT TO:<x@b.example>"))).toBe(reply);
      // The session and the transaction go on.
      const { id, bytes } = letter();
      expect(told(await client.ask("RCPT TO:<good@b.example>"))).toBe("250 2.1.5 Recipient ok");
      await client.command("DATA", "354");
      await client.write(stuff(bytes));
      await client.expect("250");
      expect(at.backend.delivered(id).map((d) => d.recipients)).toEqual([["RCPT TO:<good@b.example>"]]);
      await client.quit();
    });
  }
});

describe("rule 5: acceptance of RCPT", () => {
  for (
    const reply of [
      "250 Ok",
      "250 2.1.5 fine",
      "251 2.1.5 User not local; will forward to <y@z>",
      "252 2.1.5 Cannot verify",
      "250-two\r\n250 lines",
    ]
  ) {
    test(`is relayed as it is: ${JSON.stringify(reply)}`, async () => {
      at.backend.script = on({ RCPT: { reply } });
      const client = await at.proxy.client();
      await client.command("MAIL FROM:<a@client.example>", "2");
      expect(told(await client.ask("RCPT TO:<x@b.example>"))).toBe(reply);
      await client.quit();
    });
  }

  test("waits for the backend", async () => {
    let go: () => void = () => undefined;
    at.backend.script = on({ RCPT: { after: new Promise<void>((resolve) => go = resolve) } });
    const client = await at.proxy.client();
    await client.command("MAIL FROM:<a@client.example>", "2");
    expect(await client.ask("RCPT TO:<x@b.example>", 300)).toBe("silent");
    go();
    expect(code(await client.hear())).toBe("250");
    await client.quit();
  });

  test("is true for every recipient of a pipelined group, in order", async () => {
    at.backend.script = on({
      RCPT: (m) => ({
        reply: `${
          m.line.includes("bad") ? "550 5.1.1" : m.line.includes("later") ? "450 4.2.0" : "250 2.1.5"
        } ${m.line.slice(8)}`,
      }),
    });
    const names = Array.from(
      { length: 60 },
      (_, i) => `<${["good", "bad", "later"][(i * 7) % 3]}${i}@b.example>`,
    );
    for (const size of [100_000, 1, 13]) {
      const client = await at.proxy.client();
      const { id, bytes } = letter();
      await client.write(
        `MAIL FROM:<a@client.example>\r\n${names.map((n) => `RCPT TO:${n}\r\n`).join("")}DATA\r\n`,
        { size },
      );
      await client.expect("250");
      for (const name of names) {
        const wanted = name.includes("bad")
          ? "550 5.1.1"
          : name.includes("later")
          ? "450 4.2.0"
          : "250 2.1.5";
        expect(told(await client.hear())).toBe(`${wanted} ${name}`);
      }
      await client.expect("354");
      await client.write(stuff(bytes));
      await client.expect("250");
      expect(at.backend.delivered(id).map((d) => d.recipients)).toEqual([
        names.filter((n) => n.includes("good")).map((n) => `RCPT TO:${n}`),
      ]);
      await client.quit();
    }
  }, 20_000);

  test("when there is none, DATA and BDAT are refused and nothing is sent", async () => {
    at.backend.script = on({ RCPT: { reply: "550 5.1.1 no" } });
    const bodies = at.backend.connections.flatMap((c) => c.bodies).length;
    const client = await at.proxy.client();
    await client.write(
      "MAIL FROM:<a@client.example>\r\nRCPT TO:<x@b.example>\r\nRCPT TO:<y@b.example>\r\nDATA\r\nNOOP\r\n",
    );
    const codes = [];
    for (let i = 0; i < 5; i++) codes.push(code(await client.hear()));
    expect(codes.slice(0, 3)).toEqual(["250", "550", "550"]);
    expect(codes[3]).toMatch(/^5/);
    expect(codes[4]).toBe("250");
    await client.write("BDAT 6 LAST\r\nRSET\r\nNOOP\r\n");
    expect(code(await client.hear())).toMatch(/^5/);
    expect(code(await client.hear()), "the reply to NOOP, none to the chunk's RSET").toBe("250");
    expect(await client.hear(100)).toBe("silent");
    await client.quit();
    expect(at.backend.connections.flatMap((c) => c.bodies).length).toBe(bodies);
  });

  test("RSET, EHLO and a new MAIL forget the recipients before", async () => {
    for (const clear of ["RSET", "EHLO again.example", "HELO again.example"]) {
      const client = await at.proxy.client();
      await client.command("MAIL FROM:<old@client.example>", "2");
      await client.command("RCPT TO:<old@b.example>", "2");
      await client.command(clear, "250");
      const { id, bytes } = letter();
      const sent = await client.send(bytes, {
        mail: "MAIL FROM:<new@client.example>",
        rcpt: ["RCPT TO:<new@b.example>"],
      });
      expect(taken(sent), ending(sent)).toBe(true);
      expect(at.backend.delivered(id).map((d) => [d.mail, ...d.recipients])).toEqual([[
        "MAIL FROM:<new@client.example>",
        "RCPT TO:<new@b.example>",
      ]]);
      await client.quit();
    }
  });
});

describe("refusals of MAIL reach the client, at MAIL or at the first RCPT", () => {
  for (const reply of REFUSALS.filter((r) => !r.startsWith("521"))) {
    test(JSON.stringify(reply).slice(0, 80), async () => {
      at.backend.script = on({ MAIL: { reply } });
      const client = await at.proxy.client();
      let heard = await client.ask("MAIL FROM:<a@client.example>");
      if (code(heard).startsWith("2")) heard = await client.ask("RCPT TO:<x@b.example>");
      expect(told(heard)).toBe(reply);
      at.backend.heal();
      await client.command("RSET", "250");
      const sent = await client.send(letter().bytes);
      expect(taken(sent), ending(sent)).toBe(true);
      await client.quit();
    });
  }
});

describe("rule 1: the backend's word on the end of data is the client's", () => {
  const finals = [
    "250 Ok",
    "250 2.0.0 Ok: queued as 4F2AB1C0D",
    "250-2.0.0 first\r\n250-2.0.0 second\r\n250 2.0.0 third",
    "251 2.0.0 odd but positive",
    "250 gr\xc3\xbc\xc3\x9fe",
    ...REFUSALS,
  ];
  for (const reply of finals) {
    test(`${JSON.stringify(reply).slice(0, 80)}, whole and torn to single bytes`, async () => {
      for (const bytewise of [false, true]) {
        at.backend.script = on({ dot: { reply, bytewise } });
        const client = await at.proxy.client();
        const { id, bytes } = letter();
        const sent = await client.send(bytes);
        expect(ending(sent)).toBe(`dot: ${reply}`);
        expect(at.backend.delivered(id).length).toBe(reply.startsWith("2") ? 1 : 0);
        at.backend.heal();
        const again = letter();
        const second = await client.send(again.bytes);
        expect(taken(second), ending(second)).toBe(true);
        expect(at.backend.delivered(again.id).map((d) => inexact(d.bytes, again.bytes))).toEqual([""]);
        await client.quit();
      }
    }, 20_000);
  }

  test("is waited for", async () => {
    let go: () => void = () => undefined;
    at.backend.script = on({ dot: { after: new Promise<void>((resolve) => go = resolve) } });
    const client = await at.proxy.client();
    const sending = client.send(letter().bytes, { limit: 8000 });
    await sleep(500);
    expect(client.unread).toBe("");
    go();
    expect(taken(await sending)).toBe(true);
    await client.quit();
  }, 15_000);

  test("a refusal of DATA keeps its class and mails nothing", async () => {
    for (const reply of ["451 4.3.0 not now", "554 5.5.1 no valid recipients", "550-no\r\n550 never"]) {
      at.backend.script = on({ DATA: { reply } });
      const client = await at.proxy.client();
      const { id, bytes } = letter();
      const sent = await client.send(bytes);
      expect(code(sent.heard)[0], ending(sent)).toBe(reply.slice(0, 1));
      expect(at.backend.delivered(id)).toEqual([]);
      at.backend.heal();
      await client.command("RSET", "250");
      expect(taken(await client.send(bytes))).toBe(true);
      await client.quit();
    }
  });
});

describe("a backend that speaks slowly, a byte at a time", () => {
  test("is understood at every step", async () => {
    at.backend.dropAll("close");
    at.backend.script = () => ({ bytewise: true });
    const client = await at.proxy.client();
    const { id, bytes } = letter();
    const sent = await client.send(bytes, {
      rcpt: ["RCPT TO:<a@b.example>", "RCPT TO:<c@b.example>"],
      limit: 8000,
    });
    expect(taken(sent), ending(sent)).toBe(true);
    expect(at.backend.delivered(id).map((d) => inexact(d.bytes, bytes))).toEqual([""]);
    await client.quit();
  }, 20_000);
});

describe("a reply cannot carry a second one", () => {
  for (
    const [name, raw] of [
      ["bare LF", "550 5.1.1 no\n250 2.1.5 yes\r\n"],
      ["bare CR", "550 5.1.1 no\r250 2.1.5 yes\r\n"],
      ["NUL", "550 5.1.1 no\0 250 yes\r\n"],
    ] as const
  ) {
    test(`${name} in the backend's text never reaches the client bare, and refuses still`, async () => {
      at.backend.script = on({ RCPT: { raw } });
      const client = await at.proxy.client();
      await client.command("MAIL FROM:<a@client.example>", "2");
      const heard = await client.ask("RCPT TO:<x@b.example>");
      expect(code(heard)).toMatch(/^[45]/);
      expect(told(heard)).not.toMatch(/[\n\r\0]/);
      expect(await client.hear(100)).toBe("silent");
      await client.quit();
    });
  }
});

test("pipelined QUIT after the dot is answered last, and only then is the session over", async () => {
  at.backend.script = on({ dot: { after: 200 } });
  const client = await at.proxy.client();
  const { id, bytes } = letter();
  await client.write("MAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\nDATA\r\n");
  for (const prefix of ["250", "250", "354"]) await client.expect(prefix);
  await client.write(Buffer.concat([stuff(bytes), bytesOf("QUIT\r\n")]));
  await client.expect("250");
  await client.expect("221");
  expect(await client.closes()).toBe(true);
  expect(at.backend.delivered(id).length).toBe(1);
});

test("afterwards the proxy serves and the backend saw clean SMTP only", async () => {
  await unharmed(at.proxy, at.backend);
});
