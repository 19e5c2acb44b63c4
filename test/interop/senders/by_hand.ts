/** Lines as a person types them into telnet, each after the reply to the one before; chunks where CHUNKING is offered. */
import { Buffer } from "node:buffer";
import { stuff } from "../../support/blackbox_bytes.ts";
import { RawClient } from "../../support/blackbox_client.ts";
import type { Letter } from "../../support/live_letters.ts";
import type { Report, Sender, Target } from "../../support/live_senders.ts";

export const byHand: Sender = {
  name: "by hand",
  can: new Set(["eight", "exact", "utf8", "partial"]),
  send: (letter, target) => send(letter, target, false),
};

export const byHandChunks: Sender = {
  name: "by hand, BDAT",
  can: new Set(["eight", "exact", "utf8", "partial", "bdat"]),
  send: (letter, target) => send(letter, target, true),
};

const CHUNK = 3001;

async function send(letter: Letter, { port }: Target, chunks: boolean): Promise<Report> {
  const client = await RawClient.connect(port);
  const said: string[] = [(await client.expect("220")).raw];
  const say = async (line: string | Buffer, limit = 10_000) => {
    await client.write(line);
    const { raw } = await client.expect("", limit);
    said.push(raw);
    return raw;
  };
  const wire = (text: string) => Buffer.from(`${text}\r\n`);
  const offer = await say("EHLO client.example\r\n");
  const utf8 = /[^\0-\x7f]/.test(letter.from + letter.to.join("")) ? " SMTPUTF8" : "";
  let ok = (await say(wire(`MAIL FROM:<${letter.from}> BODY=8BITMIME${utf8}`))).startsWith("250");
  const replies: string[] = [];
  for (const to of letter.to) replies.push(await say(wire(`RCPT TO:<${to}>`)));
  ok &&= replies.every((reply) => reply.startsWith("250"));
  if (replies.some((reply) => reply.startsWith("250"))) {
    const last = chunks && offer.includes("CHUNKING") ? await inChunks() : await byData();
    ok &&= last.startsWith("250");
  }
  await client.quit();
  return { ok, said: said.join("") };

  async function byData(): Promise<string> {
    const go = await say("DATA\r\n");
    return go.startsWith("354") ? say(stuff(letter.content), 15_000) : go;
  }

  async function inChunks(): Promise<string> {
    let reply = "";
    for (let at = 0; at < letter.content.length; at += CHUNK) {
      const chunk = letter.content.subarray(at, at + CHUNK);
      const last = at + CHUNK >= letter.content.length ? " LAST" : "";
      reply = await say(Buffer.concat([Buffer.from(`BDAT ${chunk.length}${last}\r\n`), chunk]), 15_000);
      if (!reply.startsWith("250")) break;
    }
    return reply;
  }
}
