/**
 * Parts put together for one write.
 */

/** Room that every join uses anew; larger joins get their own. */
const scratch = new Uint8Array(1024 * 1024);

/** Octets on their way: as they are, or as text of one character per octet, which need not be made octets before its time. */
export type Octets = Uint8Array | string;

/** The parts as one. The view is void at the next call: to be written at once, or copied. */
export function join(parts: readonly Octets[]): Uint8Array {
  const only = parts.length === 1 ? parts[0]! : "";
  if (typeof only !== "string") return only;
  let length = 0;
  for (const part of parts) length += part.length;
  const room = length <= scratch.length ? scratch : new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    if (typeof part === "string") putText(room, part, at);
    else room.set(part, at);
    at += part.length;
  }
  return room.subarray(0, length);
}

function putText(room: Uint8Array, text: string, at: number): void {
  for (let i = 0; i < text.length; i++) room[at + i] = text.charCodeAt(i);
}
