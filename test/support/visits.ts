/**
 * Clients that come again and again to one plugin, each time in a session of its own, with a clock that the test moves:
 * what is asked of the DNS the second time?
 */
import type { Dns, FindingKey, Plugin, Stage, Stages } from "../../src/mod.ts";
import { SessionChain, shortly } from "./session_chain.ts";

/** What a visit came to. */
export interface Visit {
  /** The verdict in short, and what the trail says. */
  readonly said: string;
  found<T>(key: FindingKey<T>): T | undefined;
}

export class Visits {
  readonly chain: SessionChain;
  readonly #plugin: string;

  constructor(plugin: Plugin, dns: Dns) {
    const now = () => this.chain.timers.now;
    this.chain = new SessionChain([plugin], { effects: { dns, now } });
    this.#plugin = plugin.name;
  }

  /** A client comes, and is asked about at one stage; it waits for `ms` milliseconds at the most. */
  async at<S extends Stage>(
    stage: S,
    given: Partial<Stages[S]> = {},
    { client = "203.0.113.7", ms = 0 } = {},
  ): Promise<Visit> {
    const dossier = this.chain.newDossier(client);
    const judged = this.chain.judge(stage, given, dossier);
    if (ms > 0) await this.chain.pass(ms);
    const verdict = shortly(await judged);
    const findings = dossier.findings(stage);
    return {
      said: [verdict, ...dossier.takeTrail()].join(" "),
      found: (key) => findings.get(key),
    };
  }

  /** Time passes. */
  wait(ms: number): void {
    this.chain.timers.advance(ms);
  }

  /** Values of one of the plugin's metrics, by its labels: `{ 'result="pass"': 2 }`. */
  counted(name: string): Record<string, number> {
    const lines = this.chain.metrics.text().matchAll(
      new RegExp(`^sallyport_plugin_${name}_total\\{plugin="${this.#plugin}",?(.*)\\} (\\d+)$`, "gm"),
    );
    return Object.fromEntries([...lines].map(([, labels, value]) => [labels, Number(value)]));
  }
}

/** A DNS whose answers are of another kind for some names: past their time, or short-lived. */
export function changed(
  dns: Dns,
  how: Readonly<Record<string, { readonly ttl?: number; readonly stale?: boolean }>>,
): Dns {
  return { resolve: async (name, type) => ({ ...await dns.resolve(name, type), ...how[name] }) };
}
