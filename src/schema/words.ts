/**
 * What a schema says of a mistake where its author has left the words to it: what is allowed, in a line that stands behind
 * what was given. A locale of zod, so that words of the schema's own go before it.
 */
import type { z } from "../schema.ts";

type Issue = z.core.$ZodRawIssue;
type Told = z.core.$ZodIssue;

const TYPES: Readonly<Record<string, string>> = {
  string: "text",
  number: "a number",
  int: "a whole number",
  bigint: "a bigint",
  boolean: "true or false",
  array: "a list",
  tuple: "a list",
  object: "an object",
  record: "an object",
  map: "a Map",
  set: "a Set",
  date: "a Date",
  function: "a function",
  undefined: "nothing",
};

const FORMS: Readonly<Record<string, string>> = {
  url: "a URL",
  email: "a mail address",
  ipv4: "an IPv4 address",
  ipv6: "an IPv6 address",
  cidrv4: "an IPv4 network, as in 192.0.2.0/24",
  cidrv6: "an IPv6 network, as in 2001:db8::/32",
};

/** The message of an issue: "allowed is a list". */
export function allowedWords(issue: Issue): string {
  switch (issue.code) {
    case "invalid_type":
      return `allowed is ${TYPES[issue.expected] ?? issue.expected}`;
    case "invalid_value":
      return list(issue.values);
    case "too_small":
      return limit(issue.origin, issue.minimum, issue, "more");
    case "too_big":
      return limit(issue.origin, issue.maximum, issue, "less");
    case "not_multiple_of":
      return `allowed are multiples of ${issue.divisor}`;
    case "invalid_format":
      return issue.pattern === undefined || issue.format !== "regex"
        ? `allowed is ${FORMS[issue.format] ?? `text of the form ${issue.format}`}`
        : `allowed is text that matches ${issue.pattern}`;
    case "unrecognized_keys":
      return `there is no option ${issue.keys.join(", ")}`;
    case "invalid_union":
      return Array.isArray(issue.options) ? list(issue.options) : alternatives(issue.errors);
    case "invalid_key":
    case "invalid_element":
      return issue.issues[0]?.message ?? "allowed is another one";
    default:
      return "it is not allowed";
  }
}

const COUNTED: Readonly<Record<string, readonly [one: string, many: string]>> = {
  string: ["character", "characters"],
  array: ["entry", "entries"],
  set: ["entry", "entries"],
  map: ["entry", "entries"],
  file: ["octet", "octets"],
};

interface Bound {
  readonly inclusive?: boolean | undefined;
  readonly exact?: boolean | undefined;
}

function limit(
  origin: string,
  bound: number | bigint,
  { inclusive, exact }: Bound,
  side: "more" | "less",
): string {
  const one = Number(bound) === 1;
  const counted = COUNTED[origin]?.[one ? 0 : 1];
  const amount = counted === undefined ? String(bound) : `${bound} ${counted}`;
  const verb = counted === undefined || one ? "is" : "are";
  if (exact) return `allowed ${verb} exactly ${amount}`;
  return inclusive === false
    ? `allowed ${verb} ${side} than ${amount}`
    : `allowed ${verb} ${amount} or ${side}`;
}

/** What would do instead; of an alternative that begins well, where it goes wrong. */
function alternatives(errors: readonly (readonly Told[])[]): string {
  const words = errors.flatMap(([first]) => {
    if (first === undefined) return [];
    const place = first.path.map((key) => (typeof key === "number" ? `[${key}]` : `.${String(key)}`)).join(
      "",
    );
    return [`${place === "" ? "" : `at ${place} `}${first.message.replace(/^allowed (is|are) /, "")}`];
  });
  return words.length === 0 ? "it is not allowed" : `allowed is ${[...new Set(words)].join(", or ")}`;
}

function list(values: readonly unknown[]): string {
  return `allowed ${values.length === 1 ? "is" : "are"} ${values.map(shown).join(", ")}`;
}

function shown(value: unknown): string {
  return typeof value === "string" ? JSON.stringify(value) : String(value);
}
