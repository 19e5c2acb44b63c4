/**
 * A command as Redis' protocol (RESP) writes it.
 */

/** `$0`, `$1` and so on: the lengths that come again and again. */
const LENGTHS: readonly string[] = Array.from({ length: 200 }, (_, length) => `$${length}`);

/** As ioredis does it, but in one piece: what it puts together piece by piece is dear to take apart. */
export function inResp(name: string, args: readonly string[], isAscii = true): string {
  const parts = [`*${args.length + 1}`, `$${name.length}`, name];
  for (const arg of args) {
    const length = isAscii ? arg.length : Buffer.byteLength(arg);
    parts.push(LENGTHS[length] ?? `$${length}`, arg);
  }
  parts.push("");
  const text = parts.join("\r\n");
  // Nearly all is ASCII: to count the octets of the whole costs as much as of one argument.
  return isAscii && Buffer.byteLength(text) !== text.length ? inResp(name, args, false) : text;
}
