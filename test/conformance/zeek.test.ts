/**
 * The client's side of the conversations in Zeek's test traces (../shared/vectors/dialogues-zeek), said to the proxy in
 * front of a backend that takes mail: each command has its reply, each message arrives octet for octet, and what is no
 * SMTP at all ends the session and nothing else.
 */
import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "bun:test";
import { DEFAULT_LIMITS } from "../../src/smtp/limits.ts";
import { latin1Text } from "../../src/smtp/reply.ts";
import { Model } from "../support/dialogue_model.ts";
import { Scene } from "../../src/testing/scene.ts";
import { withVectors } from "../support/dialogue_vectors.ts";
import { FakeReceiver } from "../support/fake_receiver.ts";

interface Trace {
  readonly connections: readonly {
    readonly events: readonly { readonly from: "C" | "S"; readonly b64: string }[];
  }[];
}

const FILES = 19;
const CONVERSATIONS = 26;
const EXTENSIONS = ["PIPELINING", "SIZE 100000000", "8BITMIME", "SMTPUTF8", "DSN", "CHUNKING", "BINARYMIME"];

/** What the client said, write by write. */
function saidIn(connection: Trace["connections"][number]): string[] {
  return connection.events.filter(({ from }) => from === "C")
    .map(({ b64 }) => latin1Text(Uint8Array.from(atob(b64), (sign) => sign.charCodeAt(0))));
}

async function play(writes: readonly string[]) {
  const scene = new Scene({ extensions: EXTENSIONS });
  const receiver = new FakeReceiver(scene, EXTENSIONS);
  for (const write of writes) scene.send(write);
  await scene.rest();
  const codes = scene.take().split("\r\n").filter((line) => /^\d{3} /.test(line)).map((line) =>
    Number(line.slice(0, 3))
  );
  const faults = scene.log.filter(({ event }) => event === "fault");
  return {
    codes,
    messages: receiver.taken.map(({ message }) => message),
    nonsense: receiver.nonsense,
    faults,
  };
}

withVectors("zeek", "dialogues-zeek", `${CONVERSATIONS} conversations`, (folder) => {
  const files = readdirSync(folder).filter((name) => name.endsWith(".json")).sort();
  const conversations = files.flatMap((name) => {
    const { connections } = JSON.parse(readFileSync(new URL(name, folder), "utf8")) as Trace;
    return connections.map((connection, i) => [`${name} (${i + 1})`, saidIn(connection)] as const);
  });

  test(`all ${CONVERSATIONS} conversations of ${FILES} files are read`, () => {
    expect([files.length, conversations.length]).toEqual([FILES, CONVERSATIONS]);
    const taken = conversations.flatMap(([, writes]) =>
      new Model(DEFAULT_LIMITS).run(writes.join("")).messages
    );
    expect(taken.length).toBeGreaterThan(10);
  });

  for (const [name, writes] of conversations) {
    const said = writes.join("");
    const ways: readonly (readonly [string, readonly string[]])[] = [
      ["as it was sent", writes],
      ["in one write", [said]],
      ["in pieces of 7 octets", said.match(/[^]{1,7}/g) ?? []],
      ...(said.length < 20_000 ? [["octet by octet", [...said]] as const] : []),
    ];
    for (const [way, pieces] of ways) {
      test(`${name}, ${way}`, async () => {
        const { codes, messages } = new Model(DEFAULT_LIMITS).run(said);
        expect(await play(pieces)).toEqual({ codes, messages, nonsense: [], faults: [] });
      });
    }
  }
});
