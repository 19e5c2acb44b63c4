/**
 * What an auth service answers, read more strictly than nginx does: only an answer that says OK in so many words, with
 * the status of success, lets mail through.
 */
import { readNetwork, utf8Text } from "sallyport";

/** What the service says. */
export type Answer =
  | {
    readonly kind: "ok";
    /** Where the mail goes; undefined where it does not matter. */
    readonly server: { readonly host: string; readonly port: number } | undefined;
    /** What to log in with at the backend, where it differs from what the client gave. */
    readonly user: string | undefined;
    readonly password: string | undefined;
  }
  | { readonly kind: "wait"; readonly seconds: number }
  | {
    readonly kind: "refused";
    readonly code: number;
    /** Subject and detail of an enhanced code. */
    readonly enhanced: string;
    readonly text: string;
    /** Seconds before the client is told; 0: at once. */
    readonly wait: number;
  }
  /** Nothing can be made of it. */
  | { readonly kind: "fault"; readonly why: string };

/** What of a response counts. */
export interface Head {
  readonly status: number;
  readonly headers: Headers;
}

/** Octets of a head that nginx reads. */
const LONGEST_HEAD = 1024;

/** Of the connection, not of the answer: an answer to HTTP/1.0 would not have them. */
const OF_THE_CONNECTION: ReadonlySet<string> = new Set(["connection", "keep-alive", "transfer-encoding"]);

const fault = (why: string): Answer => ({ kind: "fault", why });

/**
 * @param usual the code of a refusal that brings none, `[550, "7.1"]`
 * @param server whether an answer of OK must say where the mail goes
 */
export function readAnswer(
  { status, headers }: Head,
  { usual, server }: { readonly usual: readonly [number, string]; readonly server: boolean },
): Answer {
  if (length(headers) > LONGEST_HEAD) return fault(`its head is longer than ${LONGEST_HEAD} octets`);
  const said = headers.get("Auth-Status");
  // A refusal may come as one (401, 403). Anything else that is no success is a web server in trouble.
  const success = status === 200 || status === 204;
  if (!success && (status < 400 || status > 499 || said === "OK" || said === "WAIT")) {
    return fault(`its status is ${status}`);
  }
  if (said === null) return fault(success ? "it has no Auth-Status" : `its status is ${status}`);
  if (said === "OK") return readOk(headers, server);
  if (said === "WAIT") return { kind: "wait", seconds: readWait(headers) };
  if (/^(OK|WAIT)\s*,|,\s*(OK|WAIT)$/.test(said)) return fault("it has several Auth-Status that disagree");
  return readRefusal(headers, said, usual);
}

function length(headers: Headers): number {
  let sum = "HTTP/1.0 200 OK\r\n\r\n".length;
  for (const [name, value] of headers) {
    if (!OF_THE_CONNECTION.has(name)) sum += name.length + value.length + ": \r\n".length;
  }
  return sum;
}

function readOk(headers: Headers, needed: boolean): Answer {
  const user = headers.get("Auth-User") ?? undefined;
  const password = headers.get("Auth-Pass") ?? undefined;
  if (!needed) return { kind: "ok", server: undefined, user, password };
  const host = headers.get("Auth-Server");
  const port = headers.get("Auth-Port");
  if (host === null || host.includes("/") || readNetwork(host) === undefined) {
    return fault(`Auth-Server ${shown(host)} was given; allowed is an IP address without brackets`);
  }
  if (port === null || !/^\d{1,5}$/.test(port) || Number(port) < 1 || Number(port) > 65_535) {
    return fault(`Auth-Port ${shown(port)} was given; allowed is a number from 1 to 65535`);
  }
  return { kind: "ok", server: { host, port: Number(port) }, user, password };
}

/** `451 4.3.0`, `550`. A code of success would let a client think that its mail was taken. */
const CODE = /^([45])(\d\d)(?: +([45])\.(\d{1,3}\.\d{1,3}))?$/;

function readRefusal(headers: Headers, said: string, usual: readonly [number, string]): Answer {
  const given = headers.get("Auth-Error-Code");
  const read = CODE.exec(given ?? `${usual[0]}`);
  if (read === null || (read[3] !== undefined && read[3] !== read[1])) {
    return fault(`Auth-Error-Code ${shown(given)} was given; allowed is as in "451 4.3.0" or "550 5.7.1"`);
  }
  const enhanced = read[4] ?? (given === null ? usual[1] : "7.0");
  return {
    kind: "refused",
    code: Number(read[1]! + read[2]!),
    enhanced,
    text: textOf(said),
    wait: readWait(headers),
  };
}

/** Longest text of a refusal: a reply line has 512 octets (RFC 5321 §4.5.3.1.5). */
const LONGEST_TEXT = 400;

function textOf(said: string): string {
  const text = utf8Text(said).replace(/[^ -~]+/g, "?").trim().slice(0, LONGEST_TEXT);
  return text === "" ? "Refused" : text;
}

/** Seconds; what is no number is 0, as in nginx. */
function readWait(headers: Headers): number {
  const given = headers.get("Auth-Wait") ?? "";
  return /^\d{1,9}$/.test(given) ? Number(given) : 0;
}

function shown(given: string | null): string {
  return given === null ? "nothing" : JSON.stringify(given.slice(0, 100));
}
