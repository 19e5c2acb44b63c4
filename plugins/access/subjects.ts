/**
 * What lists are compared with, each in one spelling, so that no other way to write a name slips past an entry: lower
 * case, no final dot, the ASCII form of an international name (RFC 5890 §2.3.2.1), no needless quotes.
 */
import { domainToASCII } from "node:url";
import { clientPrefix, type Path, readNetwork, utf8Text } from "sallyport";

/** The octets of an address, one character each; undefined for what is none. */
export function clientOctets(host: string): string | undefined {
  const octets = readNetwork(host)?.octets;
  return octets && String.fromCharCode(...octets);
}

/** A host name, a domain or an address literal; `text` is decoded. */
export function plainName(text: string): string {
  if (text.startsWith("[")) return plainLiteral(text) ?? text.toLowerCase();
  const name = text.endsWith(".") ? text.slice(0, -1) : text;
  if (!/[^ -~]/.test(name)) return name.toLowerCase();
  // Elsewhere the runtimes' own forms differ, so they are asked about nothing but names.
  const ascii = /^[\p{L}\p{M}\p{N}._-]+$/u.test(name) ? domainToASCII(name) : "";
  return /^[a-z0-9._-]+$/.test(ascii) ? ascii : name.normalize("NFC").toLowerCase();
}

/** An address literal with its address in one form (RFC 5321 §4.1.3); undefined for what is none. */
export function plainLiteral(text: string): string | undefined {
  const address = /^\[(?:ipv6:)?([0-9a-f:.]+)\]$/i.exec(text)?.[1];
  if (address === undefined || readNetwork(address) === undefined) return undefined;
  return `[${clientPrefix(address, 32, 128)}]`;
}

/** `local@domain`, `postmaster@` where it has no domain, "" for the null path. */
export function plainMailbox({ mailbox, localPart, domain }: Path): string {
  if (mailbox === "") return "";
  return `${plainLocalPart(utf8Text(localPart))}@${plainName(utf8Text(domain))}`;
}

/** `"a\b"` and `"ab"` are other spellings of `ab` (RFC 5321 §4.1.2); few tell cases apart, so nobody does here. */
export function plainLocalPart(text: string): string {
  const bare = text.startsWith('"') ? text.slice(1, -1).replace(/\\(.)/gs, "$1") : text;
  return bare.normalize("NFC").toLowerCase();
}
