/**
 * The redis driver: what several machines share. Each operation is one command or one script, so it is atomic; a
 * group's keys carry the group as their hash tag, so that a cluster keeps them in one place.
 */
import {
  type GreylistAnswer,
  type GreylistTriplet,
  type LeaseAnswer,
  type Rate,
  type RateAnswer,
  type Store,
  StoreError,
} from "../policy/effects.ts";
import { checkCount, checkLease, checkRates, checkTriplet, checkTtl, rejecting } from "./checked.ts";
import { DEEDS } from "./deeds.ts";
import { readCount, readDraw, readGreylist, readLease } from "./answers.ts";
import { type OnState, RedisClient } from "./redis_client.ts";
import type { RedisTarget } from "./redis_url.ts";
import { notUnderstood, type Read } from "./script_call.ts";
import type { ScriptName } from "./scripts.ts";

/**
 * Opens a store on Redis. It connects by itself and again for ever; operations fail at once while it is away.
 * @throws Error where a file for TLS cannot be read
 */
export function redisStore(target: RedisTarget, { onState }: { readonly onState: OnState }): Store {
  return new RedisStore(new RedisClient(target, onState), target.prefix);
}

/** What runs commands and scripts; each rejects with a StoreError that tells the deed. */
export interface RedisCalls {
  command(deed: string, name: string, args: readonly string[]): Promise<unknown>;
  /** @param read makes of Redis' answer what is waited for */
  script<T>(
    deed: string,
    name: ScriptName,
    keys: readonly string[],
    args: readonly string[],
    read: Read<T>,
  ): Promise<T>;
  /** The same, where nobody waits for the answer. */
  later(deed: string, name: ScriptName, keys: readonly string[], args: readonly string[]): Promise<void>;
  close(): void;
}

/** The operations in commands and scripts. */
export class RedisStore implements Store {
  readonly #client: RedisCalls;
  readonly #prefix: string;

  constructor(client: RedisCalls, prefix: string) {
    this.#client = client;
    this.#prefix = prefix;
  }

  async get(key: string): Promise<string | undefined> {
    const answer = await this.#client.command(DEEDS.get, "get", [this.#value(key)]);
    if (answer === null) return undefined;
    if (typeof answer === "string") return answer;
    throw new StoreError(DEEDS.get, notUnderstood(answer));
  }

  async set(key: string, value: string, ttl: number): Promise<void> {
    checkTtl(DEEDS.set, ttl);
    await this.#client.command(DEEDS.set, "set", [this.#value(key), value, "PX", whole(ttl)]);
  }

  async delete(key: string): Promise<void> {
    await this.#client.command(DEEDS.delete, "del", [this.#value(key)]);
  }

  count(key: string, by: number, ttl: number, sliding = false): Promise<number> {
    return rejecting(() => {
      checkCount(DEEDS.count, by, ttl);
      const args = [String(by), whole(ttl), sliding ? "1" : "0"];
      return this.#client.script(DEEDS.count, "count", [this.#value(key)], args, readCount);
    });
  }

  draw(group: string, rates: readonly Rate[]): Promise<RateAnswer> {
    return rejecting(() => {
      checkRates(DEEDS.draw, rates);
      if (rates.length === 0) return Promise.resolve(NOTHING_DRAWN);
      const args: string[] = [];
      for (const { interval, burst, cost } of rates) args.push(String(interval), String(burst), String(cost));
      return this.#client.script(DEEDS.draw, "draw", this.#rates(group, rates), args, readDraw);
    });
  }

  refund(group: string, rates: readonly Rate[]): Promise<void> {
    return rejecting(() => {
      checkRates(DEEDS.refund, rates);
      if (rates.length === 0) return Promise.resolve();
      const args: string[] = [];
      for (const { interval, cost } of rates) args.push(String(interval), String(cost));
      return this.#client.script(DEEDS.refund, "refund", this.#rates(group, rates), args, nothing);
    });
  }

  greylist(group: string, triplet: GreylistTriplet): Promise<GreylistAnswer> {
    return rejecting(() => {
      checkTriplet(DEEDS.greylist, triplet);
      const { delay, window, memory, passes, strangers, period, peek } = triplet;
      const args = [delay, window, memory, passes, strangers, period, peek ? 0 : 1].map(String);
      const keys = [...this.#lists(group, triplet), `${this.#group(group)}strangers`];
      return this.#client.script(DEEDS.greylist, "greylist", keys, args, readGreylist);
    });
  }

  greylistPass(group: string, triplet: GreylistTriplet): Promise<number> {
    return rejecting(() => {
      checkTriplet(DEEDS.greylistPass, triplet);
      const args = [String(triplet.window), String(triplet.memory)];
      const keys = this.#lists(group, triplet);
      return this.#client.script(DEEDS.greylistPass, "greylistPass", keys, args, readCount);
    });
  }

  lease(key: string, holder: string, limit: number, ttl: number): Promise<LeaseAnswer> {
    return rejecting(() => {
      checkLease(DEEDS.lease, limit, ttl);
      const args = [holder, String(limit), String(ttl)];
      return this.#client.script(DEEDS.lease, "lease", [this.#lease(key)], args, readLease);
    });
  }

  release(key: string, holder: string): Promise<void> {
    return this.#client.later(DEEDS.release, "release", [this.#lease(key)], [holder]);
  }

  // deno-lint-ignore require-await -- what cannot be closed is a rejection
  async close(): Promise<void> {
    this.#client.close();
  }

  #value(key: string): string {
    return `${this.#prefix}value:${key}`;
  }

  #lease(key: string): string {
    return `${this.#prefix}lease:${key}`;
  }

  #rates(group: string, rates: readonly Rate[]): string[] {
    const start = `${this.#group(group)}rate:`;
    return rates.map(({ key }) => start + key);
  }

  #lists(group: string, { key }: GreylistTriplet): string[] {
    const start = this.#group(group);
    return [`${start}triplet:${key}`, `${start}passes`];
  }

  /**
   * The group as a hash tag. A } of its own would end it early, and let one group's name run into another's keys; an
   * empty one is no hash tag, and would scatter the group over the cluster.
   */
  #group(group: string): string {
    const tag = /[%}]/.test(group) ? group.replaceAll("%", "%25").replaceAll("}", "%7D") : group;
    return `${this.#prefix}{${tag === "" ? "%" : tag}}:`;
  }
}

const NOTHING_DRAWN: RateAnswer = { allowed: true, limiting: -1, retryAfter: 0, remaining: [] };

function nothing(): void {}

/** Redis takes whole milliseconds only. */
function whole(ms: number): string {
  return String(Math.ceil(ms));
}
