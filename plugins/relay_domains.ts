/**
 * Takes mail for the operator's own domains only. Without it, a backend that trusts the proxy's address would relay
 * for the whole world (RFC 5321 §3.6.1).
 */
import { definePlugin, type Path, type Plugin, reject, utf8Text } from "sallyport";

/** Whose mail is taken. */
export interface RelayDomainsOptions {
  /** Domain names; mail for anything else is refused. */
  readonly domains: readonly string[];
}

/** Refuses recipients of other domains. */
export const relayDomains: (options: RelayDomainsOptions) => Plugin = definePlugin(
  "relay-domains",
  ({ domains }: RelayDomainsOptions) => {
    const own = new Set(domains.map((domain) => domain.toLowerCase()));
    return {
      onError: "defer",
      rcpt: ({ forwardPath }) => (isOurs(forwardPath, own) ? undefined : reject("5.7.1", "Relaying denied")),
    };
  },
);

/**
 * `<Postmaster>` is always ours. A local part that holds another address (`%`, `!`, `@`) asks the backend to relay,
 * whatever the domain behind it.
 */
function isOurs({ localPart, domain }: Path, own: ReadonlySet<string>): boolean {
  if (domain === "") return true;
  return own.has(utf8Text(domain).toLowerCase()) && !/[%!@]/.test(localPart);
}
