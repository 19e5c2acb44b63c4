/**
 * What is said of options whose schema has no words of its own (`sallyport/schema`): what is allowed, never what a library says.
 */
import { describe, expect, test } from "bun:test";
import { definePlugin } from "../../src/mod.ts";
import { options, z } from "../../src/schema.ts";

/** What is said of an option with this schema, behind what was given. */
function words(schema: z.ZodType, given: unknown): string | undefined {
  const plugin = definePlugin("made-up", options({ it: schema }), () => ({ onError: "pass" }));
  return plugin({ it: given } as never).mistakes?.map((line) => line.replace(/^.* was given; /, "")).join(
    "\n",
  );
}

describe("says what is allowed:", () => {
  const rows: readonly (readonly [schema: z.ZodType, given: unknown, words: string])[] = [
    [z.array(z.string()), "10.0.0.0/8", "allowed is a list"],
    [z.array(z.string()), undefined, "allowed is a list"],
    [z.array(z.string()), [7], "allowed is text"],
    [z.string(), 7, "allowed is text"],
    [z.int(), 1.5, "allowed is a whole number"],
    [z.int().min(2), 1, "allowed is 2 or more"],
    [z.number().positive(), 0, "allowed is more than 0"],
    [z.number().lt(1), 1, "allowed is less than 1"],
    [z.boolean(), "yes", "allowed is true or false"],
    [z.record(z.string(), z.number()), 5, "allowed is an object"],
    [z.record(z.string().regex(/^x-/), z.number()), { a: 1 }, "allowed is text that matches /^x-/"],
    [z.enum(["a", "b"]), "c", 'allowed are "a", "b"'],
    [z.literal(3), 4, "allowed is 3"],
    [z.string().min(2), "", "allowed are 2 characters or more"],
    [z.array(z.int()).max(1), [1, 2], "allowed is 1 entry or less"],
    [z.string().length(3), "ab", "allowed are exactly 3 characters"],
    [z.number().multipleOf(5), 7, "allowed are multiples of 5"],
    [z.url(), "nowhere", "allowed is a URL"],
    [z.cidrv4(), "192.0.2.1", "allowed is an IPv4 network, as in 192.0.2.0/24"],
    [z.uuid(), "1", "allowed is text of the form uuid"],
    [z.instanceof(RegExp), "a", "allowed is RegExp"],
    [z.strictObject({ ms: z.int() }), { ms: 1, s: 2 }, "there is no option s"],
    [z.union([z.string(), z.array(z.string())]), 5, "allowed is text, or a list"],
    [
      z.union([z.enum(["off", "reject"]), z.strictObject({ score: z.number() })]),
      { score: "5" },
      'allowed is "off", "reject", or at .score a number',
    ],
    [z.discriminatedUnion("a", [z.object({ a: z.literal("b") })]), { a: "c" }, 'allowed is "b"'],
  ];
  for (const [schema, given, expected] of rows) {
    test(expected, () => expect(words(schema, given)).toBe(expected));
  }
});

test("words of the schema's own go before", () => {
  expect(words(z.array(z.string(), "allowed are names"), 5)).toBe("allowed are names");
});
