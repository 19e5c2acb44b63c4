/**
 * What a PROXY header begins with, in either version: whether octets at the start of a connection are one.
 */

const SIGNATURES = ["PROXY ", "\r\n\r\n\0\r\nQUIT\n"].map((text) =>
  Uint8Array.from(text, (character) => character.charCodeAt(0))
);

/** Whether a header begins here: it does, it may (more octets will tell), or it does not. */
export function headerBegins(bytes: Uint8Array): "yes" | "maybe" | "no" {
  let answer: "maybe" | "no" = "no";
  for (const signature of SIGNATURES) {
    if (!beginsAlike(bytes, signature)) continue;
    if (bytes.length >= signature.length) return "yes";
    answer = "maybe";
  }
  return answer;
}

/** Whether one is the beginning of the other. */
function beginsAlike(bytes: Uint8Array, signature: Uint8Array): boolean {
  const length = Math.min(bytes.length, signature.length);
  for (let i = 0; i < length; i++) if (bytes[i] !== signature[i]) return false;
  return true;
}
