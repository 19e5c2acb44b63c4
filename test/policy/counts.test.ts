/**
 * What plugins count: whatever they give for a label or a name, the metrics stay readable and bounded.
 */
import { expect, test } from "bun:test";
import { definePlugin } from "../../src/policy/plugin.ts";
import { SessionChain } from "../support/session_chain.ts";

/** A session whose plugin counts so at RCPT. */
async function counted(count: (io: { count: (name: unknown, labels?: unknown) => void }) => void) {
  const session = new SessionChain([
    definePlugin("odd", () => ({ onError: "pass", rcpt: (_, io) => count(io as never) }))(),
  ]);
  await session.judge("rcpt");
  const failed = session.lines.filter(({ event }) => event === "plugin failed");
  return { text: session.metrics.text(), failed: failed.map(({ fields }) => String(fields["cause"])) };
}

test("a number for a label is counted as its text", async () => {
  const { text, failed } = await counted((io) =>
    io.count("seen", { code: 250, open: true, missing: undefined })
  );
  expect(failed).toEqual([]);
  expect(text).toContain('sallyport_plugin_seen_total{plugin="odd",code="250",open="true",missing=""} 1\n');
});

for (
  const [name, value] of [["an object", {}], ["a symbol", Symbol("x")], ["a function", () => "x"]] as const
) {
  test(`${name} for a label costs the plugin its opinion, and no one the metrics`, async () => {
    const one = await counted((io) => io.count("seen", { label: value }));
    expect(one.failed).toEqual([expect.stringContaining("Cannot count seen: label label is ")]);
    expect(one.text).toContain("sallyport_plugin_failures_total");
    const two = await counted((io) => io.count("seen", { label: "x", other: value }));
    expect(two.failed).toEqual([expect.stringContaining("Cannot count seen: label other is ")]);
    expect(two.text).not.toContain("seen_total{");
  });
}

test("labels that are none fail the plugin", async () => {
  expect((await counted((io) => io.count("seen", null))).failed).toHaveLength(1);
});

test("names that a plugin makes up have an end", async () => {
  const { text, failed } = await counted((io) => {
    for (let i = 0; i < 10_000; i++) io.count(`of_${i}`);
  });
  expect(failed).toEqual([expect.stringContaining("Cannot count of_500: there are 500 counts already")]);
  expect(text.match(/^# TYPE sallyport_plugin_of_/gm)).toHaveLength(500);
});
