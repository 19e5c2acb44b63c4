// One of several processes that use a store at the same time: `store_worker.ts URL JOB TIMES`, TIMES operations at
// once. Waits for a line on its input, so that all begin together, and prints what it has counted as JSON.
import process from "node:process";
import type { Store } from "../../src/policy/effects.ts";
import { openStore } from "../../src/store/open.ts";

const HOUR = 3_600_000;
const TRIPLET = {
  key: "triplet",
  delay: HOUR,
  window: 2 * HOUR,
  memory: HOUR,
  passes: 0,
  strangers: 50,
  period: HOUR,
};

/** Each tells of one operation whether it counts. */
const JOBS: Readonly<Record<string, (store: Store, index: number) => Promise<boolean>>> = {
  draw: async (store) => {
    return (await store.draw("group", [{ key: "rate", interval: HOUR, burst: 50, cost: 1 }])).allowed;
  },
  greylist: async (store) => (await store.greylist("group", TRIPLET)).state === "new",
  strangers: async (store, index) => {
    const triplet = { ...TRIPLET, key: `${process.pid} ${index}` };
    return (await store.greylist("group", triplet)).state === "new";
  },
  greylistPass: async (store) => await store.greylistPass("group", TRIPLET) === 1,
  lease: async (store, index) => (await store.lease("places", `${process.pid} ${index}`, 7, HOUR)).held,
  count: async (store) => await store.count("counter", 1, HOUR) > 0,
};

const [url = "", job = "", times = "0"] = process.argv.slice(2);
let ready: () => void = () => {};
const reached = new Promise<void>((resolve) => ready = resolve);
const store = await openStore(url, { now: Date.now, onState: (state) => state === "ready" && ready() });
if (url.startsWith("redis")) await reached;
process.stdout.write("ready\n");
await new Promise((resolve) => process.stdin.once("data", resolve));
const answers = await Promise.all(Array.from({ length: Number(times) }, (_, i) => JOBS[job]!(store, i)));
process.stdout.write(`${answers.filter(Boolean).length}\n`);
await store.close();
process.exit(0);
