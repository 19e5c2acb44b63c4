/**
 * What tests of the resolver share: scripted name servers, a clock that the test moves, and an end that closes all.
 */
import { Resolver, type ResolverOptions } from "../../src/dns/resolver.ts";
import type { DnsServer } from "../../src/dns/servers.ts";
import { DnsError } from "../../src/policy/effects.ts";
import { type Asked, FakeDnsServer } from "./fake_dns_server.ts";
import { FakeTimers, withTimers } from "./fake_timers.ts";

export class DnsScene {
  readonly timers: FakeTimers;
  readonly #ends: (() => unknown)[] = [];

  constructor(timers: FakeTimers) {
    this.timers = timers;
  }

  async server(script?: (asked: Asked) => void, host?: string): Promise<FakeDnsServer> {
    const server = await FakeDnsServer.start(script, host);
    this.#ends.push(() => server.stop());
    return server;
  }

  resolver(
    servers: readonly { readonly server: DnsServer }[],
    options: Partial<ResolverOptions> = {},
  ): Resolver {
    const resolver = new Resolver({ servers: servers.map(({ server }) => server), ...options });
    this.#ends.push(() => resolver.close());
    return resolver;
  }

  async end(): Promise<void> {
    for (const end of this.#ends.reverse()) await end();
  }
}

/** Runs a test's body with a scene; no timer fires and no time passes but by its hand. */
export function scene(body: (scene: DnsScene) => Promise<void>): () => Promise<void> {
  return () => {
    const timers = new FakeTimers();
    return withTimers(timers, async () => {
      const given = new DnsScene(timers);
      try {
        await body(given);
      } finally {
        await given.end();
      }
    });
  };
}

/** The failure that a lookup came to. */
export function failureOf(lookup: Promise<unknown>): Promise<DnsError> {
  return lookup.then((answer) => {
    throw new Error(`it did not fail: ${JSON.stringify(answer)}`);
  }, (error: unknown) => {
    if (error instanceof DnsError) return error;
    throw error;
  });
}
