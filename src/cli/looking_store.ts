/**
 * A store to look at and not to touch: what `explain` does must not count for real clients. What is written is kept
 * here and seen by whoever asks later in the same run.
 */
import type { Rate, RateAnswer, Store } from "../policy/effects.ts";

/** The same store, which nothing is written to. */
export function lookingStore(store: Store): Store {
  const values = new Map<string, string | undefined>();
  const sums = new Map<string, number>();
  const drawn = new Map<string, number>();
  return {
    get: (key) => (values.has(key) ? Promise.resolve(values.get(key)) : store.get(key)),
    set: (key, value) => Promise.resolve(void values.set(key, value)),
    delete: (key) => Promise.resolve(void values.set(key, undefined)),
    async count(key, by, ttl, sliding) {
      const sum = (sums.get(key) ?? 0) + by;
      sums.set(key, sum);
      return await store.count(key, 0, ttl, sliding) + sum;
    },
    async draw(group, rates) {
      const { remaining } = await store.draw(group, rates.map((rate) => ({ ...rate, cost: 0 })));
      return drawFrom(drawn, group, rates, remaining);
    },
    refund(group, rates) {
      for (const { key, cost } of rates) add(drawn, `${group} ${key}`, -cost);
      return Promise.resolve();
    },
    greylist: (group, triplet) => store.greylist(group, { ...triplet, peek: true }),
    greylistPass: () => Promise.resolve(0),
    lease: () => Promise.resolve({ held: true, count: 1 }),
    release: () => Promise.resolve(),
    close: () => store.close(),
  };
}

function add(sums: Map<string, number>, key: string, by: number): void {
  sums.set(key, (sums.get(key) ?? 0) + by);
}

/** The answer that the real store would have given, had this run's draws been its only ones. */
function drawFrom(
  drawn: Map<string, number>,
  group: string,
  rates: readonly Rate[],
  there: readonly number[],
): RateAnswer {
  const left = rates.map(({ key }, i) => there[i]! - (drawn.get(`${group} ${key}`) ?? 0));
  const waits = rates.map(({ cost, burst, interval }, i) =>
    cost > burst ? Infinity : Math.max(0, cost - left[i]!) * interval
  );
  const retryAfter = Math.max(0, ...waits);
  if (retryAfter > 0) {
    return { allowed: false, limiting: waits.indexOf(retryAfter), retryAfter, remaining: left };
  }
  for (const { key, cost } of rates) add(drawn, `${group} ${key}`, cost);
  return {
    allowed: true,
    limiting: -1,
    retryAfter: 0,
    remaining: left.map((many, i) => many - rates[i]!.cost),
  };
}
