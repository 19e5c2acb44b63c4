/**
 * What `explain` makes of a policy's settings: one of its listeners, without the network's part in it, and backends that
 * take everything; and what the client's address alone decides before anybody is asked.
 */
import { BACKEND_DEFAULTS } from "../policy/backend_address.ts";
import { isPrivateAddress, NetworkSet } from "../policy/networks.ts";
import type { Plugin } from "../policy/plugin.ts";
import type { ListenAddress, Settings } from "../policy/settings.ts";

/** The listener that a client would come to: with TLS one where it is first, if there is one; without it one where it is not. */
export function listenerFor({ listen }: Settings, tls: boolean): ListenAddress {
  return listen.find(({ implicitTls }) => implicitTls === tls) ?? listen[0]!;
}

/**
 * The policy's settings with this listener and a backend that is made up.
 * @param secured the client comes under TLS
 */
export function madeUp(
  settings: Settings,
  { name, tlsRequired = false }: ListenAddress,
  secured: boolean,
): Settings {
  return {
    ...settings,
    // The client is who is asked about, however it may be named there: a header is not waited for.
    listen: [{
      name,
      endpoint: { host: "192.0.2.25", port: 25 },
      implicitTls: false,
      tlsRequired: tlsRequired && !secured,
      proxy: "off",
    }],
    backends: MADE_UP,
    pools: Object.fromEntries(Object.keys(settings.pools).map((pool) => [pool, MADE_UP])),
    demo: undefined,
  };
}

const MADE_UP = [{ ...BACKEND_DEFAULTS, name: "made up", endpoint: { host: "192.0.2.26", port: 25 } }];

/** What is to be known of a trusted host before its session is read; none for anybody else. */
export function trustedLines(ip: string, { trusted }: Settings, plugins: readonly Plugin[]): string[] {
  if (!new NetworkSet(trusted).has(ip)) return [];
  const names = plugins.filter(({ judges }) => judges === "client").map(({ name }) => name);
  return [
    `   ${ip} is a trusted host (setting trusted): it speaks for others, so nobody judges it as a client.`,
    `   Not asked: anybody at connect${names.map((name) => `, ${name}`).join("")}.`,
    "   What a client behind it would meet is told with that client's --ip.",
  ];
}

/** The plugins that look nothing up for an address, since it is private and their options leave those out. */
export function lookingAway(ip: string, plugins: readonly Plugin[]): ReadonlySet<string> {
  const leavesOut = ({ options }: Plugin) =>
    (options as { readonly privateAddresses?: unknown } | undefined)?.privateAddresses === "skip";
  return new Set(isPrivateAddress(ip) ? plugins.filter(leavesOut).map(({ name }) => name) : []);
}
