// bun only: drives the program as a process
// Rule 6, exhaustively: every sequence of up to five of {CR, LF, ".", "a", NUL} in a message, judged
// against the strict reading. What is clean arrives exactly, all else is 550 5.6.0 and nothing more.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { NO_CHUNKING } from "../support/blackbox_backend.ts";
import { bytesOf } from "../support/blackbox_bytes.ts";
import type { RawClient } from "../support/blackbox_client.ts";
import { bareBodies, judge, mark } from "../support/blackbox_smuggle.ts";
import { type Stage, stage, unharmed } from "../support/blackbox_stage.ts";
import { inParallel } from "../support/blackbox_wait.ts";

let at: Stage;
beforeAll(async () => {
  at = await stage(NO_CHUNKING);
});
afterAll(() => at.close());

const SYMBOLS = ["\r", "\n", ".", "a", "\0"];

/** All sequences of exactly `length` symbols. */
function sequences(length: number): string[] {
  if (length === 0) return [""];
  return sequences(length - 1).flatMap((s) => SYMBOLS.map((x) => s + x));
}

/** Runs each stream on a session that is renewed every few messages, and collects complaints. */
async function runAll(cases: readonly { id: string; text: string; shown: string }[]): Promise<string[]> {
  const problems: string[] = [];
  const groups: (typeof cases)[] = [];
  for (let i = 0; i < cases.length; i += 5) groups.push(cases.slice(i, i + 5));
  await inParallel(groups, 8, async (group) => {
    let client: RawClient | undefined;
    for (const { id, text, shown } of group) {
      client ??= await at.proxy.client();
      const found = await judge(at.backend, client, id, bytesOf(text));
      problems.push(...found.problems.map((p) => `${JSON.stringify(shown)}: ${p}`));
      if (found.usable) continue;
      client.vanish();
      client = undefined;
    }
    await client?.quit();
    if (at.backend.connections.length > 200) problems.push(...shed());
  });
  return [...problems, ...shed()];
}

/** The judge looks through all connections: keeps only the young ones, and what the old ones saw amiss. */
function shed(): string[] {
  const { backend } = at;
  const problems = [...bareBodies(backend), ...backend.anomalies];
  backend.connections.splice(0, backend.connections.length - 60);
  backend.deliveries.splice(0, backend.deliveries.length - 200);
  return problems;
}

for (const length of [0, 1, 2, 3, 4, 5]) {
  test(`rule 6: all ${SYMBOLS.length ** length} sequences of ${length} in a body`, async () => {
    const cases = sequences(length).map((shown) => {
      const id = mark();
      return { id, shown, text: `S: ${id}\r\n\r\nb${shown}\r\n.\r\n` };
    });
    expect((await runAll(cases)).slice(0, 20)).toEqual([]);
  }, 55_000);
}

test(
  "rule 6: all sequences of up to 4, without NUL, that follow a line end, and at the very start of the data",
  async () => {
    const cases = [1, 2, 3, 4].flatMap(sequences).filter((s) => !s.includes("\0")).flatMap((shown) => {
      const [first, second] = [mark(), mark()];
      const all = [{ id: first, shown, text: `S: ${first}\r\n\r\n${shown}b\r\n.\r\n` }];
      if (!/^\.\r\n/.test(shown)) {
        all.push({ id: second, shown, text: `${shown}S: ${second}\r\n\r\nb\r\n.\r\n` });
      }
      return all;
    });
    expect((await runAll(cases)).slice(0, 20)).toEqual([]);
  },
  55_000,
);

test("afterwards the proxy serves and the backend saw clean SMTP only", async () => {
  await unharmed(at.proxy, at.backend);
}, 20_000);
