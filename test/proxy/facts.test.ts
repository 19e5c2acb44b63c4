/**
 * What plugins are told is theirs to read: one that alters it fails, and neither the mail nor any other plugin or session
 * notices.
 */
import { expect } from "bun:test";
import { definePlugin, type Plugin } from "../../src/policy/plugin.ts";
import { type Stage, STAGES } from "../../src/policy/stages.ts";
import { dialogue } from "../support/dialogue.ts";
import { ADDRESSED, DELIVERED, OPENED } from "../support/dialogue_parts.ts";

/** What a plugin gets that does not know better. */
interface Told {
  [name: string]: unknown;
  client: { host: string };
  local: { host: string };
  reversePath: { mailbox: string };
  forwardPath: { mailbox: string; localPart: string };
  parameters: unknown[];
  accepted: unknown[];
  recipients: unknown[];
}

/** Changes that were seen in the mail, in a session's counts or, where they hit what all sessions have in common, for good. */
const ALTERED: readonly (readonly [name: string, stage: Stage, alter: (told: Told) => void])[] = [
  ["the client's address", "connect", ({ client }) => client.host = "192.0.2.66"],
  ["our own address", "connect", ({ local }) => local.host = "192.0.2.66"],
  ["the greeting", "helo", (told) => told["helo"] = "other.example"],
  ["the findings", "mail", (told) => told["findings"] = undefined],
  ["the reverse-path", "mail", ({ reversePath }) => reversePath.mailbox = "victim@elsewhere.example"],
  ["the parameters", "mail", ({ parameters }) => parameters.push({ keyword: "SIZE", value: "1" })],
  ["the forward-path", "rcpt", ({ forwardPath }) => forwardPath.mailbox = "victim@elsewhere.example"],
  [
    "a line into it",
    "rcpt",
    ({ forwardPath }) => forwardPath.mailbox = "a@b>\r\nRCPT TO:<victim@elsewhere.example",
  ],
  ["who was accepted", "rcpt", ({ accepted }) => accepted.push(1)],
  ["the recipients", "data", ({ recipients }) => recipients.length = 0],
  ["the size", "message", (told) => told["size"] = -1],
];

/** Told after the one that alters. */
function witness(): Plugin {
  const look = (told: unknown) => {
    const { client, findings, recipients } = told as {
      client: unknown;
      findings: { score: number };
      recipients?: [];
    };
    expect(client).toMatchObject({ host: "203.0.113.7" });
    expect(findings.score).toBe(0);
    expect(recipients?.length ?? 1).toBe(1);
  };
  return definePlugin("witness", () => ({
    onError: "reject",
    ...Object.fromEntries(STAGES.map((stage) => [stage, look])),
  }))();
}

for (const [name, stage, alter] of ALTERED) {
  const altering = definePlugin("altering", () => ({ onError: "pass", [stage]: alter as () => void }));
  dialogue(`a plugin cannot alter ${name}`, () => ({
    plugins: [altering(), witness()],
    after: ({ log }) => {
      const failed = log.filter(({ event }) => event === "plugin failed");
      expect(failed.map(({ fields }) => fields["stage"])).toEqual([stage]);
    },
  }), ADDRESSED + OPENED + DELIVERED);
}

dialogue(
  "an observer cannot alter what it is told either",
  () =>
    definePlugin("altering", () => ({
      onError: "pass",
      observe({ session }) {
        if ("forwardPath" in session) {
          (session as { forwardPath: Told["forwardPath"] }).forwardPath.mailbox = "x@y";
        }
      },
    }))(),
  ADDRESSED + OPENED + DELIVERED,
);
