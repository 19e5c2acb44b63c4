// bun only: starts real servers
// Two pools, a real Postfix and an smtp-sink: each recipient's mail goes where his domain says, and Postfix gets an
// envelope in one write without minding it.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { bytesOf, stuff } from "../support/blackbox_bytes.ts";
import { RawClient, told } from "../support/blackbox_client.ts";
import { eventually } from "../support/blackbox_wait.ts";
import { postfixMissing } from "../support/live_postfix.ts";
import { type LiveProxy, startLiveProxy } from "../support/live_proxy.ts";
import { postfixReceiver, type Receiver, REFUSED, sinkReceiver } from "../support/live_receivers.ts";
import { receiverMissing } from "../support/live_stage.ts";
import { Tap } from "../support/live_tap.ts";

const missing = postfixMissing() ?? receiverMissing("smtp-sink");
const MOD = fileURLToPath(new URL("../../src/mod.ts", import.meta.url));

const policyOf = (sink: number) => `
import { definePolicy } from ${JSON.stringify(MOD)};
export default definePolicy(({ hostname, listen, backends, admin }) => ({
  hostname,
  listen,
  backends,
  admin,
  dial: "rcpt",
  pools: { sink: ["127.0.0.1:${sink}"] },
  routes: [{ domain: "*.sink.example", pool: "sink" }],
}));
`;

describe.skipIf(missing !== undefined)(`two pools${missing === undefined ? "" : ` [${missing}]`}`, () => {
  let folder: string;
  let postfix: Receiver;
  let sink: Receiver;
  let back: Tap;
  let proxy: LiveProxy;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "sallyport-live-"));
    chmodSync(folder, 0o755);
    const subfolder = (name: string) => (mkdirSync(join(folder, name)), join(folder, name));
    [postfix, sink] = await Promise.all([
      postfixReceiver(subfolder("postfix")),
      sinkReceiver(subfolder("sink")),
    ]);
    back = await Tap.open(postfix.port);
    const policyFile = join(folder, "policy.ts");
    writeFileSync(policyFile, policyOf(sink.port));
    proxy = await startLiveProxy({ cwd: folder, backend: `127.0.0.1:${back.port}`, policyFile });
  }, 60_000);
  afterAll(async () => {
    await proxy?.process.stop();
    await Promise.all([postfix?.stop(), sink?.stop()]);
    await back?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Sends one message; the replies to its recipients and to its end. */
  async function send(token: string, to: readonly string[], chunk = false): Promise<string[]> {
    const client = await RawClient.connect(proxy.port);
    await client.expect("220");
    await client.command("EHLO client.example", "250");
    await client.command(`MAIL FROM:<${token}@client.example>`, "250");
    const replies: string[] = [];
    const say = async (bytes: string | Buffer) => {
      await client.write(typeof bytes === "string" ? Buffer.from(`${bytes}\r\n`) : bytes);
      replies.push(told(await client.hear(8000)).replace(/ \[ref \w+\]/, ""));
    };
    for (const one of to) await say(`RCPT TO:<${one}>`);
    const message = `Message-ID: <${token}@client.example>\r\n\r\nHello.\r\n`;
    if (chunk) await say(Buffer.from(`BDAT ${message.length} LAST\r\n${message}`));
    else {
      await client.command("DATA", "354");
      await say(stuff(bytesOf(message)));
    }
    await client.quit();
    return replies;
  }

  test("each recipient's mail is stored where his domain says", async () => {
    expect((await send("one", ["you@live.example"])).at(-1)).toContain("queued as");
    expect((await send("two", ["you@a.sink.example"])).at(-1)).toStartWith("250");
    await eventually(() => postfix.stored("one").length === 1 && sink.stored("two").length === 1);
    expect(sink.stored("one").length + postfix.stored("two").length).toBe(0);
  });

  test("a recipient of the other pool is told to come apart, and the first one's mail is delivered", async () => {
    const replies = await send("three", ["you@live.example", "you@a.sink.example", "me@live.example"]);
    expect(replies[1]).toStartWith("451 4.5.3 ");
    expect([replies[0], replies[2]].map((reply) => reply!.slice(0, 3))).toEqual(["250", "250"]);
    await eventually(() => postfix.stored("three").length === 2);
    expect(sink.stored("three").length).toBe(0);
  });

  test("Postfix's refusals are the recipient's, word for word, though they come with MAIL's reply", async () => {
    for (const [address, words] of REFUSED) {
      const [refused, accepted] = await send("four", [address, "you@live.example"]);
      expect([refused, accepted!.slice(0, 3)]).toEqual([words, "250"]);
    }
    await eventually(() => postfix.stored("four").length === REFUSED.size);
  });

  test("BDAT behind it is stored as it was sent", async () => {
    expect((await send("five", ["you@live.example"], true)).at(-1)).toContain("queued as");
    await eventually(() => postfix.stored("five").length === 1);
    expect(postfix.stored("five")[0]!.toString("latin1")).toEndWith("\r\n\r\nHello.\r\n");
  });

  test("MAIL and RCPT have reached Postfix in one piece each time, but once more one by one before BDAT", () => {
    const written = back.recordings.flatMap(({ client }) => client.map((bytes) => bytes.toString("latin1")));
    const envelopes = written.filter((text) => text.includes("MAIL FROM:"));
    expect(envelopes.length).toBeGreaterThan(5);
    const alone = envelopes.filter((text) => !/^MAIL FROM:<.*>\r\nRCPT TO:<.*>\r\n$/.test(text));
    expect(alone).toEqual(["MAIL FROM:<five@client.example>\r\n"]);
  });
});
