/**
 * How a backend is reached safely: what its `tls` comes to, and options that contradict each other. Whoever names a CA, a pin
 * or a password relies on them, so nothing of that is ever opportunistic.
 */
import type { BackendAddress } from "./settings.ts";

type Options = Pick<
  BackendAddress,
  "tls" | "verify" | "serverName" | "pins" | "ca" | "cert" | "login" | "endpoint"
>;

/** What only a certificate that is looked at can keep. */
const RELYING = ["serverName", "pins", "ca", "cert"] as const;

/** What `auto` comes to. */
export function tlsMode(address: Options): Exclude<BackendAddress["tls"], "auto"> {
  if (address.tls !== "auto") return address.tls;
  if (relying(address).length > 0) return "required";
  if (isLocal(address)) return "off";
  return address.login === undefined ? "opportunistic" : "required";
}

/** The way to it leads through this machine alone. */
export function isLocal({ endpoint }: Pick<BackendAddress, "endpoint">): boolean {
  return !("host" in endpoint) || /^(127\.\d+\.\d+\.\d+|::1|localhost)$/.test(endpoint.host);
}

/** What an operator relies on and would not get. */
export function securityMistakes(path: string, address: Options): string[] {
  const { tls, login } = address;
  if (tls !== "off" && tls !== "opportunistic") return [];
  const mistakes: string[] = [];
  const relied = relying(address);
  if (relied.length > 0) {
    mistakes.push(
      `${path}.tls: ${tls} was given with ${
        relied.join(", ")
      }, which nobody would look at; allowed with it are ` +
        "required and implicit",
    );
  }
  if (login !== undefined && !isLocal(address)) {
    mistakes.push(
      `${path}.tls: ${tls} was given with login, and a password goes to nobody who has not shown a certificate; ` +
        "allowed with it are required and implicit",
    );
  }
  return mistakes;
}

function relying(address: Options): string[] {
  return RELYING.filter((name) => {
    const value = address[name];
    return value !== undefined && value.length > 0;
  });
}
