// What every driver has to do, whatever it keeps its state in.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { fresh, rate, rejection, type Rig, triplet } from "./rig.ts";
import { countSuite, valueSuite } from "./suite_values.ts";
import { greylistSuite } from "./suite_greylist.ts";
import { leaseSuite } from "./suite_leases.ts";
import { rateSuite } from "./suite_rates.ts";

/** Runs the suite on one rig; `skipped` says why not. */
export function storeSuite(name: string, open: () => Promise<Rig>, skipped?: string): void {
  const title = skipped === undefined ? name : `${name} [${skipped}]`;
  describe.skipIf(skipped !== undefined)(title, () => {
    let rig: Rig;
    beforeAll(async () => {
      rig = await open();
    });
    afterAll(() => rig?.close());

    valueSuite(() => rig);
    countSuite(() => rig);
    rateSuite(() => rig);
    greylistSuite(() => rig);
    leaseSuite(() => rig);
    mistakes(() => rig);
  });
}

function mistakes(rig: () => Rig): void {
  test("what may not be asked is a RangeError that says what is allowed, and changes nothing", async () => {
    const { store } = rig();
    const good = rate(rig(), 1, 5);
    const asked = triplet(rig());
    const [group, key] = [fresh("group"), fresh()];
    const wrong: [operation: Promise<unknown>, told: string][] = [
      [store.set(key, "v", 0), "ttl 0 was given; allowed is milliseconds above 0 and up to 300 years"],
      [store.set(key, "v", Infinity), "ttl Infinity was given"],
      [store.set(key, "v", NaN), "ttl NaN was given"],
      [store.count(key, 0.5, 1000), "by 0.5 was given; allowed is a whole number"],
      [store.count(key, 1, -1), "ttl -1 was given"],
      [store.draw(group, [good, { ...good, interval: 0 }]), "interval 0 was given"],
      [store.draw(group, [good, { ...good, interval: NaN }]), "interval NaN was given"],
      [
        store.draw(group, [good, { ...good, burst: 1.5 }]),
        "burst 1.5 was given; allowed is a whole number from 0",
      ],
      [store.draw(group, [good, { ...good, cost: -1 }]), "cost -1 was given"],
      [store.draw(group, [good, { ...good, burst: 1e9, interval: 1e9 }]), "1000000000 of them are 300 years"],
      [store.refund(group, [{ ...good, cost: -1 }]), "cost -1 was given"],
      [store.greylist(group, { ...asked, delay: -1 }), "delay -1 was given; allowed is milliseconds from 0"],
      [store.greylist(group, { ...asked, window: asked.delay }), "allowed is milliseconds above the delay"],
      [store.greylistPass(group, { ...asked, memory: 0 }), "memory 0 was given"],
      [store.greylistPass(group, { ...asked, passes: 0.5 }), "passes 0.5 was given"],
      [store.greylist(group, { ...asked, strangers: -1 }), "strangers -1 was given"],
      [store.greylist(group, { ...asked, period: 0 }), "period 0 was given"],
      [store.lease(key, "holder", -1, 1000), "limit -1 was given"],
      [store.lease(key, "holder", 1, 0), "ttl 0 was given"],
    ];
    for (const [operation, told] of wrong) {
      const error = await rejection(operation);
      expect(error).toBeInstanceOf(RangeError);
      expect((error as Error).message).toContain(told);
    }
    expect(await store.get(key)).toBeUndefined();
    expect((await store.draw(group, [good])).remaining).toEqual([4]);
    expect((await store.greylist(group, asked)).state).toBe("new");
    expect(await store.lease(key, "other", 1, 1000)).toEqual({ held: true, count: 1 });
  });
}
