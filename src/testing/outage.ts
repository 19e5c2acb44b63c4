/**
 * Effects that can be away for a while.
 */
import { DnsError, StoreError } from "../policy/effects.ts";
import type { Effects } from "../policy/engine.ts";

/** What is away now. */
export interface Outages {
  store: boolean;
  dns: boolean;
  web: boolean;
}

/** Effects that fail as they do in a running program while they are away. `local` never is. */
export function breakable(effects: Effects, outages: Outages): Effects {
  const { dns, store, fetch } = effects;
  return {
    ...effects,
    dns: failing(dns, () => outages.dns ? new DnsError("ETIMEOUT", "a name", "the DNS is away") : undefined),
    store: failing(
      store,
      () => outages.store ? new StoreError("ask the store", "the store is away") : undefined,
    ),
    fetch: (url, init) => outages.web ? Promise.reject(new TypeError("the web is away")) : fetch(url, init),
  };
}

/** Its methods reject while there is an error. */
function failing<Whole extends object>(whole: Whole, error: () => Error | undefined): Whole {
  return new Proxy(whole, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== "function") return value;
      return (...given: unknown[]) => {
        const fault = error();
        return fault === undefined ? value.apply(target, given) : Promise.reject(fault);
      };
    },
  });
}
