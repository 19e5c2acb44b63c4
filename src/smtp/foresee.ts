/**
 * Looks ahead in the input: which recipients a client has sent in one write (RFC 2920 §3.1), so that a backend can be
 * asked about them together. Nothing is taken off, and nothing is answered here.
 */
import { type Command, readCommand, type Standing } from "./commands.ts";
import type { LineReader } from "./lines.ts";

/** The RCPTs among the commands. */
export type RcptCommand = Command & { readonly kind: "rcpt" };

/** Recipients that are foreseen at a time. */
const FORESEEN = 100;
const DATA = "DATA\r\n";

/**
 * The recipients that stand in the input, if nothing but DATA follows them and the input ends there.
 * @param most how many they may be; undefined is returned for more
 * @param lineLimit octets of a command line
 */
export function recipientsAhead(
  input: LineReader,
  standing: Standing,
  most: number,
  lineLimit: number,
): readonly RcptCommand[] | undefined {
  if (!input.endsWith(DATA)) return undefined;
  const seen: RcptCommand[] = [];
  for (let from = input.at; seen.length <= Math.min(most, FORESEEN);) {
    const found = input.peek(from, lineLimit);
    const read = found && readCommand(found.line, "rcpt", standing);
    if (read === undefined || !("command" in read)) return undefined;
    if (read.command.kind === "data") return seen;
    if (read.command.kind !== "rcpt") return undefined;
    seen.push(read.command);
    from = found!.end;
  }
  return undefined;
}
