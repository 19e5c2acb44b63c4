// What the tests of the matrix rest on: a case's fault is told to the test that waits for it, and to no other.
import { expect, test } from "bun:test";
import { Agenda } from "./agenda.ts";

test("cases of one queue run one after the other, those of two beside each other", async () => {
  const agenda = new Agenda();
  const order: string[] = [];
  const turn = (name: string) => async () => {
    order.push(`${name} begins`);
    await Promise.resolve();
    order.push(`${name} ends`);
  };
  const all = [agenda.add("a", turn("a1")), agenda.add("a", turn("a2")), agenda.add("b", turn("b1"))];
  expect(order).toEqual([]);
  agenda.start();
  await Promise.all(all);
  expect(order.indexOf("a2 begins")).toBeGreaterThan(order.indexOf("a1 ends"));
  expect(order.indexOf("b1 begins")).toBeLessThan(order.indexOf("a1 ends"));
});

test("a case that fails fails for who waits for it, and the next one is run", async () => {
  const agenda = new Agenda();
  const first = agenda.add("a", () => Promise.reject(new Error("no")));
  const second = agenda.add("a", () => Promise.resolve());
  agenda.start();
  await second;
  await expect(first).rejects.toThrow("no");
});
