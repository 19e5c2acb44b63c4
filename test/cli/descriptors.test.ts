import { describe, expect, test } from "bun:test";
import { sessionBound } from "../../src/cli/descriptors.ts";

const LIMITS = (soft: string) =>
  `Limit                     Soft Limit           Hard Limit           Units
Max processes             95000                95000                processes
Max open files            ${soft.padEnd(20)} 1048576              files
`;

describe("sessions leave descriptors for backends", () => {
  test("of 20,000 they may have 19,000", () => expect(sessionBound(LIMITS("20000"))).toBe(19_000));
  test("of very few, at least one", () => expect(sessionBound(LIMITS("1"))).toBe(1));
  test("where the system does not say, there is no bound", () => {
    expect(sessionBound("")).toBe(Infinity);
    expect(sessionBound(LIMITS("unlimited"))).toBe(Infinity);
  });
});
