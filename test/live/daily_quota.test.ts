// bun only: starts real servers
// The example's quota, kept in a real Redis that two proxies share.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { dailyQuota } from "../../examples/daily_quota/mod.ts";
import { delivery, GREETED, transcript } from "../../src/testing.ts";
import { redisMissing, RedisServer } from "../support/live_redis.ts";
import { readyStore } from "../support/live_store.ts";

const missing = redisMissing();
const folder = mkdtempSync(join(tmpdir(), "sallyport-quota-"));
let redis: RedisServer;
beforeAll(async () => {
  if (missing === undefined) redis = await RedisServer.start(folder);
}, 60_000);
afterAll(async () => {
  await redis?.stop();
  rmSync(folder, { recursive: true });
});

const REFUSED = `
  C: MAIL FROM:<a@client.example>
  S: 250 …
  C: RCPT TO:<b@mx.example>
  S: 452 4.7.1 Enough for today: 3 recipients
`;

test.skipIf(missing !== undefined)(
  `two proxies count one quota, and Redis forgets it${missing === undefined ? "" : ` (${missing})`}`,
  async () => {
    const url = `redis://127.0.0.1:${redis.port}?prefix=quota:`;
    const [one, two] = await Promise.all([readyStore(url), readyStore(url)]);
    const play = (store: typeof one.store, text: string) =>
      transcript(dailyQuota({ recipients: 3 }), { store, user: "alice" }, GREETED + text);
    await play(one.store, delivery() + delivery());
    await play(two.store, delivery() + REFUSED);
    await play(one.store, REFUSED);
    const keys = await redis.admin.keys("quota:*daily-quota*");
    expect(keys.length).toBe(1);
    const left = await redis.admin.pttl(keys[0]!);
    expect(left > 0 && left <= 2 * 86_400_000).toBe(true);
    await Promise.all([one.store.close(), two.store.close()]);
  },
);
