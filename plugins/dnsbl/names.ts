/**
 * The names that lists are asked for: an address in reverse (RFC 5782 §2.1, §2.4), or a host's or domain's own (§3).
 */
import { domainToASCII } from "node:url";
import { NetworkSet, utf8Text } from "sallyport";

/** The octets in reverse order with dots, or for IPv6 its 32 nibbles. */
export function reversed(octets: Uint8Array): string {
  let name = "";
  for (let i = octets.length - 1; i >= 0; i--) {
    const octet = octets[i]!;
    if (octets.length === 4) name += `${octet}.`;
    else name += `${(octet & 15).toString(16)}.${(octet >> 4).toString(16)}.`;
  }
  return name.slice(0, -1);
}

/** Labels of letters, digits, hyphens and underscores; two at least, and no address. */
const HOST_NAME = /^(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+(?!\d+$)[a-z0-9-]{1,63}$/;

/**
 * A name that the client gave, as lists are asked for it.
 * @param wire one character per byte
 * @returns undefined where no list can know it: an address, one word alone, what is no name at all
 */
export function listable(wire: string): string | undefined {
  const text = utf8Text(wire);
  const name = (/[^ -~]/.test(text) ? asciiForm(text) : text.toLowerCase()).replace(/\.$/, "");
  return name.length <= 253 && HOST_NAME.test(name) ? name : undefined;
}

/** RFC 5890 §2.3.2.1; the runtimes are asked about nothing but names, since their own forms of other texts differ. */
function asciiForm(text: string): string {
  return /^[\p{L}\p{M}\p{N}._-]+$/u.test(text) ? domainToASCII(text) : "";
}

/** Addresses that mean another host everywhere, so no public list can know one (RFC 6890, RFC 4193). */
export const PRIVATE: NetworkSet = new NetworkSet([
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.168.0.0/16",
  "::/127",
  "fc00::/7",
  "fe80::/10",
]);
