/**
 * MAIL and RCPT as they go to a backend: the addresses and parameters as the client wrote them.
 */
import type { Command } from "../smtp/commands.ts";
import type { Extensions } from "../smtp/extensions.ts";
import { asksBinary, asksTls, type Parameter } from "../smtp/parameters.ts";

export type MailCommand = Command & { readonly kind: "mail" };
export type RcptCommand = Command & { readonly kind: "rcpt" };

/** Parameters that say something about the message without asking anything: to a backend that does not know them they are not sent. */
function droppable(parameter: Parameter, extensions: Extensions): boolean {
  if (parameter.keyword === "SIZE") return !extensions.has("SIZE");
  return parameter.keyword === "BODY" && parameter.value?.toUpperCase() === "7BIT" &&
    !extensions.has("8BITMIME");
}

export function mailLine({ path, parameters, written }: MailCommand, extensions: Extensions): string {
  const line = `MAIL FROM:<${path.mailbox}>`;
  if (written === "" || !parameters.some((parameter) => droppable(parameter, extensions))) {
    return line + written;
  }
  const kept = parameters.filter((parameter) => !droppable(parameter, extensions));
  return line +
    kept.map(({ keyword, value }) => (value === undefined ? ` ${keyword}` : ` ${keyword}=${value}`)).join("");
}

export function rcptLine({ path, written }: RcptCommand): string {
  return `RCPT TO:<${path.mailbox}>${written}`;
}

/** The extension that a parameter belongs to, where it is not the keyword itself. */
const EXTENSION: ReadonlyMap<string, string> = new Map([
  ["RET", "DSN"],
  ["ENVID", "DSN"],
  ["NOTIFY", "DSN"],
  ["ORCPT", "DSN"],
  ["BY", "DELIVERBY"],
  ["HOLDFOR", "FUTURERELEASE"],
  ["HOLDUNTIL", "FUTURERELEASE"],
]);

/**
 * Whether a backend offers what this envelope uses. EHLO has seen to it, unless the backend has changed since.
 * @param secured the connection is under TLS and the backend's certificate was verified
 */
export function fits(
  mail: MailCommand,
  accepted: readonly RcptCommand[],
  asked: RcptCommand | undefined,
  extensions: Extensions,
  secured: boolean,
): boolean {
  const known = (parameter: Parameter) =>
    droppable(parameter, extensions) || extensions.has(extensionOf(parameter));
  if (mail.parameters.length > 0 && !mail.parameters.every(known)) return false;
  // Whatever a backend offers in the clear: who asks for this would rather have no mail than mail that was seen.
  if (asksTls(mail.parameters) && !secured) return false;
  // Octets that are no lines can only travel by count.
  if (asksBinary(mail.parameters) && !extensions.has("CHUNKING")) return false;
  return accepted.every((rcpt) => rcpt.parameters.every(known)) && (asked?.parameters.every(known) ?? true);
}

function extensionOf({ keyword, value }: Parameter): string {
  if (keyword === "BODY") return value?.toUpperCase() === "BINARYMIME" ? "BINARYMIME" : "8BITMIME";
  return EXTENSION.get(keyword) ?? keyword;
}
