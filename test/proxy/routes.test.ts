/** Several pools: which one a recipient's mail goes to, and that one transaction goes to one of them. */
import { describe, expect, test } from "bun:test";
import {
  atRcpt,
  defer,
  definePlugin,
  type Opinion,
  parallel,
  reject,
  route,
  shadow,
  when,
} from "../../src/mod.ts";
import type { Rule } from "../../src/policy/rule.ts";
import type { Stage } from "../../src/policy/stages.ts";
import { Scene } from "../../src/testing/scene.ts";
import { dialogue, type DialogueOptions } from "../support/dialogue.ts";
import { DELIVERED, GREETED, leg, OPENED } from "../support/dialogue_parts.ts";

const POOLS: DialogueOptions = {
  dial: "rcpt",
  pools: { a: ["a"], b: ["b"] },
  routes: [{ domain: ["a.example", "*.a.example"], pool: "a" }, { domain: "b.example", pool: "b" }],
};
const MAIL = `
  C: MAIL FROM:<s@client.example>
  S: 250 2.1.0 Ok`;
const ELSEWHERE =
  "S: 451 4.5.3 This recipient is served elsewhere than the others: send a separate transaction [ref]";

/** A recipient who is the first at a backend. */
function first(recipient: string, backend: string): string {
  return `
  C: RCPT TO:<${recipient}>
     > <connect ${backend}>
${leg(true, [["MAIL FROM:<s@client.example>", "250 2.1.0 Ok"], [`RCPT TO:<${recipient}>`, "250 2.1.5 Ok"]])}
  S: 250 2.1.5 Ok`;
}

function another(recipient: string): string {
  return `
  C: RCPT TO:<${recipient}>
     > RCPT TO:<${recipient}>
     < 250 2.1.5 Ok
  S: 250 2.1.5 Ok`;
}

function pools({ log }: Scene): unknown[] {
  return log.filter(({ event }) => event === "transaction").map(({ fields }) => fields["pool"]);
}

describe("a recipient's domain says the pool:", () => {
  for (
    const [recipient, backend] of [["x@sub.A.example", "a"], ["x@b.example", "b"], ["x@c.example", "backend"]]
  ) {
    dialogue(
      `${recipient} goes to ${backend}`,
      {
        ...POOLS,
        after: (scene) => expect(pools(scene)).toEqual([backend === "backend" ? undefined : backend]),
      },
      GREETED + MAIL + first(recipient!, backend!) + OPENED + DELIVERED,
    );
  }

  dialogue(
    "recipients of another pool are told to come apart, and the others' mail goes on",
    { ...POOLS, limits: { refusedRecipients: 2, errors: 2 } },
    `${GREETED + MAIL + first("x@a.example", "a")}
    C: RCPT TO:<y@b.example>
    ${ELSEWHERE}
    C: RCPT TO:<z@c.example>
    ${ELSEWHERE}
    C: RCPT TO:<z@b.example>
    ${ELSEWHERE}
    ${another("y@a.example") + OPENED + DELIVERED + MAIL + first("y@b.example", "b") + OPENED + DELIVERED}`,
  );

  dialogue(
    "while nobody is accepted, the next recipient's pool is the transaction's",
    POOLS,
    `${GREETED + MAIL}
    C: RCPT TO:<no@a.example>
       > <connect a>
${leg(true, [["MAIL FROM:<s@client.example>", "250 2.1.0 Ok"], ["RCPT TO:<no@a.example>", "550 5.1.1 who?"]])}
    S: 550 5.1.1 who?
    C: RCPT TO:<x@b.example>
       > RSET
       > <connect b>
${leg(true, [["MAIL FROM:<s@client.example>", "250 2.1.0 Ok"], ["RCPT TO:<x@b.example>", "250 2.1.5 Ok"]])}
    S: 250 2.1.5 Ok
    ${OPENED + DELIVERED}`,
  );

  dialogue(
    "a backend that is lost is replaced by one of its own pool",
    { ...POOLS, pools: { a: ["aa", "ab"], b: ["b"] } },
    `${GREETED + MAIL + first("x@a.example", "aa")}
    C: DATA
       > DATA
       < <close>
       > <connect ab>
${leg(true, [["MAIL FROM:<s@client.example>", "250 2.1.0 Ok"], ["RCPT TO:<x@a.example>", "250 2.1.5 Ok"]])}
       > DATA
       < 354 Go ahead
    S: 354 Go ahead
    ${DELIVERED}`,
  );

  dialogue(
    "a pool that is down takes no other's mail along, and no other's backend is asked",
    POOLS,
    `${GREETED + MAIL}
    C: RCPT TO:<x@a.example>
       > <connect a>
       < <refuse>
    S: 451 4.3.0 No mail server can be reached now, try again later [ref]
    (then)
    ${first("x@b.example", "b") + OPENED + DELIVERED}`,
  );
});

describe("where backends are dialled at MAIL", () => {
  dialogue(
    "the first recipient moves the transaction to his pool",
    { ...POOLS, dial: "mail" },
    `${GREETED}
    C: MAIL FROM:<s@client.example>
       > <connect backend>
       > MAIL FROM:<s@client.example>
       < 250 2.1.0 default takes it
    S: 250 2.1.0 default takes it
    C: RCPT TO:<x@a.example>
       > RSET
       > <connect a>
${leg(true, [["MAIL FROM:<s@client.example>", "250 2.1.0 Ok"], ["RCPT TO:<x@a.example>", "250 2.1.5 Ok"]])}
    S: 250 2.1.5 Ok
    ${OPENED + DELIVERED}`,
  );

  dialogue(
    "listener and user are known then",
    {
      dial: "mail",
      user: "ann@a.example",
      pools: { a: ["a"] },
      routes: [{ user: "*@a.example", pool: "a" }],
    },
    `${GREETED}
    C: MAIL FROM:<s@client.example>
       > <connect a>
       > MAIL FROM:<s@client.example>
       < 250 2.1.0 a takes it
    S: 250 2.1.0 a takes it
    ${another("x@c.example") + OPENED + DELIVERED}`,
  );

  dialogue(
    "a route that fails then makes MAIL the proxy's own to answer, and the recipient is told",
    {
      dial: "mail",
      routes: [{
        pool: (_session, recipient) => {
          if (recipient === undefined || recipient.localPart === "no") throw new Error("oops");
          return "default";
        },
      }],
    },
    `${GREETED + MAIL}
    C: RCPT TO:<no@c.example>
    S: 451 4.3.0 It cannot be told now where this mail goes, try again later [ref]
    ${first("x@c.example", "backend") + OPENED + DELIVERED}`,
  );
});

describe("a function among the routes", () => {
  for (
    const [name, pool] of [
      ["throws", () => {
        throw new Error("oops\r\n250 Ok");
      }],
      ["names no pool", () => "z"],
      ["answers later", () => Promise.resolve("a")],
    ] as const
  ) {
    dialogue(
      `that ${name} is a 451 for its recipient and a line in the log, and nothing else`,
      {
        ...POOLS,
        routes: [{ domain: "bad.example", pool: pool as () => string }, { pool: "a" }],
        after: ({ log }) => {
          const failed = log.filter(({ event }) => event === "route failed");
          expect(failed.map(({ level }) => level)).toEqual(["warn"]);
          expect(String(failed[0]!.fields["cause"])).toMatch(/^routes\[0\]: /);
          expect(String(failed[0]!.fields["cause"])).not.toContain("\n");
        },
      },
      `${GREETED + MAIL}
      C: RCPT TO:<x@bad.example>
      S: 451 4.3.0 It cannot be told now where this mail goes, try again later [ref]
      ${first("x@a.example", "a") + OPENED + DELIVERED}`,
    );
  }

  dialogue(
    "that fails is no fault of the client's, however often",
    {
      ...POOLS,
      limits: { refusedRecipients: 2, errors: 2 },
      routes: [{ domain: "bad.example", pool: () => "z" }, { pool: "a" }],
    },
    `${GREETED + MAIL}
    ${
      ["x", "y", "z"].map((name) => `
      C: RCPT TO:<${name}@bad.example>
      S: 451 4.3.0 It cannot be told now where this mail goes, try again later [ref]`).join("")
    }
    ${first("x@a.example", "a") + OPENED + DELIVERED}`,
  );

  dialogue(
    "is told who speaks, to whom, and what was found out",
    {
      ...POOLS,
      routes: [{
        pool: ({ helo, reversePath }, to) =>
          `${helo[0]}` === "c" && reversePath.localPart === "s" && to?.localPart === "x" ? "b" : "a",
      }],
    },
    GREETED + MAIL + first("x@c.example", "b"),
  );
});

describe("a plugin's route:", () => {
  /** Says these things at their stages, about every recipient or about one. */
  function router(name: string, opinions: Partial<Record<Stage, Opinion>>): Rule {
    const handlers = Object.entries(opinions).map(([stage, opinion]) => [stage, () => opinion]);
    return definePlugin(name, () => ({ onError: "reject", ...Object.fromEntries(handlers) }))();
  }

  for (const stage of ["connect", "helo", "mail", "rcpt"] as const) {
    dialogue(
      `at ${stage} it outranks the policy's routes`,
      { ...POOLS, plugins: [router("one", { [stage]: route("b") })] },
      GREETED + MAIL + first("x@a.example", "b") + OPENED + DELIVERED,
    );
  }

  const ranks: readonly (readonly [name: string, plugins: readonly Rule[], backend: string])[] = [
    ["the later stage counts", [router("one", { connect: route("a"), mail: route("b") })], "b"],
    [
      "the later stage counts, whoever comes first among the plugins",
      [router("one", { mail: route("b") }), router("two", { helo: route("a"), connect: route("a") })],
      "b",
    ],
    [
      "within a stage the first plugin counts",
      [router("one", { mail: route("a") }), router("two", { mail: route("b") })],
      "a",
    ],
    ["of one plugin the first counts", [router("one", { mail: [route("a"), route("b")] })], "a"],
    ["it can name the default pool", [router("one", { mail: route("default") })], "backend"],
  ];
  for (const [name, plugins, backend] of ranks) {
    dialogue(name, { ...POOLS, plugins }, GREETED + MAIL + first("x@a.example", backend));
  }

  const groups: readonly (readonly [name: string, plugins: readonly Rule[], backend: string])[] = [
    [
      "of several asked at once the first in the policy counts, whoever was quicker",
      [parallel(
        definePlugin("slow", () => ({
          onError: "reject",
          async mail() {
            await Promise.resolve();
            await Promise.resolve();
            return route("b");
          },
        }))(),
        router("quick", { mail: route("a") }),
      )],
      "b",
    ],
    [
      "one in shadow changes nothing",
      [shadow(router("one", { connect: route("b"), rcpt: route("b") }))],
      "a",
    ],
    ["one that is held till RCPT counts", [atRcpt(router("one", { connect: route("b") }))], "b"],
    ["one that is not asked says nothing", [when(() => false, router("one", { mail: route("b") }))], "a"],
  ];
  for (const [name, plugins, backend] of groups) {
    dialogue(name, { ...POOLS, plugins }, GREETED + MAIL + first("x@a.example", backend));
  }

  dialogue(
    "what is said of one recipient does not hold for the next",
    {
      ...POOLS,
      plugins: [
        definePlugin("one", () => ({
          onError: "pass",
          rcpt: ({ forwardPath }) => forwardPath.localPart === "x" ? route("b") : undefined,
        }))(),
      ],
    },
    `${GREETED + MAIL + first("x@c.example", "b")}
    C: RCPT TO:<y@c.example>
    ${ELSEWHERE}`,
  );

  dialogue(
    "what was said of a refused greeting is forgotten",
    {
      ...POOLS,
      plugins: [
        definePlugin("one", () => ({
          onError: "pass",
          helo: ({ helo }) => helo === "bad" ? [route("b"), reject("5.7.1", "No")] : undefined,
        }))(),
      ],
    },
    `S: 220 mx.example ESMTP
    C: EHLO bad
    S: 550 5.7.1 No [ref]
    C: EHLO good
    S: 250-mx.example …
    ${MAIL + first("x@a.example", "a")}`,
  );

  dialogue(
    "a pool that the policy does not have is the plugin's failure",
    { ...POOLS, plugins: [router("one", { rcpt: [route("z"), defer("4.7.1", "Later")] })] },
    `${GREETED + MAIL}
    C: RCPT TO:<x@a.example>
    S: 550 5.3.0 A check of this server failed [ref]`,
  );

  dialogue(
    "so is a route at data, where a backend has the recipients already",
    { ...POOLS, plugins: [router("one", { data: route("b") })] },
    `${GREETED + MAIL + first("x@a.example", "a")}
    C: DATA
    S: 550 5.3.0 A check of this server failed [ref]`,
  );

  dialogue(
    "an address is a pool of its own, and its connection is kept",
    {
      ...POOLS,
      plugins: [router("one", { mail: route({ host: "192.0.2.9", port: 2525 }) })],
      after: (scene) => expect(pools(scene)).toEqual(["192.0.2.9:2525", "192.0.2.9:2525"]),
    },
    `${GREETED + MAIL + first("x@a.example", "").replace("<connect >", "<connect>")}
    ${OPENED + DELIVERED}
    ${MAIL}
    C: RCPT TO:<x@a.example>
${leg(true, [["MAIL FROM:<s@client.example>", "250 2.1.0 Ok"], ["RCPT TO:<x@a.example>", "250 2.1.5 Ok"]])}
    S: 250 2.1.5 Ok
    ${OPENED + DELIVERED}`,
  );
});

describe("EHLO offers", () => {
  const extensionsOf = {
    backend: ["PIPELINING", "SIZE 5000", "DSN"],
    a: ["PIPELINING", "SIZE 3000", "8BITMIME", "DSN"],
    b: ["PIPELINING", "SIZE 9000"],
  };

  dialogue(
    "what all pools have that the listener can reach",
    { ...POOLS, extensionsOf, routes: [{ domain: "a.example", pool: "a" }] },
    `S: 220 mx.example ESMTP
    C: EHLO client.example
    S: 250-mx.example
    S: 250-PIPELINING
    S: 250-CHUNKING
    S: 250-DSN
    S: 250 SIZE 3000`,
  );

  dialogue(
    "nothing less for what only another listener can reach",
    {
      ...POOLS,
      extensionsOf,
      listener: "one",
      routes: [{ listener: "two", pool: "b" }, { listener: "one", pool: "a" }],
    },
    `S: 220 mx.example ESMTP
    C: EHLO client.example
    S: 250-mx.example
    S: 250-PIPELINING
    S: 250-CHUNKING
    S: 250-8BITMIME
    S: 250-DSN
    S: 250 SIZE 3000`,
  );

  test("also what plugins may name, where no route does", () => {
    const plugins = [definePlugin("one", () => ({ onError: "pass", rcpt: () => route("b") }))()];
    const scene = new Scene({
      ...POOLS,
      extensionsOf,
      plugins,
      routes: [{ domain: "a.example", pool: "a" }],
    });
    scene.send("EHLO client.example\r\n");
    expect(scene.take()).toMatch(/250-CHUNKING\r\n250 SIZE 3000\r\n$/);
  });
});

dialogue(
  "VRFY is asked of the default pool",
  { ...POOLS, relay: ["VRFY"], routes: [{ pool: "a" }] },
  `${GREETED}
  C: VRFY x
     > <connect backend>
     > VRFY x
     < 252 2.0.0 Perhaps
  S: 252 2.0.0 Perhaps`,
);
