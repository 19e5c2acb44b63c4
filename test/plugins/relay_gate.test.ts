/**
 * The relay gate: what is ours, who may send elsewhere, and lists that are read again.
 */
import { describe, expect, test } from "bun:test";
import { relayGate, type RelayGateOptions } from "../../plugins/relay_gate/mod.ts";
import { type Plugin, reject, type Setup } from "../../src/mod.ts";
import { ask, factsAt, path, prepare } from "../../src/testing.ts";

const DENIED = reject("5.7.1", "Relaying denied");
const AUTHENTICATE = reject("5.7.0", "Authentication required", 530);

interface From {
  readonly client?: string;
  readonly user?: string;
}

function sender({ client = "203.0.113.7", user }: From) {
  return { client: { host: client, port: 50_000 }, user };
}

async function rcpt(gate: Plugin, mailbox: string, from: From = {}) {
  const { verdict, failed } = await ask(
    gate,
    "rcpt",
    factsAt("rcpt", { ...sender(from), forwardPath: path(mailbox) }),
  );
  expect(failed).toBe(false);
  return verdict;
}

async function mail(gate: Plugin, from: From = {}) {
  return (await ask(gate, "mail", factsAt("mail", sender(from)))).verdict;
}

/** Sets a plugin up with files given as text; what it returns changes one, and throws what the new text is refused for. */
async function setUp(plugin: Plugin, files: Record<string, string>) {
  const reads = new Map<string, (text: string) => void>();
  const setup = {
    file<T>(name: string, read: (bytes: Uint8Array, path: string) => T) {
      const readText = (text: string) => read(new TextEncoder().encode(text), name);
      const live = { value: readText(files[name]!) };
      reads.set(name, (text) => void (live.value = readText(text)));
      return Promise.resolve(live);
    },
  };
  await plugin.setup!(setup as unknown as Setup);
  return (name: string, text: string) => reads.get(name)!(text);
}

describe("ours", () => {
  const gate = relayGate({
    domains: [
      "mx.example",
      ".below.example",
      "BÜCHER.example",
      "xn--fa-hia.example.",
      "[192.0.2.25]",
      "a_b.example",
    ],
  });
  const ours = [
    "b@mx.example",
    "b@MX.Example",
    "Postmaster",
    "b@sub.below.example",
    "b@a.sub.BELOW.example",
    "b@bücher.example",
    "b@Bücher.Example",
    "b@xn--bcher-kva.example",
    "b@XN--BCHER-KVA.example",
    "b@faß.example",
    "b@xn--fa-hia.example",
    "b@[192.0.2.25]",
    "b@a_b.example",
    "b+ext=1@mx.example",
    '"b c"@mx.example',
  ];
  for (const mailbox of ours) {
    test(`<${mailbox}>`, async () => expect(await rcpt(gate, mailbox)).toBeUndefined());
  }
  const others = [
    "b@other.example",
    "b@sub.mx.example",
    "b@below.example",
    "b@notbelow.example",
    "b@xmx.example",
    "b@mx.example.evil.example",
    "b@fass.example",
    // The backend might take these for another's, whatever a mapping makes of them.
    "b@ｍｘ.example",
    "b@mx。example",
    // Kelvin signs, which are "k" in lower case.
    "b@\u212a.example",
    "b@[192.0.2.26]",
    "b@[IPv6:2001:db8::1]",
    "b%other.example@mx.example",
    "other.example!b@mx.example",
    "b%other.example@[192.0.2.25]",
    '"b@other.example"@mx.example',
    '"b%other.example"@mx.example',
    '"b\\@other.example"@mx.example',
    "@mx.example:b@other.example",
  ];
  for (const mailbox of others) {
    test(`not <${mailbox}>`, async () => expect(await rcpt(gate, mailbox)).toEqual(DENIED));
  }

  test("a letter that becomes ASCII in lower case does not make a name ours", async () => {
    expect(await rcpt(relayGate({ domains: ["k.example"] }), "b@\u212a.example")).toEqual(DENIED);
  });

  test("an address literal is the same however its address is written", async () => {
    const literal = relayGate({ domains: ["[IPv6:2001:DB8:0:0::1]"] });
    expect(await rcpt(literal, "b@[IPv6:2001:db8::1]")).toBeUndefined();
    expect(await rcpt(literal, "b@[IPv6:2001:db8::2]")).toEqual(DENIED);
  });

  test("our own address is not ours unless it is listed", async () => {
    const local = factsAt("rcpt").local.host;
    expect(await rcpt(relayGate({ domains: ["mx.example"] }), `b@[${local}]`)).toEqual(DENIED);
  });
});

describe("mail for others", () => {
  const domains = ["mx.example"];
  const networks = ["198.51.100.0/24", "2001:db8::/32"];

  test("users who have authenticated may send it, and listed networks, and nobody else", async () => {
    const gate = relayGate({ domains, networks });
    const given: readonly (readonly [From, typeof DENIED | undefined])[] = [
      [{ user: "anna" }, undefined],
      [{ client: "198.51.100.9" }, undefined],
      [{ client: "2001:db8:7::1" }, undefined],
      [{}, DENIED],
      [{ client: "198.51.101.9" }, DENIED],
      [{ client: "2001:db9::1" }, DENIED],
      // A listener on a Unix socket gives no address.
      [{ client: "" }, DENIED],
    ];
    for (const [from, verdict] of given) expect(await rcpt(gate, "b@other.example", from)).toEqual(verdict);
  });

  test("authenticated: false takes it from users as from everybody", async () => {
    const gate = relayGate({ domains, authenticated: false });
    expect(await rcpt(gate, "b@other.example", { user: "anna" })).toEqual(DENIED);
    expect(await rcpt(gate, "b@mx.example", { user: "anna" })).toBeUndefined();
  });

  test("a user may write to what looks like relaying", async () => {
    expect(await rcpt(relayGate({ domains }), "b%c@other.example", { user: "anna" })).toBeUndefined();
  });
});

describe("a submission service", () => {
  const gate = relayGate({ requireAuthentication: true, networks: ["198.51.100.0/24"] });

  test("refuses all others at MAIL", async () => {
    expect(await mail(gate)).toEqual(AUTHENTICATE);
    expect(await mail(gate, { user: "anna" })).toBeUndefined();
    expect(await mail(gate, { client: "198.51.100.9" })).toBeUndefined();
  });

  test("refuses them at RCPT too, even for our own domains and postmaster", async () => {
    const own = relayGate({ requireAuthentication: true, domains: ["mx.example"] });
    for (const mailbox of ["b@mx.example", "b@other.example", "Postmaster"]) {
      expect(await rcpt(own, mailbox)).toEqual(AUTHENTICATE);
      expect(await rcpt(own, mailbox, { user: "anna" })).toBeUndefined();
    }
  });

  test("a front door asks nobody at MAIL", () => {
    expect(relayGate({ domains: ["mx.example"] }).mail).toBeUndefined();
  });
});

describe("files", () => {
  test("count as the list does, comments apart, and again when they change", async () => {
    const gate = relayGate({ domains: ["mx.example"], files: ["ours", "theirs"] });
    const change = await setUp(gate, {
      ours: "\ufeff# ours\r\none.example # the first\r\n\r\n",
      theirs: ".two.example",
    });
    expect(await rcpt(gate, "b@one.example")).toBeUndefined();
    expect(await rcpt(gate, "b@a.two.example")).toBeUndefined();
    expect(await rcpt(gate, "b@mx.example")).toBeUndefined();
    change("ours", "three.example\n");
    expect(await rcpt(gate, "b@one.example")).toEqual(DENIED);
    expect(await rcpt(gate, "b@three.example")).toBeUndefined();
  });

  test("that hold something else, or nothing, are refused with each line", async () => {
    const gate = relayGate({ files: ["ours"] });
    const change = await setUp(gate, { ours: "one.example\n" });
    const forms =
      "allowed is a domain as in example.org, .example.org for all names below it, or [192.0.2.25]";
    expect(() => change("ours", "two.example\na b\nx..y\n")).toThrow(
      `ours:2: "a b" was given; ${forms}\nours:3: "x..y" was given; ${forms}`,
    );
    expect(() => change("ours", "# nothing yet\n")).toThrow(
      "ours: no domain was given; at least one is needed",
    );
    expect(await rcpt(gate, "b@one.example")).toBeUndefined();
  });

  test("are all named where they are broken, and their lines with them", async () => {
    const gate = relayGate({ files: ["ours", "gone", "theirs", "good"] });
    const { mistakes } = await prepare(gate, {
      files: { ours: "a b\n", theirs: "one.example\nx..y\n", good: "two.example" },
    });
    expect(mistakes.map((line) => line.replace(/ was given;.*/, ""))).toEqual([
      'relay-gate: ours:1: "a b"',
      expect.stringMatching(/^relay-gate: Cannot read gone: /),
      'relay-gate: theirs:2: "x..y"',
    ]);
  });

  test("may be empty where users authenticate", async () => {
    await setUp(relayGate({ files: ["ours"], requireAuthentication: true }), { ours: "" });
  });
});

describe("mistakes", () => {
  const of = (options: unknown) => relayGate(options as RelayGateOptions).mistakes;

  test("nothing that is ours, unless users authenticate", () => {
    const none = "none is allowed only with requireAuthentication; otherwise a domain or a file is needed";
    expect(of(undefined)).toEqual([`options.domains: nothing was given; ${none}`]);
    expect(of({ domains: [] })).toEqual([`options.domains: [] was given; ${none}`]);
    expect(of({ requireAuthentication: true })).toBeUndefined();
  });

  test("an open relay", () => {
    const open = "the whole world may not send everywhere: that is an open relay";
    expect(of({ domains: ["a.example"], networks: ["192.0.2.1", "0.0.0.0/0", "::/0"] })).toEqual([
      `options.networks[1]: "0.0.0.0/0" was given; ${open}`,
      `options.networks[2]: "::/0" was given; ${open}`,
    ]);
  });

  test("each is named", () => {
    const mistakes = of({
      domains: [".", "", "*.example", "a b", "[1.2.3]", 7],
      files: "ours",
      networks: ["192.0.2.0/33"],
      authenticated: 1,
      relay: true,
    });
    expect(mistakes?.map((line) => line.replace(/ was given.*/, ""))).toEqual([
      'options: {"domains":[".","","*.example","a b","[1.2.3]",7],"files":"ours","networks":["192.0.2.0/33"],"authenticated":1,"relay":true}',
      'options.domains[0]: "."',
      'options.domains[1]: ""',
      'options.domains[2]: "*.example"',
      'options.domains[3]: "a b"',
      'options.domains[4]: "[1.2.3]"',
      "options.domains[5]: 7",
      'options.files: "ours"',
      'options.networks[0]: "192.0.2.0/33"',
      "options.authenticated: 1",
    ]);
    expect(mistakes?.[0]).toContain(
      "there is no option relay; allowed are domains, files, networks, authenticated, requireAuthentication",
    );
  });

  test("users who have to authenticate and may not send", () => {
    expect(of({ requireAuthentication: true, authenticated: false })).toEqual([
      "options.authenticated: false was given; with requireAuthentication allowed is true",
    ]);
  });
});
