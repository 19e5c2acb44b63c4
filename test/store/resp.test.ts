// A command in Redis' protocol: the lengths are octets, whatever the text.
import { expect, test } from "bun:test";
import { inResp } from "../../src/store/resp.ts";

for (
  const [args, written] of [
    [[], "*1\r\n$3\r\nget\r\n"],
    [["key"], "*2\r\n$3\r\nget\r\n$3\r\nkey\r\n"],
    [["", "a\r\nb"], "*3\r\n$3\r\nget\r\n$0\r\n\r\n$4\r\na\r\nb\r\n"],
    [["é", "key", "日本"], "*4\r\n$3\r\nget\r\n$2\r\né\r\n$3\r\nkey\r\n$6\r\n日本\r\n"],
    [["x".repeat(1000)], `*2\r\n$3\r\nget\r\n$1000\r\n${"x".repeat(1000)}\r\n`],
  ] as const
) {
  test(`get ${JSON.stringify(args).slice(0, 40)}`, () => {
    expect(inResp("get", args)).toBe(written);
  });
}
