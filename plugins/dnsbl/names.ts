/**
 * The names that lists are asked for: a host's or domain's own (RFC 5782 §3).
 */
import { domainToASCII } from "node:url";
import { utf8Text } from "sallyport";

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
