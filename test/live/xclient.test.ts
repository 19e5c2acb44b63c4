// bun only: starts real servers
// XCLIENT and XFORWARD with Postfix, whose log says whom it believes to serve.
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { ClientFacts } from "../../src/smtp/client_facts.ts";
import { XCLIENT_ATTRIBUTES } from "../../src/smtp/xclient.ts";
import { xclientLines } from "../../src/smtp/xclient_lines.ts";
import { xforwardLines } from "../../src/smtp/xforward.ts";
import { eventually } from "../support/blackbox_wait.ts";
import { serverPort } from "../support/live_children.ts";
import { Postfix, postfixMissing } from "../support/live_postfix.ts";

const missing = postfixMissing();
const title = missing === undefined ? "Postfix" : `Postfix (skipped: ${missing})`;
const HELLO = "EHLO proxy.example";
const MAIL = "MAIL FROM:<a@example.org>";

describe.skipIf(missing !== undefined)(title, () => {
  let folder: string;
  let postfix: Postfix;
  let port: number;
  /** What it advertises. */
  const offered = new Map<string, ReadonlySet<string>>();

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "sallyport-postfix-"));
    port = await serverPort();
    const own = [
      "-o smtpd_authorized_xclient_hosts=127.0.0.1",
      "-o smtpd_authorized_xforward_hosts=127.0.0.1",
    ];
    postfix = await Postfix.start({
      folder,
      port,
      main: [
        // Where it speaks IPv4 only, it takes no IPv6 address for an address.
        "inet_protocols = all",
        "mynetworks =",
        "smtpd_client_port_logging = yes",
        "smtpd_relay_restrictions = reject_unauth_destination",
        "relay_domains = b.example",
        "transport_maps = inline:{{b.example = discard:}}",
      ],
      listeners: [`127.0.0.1:${port} inet n - n - - smtpd ${own.join(" ")}`],
    });
    const [, ehlo = ""] = await say([HELLO]);
    for (const [, verb, names] of ehlo.matchAll(/^250[- ](XCLIENT|XFORWARD) (.*)$/gm)) {
      offered.set(verb!, new Set(names!.split(" ")));
    }
  });
  afterAll(async () => {
    await postfix?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Says the lines, each after the reply to the one before; the greeting and the replies. */
  async function say(lines: readonly string[]): Promise<string[]> {
    const socket = connect(port, "127.0.0.1");
    const replies: string[] = [];
    const reply = async () => {
      let text = "";
      while (!/^\d{3} .*\r\n$/m.test(text)) text += String((await once(socket, "data"))[0]);
      replies.push(text.replaceAll("\r\n", "\n"));
    };
    await reply();
    for (const line of lines) {
      socket.write(`${line}\r\n`);
      await reply();
    }
    socket.destroy();
    return replies;
  }

  /** The codes of the replies to the lines. */
  async function codes(...lines: readonly string[]): Promise<string> {
    const replies = await say([HELLO, ...lines]);
    return replies.slice(2).map((reply) => reply.slice(0, 3)).join(" ");
  }

  async function expectLogged(pattern: RegExp): Promise<void> {
    await eventually(() => Promise.resolve(pattern.test(postfix.log)), 5000);
    expect(postfix.log).toMatch(pattern);
  }

  const xclient = (facts: ClientFacts) => xclientLines(facts, offered.get("XCLIENT")!);
  const xforward = (facts: Parameters<typeof xforwardLines>[0]) =>
    xforwardLines(facts, offered.get("XFORWARD")!);
  const long = (letter: string) => [60, 60, 60, 60].map((length) => letter.repeat(length)).join(".");
  const facts: ClientFacts = {
    name: "host.example.net",
    reverseName: "host.example.net",
    addr: "2001:db8::1",
    port: 41234,
    proto: "ESMTP",
    helo: "helo.example.net",
    login: "u+tag=x@example.org",
    destAddr: "10.0.0.5",
    destPort: 25,
  };

  test("advertises the attributes that are known here", () => {
    expect([...offered.get("XCLIENT")!].toSorted()).toEqual([...XCLIENT_ATTRIBUTES].toSorted());
    expect([...offered.get("XFORWARD")!].toSorted())
      .toEqual(["ADDR", "HELO", "IDENT", "NAME", "PORT", "PROTO", "SOURCE"]);
  });

  test("believes all that XCLIENT tells", async () => {
    expect(await codes(...xclient(facts), MAIL, "RCPT TO:<one@b.example>", "RCPT TO:<one@elsewhere.example>"))
      .toBe("220 250 250 554");
    const client = "host\\.example\\.net\\[2001:db8::1\\]:41234";
    await expectLogged(
      new RegExp(`: client=${client}, sasl_method=XCLIENT, sasl_username=u\\+tag=x@example\\.org$`, "m"),
    );
    await expectLogged(new RegExp(`reject: RCPT from ${client}: .* proto=ESMTP helo=<helo\\.example\\.net>`));
  });

  test("believes it too where it took several commands", async () => {
    const lines = xclient({
      ...facts,
      name: long("n"),
      reverseName: long("r"),
      helo: long("h"),
      login: "second",
    });
    expect(lines.length).toBe(3);
    expect(await codes(...lines, MAIL, "RCPT TO:<two@b.example>", "RCPT TO:<two@elsewhere.example>"))
      .toBe("220 220 220 250 250 554");
    const client = `${long("n")}\\[2001:db8::1\\]:41234`;
    await expectLogged(new RegExp(`: client=${client}, sasl_method=XCLIENT, sasl_username=second$`, "m"));
    // The log cuts what is longer.
    await expectLogged(new RegExp(`reject: RCPT from ${client}: .* proto=ESMTP helo=<hhhhhhhhhh`));
  });

  test("forgets the last client's user and name where the next has none", async () => {
    const lines = [
      // An address that may send another XCLIENT.
      ...xclient({ ...facts, addr: "127.0.0.1" }),
      ...xclient({ addr: "192.0.2.9", port: 9 }),
      "EHLO third.example",
      MAIL,
      "RCPT TO:<three@b.example>",
      "RCPT TO:<three@elsewhere.example>",
    ];
    expect(await codes(...lines)).toBe("220 220 250 250 250 554");
    await expectLogged(/: client=unknown\[192\.0\.2\.9\]:9$/m);
    await expectLogged(/reject: RCPT from unknown\[192\.0\.2\.9\]:9: .* proto=ESMTP helo=<third\.example>/);
  });

  test("takes an XCLIENT of nothing known, and of an EHLO for the protocol", async () => {
    expect(await codes(...xclient({}), "EHLO a.example", MAIL)).toBe("220 250 250");
  });

  test("takes what XFORWARD tells and what it cannot tell, message by message", async () => {
    const far = {
      name: long("n"),
      addr: "2001:db8::7",
      port: 7,
      proto: "ESMTPS",
      helo: long("h"),
      ident: "7Q2M",
    };
    const lines = xforward(far);
    expect(lines.length).toBe(2);
    expect(
      await codes(...xforward({}), ...lines, MAIL, "RCPT TO:<four@b.example>", "RSET", ...xforward({}), MAIL),
    )
      .toBe("250 250 250 250 250 250 250 250");
    await expectLogged(new RegExp(`orig_client=${long("n")}\\[2001:db8::7\\]:7$`, "m"));
    await expectLogged(/orig_queue_id=7Q2M/);
  });
});
