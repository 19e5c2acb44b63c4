/**
 * `access`: who is let through and who is refused by lists, and how lists are read.
 */
import { describe, expect, test } from "bun:test";
import { access, type AccessOptions } from "../../plugins/access/mod.ts";
import {
  ALLOWED,
  atRcpt,
  isAllowed,
  type Plugin,
  reject,
  REVERSE,
  type Stage,
  unless,
} from "../../src/mod.ts";
import { ask, factsAt, findingsOf, path, prepare } from "../../src/testing.ts";
import { SessionChain } from "../support/session_chain.ts";

const HOST = { port: 50_000 };

/** What a stage comes to: "550 text", the finding ALLOWED, or nothing. */
async function outcome<S extends Stage>(
  plugin: Plugin,
  stage: S,
  given: Parameters<typeof factsAt<S>>[1],
): Promise<string | undefined> {
  const { verdict, findings, failed } = await ask(plugin, stage, factsAt(stage, given));
  expect(failed).toBe(false);
  if (verdict?.kind === "reject") return `${verdict.code} ${verdict.text}`;
  expect(verdict).toBeUndefined();
  return findings.get(ALLOWED);
}

const client = (plugin: Plugin, host: string) => outcome(plugin, "connect", { client: { host, ...HOST } });
const helo = (plugin: Plugin, name: string) => outcome(plugin, "helo", { helo: name });
const sender = (plugin: Plugin, mailbox: string) => outcome(plugin, "mail", { reversePath: path(mailbox) });
const recipient = (plugin: Plugin, mailbox: string) =>
  outcome(plugin, "rcpt", { forwardPath: path(mailbox) });
const reverse = (plugin: Plugin, names: readonly string[], name?: string) => {
  const finding = { status: name === undefined ? "fail" : "pass", names, name };
  return outcome(plugin, "connect", { findings: findingsOf([REVERSE, finding]) });
};

const CLIENT = "554 Mail from your network is not accepted here";
const SENDER = "550 Mail from this sender is not accepted here";
const RECIPIENT = "550 Mail to this recipient is not accepted here";
const HELO = "550 Mail from a host of that name is not accepted here";
const REVERSED = "554 Mail from your host is not accepted here";

describe("clients:", () => {
  const plugin = access({
    deny: { clients: ["192.0.2.0/24", "198.51.100.64/26", "2001:db8::/32", "203.0.113.9"] },
    allow: {
      clients: ["192.0.2.128/25", "198.51.100.0/24", "2001:db8:7::/48", "203.0.113.9", "::ffff:10.0.0.0/104"],
    },
  });
  const cases: readonly (readonly [host: string, came: string | undefined, why: string])[] = [
    ["192.0.2.1", CLIENT, "in a denied network"],
    ["192.0.2.129", "access: clients 192.0.2.128/25", "in an allowed part of a denied network"],
    ["198.51.100.1", "access: clients 198.51.100.0/24", "in an allowed network"],
    ["198.51.100.65", CLIENT, "in a denied part of an allowed network"],
    ["203.0.113.9", "access: clients 203.0.113.9", "in both lists, equally near: allowed"],
    ["203.0.113.10", undefined, "in none"],
    ["2001:db8::1", CLIENT, "IPv6"],
    ["2001:db8:7:0:1::5", "access: clients 2001:db8:7::/48", "IPv6, nearer"],
    ["::ffff:192.0.2.1", CLIENT, "IPv4-mapped is IPv4"],
    ["10.1.2.3", "access: clients ::ffff:10.0.0.0/104", "an IPv4-mapped network is one of IPv4"],
    ["fe80::1%eth0", undefined, "no address of the internet"],
    ["/run/smtp.sock", undefined, "no address at all"],
  ];
  for (const [host, came, why] of cases) {
    test(`${host} (${why}): ${came ?? "nothing"}`, async () => {
      expect(await client(plugin, host)).toBe(came!);
    });
  }

  test("the whole of IPv4 denied leaves IPv6 alone", async () => {
    const all = access({ deny: { clients: ["0.0.0.0/0"] } });
    expect([await client(all, "192.0.2.1"), await client(all, "2001:db8::1")]).toEqual([CLIENT, undefined]);
  });

  test("an entry's own reply is what the client hears, and a remark is not", async () => {
    const own = access({
      deny: { clients: ["192.0.2.1 Ask postmaster@mx.example", "192.0.2.2 # since May"] },
    });
    expect(await client(own, "192.0.2.1")).toBe("554 Ask postmaster@mx.example");
    expect(await client(own, "192.0.2.2")).toBe(CLIENT);
  });
});

describe("reverse names:", () => {
  const plugin = access({
    allow: { reverse: ["mail.example.org", ".partner.example"] },
    deny: { reverse: [".example.org", ".dsl.example", "dsl.example"] },
  });
  const cases: readonly (readonly [names: string[], name: string | undefined, came: string | undefined])[] = [
    [["mail.example.org"], "mail.example.org", "access: reverse mail.example.org"],
    [["MAIL.Example.ORG."], "MAIL.Example.ORG.", "access: reverse mail.example.org"],
    [["a.b.partner.example"], "a.b.partner.example", "access: reverse .partner.example"],
    [["partner.example"], "partner.example", undefined],
    [["other.example.org"], "other.example.org", REVERSED],
    [["7-113.dsl.example"], undefined, REVERSED],
    [["dsl.example"], undefined, REVERSED],
    [["xdsl.example"], undefined, undefined],
    [[], undefined, undefined],
  ];
  for (const [names, name, came] of cases) {
    const what = name === undefined ? `${names[0] ?? "none"} (not confirmed)` : name;
    test(`${what}: ${came ?? "nothing"}`, async () => {
      expect(await reverse(plugin, names, name)).toBe(came!);
    });
  }

  test("a name that does not point back allows nothing, and is denied by what else fits it", async () => {
    expect(await reverse(plugin, ["mail.example.org"])).toBe(REVERSED);
    expect(await reverse(plugin, ["a.partner.example"])).toBeUndefined();
  });

  test("a confirmed name beside one that is denied: the nearer entry decides", async () => {
    expect(await reverse(plugin, ["host.dsl.example", "mail.example.org"], "mail.example.org")).toBe(
      "access: reverse mail.example.org",
    );
    expect(await reverse(plugin, ["dsl.example", "a.partner.example"], "a.partner.example")).toBe(
      "access: reverse .partner.example",
    );
  });

  test("at one stage an allowed name outdoes a denied network", async () => {
    const both = access({ allow: { reverse: ["mail.example.org"] }, deny: { clients: ["203.0.113.0/24"] } });
    expect(await reverse(both, ["mail.example.org"], "mail.example.org")).toBe(
      "access: reverse mail.example.org",
    );
    expect(await reverse(both, ["mail.example.org"])).toBe(CLIENT);
  });

  test("known at helo only, it is judged there; judged at connect, it is not judged again", async () => {
    const name = { status: "fail", names: ["host.dsl.example"], name: undefined } as const;
    const late = factsAt("helo", { findings: findingsOf([REVERSE, name]) });
    expect((await ask(plugin, "helo", late)).verdict).toEqual(
      reject("5.7.1", "Mail from your host is not accepted here", 550),
    );
    const chain = new SessionChain([atRcpt(plugin)]);
    chain.dossier.scopes.session.findings.leave(REVERSE, name);
    await chain.judge("connect");
    await chain.judge("helo");
    expect(chain.asked.map(({ stage, parts }) => [stage, parts[0]?.kind])).toEqual([
      ["connect", "reject"],
      ["helo", undefined],
    ]);
  });

  test("that nobody looks it up is told once", async () => {
    const own = access({ deny: { reverse: [".example.org"] } });
    const logs = [await ask(own, "helo", factsAt("helo")), await ask(own, "helo", factsAt("helo"))];
    expect(logs.flatMap(({ log }) => log)).toEqual([
      "warn: No plugin before this one looks up reverse names, so their lists say nothing",
    ]);
  });
});

describe("HELO:", () => {
  const plugin = access({
    allow: { helo: ["relay.bulk.example", "xn--mller-kva.example"] },
    deny: { helo: ["ylmf-pc", ".bulk.example", "[192.0.2.1]", "[IPv6:2001:db8::1]"] },
  });
  const cases: readonly (readonly [name: string, came: string | undefined])[] = [
    ["YLMF-PC", HELO],
    ["ylmf-pc.", HELO],
    ["ylmf-pc.example", undefined],
    ["a.bulk.example", HELO],
    ["relay.bulk.example", "access: helo relay.bulk.example"],
    ["[192.0.2.1]", HELO],
    ["[IPv6:::FFFF:192.0.2.1]", HELO],
    ["[ipv6:2001:DB8:0:0::1]", HELO],
    ["[2001:db8::2]", undefined],
    ["m\xc3\xbcller.example", "access: helo xn--mller-kva.example"],
    ["\xff\xfe", undefined],
  ];
  for (const [name, came] of cases) {
    test(`${JSON.stringify(name)}: ${came ?? "nothing"}`, async () => {
      expect(await helo(plugin, name)).toBe(came!);
    });
  }

  test("a name made to hurt costs what any other costs", async () => {
    expect(await helo(plugin, ".".repeat(255))).toBeUndefined();
  });
});

describe("senders:", () => {
  const plugin = access({
    deny: {
      senders: [
        "Spammer@example.org",
        "bulk.example",
        ".bulk.example",
        "<>",
        "newsletter@",
        "bücher.example",
        "[192.0.2.1]",
        '"two words"@example.org We take no mail of yours',
      ],
    },
    allow: { senders: ["good@bulk.example", "sub.bulk.example", "newsletter@example.org"] },
  });
  const cases: readonly (readonly [mailbox: string, came: string | undefined])[] = [
    ["spammer@EXAMPLE.org", SENDER],
    ["other@example.org", undefined],
    ["a@bulk.example", SENDER],
    ["a@x.y.bulk.example", SENDER],
    ["a@notbulk.example", undefined],
    ["good@bulk.example", "access: senders good@bulk.example"],
    ["a@sub.bulk.example", "access: senders sub.bulk.example"],
    ["", SENDER],
    ["newsletter@anywhere.example", SENDER],
    ["newsletter@example.org", "access: senders newsletter@example.org"],
    ['"spammer"@example.org', SENDER],
    ['"sp\\ammer"@example.org', SENDER],
    ['"two words"@example.org', "550 We take no mail of yours"],
    ['"a@b"@bulk.example', SENDER],
    ["a@bücher.example", SENDER],
    ["a@xn--bcher-kva.example", SENDER],
    ["a@BÜCHER.example", SENDER],
    ["a@[192.0.2.1]", SENDER],
  ];
  for (const [mailbox, came] of cases) {
    test(`<${mailbox}>: ${came ?? "nothing"}`, async () => {
      expect(await sender(plugin, mailbox)).toBe(came!);
    });
  }
});

describe("recipients:", () => {
  const plugin = access({
    deny: { recipients: ["gone@mx.example", ".old.example"] },
    allow: { recipients: ["abuse@", "postmaster@"] },
  });
  const cases: readonly (readonly [mailbox: string, came: string | undefined])[] = [
    ["Gone@mx.example", RECIPIENT],
    ["abuse@mx.example", "access: recipients abuse@"],
    ["abuse@a.old.example", RECIPIENT],
    ["Postmaster", "access: recipients postmaster@"],
    ["b@mx.example", undefined],
  ];
  for (const [mailbox, came] of cases) {
    test(`<${mailbox}>: ${came ?? "nothing"}`, async () => {
      expect(await recipient(plugin, mailbox)).toBe(came!);
    });
  }

  test("an allowed recipient says nothing of the next", async () => {
    const chain = new SessionChain([plugin]);
    await chain.judge("rcpt", { forwardPath: path("abuse@mx.example") });
    expect(chain.dossier.findings("rcpt").get(ALLOWED)).toBe("access: recipients abuse@");
    chain.dossier.recipientOver(true);
    await chain.judge("rcpt", { forwardPath: path("b@mx.example") });
    expect(chain.dossier.findings("rcpt").get(ALLOWED)).toBeUndefined();
  });
});

describe("in a policy:", () => {
  test("a stage without lists is not asked", () => {
    const asked = (given: AccessOptions) =>
      ["connect", "helo", "mail", "rcpt", "setup"].filter((stage) => stage in access(given));
    expect(asked({ deny: { senders: ["<>"] } })).toEqual(["mail"]);
    expect(asked({ allow: { clients: [] } })).toEqual(["connect"]);
    expect(asked({ files: [{ path: "f", list: "deny", of: "recipients" }] })).toEqual(["rcpt", "setup"]);
  });

  test("an allowed client is denied at a later stage all the same, unless the policy says otherwise", async () => {
    const network = access({ allow: { clients: ["203.0.113.0/24"] } });
    const senders = access({ deny: { senders: ["client.example"] } });
    const strict = new SessionChain([network, senders]);
    const mild = new SessionChain([network, unless(isAllowed, senders)]);
    for (const chain of [strict, mild]) await chain.judge("connect");
    expect(await strict.verdict("mail")).toBe(SENDER);
    expect(await mild.verdict("mail")).toBe("pass");
  });

  test("matches are counted by list and kind, and noted with the entry", async () => {
    const chain = new SessionChain([access({ deny: { clients: ["203.0.113.0/24"] } })]);
    await chain.judge("connect");
    expect(chain.metrics.text()).toContain(
      'sallyport_plugin_access_matches_total{plugin="access",list="deny",of="clients"} 1',
    );
    expect(chain.dossier.takeTrail()).toContain("access@connect:deny=clients 203.0.113.0/24");
  });

  test("atRcpt holds a denial until the recipient is known", async () => {
    const chain = new SessionChain([atRcpt(access({ deny: { clients: ["203.0.113.0/24"] } }))]);
    expect(await chain.verdict("connect")).toBe("pass");
    expect(await chain.verdict("rcpt")).toBe(CLIENT);
    chain.dossier.recipientOver(false);
    expect(await chain.verdict("rcpt", { forwardPath: path("postmaster@mx.example") })).toBe("pass");
  });
});

describe("mistakes in the options are named with what is allowed:", () => {
  const NETWORK = "allowed is an address or a network, as in 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32";
  const NAME = "allowed is a name, as in mail.example.org, or .example.org for all names below it";
  const MAILBOX =
    "allowed is a@example.org, a@ in any domain, example.org, or .example.org for all domains below it";
  const cases: readonly (readonly [given: unknown, mistake: string])[] = [
    [
      { deny: { clients: ["192.0.2.0/33"] } },
      `options.deny.clients[0]: "192.0.2.0/33" was given; ${NETWORK}`,
    ],
    [{ deny: { clients: [""] } }, `options.deny.clients[0]: "" was given; ${NETWORK}`],
    [
      { allow: { reverse: ["a.example", "192.0.2.1"] } },
      `options.allow.reverse[1]: "192.0.2.1" was given; ${NAME}`,
    ],
    [
      { allow: { reverse: ["*.example.org"] } },
      `options.allow.reverse[0]: "*.example.org" was given; ${NAME}`,
    ],
    [
      { deny: { helo: ["/^ylmf/"] } },
      `options.deny.helo[0]: "/^ylmf/" was given; ${NAME}, or an address literal, as in [192.0.2.1]`,
    ],
    [
      { deny: { senders: ["@example.org"] } },
      `options.deny.senders[0]: "@example.org" was given; ${MAILBOX}, or <> for the null sender`,
    ],
    [
      { deny: { senders: ["a@.example.org"] } },
      `options.deny.senders[0]: "a@.example.org" was given; ${MAILBOX}, or <> for the null sender`,
    ],
    [
      { deny: { senders: ["a@[mx.example]"] } },
      `options.deny.senders[0]: "a@[mx.example]" was given; ${MAILBOX}, or <> for the null sender`,
    ],
    [
      { deny: { recipients: ["*@example.org"] } },
      `options.deny.recipients[0]: "*@example.org" was given; ${MAILBOX}`,
    ],
    [{ deny: { recipients: ["<>"] } }, `options.deny.recipients[0]: "<>" was given; ${MAILBOX}`],
    [
      { allow: { clients: ["192.0.2.1 ours"] } },
      'options.allow.clients[0]: "192.0.2.1 ours" was given; ' +
      "allowed is an entry alone, since nobody is refused by an allow list",
    ],
    [
      { deny: { clients: ["192.0.2.1 geh weg, Süßer"] } },
      'options.deny.clients[0]: "192.0.2.1 geh weg, Süßer" was given; ' +
      "allowed behind the entry is a reply of 1 to 400 printable ASCII characters",
    ],
    [
      { files: [{ path: "f", list: "deny", of: "hosts" }] },
      'options.files[0].of: "hosts" was given; allowed are clients, reverse, helo, senders, recipients',
    ],
    [
      { block: {} },
      'options: {"block":{}} was given; there is no option block; allowed are allow, deny, files, onError',
    ],
  ];
  for (const [given, mistake] of cases) {
    test(mistake, () => {
      expect(access(given as AccessOptions).mistakes).toEqual([mistake]);
    });
  }
});

describe("files:", () => {
  const DENIED = `# Networks that sent nothing but spam
192.0.2.0/24   Your network is on our list
198.51.100.7\t# since May

2001:db8::/32
`;
  const given: AccessOptions = {
    deny: { clients: ["203.0.113.0/24"] },
    files: [
      { path: "/etc/denied", list: "deny", of: "clients" },
      { path: "/etc/partners", list: "allow", of: "clients" },
      { path: "/etc/senders", list: "deny", of: "senders" },
    ],
  };
  const contents = {
    "/etc/denied": DENIED,
    "/etc/partners": "192.0.2.25\r\n",
    "/etc/senders": "\ufeffbulk.example",
  };

  test("entries, replies, remarks, CRLF, a byte order mark; beside the entries of the policy", async () => {
    const plugin = access(given);
    expect((await prepare(plugin, { files: contents })).mistakes).toEqual([]);
    expect(await client(plugin, "192.0.2.1")).toBe("554 Your network is on our list");
    expect(await client(plugin, "192.0.2.25")).toBe("access: clients 192.0.2.25");
    expect(await client(plugin, "198.51.100.7")).toBe(CLIENT);
    expect(await client(plugin, "203.0.113.1")).toBe(CLIENT);
    expect(await sender(plugin, "a@bulk.example")).toBe(SENDER);
  });

  test("a changed file is taken, and one with a mistake is not", async () => {
    const plugin = access(given);
    const { log, write } = await prepare(plugin, { files: contents });
    write("/etc/denied", "198.51.100.8\n");
    expect(await client(plugin, "192.0.2.1")).toBeUndefined();
    expect(await client(plugin, "198.51.100.8")).toBe(CLIENT);
    write("/etc/denied", "198.51.100.9\nwho knows\n");
    expect(await client(plugin, "198.51.100.8")).toBe(CLIENT);
    expect(await client(plugin, "198.51.100.9")).toBeUndefined();
    expect(log).toEqual([
      "info: file taken",
      'warn: file not taken, the last one stays: /etc/denied:2: "who knows" was given; ' +
      "allowed is an address or a network, as in 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32",
    ]);
  });

  test("mistakes of all files are told at once, with file and line", async () => {
    const bad = {
      ...contents,
      "/etc/denied": "192.0.2.0/24\n\n300.0.2.1 no\n",
      "/etc/partners": "192.0.2.25 us\n",
    };
    const { mistakes } = await prepare(access(given), { files: bad });
    expect(mistakes).toEqual([
      'access: /etc/denied:3: "300.0.2.1 no" was given; ' +
      "allowed is an address or a network, as in 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32",
      'access: /etc/partners:1: "192.0.2.25 us" was given; ' +
      "allowed is an entry alone, since nobody is refused by an allow list",
    ]);
  });

  test("a file that is not there, and one that is no text", async () => {
    const bad = { "/etc/denied": new Uint8Array([0x31, 0xff, 0xfe]), "/etc/senders": "" };
    const { mistakes } = await prepare(access(given), { files: bad });
    expect(mistakes).toEqual([
      "access: /etc/denied: bytes that are no UTF-8 were given; allowed is text, one entry a line",
      "access: Cannot read /etc/partners: the test gives no such file",
    ]);
  });

  test("the wrong file altogether is told in 20 lines and a count", async () => {
    const { mistakes } = await prepare(access({ files: [{ path: "f", list: "deny", of: "clients" }] }), {
      files: { f: "x\n".repeat(500) },
    });
    expect(mistakes.length).toBe(21);
    expect(mistakes.at(-1)).toBe("access: f: and 480 more");
  });
});
