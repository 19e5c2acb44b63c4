/**
 * Whose a connection to a backend is: one that was introduced as a client's serves that client and nobody else, and what goes
 * wrong with one client is no fault of the backend.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type ProxyHeader, ProxyReader } from "../../src/net/proxy_protocol.ts";
import { completeBackend } from "../../src/policy/backend_address.ts";
import { latin1, latin1Text } from "../../src/smtp/reply.ts";
import type { FakeClient } from "../../src/testing/client.ts";
import type { FakeDial, FakeWire } from "../../src/testing/network.ts";
import { Scene, type SceneOptions } from "../../src/testing/scene.ts";

/** What a backend does with introductions. */
interface Manner {
  readonly proxied?: boolean;
  /** Offered before XCLIENT, and after it. */
  readonly offers?: readonly string[];
  readonly offersThen?: readonly string[];
  /** In place of the usual reply to a line that begins so; `close` ends the connection. */
  readonly answers?: Readonly<Record<string, string>>;
}

/** One connection, from the backend's end. */
class Introduced {
  /** Whom it was last told of; "ourselves" where of nobody. */
  client = "nobody yet";
  readonly lines: string[] = [];
  #buffer = "";
  #reader: ProxyReader | undefined;
  #data = false;
  #told = false;
  readonly #wire: FakeWire;

  constructor(dial: FakeDial, manner: Manner, heard: (client: string, line: string) => void) {
    const wire = this.#wire = dial.open();
    this.#reader = manner.proxied ? new ProxyReader() : undefined;
    if (!manner.proxied) this.client = "ourselves";
    const send = (text: string) => {
      if (text === "close") return wire.sendClose();
      wire.send(latin1(`${text.replaceAll("\n", "\r\n")}\r\n`));
    };
    const answer = (line: string) => {
      heard(this.client, line);
      this.lines.push(line);
      if (line.startsWith("XCLIENT")) {
        this.client = /ADDR=(\S+)/.exec(line)?.[1] ?? "?";
        this.#told = true;
      }
      const key = Object.keys(manner.answers ?? {}).find((each) => line.startsWith(each));
      if (key !== undefined) return send(manner.answers![key]!);
      if (line === "QUIT") return wire.sendClose();
      if (line === "DATA") return this.#data = true, send("354 go");
      if (line.startsWith("XCLIENT")) return send("220 again");
      if (!/^[EL]HLO/.test(line)) return send("250 2.0.0 Ok");
      const offers = (this.#told ? manner.offersThen : manner.offers) ?? [];
      send(
        ["backend.example", ...offers].map((each, i, all) => `250${i < all.length - 1 ? "-" : " "}${each}`)
          .join("\n"),
      );
    };
    wire.onWritten = (bytes) => {
      let rest = bytes;
      if (this.#reader !== undefined) {
        const read = this.#reader.push(bytes);
        if (read === undefined) return;
        this.#reader = undefined;
        if ("fault" in read) throw new Error(read.fault);
        this.client = nameIn(read.header);
        rest = read.rest.slice();
        send(manner.answers?.["greeting"] ?? "220 backend.example");
      }
      this.#buffer += latin1Text(rest);
      for (;;) {
        const end = this.#buffer.indexOf(this.#data ? "\r\n.\r\n" : "\r\n");
        if (end === -1) return;
        const line = this.#buffer.slice(0, end);
        this.#buffer = this.#buffer.slice(end + (this.#data ? 5 : 2));
        if (this.#data) this.#data = false, send("250 2.0.0 taken");
        else answer(line);
      }
    };
    if (!manner.proxied) send(manner.answers?.["greeting"] ?? "220 backend.example");
  }

  lose(): void {
    this.#wire.reset();
  }
}

function nameIn(header: ProxyHeader): string {
  if (header.command !== "proxy") return header.command === "local" ? "ourselves" : "unknown";
  return header.source.host === "192.0.2.25" ? "ourselves" : header.source.host;
}

function sceneOf(option: string, manner: Manner, more: SceneOptions = {}) {
  const scene = new Scene({
    backends: [completeBackend(`10.0.0.1:25?${option}`)],
    empty: true,
    dial: "rcpt",
    relay: ["VRFY"],
    extensions: ["PIPELINING", ...manner.offers ?? []],
    ...more,
  });
  const connections: Introduced[] = [];
  const heard: [client: string, line: string][] = [];
  scene.onDial = (dial) => {
    connections.push(new Introduced(dial, manner, (client, line) => void heard.push([client, line])));
  };
  return { scene, connections, heard };
}

/** The client says it all, and is answered; the replies to the last of it. */
async function say(scene: Scene, client: FakeClient, ...lines: string[]): Promise<string> {
  scene.client = client;
  for (const line of lines) {
    scene.take();
    if (client.over) return "";
    scene.send(`${line}\r\n`);
    await scene.rest();
  }
  return scene.take();
}

const label = (host: string) => host.replaceAll(/[.:]/g, "-");
const mail = (host: string) => [
  `MAIL FROM:<${label(host)}@client.example>`,
  "RCPT TO:<you@backend.example>",
  "DATA",
  "Subject: x\r\n\r\nx\r\n.",
];

const MANNERS: Readonly<Record<string, readonly [option: string, manner: Manner]>> = {
  "XCLIENT, offered again": ["identity=xclient&tls=off", {
    offers: ["XCLIENT ADDR PORT NAME"],
    offersThen: ["XCLIENT ADDR PORT NAME"],
  }],
  "XCLIENT, once": ["identity=xclient&tls=off", { offers: ["XCLIENT ADDR"], offersThen: ["PIPELINING"] }],
  "XCLIENT where it is offered": ["tls=off", { offers: ["XCLIENT ADDR", "PIPELINING"] }],
  "PROXY 1": ["identity=proxy-v1&tls=off", { proxied: true, offers: ["PIPELINING"] }],
  "PROXY 2": ["identity=proxy-v2&tls=off", { proxied: true }],
};

describe("every command is said on a connection that is this client's:", () => {
  const deed = fc.tuple(
    fc.nat({ max: 4 }),
    fc.constantFrom("mail", "half", "vrfy", "helo", "rset", "quit", "leave", "pass"),
  );
  for (const [name, [option, manner]] of Object.entries(MANNERS)) {
    test(name, async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(deed, { minLength: 1, maxLength: 40 }), async (deeds) => {
          const { scene, heard } = sceneOf(option, manner, { reuse: { uses: 1000 } });
          const clients: (FakeClient | undefined)[] = [];
          for (const [who, what] of deeds) {
            // The last two are one address: two clients of it are not the same either, but are told of alike.
            const host = who === 4 ? "2001:db8::7" : `203.0.113.${who + 1}`;
            let client = clients[who];
            if (client === undefined || client.over) {
              client = clients[who] = scene.call(host);
              await say(scene, client, `EHLO ${label(host)}.example`);
            }
            if (what === "mail") await say(scene, client, ...mail(host));
            if (what === "half") await say(scene, client, ...mail(host).slice(0, 2));
            if (what === "vrfy") await say(scene, client, `VRFY ${label(host)}`);
            if (what === "helo") await say(scene, client, `HELO other.example`);
            if (what === "rset") await say(scene, client, "RSET");
            if (what === "quit") await say(scene, client, "QUIT");
            if (what === "leave") client.wire.reset();
            if (what === "pass") await scene.pass(2_000);
            scene.settle();
          }
          for (const [client, line] of heard) {
            const said = /^(?:MAIL FROM:<|VRFY )([^@>]+)/.exec(line)?.[1];
            if (said !== undefined) expect(label(client.replace("IPV6:", ""))).toBe(said);
          }
        }),
        { numRuns: 60 },
      );
    });
  }
});

describe("a connection that is one client's", () => {
  test("serves the client's next transaction", async () => {
    const { scene, connections } = sceneOf("identity=proxy-v2&tls=off", { proxied: true });
    const client = scene.call("203.0.113.1");
    await say(scene, client, "EHLO a.example", ...mail("203.0.113.1"), ...mail("203.0.113.1"));
    expect(connections.length).toBe(1);
    expect(connections[0]!.lines.filter((line) => line.startsWith("MAIL")).length).toBe(2);
  });

  for (const end of ["QUIT", "reset"]) {
    test(`is not kept when the client has left (${end})`, async () => {
      const { scene, connections } = sceneOf("identity=proxy-v2&tls=off", { proxied: true });
      const client = scene.call("203.0.113.1");
      await say(scene, client, "EHLO a.example", ...mail("203.0.113.1"));
      expect(connections[0]!.lines).not.toContain("QUIT");
      if (end === "QUIT") await say(scene, client, "QUIT");
      else client.wire.reset();
      await scene.pass(1_000);
      expect(connections[0]!.lines).toContain("QUIT");
      expect(scene.pools.default.size).toBe(0);
    });
  }

  test("is kept beyond it where it can be another client's, and where nobody was told of", async () => {
    const kept = [
      ["tls=off", { offers: ["XCLIENT ADDR"], offersThen: ["XCLIENT ADDR"] }],
      ["tls=off", {}],
      ["identity=none&tls=off", { offers: ["XCLIENT ADDR"] }],
    ] as const;
    for (const [option, manner] of kept) {
      const { scene, connections } = sceneOf(option, manner);
      for (const host of ["203.0.113.1", "203.0.113.2"]) {
        await say(scene, scene.call(host), `EHLO ${label(host)}.example`, ...mail(host), "QUIT");
        await scene.pass(1_000);
      }
      expect(connections.length).toBe(1);
    }
  });

  for (const [name, [option, manner]] of Object.entries(MANNERS)) {
    test(`is not that of the next client whom a trusted host names in the same session (${name})`, async () => {
      const { scene, heard } = sceneOf(option, manner, { trusted: ["203.0.113.8/31"] });
      const front = scene.call("203.0.113.9");
      for (const host of ["203.0.113.9", "203.0.113.8", "203.0.113.7"]) {
        if (host !== "203.0.113.9") await say(scene, front, "EHLO front.example", `XCLIENT ADDR=${host}`);
        expect(await say(scene, front, "EHLO front.example", ...mail(host))).toContain("250 2.0.0 taken");
      }
      const mails = heard.filter(([, line]) => line.startsWith("MAIL"));
      expect(mails.map(([client]) => client)).toEqual(["203.0.113.9", "203.0.113.8", "203.0.113.7"]);
    });
  }

  test("two clients without an address are not one", async () => {
    const trusted = { trusted: ["203.0.113.9"] };
    const { scene, connections } = sceneOf("tls=off", { offers: ["XCLIENT ADDR"] }, trusted);
    const both = [scene.call("203.0.113.9"), scene.call("203.0.113.9")];
    for (const client of both) {
      const words = ["EHLO front.example", "XCLIENT ADDR=[UNAVAILABLE]", "EHLO a.example", ...mail("x")];
      expect(await say(scene, client, ...words)).toContain("250 2.0.0 taken");
    }
    expect(connections.length).toBe(2);
  });
});

test("a greeting that the backend does not take to EHLO takes nothing from other clients", async () => {
  const answers = { "EHLO odd": "501 5.5.2 odd" };
  const { scene } = sceneOf("identity=proxy-v2&tls=off", { proxied: true, offers: ["8BITMIME"], answers });
  const odd = scene.call("203.0.113.1");
  expect(await say(scene, odd, "EHLO odd", ...mail("203.0.113.1"))).toContain("250 2.0.0 taken");
  expect(await say(scene, scene.call("203.0.113.2"), "EHLO even")).toContain("8BITMIME");
});

test("who is refused on a kept connection is refused alone: the next client has another", async () => {
  const answers: Record<string, string> = {};
  const manner = { offers: ["XCLIENT ADDR"], offersThen: ["XCLIENT ADDR"], answers };
  const { scene, connections } = sceneOf("tls=off", manner);
  const heard: string[] = [];
  for (const host of ["203.0.113.1", "203.0.113.2", "203.0.113.3"]) {
    if (host.endsWith("2")) answers["XCLIENT"] = "550 5.7.1 not you";
    else delete answers["XCLIENT"];
    const client = scene.call(host);
    await say(scene, client, `EHLO ${label(host)}.example`, ...mail(host).slice(0, 1));
    heard.push(await say(scene, client, ...mail(host).slice(1, 2)));
    await say(scene, client, "QUIT");
    await scene.pass(1_000);
  }
  expect(heard).toEqual(["250 2.0.0 Ok\r\n", "550 5.7.1 not you\r\n", "250 2.0.0 Ok\r\n"]);
  expect(connections.map(({ lines }) => lines.includes("QUIT"))).toEqual([true, false]);
});

describe("what is asked for by name and cannot be had defers the mail:", () => {
  test("XCLIENT, where a question in our own name has left a connection behind", async () => {
    const { scene, heard } = sceneOf("identity=xclient&tls=off", {});
    const client = scene.call("203.0.113.1");
    await say(scene, client, "EHLO a.example", "VRFY x", "MAIL FROM:<a@client.example>");
    expect(await say(scene, client, "RCPT TO:<b@backend.example>")).toContain("451 4.3.0");
    expect(heard.some(([, line]) => /^(MAIL|VRFY)/.test(line))).toBe(false);
    expect(scene.log.find(({ event }) => event === "no backend")!.fields["detail"]).toBe(
      "10.0.0.1:25: offers no XCLIENT to us, and identity is xclient",
    );
  });

  for (const option of ["proxy-v1", "proxy-v2"]) {
    test(`${option}, and a client whose address is not known`, async () => {
      const { scene, heard } = sceneOf(`identity=${option}&tls=off`, { proxied: true }, {
        trusted: ["203.0.113.9"],
      });
      const client = scene.call("203.0.113.9");
      await say(scene, client, "EHLO front.example", "XCLIENT ADDR=[UNAVAILABLE]", "EHLO a.example");
      const heardThen = await say(scene, client, ...mail("x").slice(0, 2));
      expect(heardThen).toContain("451 4.3.0");
      expect(heard).toEqual([]);
      expect(scene.log.find(({ event }) => event === "no backend")!.fields["detail"]).toContain(
        "the client has no address that a PROXY header could tell",
      );
    });
  }
});

describe("a verdict on the client:", () => {
  const verdicts: readonly (readonly [name: string, option: string, manner: Manner])[] = [
    ["in place of the greeting behind a PROXY header", "identity=proxy-v2&tls=off", {
      proxied: true,
      answers: { greeting: "554 5.7.1 Client host rejected: see https://x.example/" },
    }],
    ["in reply to XCLIENT", "tls=off", {
      offers: ["XCLIENT ADDR"],
      answers: { XCLIENT: "554 5.7.1 Client host rejected: see https://x.example/" },
    }],
  ];
  for (const [name, option, manner] of verdicts) {
    test(`${name} is told word for word, asked for once, and no fault of the backend`, async () => {
      const { scene, connections } = sceneOf(option, manner, {
        backends: [completeBackend(`10.0.0.1:25?${option}`), completeBackend(`10.0.0.2:25?${option}`)],
      });
      for (let i = 1; i <= 5; i++) {
        const client = scene.call(`203.0.113.${i}`);
        await say(scene, client, "EHLO a.example", "MAIL FROM:<a@client.example>");
        for (const to of ["b", "c"]) {
          expect(await say(scene, client, `RCPT TO:<${to}@backend.example>`)).toBe(
            "554 5.7.1 Client host rejected: see https://x.example/\r\n",
          );
        }
        await say(scene, client, "QUIT");
      }
      expect(connections.length).toBe(5);
      expect(scene.pools.default.backends.map(({ standing, well }) => [standing, well])).toEqual([
        ["up", true],
        ["up", true],
      ]);
      expect(connections.every(({ lines }) => lines.at(-1) === "QUIT")).toBe(true);
      expect(scene.log.filter(({ event }) => event === "no backend" || event === "backend lost")).toEqual([]);
    });
  }

  for (
    const [name, answers] of [["a fault of ours", { XCLIENT: "503 5.5.1 no" }], ["421", {
      XCLIENT: "421 4.3.2 no",
    }]] as const
  ) {
    test(`${name} is none: 451, a line in the log, and another backend is asked`, async () => {
      const { scene, connections } = sceneOf("tls=off", { offers: ["XCLIENT ADDR"], answers }, {
        backends: [completeBackend("10.0.0.1:25?tls=off"), completeBackend("10.0.0.2:25?tls=off")],
      });
      const client = scene.call("203.0.113.1");
      await say(scene, client, "EHLO a.example", "MAIL FROM:<a@client.example>");
      expect(await say(scene, client, "RCPT TO:<b@backend.example>")).toContain("451 4.3.0");
      expect(connections.length).toBe(2);
      const lines = scene.log.filter(({ event }) => event === "backend not told of a client");
      expect(lines.map(({ fields }) => fields["backend"])).toEqual(["10.0.0.1:25", "10.0.0.2:25"]);
      const told = scene.log.find(({ event }) => event === "no backend")!.fields["detail"];
      expect(told).toMatch(/^10\.0\.0\.2:25: .*(503|421)/);
    });
  }
});

test("a connection that is lost with one client in it makes us look, and puts nobody out", async () => {
  const { scene, connections } = sceneOf("identity=proxy-v2&tls=off", {
    proxied: true,
    answers: { EHLO: "close" },
  }, {
    health: { timeout: 5_000, pause: 1_000, failures: 3 },
  });
  const [backend] = scene.pools.default.backends;
  for (let i = 1; i <= 5; i++) {
    const client = scene.call(`203.0.113.${i}`);
    await say(scene, client, "EHLO a.example", "MAIL FROM:<a@client.example>", "RCPT TO:<b@backend.example>");
  }
  expect(backend!.standing).toBe("up");
  expect(connections.map(({ client }) => client)).not.toContain("ourselves");
  await scene.pass(20_000);
  expect(connections.map(({ client }) => client)).toContain("ourselves");
  expect(backend!.standing).toBe("down");
});

test("naming another client on a kept connection is no dial, and says nothing of how long one takes", async () => {
  const both = { offers: ["XCLIENT ADDR"], offersThen: ["XCLIENT ADDR"] };
  const { scene, connections } = sceneOf("tls=off", both, {
    reuse: { idle: 1e9, age: 1e9, check: 1e9 },
    health: { hedge: 1_000 },
  });
  const [backend] = scene.pools.default.backends;
  for (let i = 1; i <= 4; i++) {
    const host = `203.0.113.${i}`;
    await say(scene, scene.call(host), `EHLO ${label(host)}.example`, ...mail(host), "QUIT");
    await scene.pass(100_000);
  }
  expect(connections.length).toBe(1);
  expect(backend!.slowAfter).toBeLessThan(100_000);
  expect([backend!.connections, backend!.working]).toEqual([1, 1]);
  scene.drain();
  await scene.rest();
  expect([backend!.connections, backend!.working]).toEqual([0, 0]);
});

test("XFORWARD is told in the same write as MAIL, once a transaction, and its refusal changes nothing", async () => {
  const manner = { offers: ["XFORWARD NAME ADDR", "PIPELINING"], answers: { XFORWARD: "503 5.5.1 no" } };
  const { scene, connections } = sceneOf("tls=off", manner);
  for (const host of ["203.0.113.1", "203.0.113.2"]) {
    const replies = await say(scene, scene.call(host), `EHLO ${label(host)}.example`, ...mail(host));
    expect(replies).toContain("250 2.0.0 taken");
  }
  expect(connections.length).toBe(1);
  expect(connections[0]!.lines.filter((line) => /^(XFORWARD|MAIL)/.test(line))).toEqual([
    "XFORWARD NAME=[UNAVAILABLE] ADDR=203.0.113.1",
    "MAIL FROM:<203-0-113-1@client.example>",
    "XFORWARD NAME=[UNAVAILABLE] ADDR=203.0.113.2",
    "MAIL FROM:<203-0-113-2@client.example>",
  ]);
});

describe("LMTP takes one recipient a transaction:", () => {
  test("another hears 452, which is no error of the client's", async () => {
    const { scene, connections } = sceneOf("tls=off", {}, {
      backends: [completeBackend("lmtp://10.0.0.1:24")],
      limits: { errors: 2 },
    });
    const client = scene.call("203.0.113.1");
    await say(scene, client, "EHLO a.example", "MAIL FROM:<a@client.example>", "RCPT TO:<b@backend.example>");
    for (let i = 0; i < 5; i++) {
      expect(await say(scene, client, `RCPT TO:<c${i}@backend.example>`)).toContain("452 4.5.3");
    }
    expect(await say(scene, client, "DATA", "x\r\n.")).toContain("250 2.0.0 taken");
    expect(await say(scene, client, "EHLO a.example")).toContain("LIMITS RCPTMAX=1");
    expect(connections[0]!.lines[0]).toBe("LHLO mx.example");
  });

  test("also when the connection was lost in between", async () => {
    const { scene, connections, heard } = sceneOf("tls=off", {}, {
      backends: [completeBackend("lmtp://10.0.0.1:24")],
    });
    const dials: FakeDial[] = [];
    const usual = scene.onDial;
    scene.onDial = (dial, name) => (dials.push(dial), usual(dial, name));
    const client = scene.call("203.0.113.1");
    await say(scene, client, "EHLO a.example", "MAIL FROM:<a@client.example>", "RCPT TO:<b@backend.example>");
    connections[0]!.lose();
    await scene.rest();
    expect(await say(scene, client, "RCPT TO:<c@backend.example>")).toContain("452 4.5.3");
    expect(await say(scene, client, "DATA", "x\r\n.")).toContain("250 2.0.0 taken");
    expect(heard.filter(([, line]) => line.startsWith("RCPT")).map(([, line]) => line)).toEqual([
      "RCPT TO:<b@backend.example>",
      "RCPT TO:<b@backend.example>",
    ]);
  });

  test("two recipients that an SMTP backend took are not repeated at one", async () => {
    const { scene, connections, heard } = sceneOf("tls=off", {}, {
      backends: [completeBackend("10.0.0.1:25?tls=off"), completeBackend("lmtp://10.0.0.2:24?backup")],
    });
    const client = scene.call("203.0.113.1");
    await say(scene, client, "EHLO a.example", "MAIL FROM:<a@client.example>");
    for (const to of ["b", "c"]) await say(scene, client, `RCPT TO:<${to}@backend.example>`);
    connections[0]!.lose();
    scene.onDial = ((usual) => (dial, name) => name.includes(":25") ? dial.refuse() : usual(dial, name))(
      scene.onDial,
    );
    await scene.rest();
    expect(await say(scene, client, "DATA")).toContain("451 4.3.0");
    expect(heard.filter(([, line]) => line.startsWith("RCPT")).length).toBe(2);
  });
});
