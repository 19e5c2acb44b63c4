/** IPv6 addresses as text, the one way that the runtimes write a client's address too, so that both compare as strings. */
import { plainIpv6 } from "../smtp/ip_address.ts";

/**
 * An IPv6 address in the form of RFC 5952 §4; IPv4-mapped addresses stay IPv6 and end in dots (§5), since what a name has
 * is told as it is. What is no address stays as it is.
 * @param text any form, without a zone
 */
export function canonicalV6(text: string): string {
  const plain = plainIpv6(text);
  if (plain === undefined) return text;
  return plain.includes(":") ? plain : `::ffff:${plain}`;
}

/** An IP address without its zone, IPv6 in canonical form. */
export function plainAddress(address: string): string {
  const [plain = ""] = address.split("%", 1);
  return plain.includes(":") ? canonicalV6(plain) : plain;
}
