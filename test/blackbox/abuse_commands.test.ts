// bun only: drives the program as a process
// Rules 6, 8 and 9 at the command line: over-long commands, bare line ends and NUL, foreign protocols,
// floods of errors, recipients and replies. The process never dies, and nobody else notices.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { bytesOf, stuff } from "../support/blackbox_bytes.ts";
import { code, type RawClient, told } from "../support/blackbox_client.ts";
import { ending, letter, type Stage, stage, taken, unharmed } from "../support/blackbox_stage.ts";
import { sleep } from "../support/blackbox_wait.ts";

let at: Stage;
beforeAll(async () => {
  at = await stage();
});
afterAll(() => at.close());

async function all(client: RawClient, limit = 2000): Promise<string[]> {
  const heard: string[] = [];
  for (;;) {
    const reply = await client.hear(limit);
    heard.push(told(reply));
    if (typeof reply === "string") return heard;
  }
}

describe("rule 6: bare CR, bare LF or NUL in a command is 500 and close, and nothing of it is run", () => {
  const evil = [
    "NOOP\n",
    "NOOP\nNOOP\r\n",
    "NOOP\rNOOP\r\n",
    "NO\0OP\r\n",
    "NOOP\0\r\n",
    "\0NOOP\r\n",
    "NOOP\r\r\n",
    "NOOP\n\r\n",
    "\n",
    "\r\rNOOP\r\n",
    "MAIL FROM:<a@b.example>\nRCPT TO:<evil@b.example>\r\n",
    "MAIL FROM:<a@b.example>\rRCPT TO:<evil@b.example>\r\n",
    "MAIL FROM:<a\0@b.example>\r\n",
    "EHLO evil\nname\r\n",
    "RSET\n\nMAIL FROM:<evil@b.example>\r\n",
    "BDAT 3 LAST\nabc\r\n",
    "QUIT\n",
  ];
  for (const bytes of evil) {
    test(JSON.stringify(bytes), async () => {
      for (const size of [1000, 1]) {
        const client = await at.proxy.client();
        // What follows in the same breath must not be run either.
        await client.write(`${bytes}NOOP\r\nMAIL FROM:<evil@b.example>\r\nRCPT TO:<evil@b.example>\r\n`, {
          size,
        });
        const heard = await all(client);
        expect(heard.length, heard.join(" | ")).toBe(2);
        expect(heard[0]).toStartWith("500");
        expect(heard[1]).toBe("closed");
        client.vanish();
      }
      const commands = at.backend.connections.flatMap((c) => c.commands).filter((c) => c.includes("evil"));
      expect(commands).toEqual([]);
    });
  }

  test("good commands before the bad one in the same write are answered first", async () => {
    const client = await at.proxy.client();
    await client.write("NOOP\r\nRSET\r\nNO\nOP\r\nNOOP\r\n");
    const heard = await all(client);
    expect(heard.map((h) => h.slice(0, 3))).toEqual(["250", "250", "500", "clo"]);
  });
});

describe("rule 8: over-long commands", () => {
  for (const size of [20_000, 70_000, 1_000_000]) {
    test(`one of ${size} bytes is refused once, and its end is not run`, async () => {
      const client = await at.proxy.client();
      await client.write(`NOOP ${"x".repeat(size)} \r\nNOOP\r\n`);
      const heard = await all(client, 500);
      // 5yz, and the session goes on with NOOP's 250 or is closed; or 421 and close at once.
      expect(heard.join(" ")).toMatch(/^(5\d\d .*250 .*silent|(5\d\d .*)?(421 .*)?closed)$/);
      client.vanish();
    });
  }

  test("one without a line end is bounded: refused or closed, and memory stays", async () => {
    const before = at.proxy.resident();
    const client = await at.proxy.client();
    const piece = bytesOf("y".repeat(1 << 16));
    for (let i = 0; i < 800 && !client.ended; i++) {
      await Promise.race([client.write(piece), sleep(500)]);
    }
    expect(at.proxy.resident() - before).toBeLessThan(40);
    const heard = await client.hear(500);
    if (typeof heard === "string") expect(heard).toBe(client.ended ? "closed" : "silent");
    else expect(heard.code).toMatch(/^(5|421)/);
    client.vanish();
  }, 20_000);

  test("RFC 5321 sizes are no over-length: 512 octets for a command", async () => {
    const client = await at.proxy.client();
    const line = `MAIL FROM:<${"l".repeat(64)}@${"d".repeat(63)}.${"e".repeat(63)}.${"f".repeat(63)}.${
      "g".repeat(40)
    }.example> BODY=8BITMIME RET=HDRS ENVID=${"v".repeat(80)}`;
    expect(code(await client.ask(line)), line.length.toString()).toBe("250");
    const noop = `NOOP ${"n".repeat(505)}`;
    expect(code(await client.ask(noop))).toMatch(/^250|^501/);
    await client.quit();
  });
});

describe("foreign protocols on the plain port", () => {
  for (
    const verb of [
      "GET / HTTP/1.1",
      "POST /x HTTP/1.1",
      "PUT / HTTP/1.0",
      "HEAD / HTTP/1.1",
      "CONNECT mx.example:25 HTTP/1.1",
      "OPTIONS * HTTP/1.1",
      "DELETE / HTTP/1.1",
      "get / http/1.1",
    ]
  ) {
    test(`${verb}: 421 and close, the rest unread`, async () => {
      for (const greeted of [false, true]) {
        const client = greeted ? await at.proxy.client() : await at.proxy.connect();
        if (!greeted) await client.expect("220");
        await client.write(
          `${verb}\r\nHost: mx.example\r\nContent-Length: 99\r\n\r\nEHLO x\r\nMAIL FROM:<evil@b.example>\r\n`,
        );
        const heard = await all(client);
        expect(heard.length, heard.join(" | ")).toBe(2);
        expect(heard[0]).toStartWith("421");
        expect(heard[1]).toBe("closed");
      }
    });
  }

  test("a TLS ClientHello is refused, and the session closed", async () => {
    const hello = bytesOf(
      `\x16\x03\x01\x00\x35\x01\x00\x00\x31\x03\x03${
        "r".repeat(32)
      }\x00\x00\x02\x13\x01\x01\x00\x00\x06\x00\x2b\x00\x02\x03\x04`,
    );
    const client = await at.proxy.connect();
    await client.expect("220");
    await client.write(Buffer.concat([hello, bytesOf("\r\n")]));
    const heard = await all(client);
    expect(heard.at(-1)).toBe("closed");
    expect(heard.length).toBeLessThanOrEqual(2);
    if (heard.length === 2) expect(heard[0]).toMatch(/^(500|421)/);
  });

  test("binary noise of every kind kills nothing", async () => {
    for (let n = 0; n < 40; n++) {
      const client = await at.proxy.connect();
      const noise = new Uint8Array(3000);
      for (let i = 0; i < noise.length; i++) noise[i] = (i * 31 + n * 97 + (i * i) % 251) & 255;
      await client.write(noise);
      await client.write("\r\n");
      await client.hear(30).catch(() => undefined);
      client.reset();
    }
    await unharmed(at.proxy, at.backend);
  }, 20_000);
});

describe("rule 8: floods", () => {
  test("too many errors end the session with 421", async () => {
    const client = await at.proxy.client();
    const heard: string[] = [];
    for (let i = 0; i < 1000 && !client.ended; i++) heard.push(told(await client.ask(`FOO${i}`, 2000)));
    expect(client.ended, `${heard.length} errors and still open`).toBe(true);
    expect(heard.filter((h) => h !== "closed").at(-1)).toStartWith("421");
    expect(heard[0]).toMatch(/^50\d/);
  }, 20_000);

  test("too many errors in one write end the session too", async () => {
    const client = await at.proxy.client();
    await client.write("FOO\r\n".repeat(3000));
    const heard = await all(client);
    expect(heard.at(-1)).toBe("closed");
    expect(heard.at(-2)).toStartWith("421");
    expect(heard.length).toBeLessThan(1500);
  }, 20_000);

  test("too many recipients are refused with 452, those before are true", async () => {
    const client = await at.proxy.client();
    await client.command("MAIL FROM:<a@client.example>", "250");
    const heard: string[] = [];
    const count = 12_000;
    for (let i = 0; i < count && !client.ended; i += 500) {
      await client.write(Array.from({ length: 500 }, (_, n) => `RCPT TO:<r${i + n}@b.example>\r\n`).join(""));
      for (let n = 0; n < 500 && !client.ended; n++) heard.push(told(await client.hear()));
      if (heard.at(-1)?.startsWith("4")) break;
    }
    const good = heard.filter((h) => h.startsWith("250")).length;
    expect(good, "RFC 5321 §4.5.3.1.8").toBeGreaterThanOrEqual(100);
    expect(good).toBeLessThan(count);
    expect(heard[good]).toMatch(/^(452|421)/);
    if (!client.ended) {
      const { id, bytes } = letter();
      await client.command("DATA", "354");
      await client.write(stuff(bytes));
      await client.expect("250");
      expect(at.backend.delivered(id)[0]?.recipients.length).toBe(good);
    }
    await client.quit();
  }, 40_000);

  test("a client that asks and asks and never reads costs no memory", async () => {
    const before = at.proxy.resident();
    const client = await at.proxy.client();
    client.stopReading();
    const piece = bytesOf("EHLO client.example\r\nNOOP\r\nHELP\r\n".repeat(2000));
    let peak = before;
    for (let i = 0; i < 400 && !client.ended; i++) {
      const went = await Promise.race([client.write(piece).then(() => true), sleep(1500).then(() => false)]);
      peak = Math.max(peak, at.proxy.resident());
      if (!went) break;
    }
    expect(peak - before).toBeLessThan(40);
    const other = await at.proxy.client();
    const sent = await other.send(letter().bytes);
    expect(taken(sent), ending(sent)).toBe(true);
    await other.quit();
    client.reset();
  }, 30_000);

  test("commands out of order are refused one by one, and the session is none the worse", async () => {
    const client = await at.proxy.connect();
    await client.expect("220");
    const early = ["MAIL FROM:<a@b.example>", "RCPT TO:<a@b.example>", "DATA"];
    for (const line of early) expect(told(await client.ask(line))).toMatch(/^5\d\d/);
    await client.command("EHLO client.example", "250");
    for (const line of ["RCPT TO:<a@b.example>", "DATA", "BDAT 0 LAST"]) {
      expect(told(await client.ask(line))).toMatch(/^50[123]/);
    }
    await client.command("MAIL FROM:<a@b.example>", "250");
    for (const line of ["MAIL FROM:<a@b.example>", "DATA"]) {
      expect(told(await client.ask(line))).toMatch(/^5\d\d/);
    }
    await client.command("RSET", "250");
    const sent = await client.send(letter().bytes);
    expect(taken(sent), ending(sent)).toBe(true);
    await client.quit();
  });

  test("verbs that RFC 5321 retired, and strange ones, get 502 or 500; DATA and RSET take no argument", async () => {
    const client = await at.proxy.client();
    for (const verb of ["SEND", "SOML", "SAML", "TURN", "ATRN"]) {
      expect(told(await client.ask(`${verb} FROM:<a@b.example>`))).toMatch(/^502/);
    }
    await client.quit();
    const other = await at.proxy.client();
    expect(told(await other.ask("EXPN staff"))).toMatch(/^502/);
    expect(told(await other.ask("VRFY postmaster"))).toMatch(/^252/);
    expect(told(await other.ask("HELP"))).toMatch(/^21[14]/);
    expect(told(await other.ask("NOOP with words"))).toMatch(/^(250|501)/);
    expect(told(await other.ask("XCLIENT ADDR=192.0.2.1"))).toMatch(/^5/);
    expect(told(await other.ask("PROXY TCP4 192.0.2.1 192.0.2.2 1 2"))).toMatch(/^421 4\.7\.1 /);
    expect(told(await other.ask("constructor"))).toMatch(/^500|closed/);
    other.vanish();
    const third = await at.proxy.client();
    expect(told(await third.ask("__proto__ x"))).toMatch(/^500/);
    expect(told(await third.ask("toString"))).toMatch(/^500/);
    const sent = await third.send(bytesOf("__proto__: x\r\nconstructor: y\r\n\r\n.\r\n"));
    expect(taken(sent), ending(sent)).toBe(true);
    await third.quit();
  });
});

describe("rule 7: commands after the dot in the same write", () => {
  test("are kept and answered in order, another transaction included", async () => {
    const client = await at.proxy.client();
    const [first, second] = [letter(), letter()];
    const envelope = bytesOf("MAIL FROM:<a@client.example>\r\nRCPT TO:<r@b.example>\r\nDATA\r\n");
    await client.write(envelope);
    for (const wanted of ["250", "250", "354"]) await client.expect(wanted);
    await client.write(Buffer.concat([stuff(first.bytes), bytesOf("NOOP\r\nVRFY x\r\n"), envelope]));
    for (const wanted of ["250", "250", "252", "250", "250", "354"]) await client.expect(wanted);
    await client.write(Buffer.concat([stuff(second.bytes), bytesOf("RSET\r\nQUIT\r\n")]));
    for (const wanted of ["250", "250", "221"]) await client.expect(wanted);
    expect(await client.closes()).toBe(true);
    for (const { id } of [first, second]) expect(at.backend.delivered(id).length).toBe(1);
  });

  test("are not answered before the backend has spoken on the message", async () => {
    at.backend.script = (m) => m.step === "dot" ? { after: 300, reply: "554 5.7.1 no" } : undefined;
    const client = await at.proxy.client();
    await client.write("MAIL FROM:<>\r\nRCPT TO:<r@b.example>\r\nDATA\r\n");
    for (const wanted of ["250", "250", "354"]) await client.expect(wanted);
    await client.write(Buffer.concat([stuff(letter().bytes), bytesOf("NOOP\r\nQUIT\r\n")]));
    expect(await client.hear(150)).toBe("silent");
    for (const wanted of ["554", "250", "221"]) await client.expect(wanted);
    at.backend.heal();
    expect(await client.closes()).toBe(true);
  });

  test("fifty messages in one breath, each answered, each there once", async () => {
    const client = await at.proxy.client();
    const letters = Array.from({ length: 50 }, () => letter());
    const envelope = "MAIL FROM:<a@client.example>\r\nRCPT TO:<r@b.example>\r\nDATA\r\n";
    await client.write(Buffer.concat(letters.flatMap(({ bytes }) => [bytesOf(envelope), stuff(bytes)])));
    for (let i = 0; i < letters.length; i++) {
      for (const wanted of ["250", "250", "354", "250"]) await client.expect(wanted);
    }
    for (const { id } of letters) expect(at.backend.delivered(id).length).toBe(1);
    await client.quit();
  }, 20_000);

  test("QUIT is answered with 221, the connection closed, and what follows it is not run", async () => {
    const client = await at.proxy.client();
    await client.write("QUIT\r\nNOOP\r\nMAIL FROM:<evil@b.example>\r\n");
    expect((await all(client)).map((h) => h.slice(0, 3))).toEqual(["221", "clo"]);
  });
});

test("afterwards the proxy serves and the backend saw clean SMTP only", async () => {
  await unharmed(at.proxy, at.backend);
}, 20_000);
