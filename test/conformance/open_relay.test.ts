/**
 * Nmap's probes for open relays (../shared/vectors/open-relay), as they stand and with the local part in quotes: the relay
 * gate refuses them all, at a front door that takes the server's own name and address for ours, and at a submission
 * service.
 */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "bun:test";
import { relayGate } from "../../plugins/relay_gate/mod.ts";
import type { Plugin } from "../../src/mod.ts";
import { type Path, readForwardPath, readReversePath } from "../../src/smtp/path.ts";
import { EXTENSIONS, Scene } from "../../src/testing/scene.ts";
import { withVectors } from "../support/dialogue_vectors.ts";
import { FakeReceiver } from "../support/fake_receiver.ts";
import { SessionChain } from "../support/session_chain.ts";

const PROBES = 16;
/** In both forms: what our own reader of paths lets through, so that the gate has to judge it. */
const READABLE = 21;

const WORDS: Readonly<Record<string, string>> = {
  from: "antispam",
  to: "relaytest",
  domain: "elsewhere.example",
  ip: "192.0.2.25",
  srvname: "mx.example",
};

const front = () => relayGate({ domains: ["mx.example", "[192.0.2.25]"] });
const submission = () => relayGate({ requireAuthentication: true });
const GATES: readonly (readonly [name: string, gate: () => Plugin, refusal: string])[] = [
  ["the front door", front, "550 Relaying denied"],
  ["the submission service", submission, "530 Authentication required"],
];

interface Probe {
  readonly from: string;
  readonly to: string;
}

/** The two forms of a probe; one that is quoted already has one form. */
function formsOf({ from, to }: Probe): Probe[] {
  const filled = (text: string) => text.replace(/\{(\w+)\}/g, (_, word: string) => WORDS[word]!);
  const plain = { from: filled(from), to: filled(to) };
  if (plain.to.startsWith('"')) return [plain];
  const [, route = "", localPart, domain = ""] = /^(@[^:]*:)?(.*?)(@[^@]*)?$/.exec(plain.to)!;
  return [plain, { from: plain.from, to: `${route}"${localPart}"${domain}` }];
}

function pathOf(text: string, read: typeof readForwardPath): Path | undefined {
  const line = `<${text}>`;
  const got = read(line, 0);
  return "path" in got && got.end === line.length ? got.path : undefined;
}

withVectors("open relay", "open-relay", `${PROBES} probes`, (folder) => {
  const { cases } = JSON.parse(readFileSync(new URL("cases.json", folder), "utf8")) as { cases: Probe[] };
  const probes = cases.flatMap(formsOf);

  test(`all ${PROBES} probes are read, and the gate has to judge ${READABLE} of their forms`, () => {
    expect(cases.length).toBe(PROBES);
    expect(probes.filter(({ to }) => pathOf(to, readForwardPath)).length).toBe(READABLE);
  });

  for (const [name, gate, refusal] of GATES) {
    describe(name, () => {
      for (const { from, to } of probes) {
        const forwardPath = pathOf(to, readForwardPath);
        if (forwardPath !== undefined) {
          test(`refuses <${to}> from <${from}>`, async () => {
            const reversePath = pathOf(from, readReversePath)!;
            expect(await new SessionChain([gate()]).verdict("rcpt", { reversePath, forwardPath })).toBe(
              refusal,
            );
          });
        }

        test(`answers 5yz to <${to}> from <${from}> in a dialogue, and no backend hears of it`, async () => {
          const { codes, commands } = await converse(gate(), from, to);
          expect(codes.at(-2)).toMatch(name === "the front door" ? /^2/ : /^530$/);
          expect(codes.at(-1)).toMatch(/^5/);
          expect(commands.filter((line) => line.startsWith("RCPT"))).toEqual([]);
        });
      }
    });
  }

  test("the front door takes what is for its own domains, so that it is not shut to all", async () => {
    const { codes, commands } = await converse(front(), "a@elsewhere.example", "relaytest@mx.example");
    expect(codes.at(-1)).toBe("250");
    expect(commands).toContain("RCPT TO:<relaytest@mx.example>");
  });
});

/** The codes of the replies to one MAIL and one RCPT, and what the backend heard. */
async function converse(gate: Plugin, from: string, to: string) {
  const scene = new Scene({ plugins: [gate], hostname: "mx.example" });
  const receiver = new FakeReceiver(scene, EXTENSIONS);
  for (const line of ["EHLO probe.example", `MAIL FROM:<${from}>`, `RCPT TO:<${to}>`]) {
    scene.send(`${line}\r\n`);
    await scene.rest();
  }
  const replies = scene.take().split("\r\n").filter((line) => /^\d{3} /.test(line));
  return { codes: replies.map((line) => line.slice(0, 3)), commands: receiver.commands };
}
