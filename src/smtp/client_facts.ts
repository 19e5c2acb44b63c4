/**
 * What one mail server tells another of a client, with XCLIENT or XFORWARD (postfix.org XCLIENT_README,
 * XFORWARD_README), and what each fact may be. Texts have one character per octet.
 */
import { plainIpv4, plainIpv6 } from "./ip_address.ts";
import { utf8End } from "./path.ts";

/** What is said of a client. `null` was said not to be known ([UNAVAILABLE]); what is missing was not said. */
export interface ClientFacts {
  /** The host name that leads back to the address. */
  readonly name?: ClientName;
  /** The host name that the address leads to, whether it leads back or not. Where only `name` was said, it is that one. */
  readonly reverseName?: ClientName;
  /** IPv4 or IPv6, without `IPV6:`. */
  readonly addr?: string | null | undefined;
  readonly port?: number | null | undefined;
  readonly proto?: "SMTP" | "ESMTP" | undefined;
  /** What the client greeted with. */
  readonly helo?: string | null | undefined;
  /** Whom it authenticated as, UTF-8. */
  readonly login?: string | null | undefined;
  /** The server's end of the client's connection. */
  readonly destAddr?: string | null | undefined;
  readonly destPort?: number | null | undefined;
}

/** A host name; null where there is none, and where it was not to be had at the time. */
export type ClientName = string | null | NameFailure | undefined;

/** The look-up failed, and might not the next time ([TEMPUNAVAIL]). */
export interface NameFailure {
  readonly failed: "temporary";
}

/** What stands for a value that is not known; and for a name that is not known now. */
export const UNAVAILABLE = "[UNAVAILABLE]";
export const TEMPUNAVAIL = "[TEMPUNAVAIL]";

/** Octets of a host name, of a greeting and of any other value. */
export const VALUE_LIMIT = 255;

/** Whether a text is a host name: labels of letters, digits, "-" and "_"; digits and dots alone would be an address. */
export function isHostName(text: string): boolean {
  return text.length <= VALUE_LIMIT && !/^[\d.]+$/.test(text) &&
    text.split(".").every((label) => /^(?!-)[A-Za-z0-9_-]{1,63}$/.test(label) && !label.endsWith("-"));
}

/** Whether a text is what HELO and EHLO take, and none that has another meaning in an attribute. */
export function isGreeting(text: string): boolean {
  return /^[!-~\x80-\xff]{1,255}$/.test(text) && !holdsControls(text) && !isSpecial(text);
}

/** Whether a text can name a user: UTF-8, spaces included. */
export function isLogin(text: string): boolean {
  if (text === "" || holdsControls(text) || isSpecial(text)) return false;
  for (let at = 0; at < text.length;) {
    at = text.charCodeAt(at) < 128 ? at + 1 : utf8End(text, at);
    if (at === -1) return false;
  }
  return true;
}

/** A look-up that failed must not become a user of that name. */
function isSpecial(text: string): boolean {
  return [UNAVAILABLE, TEMPUNAVAIL].includes(text.toUpperCase());
}

/** Whether control characters are in a text: those of ASCII, and those of UTF-8 (U+0080 to U+009F). */
export function holdsControls(text: string): boolean {
  // deno-lint-ignore no-control-regex
  return /[\0-\x1f\x7f]|\xc2[\x80-\x9f]/.test(text);
}

/** Whether a number is a port. */
export function isPort(port: number): boolean {
  return Number.isInteger(port) && port >= 0 && port <= 65535;
}

/** An address as attributes have it (`192.0.2.1`, `IPV6:2001:db8::1`), read; undefined where it is none. */
export function readAddress(text: string): string | undefined {
  return /^ipv6:/i.test(text) ? plainIpv6(text.slice(5)) : plainIpv4(text);
}

/** An address as attributes have it, written; undefined where it is none. */
export function writtenAddress(address: string): string | undefined {
  const plain = address.includes(":") ? plainIpv6(address) : plainIpv4(address);
  return plain?.includes(":") ? `IPV6:${plain}` : plain;
}
