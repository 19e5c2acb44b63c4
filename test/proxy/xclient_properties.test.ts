/**
 * XCLIENT among other commands, in any pieces, from a trusted host: the session's client is always the last one that was
 * named by who might name, read by the reader alone; and who was named so may name no more.
 */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { readXclient } from "../../src/smtp/xclient.ts";
import { Scene } from "../../src/testing/scene.ts";

const HOST = "203.0.113.7";
const attribute = fc.constantFrom(
  "ADDR=192.0.2.1",
  "ADDR=IPV6:2001:db8::1",
  "ADDR=203.0.113.8",
  "ADDR=[UNAVAILABLE]",
  "ADDR=nonsense",
  "addr=192.0.2.2",
  "PORT=25",
  "PORT=[UNAVAILABLE]",
  "LOGIN=u",
  "LOGIN=+00",
  "LOGIN=[UNAVAILABLE]",
  "NAME=x.example",
  "HELO=y",
  "DESTADDR=198.51.100.1",
  "ODD=1",
  "=",
);
const naming = fc.array(attribute, { maxLength: 3 }).map((all) => `XCLIENT ${all.join(" ")}`);
const command = fc.oneof(
  { weight: 3, arbitrary: naming },
  fc.constantFrom("EHLO x", "HELO x", "NOOP", "RSET", "MAIL FROM:<a@x.example>", "WHAT", "STARTTLS"),
);

interface Known {
  client: string;
  user: string | undefined;
  mayName: boolean;
  greeted: boolean;
  sending: boolean;
}

/** What is known behind a line that was read. */
function after(known: Known, line: string): Known {
  const verb = line.split(" ")[0];
  if (verb === "EHLO" || verb === "HELO") return { ...known, greeted: true, sending: false };
  if (verb === "RSET") return { ...known, sending: false };
  if (verb === "MAIL" && known.greeted) return { ...known, sending: true };
  if (verb !== "XCLIENT" || known.sending || !known.mayName) return known;
  const read = readXclient(line.slice("XCLIENT".length));
  if ("refusal" in read) return known;
  const { addr, login } = read.facts;
  const client = addr === undefined ? known.client : addr ?? "unknown";
  const mayName = addr === undefined ? known.mayName : client.startsWith("203.0.113.");
  return { client, user: login ?? undefined, mayName, greeted: false, sending: false };
}

test("the client is who was named last by whoever might", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(command, { maxLength: 12 }),
      fc.integer({ min: 1, max: 400 }),
      async (lines, size) => {
        const scene = new Scene({
          trusted: ["203.0.113.0/24"],
          client: HOST,
          dial: "rcpt",
          limits: { errors: 1000 },
        });
        await scene.rest();
        const octets = lines.map((line) => `${line}\r\n`).join("");
        for (let at = 0; at < octets.length; at += size) {
          scene.send(octets.slice(at, at + size));
          await scene.rest();
        }
        const first: Known = { client: HOST, user: undefined, mayName: true, greeted: false, sending: false };
        const known = lines.reduce(after, first);
        const { remote, user, mayName } = scene.session.caller;
        expect([remote.host, user, mayName]).toEqual([known.client, known.user, known.mayName]);
        // A reply to each line, and the greeting.
        expect(scene.take().match(/^\d{3} /gm)?.length).toBe(lines.length + 1);
        expect(scene.over).toBe(false);
      },
    ),
    { numRuns: 500 },
  );
});
