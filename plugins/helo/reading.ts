/**
 * What a client greets with: a host name, an address literal (RFC 5321 §4.1.1.1, §4.1.3), or something that is neither.
 */
import { clientPrefix, readNetwork } from "sallyport";

/** A HELO argument. Names are in lower case and without a final dot, addresses in one form. */
export type Greeting =
  | { readonly kind: "name"; readonly name: string }
  | { readonly kind: "literal"; readonly address: string }
  /** An address without the brackets that make it a literal. */
  | { readonly kind: "address"; readonly address: string }
  | { readonly kind: "neither" };

/** A label: letters, digits and hyphens; underscores too, since many Windows hosts have them. */
const LABEL = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;
/** Octets of a name without its final dot (RFC 1035 §2.3.4). */
const LONGEST = 253;

const NEITHER: Greeting = { kind: "neither" };

/** @param helo as it came from the wire */
export function readGreeting(helo: string): Greeting {
  if (helo.startsWith("[")) return readLiteral(helo);
  const address = oneForm(helo);
  if (address !== undefined) return { kind: "address", address };
  // Checked before its case is changed: some signs of other scripts become ASCII in lower case.
  if (/[^!-~]/.test(helo)) return NEITHER;
  const name = helo.replace(/\.$/, "").toLowerCase();
  const labels = name.split(".");
  // What ends in a number is an address, and not one of four parts: that would have been read.
  const isName = name.length <= LONGEST && labels.every((label) => LABEL.test(label)) &&
    !/^\d+$/.test(labels.at(-1)!);
  return isName ? { kind: "name", name } : NEITHER;
}

/** The tag of IPv6 is often left out, and the address is plain without it. */
function readLiteral(helo: string): Greeting {
  const inside = /^\[(?:ipv6:)?([0-9a-f:.]+)\]$/i.exec(helo)?.[1];
  const address = inside && oneForm(inside);
  return address ? { kind: "literal", address } : NEITHER;
}

/** What no address is without: most names can be told from one at a glance. */
const ADDRESS = /^[0-9a-f:.]+$/i;

/** An address in the one form in which two can be compared; undefined for what is none. */
export function oneForm(address: string): string | undefined {
  if (!ADDRESS.test(address) || readNetwork(address) === undefined) return undefined;
  return clientPrefix(address, 32, 128).replace(/\/.*/, "");
}

/**
 * Top level names that the public DNS does not have: special ones (RFC 6761, RFC 6762, RFC 7686, RFC 9476), and those
 * that sites use by themselves (RFC 6762 Appendix G). `example` and `test` are left to the look-up, for those who test
 * their policies.
 */
const RESERVED: ReadonlySet<string> = new Set([
  ...["alt", "internal", "invalid", "local", "localhost", "onion"],
  ...["corp", "home", "intranet", "lan", "localdomain", "private"],
]);

/** Whether nobody outside of the client's own network can know such a name. */
export function isReserved(name: string): boolean {
  return RESERVED.has(name.slice(name.lastIndexOf(".") + 1)) || name.endsWith(".home.arpa");
}
