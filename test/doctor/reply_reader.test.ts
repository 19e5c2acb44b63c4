/** Replies as an examiner reads them, in any pieces. */
import { expect, test } from "bun:test";
import { type BackendWord, ReplyReader } from "../../src/doctor/reply_reader.ts";
import { latin1 } from "../../src/smtp/reply.ts";

function read(text: string, size: number): BackendWord[] {
  const reader = new ReplyReader();
  const words: BackendWord[] = [];
  for (let at = 0; at < text.length; at += size) {
    words.push(...reader.push(latin1(text.slice(at, at + size))));
  }
  return words;
}

const reply = (code: number, lines: string[], bareLf = false) => ({ code, lines, bareLf });

test.each([
  ["220 hello\r\n", [reply(220, ["hello"])]],
  ["250-a\r\n250-B 1\r\n250 c\r\n354 go\r\n", [reply(250, ["a", "B 1", "c"]), reply(354, ["go"])]],
  ["250\r\n", [reply(250, [""])]],
  ["250 \r\n250 two\n", [reply(250, [""]), reply(250, ["two"], true)]],
  ["250-a\n250 b\r\n250 c\r\n", [reply(250, ["a", "b"], true), reply(250, ["c"])]],
  ["250-a\r\n251 b\r\n", [{ fault: "a reply with two codes, 250 and 251" }]],
  ["hello\r\n220 late\r\n", [{ fault: "it is no reply: hello\r" }]],
  ["250x\r\n", [{ fault: "it is no reply: 250x\r" }]],
  ["600 x\r\n", [{ fault: "it is no reply: 600 x\r" }]],
  ["220 not yet", []],
])("%j", (text, words) => {
  for (const size of [1, 2, 3, 7, text.length]) expect(read(text, size)).toEqual(words);
});

test("what has no end is a fault, and nothing is read after it", () => {
  expect(read(`220 ${"x".repeat(66_000)}\r\n220 y\r\n`, 66_000)).toEqual([
    { fault: "a line of more than 65536 octets" },
  ]);
  expect(read(`${"220-x\r\n".repeat(10_000)}220 y\r\n`, 7000)).toEqual([
    { fault: "a reply of more than 65536 octets" },
  ]);
  expect(read("220 x\r\n".repeat(160_000), 7000).at(-1)).toEqual({
    fault: "more than 1048576 octets of replies",
  });
});
