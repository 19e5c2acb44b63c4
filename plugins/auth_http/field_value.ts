/**
 * Values of header fields, one character per byte: nginx's escapes, and none that could end its own field or be taken
 * for two (RFC 9110 §5.5).
 */

const TAB = 0x09;
const SPACE = 0x20;
const PERCENT = 0x25;
const DEL = 0x7f;

/** A value in which nginx writes the octets 00 to 20 and the percent sign as %XX. */
export function escaped(value: string): string {
  return written(value, (octet) => octet <= SPACE || octet === PERCENT || octet === DEL);
}

/** A value that nginx does not escape. A control character cannot be sent, so it is written as %XX; a tab can. */
export function plain(value: string): string {
  return written(value, (octet) => (octet < SPACE && octet !== TAB) || octet === DEL);
}

function written(value: string, escapes: (octet: number) => boolean): string {
  let text = "";
  for (const character of value) {
    // What is no byte (a certificate may bear any name) goes as UTF-8.
    const octets = character <= "\xff" ? [character.charCodeAt(0)] : encoder.encode(character);
    for (const octet of octets) text += escapes(octet) ? percent(octet) : String.fromCharCode(octet);
  }
  return text;
}

const encoder = new TextEncoder();

function percent(octet: number): string {
  return `%${octet.toString(16).toUpperCase().padStart(2, "0")}`;
}
