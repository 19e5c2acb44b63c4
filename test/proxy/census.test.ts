/** How many sessions there are of whom, while those who were refused are still there. */
import { expect, test } from "bun:test";
import type { Caller } from "../../src/proxy/caller.ts";
import { Census } from "../../src/proxy/census.ts";

const callerAt = (host: string): Caller => ({
  remote: { host, port: 1 },
  local: { host: "192.0.2.25", port: 25 },
  via: undefined,
  trusted: false,
  mayName: false,
  tls: undefined,
  user: undefined,
});

test("who was one too many takes no place of others, and gives none back", () => {
  const census = new Census({ sessions: 2, sessionsPerClient: 1 });
  const [one, other] = [callerAt("203.0.113.1"), callerAt("203.0.113.2")];
  const refused = Array.from({ length: 10 }, () => callerAt("203.0.113.1"));
  expect(census.enter(one)).toBeUndefined();
  expect(refused.map((each) => census.enter(each))).toEqual(Array(10).fill("too many of its address"));
  expect(census.enter(other)).toBeUndefined();
  const late = callerAt("203.0.113.3");
  expect(census.enter(late)).toBe("too many");
  for (const each of [...refused, late]) census.leave(each);
  expect(census.enter(callerAt("203.0.113.4"))).toBe("too many");
  census.leave(one);
  expect(census.enter(callerAt("203.0.113.5"))).toBeUndefined();
});

test("of those who stay after their refusal, five hundred are told", () => {
  const census = new Census({ sessions: 10, sessionsPerClient: 1 });
  const all = Array.from({ length: 502 }, () => callerAt("203.0.113.1"));
  for (const each of all.slice(0, 501)) census.enter(each);
  expect(census.crowded).toBe(false);
  census.enter(all[501]!);
  expect(census.crowded).toBe(true);
  census.leave(all[1]!);
  expect(census.crowded).toBe(false);
});
