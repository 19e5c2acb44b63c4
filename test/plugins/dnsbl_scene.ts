/**
 * Sessions against `dnsbl` with lists given as a map, and a clock that the test moves: the plugin's own timers go by it
 * too.
 */
import { dnsbl, type DnsblOptions } from "../../plugins/dnsbl/mod.ts";
import { setUp } from "../../src/policy/set_up.ts";
import { type Dns, DNSBL, type DnsblFinding, type Rule, type Stage, type Stages } from "../../src/mod.ts";
import { dnsOf, type FakeDns } from "../../src/testing.ts";
import { promisesSettle, withTimers } from "../support/fake_timers.ts";
import { SessionChain, shortly } from "../support/session_chain.ts";

type Records = Parameters<typeof dnsOf>[0][string];

/** Answers by name; a text or a list of texts is its A records. */
export type Lists = Readonly<Record<string, string | readonly string[] | Records>>;

/** Test entries as a list must have them (RFC 5782 §5). */
export function sound(zone: string): Lists {
  return { [`2.0.0.127.${zone}`]: "127.0.0.2" };
}

export function recordsOf(lists: Lists): Parameters<typeof dnsOf>[0] {
  return Object.fromEntries(
    Object.entries(lists).map(([name, given]) => {
      if (typeof given === "string" && !/^\d/.test(given)) return [name, { A: given as "never" }];
      return [name, typeof given === "object" && !Array.isArray(given) ? given : { A: [given].flat() }];
    }),
  ) as Parameters<typeof dnsOf>[0];
}

const NO_FILES = { read: () => Promise.reject(new Error("there are none")), watch() {} };

export class Lookout {
  readonly chain: SessionChain;
  readonly dns: FakeDns;

  /** @param dns answers besides those of `lists`, which come first */
  constructor(
    lists: Lists,
    options: DnsblOptions,
    { rules = (plugin) => [plugin], client, dns }: {
      readonly rules?: (plugin: Rule) => readonly Rule[];
      readonly client?: string;
      readonly dns?: (known: FakeDns) => Dns;
    } = {},
  ) {
    this.dns = dnsOf(recordsOf(lists));
    const effects = { dns: dns?.(this.dns) ?? this.dns, now: () => this.chain.timers.now };
    this.chain = new SessionChain(rules(dnsbl(options)), { effects, ...(client && { client }) });
  }

  /** What a stage comes to, in short; time passes while it is judged. */
  verdict<S extends Stage>(stage: S, given: Partial<Stages[S]> = {}, ms = 0): Promise<string> {
    return withTimers(this.chain.timers, async () => {
      const judged = this.chain.judge(stage, given);
      if (ms > 0) await this.chain.pass(ms);
      return shortly(await judged);
    });
  }

  /** Milliseconds until a stage is judged, looked at in steps. */
  time<S extends Stage>(stage: S, given: Partial<Stages[S]> = {}, step = 50): Promise<number> {
    return withTimers(this.chain.timers, async () => {
      const { timers } = this.chain;
      const began = timers.now;
      let ended = -1;
      this.chain.judge(stage, given).then(() => ended = timers.now);
      await promisesSettle();
      while (ended < 0 && timers.now - began < 30_000) await this.chain.pass(step);
      return ended - began;
    });
  }

  /** As the program does before any session. */
  setUp(): Promise<void> {
    return withTimers(this.chain.timers, async () => {
      const { mistakes } = await setUp(this.chain.chain.plugins, this.chain.chain.engine, NO_FILES, true);
      if (mistakes.length > 0) throw new Error(mistakes.join("\n"));
      await promisesSettle();
    });
  }

  pass(ms: number): Promise<void> {
    return withTimers(this.chain.timers, () => this.chain.pass(ms));
  }

  finding(stage: Stage = "connect"): DnsblFinding | undefined {
    return this.chain.dossier.findings(stage).get(DNSBL);
  }

  /** Lines that the plugin has written. */
  get log(): readonly string[] {
    return this.chain.told("plugin", "text");
  }

  /** Values of a metric by its labels: `{ 'zone="bl.example"': 1 }`. */
  counted(name: string): Record<string, number> {
    const lines = this.chain.metrics.text().matchAll(
      new RegExp(`^sallyport_plugin_${name}_total\\{plugin="dnsbl",(.*)\\} (\\d+)$`, "gm"),
    );
    return Object.fromEntries([...lines].map(([, labels, value]) => [labels, Number(value)]));
  }
}
