/**
 * Attributes as XCLIENT and XFORWARD have them, written and put into commands: xtext, at most 255 octets a value, at
 * most 512 octets a command with its CRLF.
 */
import { type ClientName, isHostName, UNAVAILABLE, VALUE_LIMIT } from "./client_facts.ts";
import { encodeXtext } from "./xtext.ts";

/** Octets of a command without its CRLF (RFC 5321 §4.5.3.1.4). */
export const COMMAND_LIMIT = 510;

/** What a fact is written as; undefined where it is not known, or is nothing that could be told. */
export type Writer<Facts> = (facts: Facts) => string | undefined;

/** One attribute after a space. What is not known, or too long, is [UNAVAILABLE]. */
export function attribute(name: string, value: string | undefined): string {
  const xtext = encodeXtext(value ?? UNAVAILABLE);
  return ` ${name}=${xtext.length > VALUE_LIMIT ? UNAVAILABLE : xtext}`;
}

/** A name as its attribute has it. A name comes from a foreign DNS: what is no host name is not known. */
export function hostName(name: ClientName): string | undefined {
  return typeof name === "string" && isHostName(name) ? name : undefined;
}

/** As few commands as hold the attributes, in their order. */
export function packed(verb: string, attributes: readonly string[]): string[] {
  const lines: string[] = [];
  for (const each of attributes) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + each.length <= COMMAND_LIMIT) {
      lines[lines.length - 1] = last + each;
    } else lines.push(verb + each);
  }
  return lines;
}
