/**
 * Random octets as replies: the first that is an answer counts, everything before it is ignored, and nothing breaks.
 */
import { Buffer } from "node:buffer";
import { isIP } from "node:net";
import { expect, test } from "bun:test";
import fc from "fast-check";
import { isReplyTo } from "../../src/dns/frame.ts";
import { plainName } from "../../src/dns/name.ts";
import { decodeReply } from "../../src/dns/packet.ts";
import { readReply } from "../../src/dns/reading.ts";
import { type DnsAnswer, DnsError } from "../../src/policy/effects.ts";
import { scene } from "../support/dns_scene.ts";
import type { Asked } from "../support/fake_dns_server.ts";

const GOOD = "192.0.2.1";

/** Makes octets of a query; the kinds come ever closer to an answer. */
type Lie = (asked: Asked) => Uint8Array;

const noise: fc.Arbitrary<Lie> = fc.uint8Array({ maxLength: 600 }).map((octets) => () => octets);
const withId: fc.Arbitrary<Lie> = fc.uint8Array({ maxLength: 100 }).map((octets) => (asked) =>
  Buffer.concat([asked.bytes.subarray(0, 2), octets])
);
/** The header and the question are right, but for the counts and the code; what follows is chance. */
const withQuestion: fc.Arbitrary<Lie> = fc.tuple(
  fc.uint8Array({ minLength: 6, maxLength: 6 }).map((counts) => counts.map((each) => each % 3)),
  fc.constantFrom(0, 1, 2, 3, 5, 9),
  fc.uint8Array({ maxLength: 120 }),
).map(([counts, rcode, octets]) => (asked) => {
  const message = asked.message({ rcode });
  message.set(counts.map((each, i) => i % 2 === 0 ? 0 : each), 6);
  return Buffer.concat([message, octets]);
});
/** An answer with one octet changed. */
const bent: fc.Arbitrary<Lie> = fc.tuple(fc.nat(), fc.nat(255)).map(([at, octet]) => (asked) => {
  const answers = [
    { name: asked.name, type: "CNAME", ttl: 60, data: "b.example" },
    { name: "b.example", type: "A", ttl: 60, data: "192.0.2.2" },
  ] as const;
  const message = asked.message({ answers });
  message[at % message.length] = octet;
  return message;
});

/** What the lookup must come to: the first of these messages that is an answer says it. */
function expected(query: Uint8Array, messages: readonly Uint8Array[]): string {
  for (const message of messages) {
    const read = isReplyTo(message, query, false) ? decodeReply(message) : undefined;
    if (read === undefined) continue;
    // Asked again, over TCP or without EDNS, the server says the truth.
    if (read.truncated || read.rcode === 1 || read.rcode === 4) return "ok";
    const reading = readReply(read, { name: "a.example", type: "A" });
    if (reading.says === "failure") return reading.code;
    return reading.says === "alias" ? endOf(reading.name) : reading.says;
  }
  return "no answer";
}

/** The server knows every name. */
function endOf(alias: string): string {
  return plainName(alias) === undefined ? "nxdomain" : "ok";
}

test("random octets over UDP settle a lookup only where they are an answer", async () => {
  await scene(async (scene) => {
    const server = await scene.server();
    const lies = fc.array(fc.oneof(noise, withId, withQuestion, bent), { minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(lies, async (given) => {
        const sent: Uint8Array[] = [];
        server.script = (asked) => {
          if (sent.length > 0) return asked.address(GOOD);
          for (const lie of given) sent.push(lie(asked));
          sent.push(asked.message({ answers: [{ name: asked.name, type: "A", ttl: 1, data: GOOD }] }));
          for (const message of sent) asked.send(message);
        };
        const before = server.asked.length;
        const resolver = scene.resolver([server], { tries: 1 });
        const outcome = await resolver.resolve("a.example", "A").catch((error: unknown) => error);
        resolver.close();
        expectSettled(outcome, expected(server.asked[before]!.bytes, sent));
      }),
      { numRuns: 300 },
    );
  })();
});

function expectSettled(outcome: unknown, as: string): void {
  if (outcome instanceof DnsError) return expect(outcome.code as string).toBe(as);
  const { status, records } = outcome as DnsAnswer<"A">;
  expect(status as string).toBe(as);
  expect(records.length > 0).toBe(status === "ok");
  for (const record of records) expect(isIP(record)).toBe(4);
}
