/**
 * Header fields that the proxy puts before a message (RFC 5322 §2.2): written so that no value can end its own field.
 */

/** Characters of a line that is not folded further (RFC 5322 §2.1.1). */
const FOLD_AT = 78;

/** Whether this can be a field's name. */
export function isFieldName(given: unknown): given is string {
  return typeof given === "string" && /^[!-9;-~]{1,76}$/.test(given);
}

/** Whether this can be a field's value: one line of printable ASCII whose words leave no line past 998 octets. */
export function isFieldText(given: unknown): given is string {
  return typeof given === "string" && /^[!-~](?:[ -~]{0,7998}[!-~])?$/.test(given) &&
    !/[!-~]{900}/.test(given);
}

/** The whole field with its line ends, folded at spaces where it is long. */
export function headerField(name: string, value: string): string {
  let line = `${name}:`;
  const lines: string[] = [];
  for (const word of value.split(" ")) {
    if (line.length + 1 + word.length > FOLD_AT && line.length > name.length + 1 && word !== "") {
      lines.push(line);
      line = `\t${word}`;
    } else line += ` ${word}`;
  }
  return [...lines, line].join("\r\n") + "\r\n";
}
