/**
 * A trusted host that speaks for itself (monitoring, a web server, a health check): it is nobody's client, so nothing
 * judges it by its address, and it may do nothing that others may not.
 */
import { describe, expect, test } from "bun:test";
import { rateLimit } from "../../plugins/rate_limit/mod.ts";
import { relayGate } from "../../plugins/relay_gate/mod.ts";
import { definePlugin, type Plugin } from "../../src/policy/plugin.ts";
import { atRcpt, parallel, when } from "../../src/policy/rule.ts";
import type { Stage } from "../../src/policy/stages.ts";
import { reject } from "../../src/policy/verdict.ts";
import { memoryStore } from "../../src/store/memory.ts";
import { Scene } from "../../src/testing/scene.ts";
import { dialogue, type DialogueOptions } from "../support/dialogue.ts";
import { ADDRESSED, CONNECTED, DELIVERED, MAILED, OPENED } from "../support/dialogue_parts.ts";

const HOST: DialogueOptions = { trusted: ["203.0.113.7"] };
const STAGES: readonly Stage[] = ["connect", "helo", "mail", "rcpt", "data", "message"];

/** Notes the stages at which it is asked. */
function noting(judges: "client" | undefined): { readonly plugin: Plugin; readonly asked: string[] } {
  const asked: string[] = [];
  const handlers = Object.fromEntries(STAGES.map((stage) => [stage, () => void asked.push(stage)]));
  const name = judges === undefined ? "of-all" : "of-clients";
  const body = { onError: "pass" as const, ...(judges && { judges }), ...handlers };
  return { plugin: definePlugin(name, () => body)(), asked };
}

describe("is not asked about:", () => {
  for (
    const [name, group] of [
      ["by itself", (plugin: Plugin) => [plugin]],
      ["in a group", (plugin: Plugin) => [parallel(plugin)]],
      ["under a condition", (plugin: Plugin) => [when(() => true, plugin)]],
      ["held until RCPT", (plugin: Plugin) => [atRcpt(plugin)]],
    ] as const
  ) {
    const clients = noting("client");
    const all = noting(undefined);
    dialogue(
      `a plugin that judges clients (${name}); any other is, but for the connection`,
      {
        ...HOST,
        plugins: [...group(clients.plugin), all.plugin],
        after: () => {
          expect(clients.asked).toEqual([]);
          expect(all.asked.splice(0)).toEqual(["helo", "mail", "rcpt", "data", "message"]);
        },
      },
      `${ADDRESSED + OPENED + DELIVERED}`,
    );
  }
  const clients = noting("client");
  dialogue(
    "nor is a client that was judged at every stage let off when it is named",
    { ...HOST, plugins: [clients.plugin], after: () => expect(clients.asked.splice(0)).toEqual([...STAGES]) },
    `${CONNECTED}
    C: XCLIENT ADDR=192.0.2.1
    S: 220 mx.example ESMTP
    ${ADDRESSED.slice(ADDRESSED.indexOf("C: EHLO")) + OPENED + DELIVERED}`,
  );
});

describe("may not relay:", () => {
  const foreign = `
    C: RCPT TO:<b@elsewhere.example>
    S: 550 5.7.1 Relaying denied [ref]`;
  dialogue(
    "a foreign recipient is refused to it",
    { ...HOST, plugins: [relayGate({ domains: ["mx.example"] })] },
    MAILED + foreign,
  );
  dialogue(
    "and to someone whose address it does not tell, even where its own may relay",
    { ...HOST, plugins: [relayGate({ domains: ["mx.example"], networks: ["203.0.113.0/24"] })] },
    `${CONNECTED}
    C: XCLIENT ADDR=[UNAVAILABLE]
    S: 220 mx.example ESMTP
    ${MAILED.slice(MAILED.indexOf("C: EHLO")) + foreign}`,
  );
  dialogue(
    "and to a client that it names, even where its own address may relay",
    { ...HOST, plugins: [relayGate({ domains: ["mx.example"], networks: ["203.0.113.0/24"] })] },
    `${CONNECTED}
    C: XCLIENT ADDR=192.0.2.1
    S: 220 mx.example ESMTP
    ${MAILED.slice(MAILED.indexOf("C: EHLO")) + foreign}`,
  );
});

describe("is limited by what it says, not by its address:", () => {
  const limited = (per: "client" | "sender", trusted: readonly string[]) => {
    const store = memoryStore({ now: () => 1_000_000 });
    const limit = rateLimit({ limits: [{ name: "l", per, of: "messages", rate: "1/hour" }] });
    return new Scene({
      trusted,
      plugins: [limit],
      effects: { store, local: store, now: () => 1_000_000 },
      dial: "rcpt",
    });
  };
  /** Sends messages of one sender; the codes of the last replies. */
  async function messages(scene: Scene): Promise<number> {
    scene.send("EHLO x\r\n");
    await scene.rest();
    let taken = 0;
    for (let i = 0; i < 3; i++) {
      for (const line of ["MAIL FROM:<a@x.example>", "RCPT TO:<b@y.example>", "DATA", "."]) {
        scene.send(`${line}\r\n`);
        await scene.rest();
        const backend = scene.connections.at(-1);
        for (let seen = ""; backend !== undefined && seen !== backend.seen;) {
          seen = backend.seen;
          const commands = seen.split("\r\n").slice(0, -1);
          backend.seen = "";
          for (const asked of commands) backend.send(asked === "DATA" ? "354 Ok\r\n" : "250 Ok\r\n");
          await scene.rest();
          if (backend.seen === "") break;
        }
      }
      if (scene.take().endsWith("354 Ok\r\n250 Ok\r\n")) taken++;
      scene.send("RSET\r\n");
      await scene.rest();
      scene.take();
    }
    return taken;
  }
  test("limits by client count others", async () => {
    expect(await messages(limited("client", []))).toBe(1);
    expect(await messages(limited("client", ["203.0.113.7"]))).toBe(3);
  });
  test("limits by sender count it like anybody", async () => {
    expect(await messages(limited("sender", ["203.0.113.7"]))).toBe(1);
  });
});

describe("is bound by the protocol like anybody:", () => {
  test("too many errors end its session", () => {
    const scene = new Scene({ ...HOST, limits: { errors: 3 } });
    scene.send("WHAT\r\n".repeat(5));
    expect(scene.take()).toMatch(/^220 .*\r\n(500 .*\r\n){3}421 .*\r\n$/);
    expect(scene.wire.ended).toBe("close");
  });
  test("so do too many XCLIENT that cannot be read", () => {
    const scene = new Scene({ ...HOST, limits: { errors: 3 } });
    scene.send("XCLIENT ADDR=x\r\n".repeat(5));
    expect(scene.take()).toMatch(/^220 .*\r\n(501 .*\r\n){3}421 .*\r\n$/);
  });
  test("a client that waits too long is told so", async () => {
    const scene = new Scene({ ...HOST, limits: { commandTime: 5_000 } });
    scene.send("XCLIENT ADDR=192.0.2.1\r\n");
    scene.take();
    await scene.pass(6_000);
    expect(scene.take()).toMatch(/^421 4\.4\.2 /);
  });
  test("a policy's refusal of what it says stands", () => {
    const no = definePlugin("no", () => ({ onError: "pass", helo: () => reject("5.7.1", "No") }))();
    const scene = new Scene({ ...HOST, plugins: [no] });
    scene.send("EHLO x\r\n");
    expect(scene.take()).toMatch(/550 5\.7\.1 No/);
  });
});

test("what has only an address of a trusted network within it is no trusted host", () => {
  for (const client of ["unix", "/run/203.0.113.7", "203.0.113.70", "::ffff:203.0.113.70"]) {
    const scene = new Scene({ ...HOST, client });
    scene.send("XCLIENT ADDR=192.0.2.1\r\n");
    expect(scene.take()).toMatch(/550 5\.7\.1/);
  }
});
