/**
 * IP addresses for the PROXY protocol, which has them as octets. They are read and written where all are, in
 * `smtp/ip_address.ts`; what is told apart here is a host that has no address (a path).
 */
import { addressOctets } from "../smtp/ip_address.ts";
import { plainHost } from "./address.ts";

export { ipv4Octets, ipv6Octets, octetsText as octetsHost } from "../smtp/ip_address.ts";

/** The 4 or 16 octets of a host as `Address` has it; undefined for what is no IP address (a path). */
export function hostOctets(host: string): Uint8Array | undefined {
  return addressOctets(plainHost(host));
}
