/**
 * Who may send to domains that are not ours: users who have authenticated, listed networks, nobody else. Without such a
 * gate a backend that trusts the proxy's address would relay for the whole world (RFC 5321 §3.6.1).
 */
import {
  definePlugin,
  type Live,
  type MailFacts,
  NetworkSet,
  type Path,
  type PluginFactory,
  reject,
} from "sallyport";
import { Domains, readDomains, wireName } from "./domains.ts";
import { type RelayGateOptions, schema } from "./options.ts";

export type { RelayGateOptions } from "./options.ts";

const DENIED = reject("5.7.1", "Relaying denied");
const AUTHENTICATE = reject("5.7.0", "Authentication required", 530);

/** Refuses mail for domains that are not ours, but for those who may send everywhere. */
export const relayGate: PluginFactory<RelayGateOptions> = definePlugin("relay-gate", schema, (terms) => {
  const { authenticated, requireAuthentication } = terms;
  const listed = new Domains();
  terms.domains.forEach((text) => listed.add(text));
  let files: readonly Live<Domains>[] = [];
  const networks = new NetworkSet(terms.networks);

  const isTrusted = ({ user, client }: MailFacts) =>
    (authenticated && user !== undefined) || networks.has(client.host);
  const isOurs = ({ localPart, domain }: Path) => {
    // `<Postmaster>` is always ours (RFC 5321 §4.5.1).
    if (domain === "") return true;
    // Whatever the domain behind it, such a local part asks the backend to send the mail on.
    if (/[%!@]/.test(localPart)) return false;
    const name = wireName(domain);
    return name !== undefined && (listed.has(name) || files.some(({ value }) => value.has(name)));
  };

  return {
    // A gate that fails does not stand open.
    onError: "defer",
    async setup(setup) {
      const read = (bytes: Uint8Array, path: string) => readDomains(bytes, path, requireAuthentication);
      files = await Promise.all(terms.files.map((path) => setup.file(path, read)));
    },
    ...(requireAuthentication && {
      mail: (session: MailFacts) => (isTrusted(session) ? undefined : AUTHENTICATE),
    }),
    rcpt(session) {
      if (!requireAuthentication && isOurs(session.forwardPath)) return undefined;
      if (isTrusted(session)) return undefined;
      return requireAuthentication ? AUTHENTICATE : DENIED;
    },
  };
});
