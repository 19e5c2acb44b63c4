/**
 * The trace field that says where a message came from (RFC 5321 §4.4; `with` keywords of RFC 3848 and RFC 6531 §3.7.3).
 */

/** What a Received field tells. Strings hold one byte per character. */
export interface Hop {
  /** The argument of HELO or EHLO, as the client gave it. */
  readonly helo: string;
  /** IPv4 or IPv6 without brackets; anything else (a unix socket) is left out. */
  readonly client: string;
  readonly hostname: string;
  readonly extended: boolean;
  readonly tls: { readonly version: string; readonly cipher: string } | undefined;
  readonly authenticated: boolean;
  readonly utf8: boolean;
  readonly id: string;
  /** The forward-path where there is exactly one: naming several would tell each of the others. */
  readonly recipient: string | undefined;
  /** Milliseconds since 1970. */
  readonly time: number;
}

/** Addresses that no reader of a Received field can read as anything else. */
const PLAIN = /^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,255}@(?:[A-Za-z0-9.-]{1,255}|\[[A-Za-z0-9.:]{1,60}\])$/;

/** The whole field, folded, with its line ends. */
export function receivedField(hop: Hop): string {
  const literal = addressLiteral(hop.client);
  const helo = domainOf(hop.helo);
  const from = literal === undefined ? helo : `${helo} (${literal})`;
  const tls = hop.tls === undefined ? "" : `\r\n\t(${comment(hop.tls.version)} ${comment(hop.tls.cipher)})`;
  const recipient = hop.recipient !== undefined && PLAIN.test(hop.recipient)
    ? `\r\n\tfor <${hop.recipient}>`
    : "";
  return (
    `Received: from ${from}${tls}\r\n` +
    `\tby ${hop.hostname} (Sallyport) with ${withKeyword(hop)} id ${hop.id}${recipient};\r\n\t${
      dateTime(hop.time)
    }\r\n`
  );
}

/** SMTP, ESMTP, ESMTPS, ESMTPA, ESMTPSA, and the same with UTF8SMTP. */
function withKeyword(hop: Hop): string {
  if (!hop.extended) return "SMTP";
  const suffix = `${hop.tls === undefined ? "" : "S"}${hop.authenticated ? "A" : ""}`;
  return (hop.utf8 ? "UTF8SMTP" : "ESMTP") + suffix;
}

function addressLiteral(client: string): string | undefined {
  if (client.includes(":")) return `[IPv6:${client}]`;
  return /^[\d.]+$/.test(client) ? `[${client}]` : undefined;
}

/** What a client calls itself is only shown as it came where it cannot be read as anything but a name. */
function domainOf(helo: string): string {
  return /^(?:[A-Za-z0-9_.-]+|\[[A-Za-z0-9:.-]+\])$/.test(helo) ? helo : `invalid (HELO ${comment(helo)})`;
}

function comment(text: string): string {
  return text.replace(/[^A-Za-z0-9_.:=+-]/g, "?");
}

const DAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
let lastSecond = NaN;
let lastText = "";

/** RFC 5322 §3.3, in UTC. */
export function dateTime(time: number): string {
  const second = Math.floor(time / 1000);
  if (second === lastSecond) return lastText;
  const date = new Date(second * 1000);
  const two = (value: number) => String(value).padStart(2, "0");
  lastSecond = second;
  lastText =
    `${DAYS[date.getUTCDay()]}, ${date.getUTCDate()} ${
      MONTHS[date.getUTCMonth()]
    } ${date.getUTCFullYear()} ` +
    `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())} +0000`;
  return lastText;
}
