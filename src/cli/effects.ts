/**
 * What plugins can do in a running program: the resolver, the stores, the clock. A policy without plugins needs none of
 * it, and does not load it.
 */
import type { Effects } from "../policy/engine.ts";
import type { Metrics } from "../policy/metrics.ts";
import { SettingsError } from "../policy/policy.ts";
import { pluginsOf } from "../policy/rule.ts";
import type { Settings } from "../policy/settings.ts";
import type { Log } from "../proxy/journal.ts";

/** Effects, and what ends them. */
export interface OpenEffects {
  readonly effects: Partial<Effects>;
  close(): Promise<void>;
}

/** @throws SettingsError where the store cannot be used */
export async function openEffects(settings: Settings, log: Log, metrics: Metrics): Promise<OpenEffects> {
  if (pluginsOf(settings.plugins).length === 0) return { effects: {}, close: () => Promise.resolve() };
  const [{ memoryStore }, store, dns] = await Promise.all([
    import("../store/memory.ts"),
    openedStore(settings, log, metrics),
    openedDns(settings, metrics),
  ]);
  const effects: Partial<Effects> = {
    dns,
    store,
    local: memoryStore({ now: Date.now }),
    fetch: (url, init) => fetch(url, init),
    now: Date.now,
    random: Math.random,
  };
  return {
    effects,
    async close() {
      dns.close();
      await store.close();
    },
  };
}

async function openedStore(settings: Settings, log: Log, metrics: Metrics) {
  const { openStore, storeName } = await import("../store/open.ts");
  const changes = metrics.counter("sallyport_store_changes_total", "Times the store was lost or found.", [
    "state",
  ]);
  try {
    return await openStore(settings.store, {
      now: Date.now,
      onState(state, detail) {
        changes.add(state);
        log[state === "lost" ? "warn" : "info"](`store ${state}`, {
          store: storeName(settings.store),
          detail,
        });
      },
    });
  } catch (cause) {
    throw new SettingsError([`store: ${(cause as Error).message}`]);
  }
}

async function openedDns({ dns }: Settings, metrics: Metrics) {
  const [{ Resolver }, { systemServers }] = await Promise.all([
    import("../dns/resolver.ts"),
    import("../dns/servers.ts"),
  ]);
  const queries = metrics.counter("sallyport_dns_queries_total", "Questions to the DNS.", [
    "type",
    "outcome",
    "source",
  ]);
  return new Resolver({
    servers: dns.length > 0 ? dns : systemServers(),
    now: () => performance.now(),
    onQuery: ({ type, outcome, source }) => queries.add(type, outcome, source),
  });
}
