/**
 * Parts put together for one write.
 */

/** Room that every join uses anew; larger joins get their own. */
const scratch = new Uint8Array(1024 * 1024);

/** The parts as one. The view is void at the next call: to be written at once, or copied. */
export function join(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0]!;
  let length = 0;
  for (const part of parts) length += part.length;
  const room = length <= scratch.length ? scratch : new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    room.set(part, at);
    at += part.length;
  }
  return room.subarray(0, length);
}
