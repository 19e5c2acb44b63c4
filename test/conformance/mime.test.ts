/**
 * Real and broken messages of four mail libraries (../shared/vectors/mime) through the proxy, by DATA and by BDAT, in
 * writes of 1 octet, 7 octets and 64 kB: each arrives octet for octet. Their line ends are made CRLF first; one that has
 * a bare CR all the same, or a NUL in its header, is refused with 550 and not delivered.
 */
import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "bun:test";
import { latin1Text } from "../../src/smtp/reply.ts";
import { readCounted } from "../support/dialogue_reader.ts";
import { Scene } from "../../src/testing/scene.ts";
import { withVectors } from "../support/dialogue_vectors.ts";
import { FakeReceiver } from "../support/fake_receiver.ts";

const MESSAGES = 231;
const ENVELOPE = "EHLO x\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<b@y.example>\r\n";
const EXTENSIONS = ["PIPELINING", "8BITMIME", "CHUNKING"];
const WRITES: readonly (readonly [name: string, size: number])[] = [["64 kB", 65_536], ["7 octets", 7], [
  "1 octet",
  1,
]];

/** A message by DATA, which must end in CRLF. */
function byData(message: string): string {
  const whole = message === "" || message.endsWith("\r\n") ? message : `${message}\r\n`;
  return `DATA\r\n${whole.replace(/^\./gm, "..")}.\r\n`;
}

/** In chunks of 10,000 octets, which cut lines and CR from LF. */
function byChunks(message: string): string {
  const chunks = message.match(/[^]{1,10000}/g) ?? [""];
  return chunks.map((chunk, i) => `BDAT ${chunk.length}${i === chunks.length - 1 ? " LAST" : ""}\r\n${chunk}`)
    .join("");
}

/** Sends octets in writes of a size, straight to the session: there are millions of them. */
function send(scene: Scene, octets: string, size: number): void {
  const bytes = Uint8Array.from(octets, (sign) => sign.charCodeAt(0));
  const view = new Uint8Array(size);
  for (let at = 0; at < bytes.length; at += size) {
    const part = bytes.subarray(at, at + size);
    view.set(part);
    scene.session.data(view.subarray(0, part.length));
    scene.settle();
  }
  view.fill(0);
}

/** The last reply, and what arrived. */
function through(
  said: string,
  size: number,
  extensions: readonly string[],
): { code: string; messages: string[] } {
  const scene = new Scene({ extensions });
  const receiver = new FakeReceiver(scene, extensions);
  send(scene, ENVELOPE, ENVELOPE.length);
  scene.take();
  send(scene, said, size);
  return {
    code: scene.take().split("\r\n").at(-2)!.slice(0, 3),
    messages: receiver.taken.map(({ message }) => message),
  };
}

withVectors("mime", "mime", `${MESSAGES} messages`, (folder) => {
  const names = (readdirSync(folder, { recursive: true }) as string[]).filter((name) => name.endsWith(".eml"))
    .sort();
  const messages = names.map((name) => {
    const octets = latin1Text(readFileSync(new URL(name, folder)));
    return [name, octets.replace(/(?<!\r)\n/g, "\r\n")] as const;
  });

  test(`all ${MESSAGES} messages are read, most of them fit to be sent`, () => {
    expect(messages.length).toBe(MESSAGES);
    const fit = messages.filter(([, message]) => readCounted(message).fault === undefined).length;
    expect(fit).toBeGreaterThan(200);
  });

  for (const [writes, size] of WRITES) {
    test(`by DATA, in writes of ${writes}`, () => {
      for (const [name, message] of messages) {
        const whole = message === "" || message.endsWith("\r\n") ? message : `${message}\r\n`;
        const fit = readCounted(whole).fault === undefined;
        const found = through(byData(message), size, EXTENSIONS);
        const wanted = { code: fit ? "250" : "550", messages: fit ? [whole] : [] };
        if (found.code !== wanted.code || found.messages[0] !== wanted.messages[0]) {
          expect([name, found]).toEqual([name, wanted]);
        }
      }
      expect(messages.length).toBe(MESSAGES);
    });
    for (const [kind, extensions] of [["", EXTENSIONS], [" that becomes DATA", ["8BITMIME"]]] as const) {
      // DATA octet by octet is seen above.
      if (kind !== "" && size === 1) continue;
      test(`by BDAT${kind}, in writes of ${writes}`, () => {
        for (const [name, message] of messages) {
          const fit = readCounted(message).fault === undefined;
          const found = through(byChunks(message), size, extensions);
          const end = kind !== "" && message !== "" && !message.endsWith("\r\n") ? "\r\n" : "";
          const wanted = { codes: fit ? ["250"] : ["550", "503"], messages: fit ? [message + end] : [] };
          if (!wanted.codes.includes(found.code) || found.messages[0] !== wanted.messages[0]) {
            expect([name, found]).toEqual([name, wanted as never]);
          }
        }
        expect(messages.length).toBe(MESSAGES);
      });
    }
  }
});
