/**
 * The log: what a terminal shows obeys nobody, and lines that cannot be written are counted.
 */
import { describe, expect, test } from "bun:test";
import { LineLog, type Put } from "../../src/cli/log.ts";

/** A standard output that gives these errors, or takes at most so many octets, one write after another. */
function output(...answers: readonly (string | number)[]) {
  const got = { text: "" };
  const left = [...answers];
  const put: Put = (bytes, done) => {
    const answer = left.shift() ?? bytes.length;
    if (typeof answer === "string") return queueMicrotask(() => done({ code: answer }, 0));
    const taken = bytes.subarray(0, answer);
    got.text += new TextDecoder().decode(taken);
    queueMicrotask(() => done(null, taken.length));
  };
  return { put, got };
}

test("control characters and those that turn the text around are escaped on a terminal", async () => {
  const { put, got } = output();
  const log = new LineLog(true, put);
  log.warn("plugin failed", { cause: "a\x1b[2Jb\r\nc\x9bd\u202ee", to: ["x\ny"], name: "Bücher" });
  await log.flush();
  expect(got.text.slice(13)).toBe(
    "! plugin failed cause=a\\x1b[2Jb\\x0d\\x0ac\\x9bd\\u{202e}e to=x\\x0ay name=Bücher\n",
  );
});

describe("lines that cannot be written", () => {
  const events = (text: string) =>
    text.trimEnd().split("\n").map((line) => JSON.parse(line) as { event: string; count?: number });

  for (const error of ["EPIPE", "ENOSPC"]) {
    test(`${error}: are counted, and told as soon as a line gets through`, async () => {
      const { put, got } = output(error, error);
      const log = new LineLog(false, put);
      for (let i = 0; i < 3; i++) log.info("lost", { i });
      await log.flush();
      // Two of its own, and the three that it would have told of.
      log.info("lost too", {});
      log.info("lost too", {});
      await log.flush();
      log.info("heard", {});
      await log.flush();
      expect(events(got.text).map(({ event, count }) => [event, count])).toEqual([
        ["lines dropped", 5],
        ["heard", undefined],
      ]);
    });
  }

  test("an output that takes little at a time loses nothing", async () => {
    const { put, got } = output(5, 1, 7);
    const log = new LineLog(false, put);
    for (const event of ["one", "two"]) log.info(event, {});
    await log.flush();
    expect(events(got.text).map(({ event }) => event)).toEqual(["one", "two"]);
  });

  test("past 4 MiB of octets, not characters, they are counted", async () => {
    const { put, got } = output();
    const log = new LineLog(false, put);
    const text = "€".repeat(700_000);
    // Two are 4.2 million octets, and 1.4 million characters.
    for (const event of ["one", "two", "three"]) log.info(event, { text });
    await log.flush();
    log.info("four", {});
    await log.flush();
    expect(events(got.text).map(({ event, count }) => [event, count])).toEqual([
      ["lines dropped", 1],
      ["one", undefined],
      ["two", undefined],
      ["four", undefined],
    ]);
  });
});
