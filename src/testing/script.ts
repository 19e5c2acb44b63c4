/**
 * Reads a transcript (the format is house.md's, completed here):
 *
 *     S: 250 2.1.0 Ok          the proxy says this to the client; "…" at the end stands for the rest of the line, or
 *                              behind `250-`, when it is the reply's last line here, for the rest of the reply;
 *                              a reference ("[ref 7Q2M…]") need not be shown, `[ref]` demands one
 *     C: NOOP                  the client sends this
 *        > RSET                the proxy sends this to the backend, `<` what the backend sends
 *     C: <close>               the client closes; also <half-close>, <reset> and <handshake> (its part of TLS)
 *     S: <close>               the proxy closes, or breaks off: <abort>
 *        > <connect a>         the proxy dials backend a; the handshake is not shown unless `<` follows at once
 *        > <abort>             the proxy breaks this connection off; <close> where it closes without QUIT
 *        < <close>             the backend closes; also <reset>, and after a dial <refuse> and <silence>
 *     (5 minutes pass)         and other stage directions, see player.ts
 *
 * Lines end in CRLF unless they end in "¬". Control pictures (␍ ␊ ␀ ␠) are the characters they show, ⟨ff⟩ is an octet.
 */
import { latin1Text } from "../smtp/reply.ts";

/** One line of a transcript. Octets are one character per byte, with their line end. */
export interface Step {
  readonly kind: "S" | "C" | ">" | "<" | "direction";
  /** What stands in `<…>` or `(…)`; undefined for octets. */
  readonly word: string | undefined;
  readonly octets: string;
  /** The line as it stands in the transcript, for messages. */
  readonly line: string;
  readonly number: number;
}

const WORDS: Readonly<Record<Step["kind"], RegExp>> = {
  C: /^<(close|half-close|reset|handshake)>$/,
  S: /^<(close|abort)>$/,
  ">": /^<(connect(?: [a-z]+)?|close|abort)>$/,
  "<": /^<(close|reset|refuse|silence)>$/,
  direction: /^(.+)$/,
};

const FORMS = 'allowed are "C: …", "S: …", "> …", "< …" and "(…)"';

/** Reads all lines but empty ones. */
export function readTranscript(transcript: string): Step[] {
  const steps: Step[] = [];
  for (const [index, line] of transcript.split("\n").entries()) {
    const text = line.trimStart();
    if (text === "") continue;
    const direction = /^\((.+)\)\s*$/.exec(text);
    const match = /^(?:([SC]):|([<>]))(?: (.*))?$/.exec(text);
    if (!match && !direction) {
      throw new Error(
        `Cannot read line ${index + 1} of the transcript: ${JSON.stringify(text)} was given; ${FORMS}`,
      );
    }
    const kind = direction ? "direction" : (match![1] ?? match![2]!) as Step["kind"];
    const said = direction?.[1] ?? match![3] ?? "";
    const word = WORDS[kind].exec(said)?.[1];
    steps.push({
      kind,
      word,
      octets: word === undefined ? octetsOf(said) : "",
      line: text,
      number: index + 1,
    });
  }
  return steps;
}

/** What a line stands for on the wire. */
export function octetsOf(said: string): string {
  const open = said.endsWith("¬");
  const text = (open ? said.slice(0, -1) : said)
    .replace(/[\u2400-\u2420]/g, (picture) => String.fromCharCode(picture.charCodeAt(0) - 0x2400));
  const octets = text.split(/(⟨[0-9a-f]{2}⟩)/).map((part) =>
    part.startsWith("⟨") ? String.fromCharCode(parseInt(part.slice(1, 3), 16)) : utf8(part)
  );
  return octets.join("") + (open ? "" : "\r\n");
}

function utf8(text: string): string {
  return latin1Text(new TextEncoder().encode(text));
}

/** "…" as it stands in `octets`. */
export const REST: string = utf8("…");

/** Whether a line is what the transcript says, with the licence that it takes. */
export function matches(line: string, expected: string): boolean {
  const strip = (text: string) =>
    expected.includes("[ref]")
      ? text.replace(/\[ref [0-9A-Z]{10}\]/, "[ref]")
      : text.replace(/ \[ref [0-9A-Z]{10}\]\r\n$/, "\r\n");
  if (!expected.endsWith(`${REST}\r\n`)) return strip(line) === expected;
  const start = expected.slice(0, -REST.length - 2);
  return line.startsWith(start) || (start.endsWith(" ") && line === `${start.slice(0, -1)}\r\n`);
}

/** Octets as a transcript would show them. */
export function shown(octets: string): string {
  const signs = octets.replaceAll("\r\n", "\n").split("").map((sign) => {
    const code = sign.charCodeAt(0);
    return code < 32 && sign !== "\n" && sign !== "\t" ? String.fromCharCode(code + 0x2400) : sign;
  });
  return signs.join("");
}
