/**
 * Text of what came from the wire, where a string holds one character per byte (RFC 6531 writes UTF-8).
 */
import { latin1 } from "../smtp/reply.ts";

const decoder = new TextDecoder();

/** Decodes the UTF-8 in a string of one character per byte; bytes that are no UTF-8 become U+FFFD. */
export function utf8Text(bytes: string): string {
  return /[^ -~]/.test(bytes) ? decoder.decode(latin1(bytes)) : bytes;
}
