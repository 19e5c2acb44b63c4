/**
 * Lists of domains: names, all names below a name, address literals.
 */
import { domainToASCII, domainToUnicode } from "node:url";
import { clientPrefix, ListError, readNetwork, utf8Text } from "sallyport";

/** What a list may hold, in words. */
export const DOMAIN_FORMS =
  "a domain as in example.org, .example.org for all names below it, or [192.0.2.25]";

/** Whether a list may hold this. */
export function isDomain(text: string): boolean {
  return namesOf(text) !== undefined;
}

/** Domains that are ours. */
export class Domains {
  /** Those that stand for all below them begin with a dot. */
  readonly #names = new Set<string>();

  get size(): number {
    return this.#names.size;
  }

  /** Returns false where this is no domain. */
  add(text: string): boolean {
    const names = namesOf(text);
    names?.forEach((name) => this.#names.add(name));
    return names !== undefined;
  }

  /** Whether a name, in the form that `wireName` gives it, is in the list. */
  has(name: string): boolean {
    if (this.#names.has(name)) return true;
    if (name.startsWith("[")) return false;
    for (let dot = name.indexOf("."); dot >= 0; dot = name.indexOf(".", dot + 1)) {
      if (this.#names.has(name.slice(dot))) return true;
    }
    return false;
  }
}

/**
 * Reads a file with a domain a line.
 * @throws ListError
 */
export function readDomains(bytes: Uint8Array, path: string, mayBeEmpty: boolean): Domains {
  const domains = new Domains();
  const mistakes: string[] = [];
  for (const [i, line] of new TextDecoder().decode(bytes).split("\n").entries()) {
    const text = line.replace(/#.*/, "").trim();
    if (text === "" || domains.add(text)) continue;
    mistakes.push(`${path}:${i + 1}: ${JSON.stringify(text)} was given; allowed is ${DOMAIN_FORMS}`);
  }
  // More likely a file that is just being written than the wish to take no mail any more.
  if (domains.size === 0 && mistakes.length === 0 && !mayBeEmpty) {
    mistakes.push(`${path}: no domain was given; at least one is needed`);
  }
  if (mistakes.length > 0) throw new ListError(mistakes);
  return domains;
}

/** A domain as a client has written it, in the form of the lists; undefined for what can be in none. */
export function wireName(domain: string): string | undefined {
  if (domain.startsWith("[")) return literalOf(domain.toLowerCase());
  if (isAscii(domain)) return domain.toLowerCase();
  const name = utf8Text(domain).toLowerCase();
  // Some signs of other scripts become ASCII in lower case: the Kelvin sign is no "k".
  return isAscii(name) ? undefined : name;
}

const LABELS = /^[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*$/;
/** Octets of a name (RFC 1035 §2.3.4), without its last dot. */
const LONGEST = 253;

/**
 * The forms in which a client may write a listed domain; a name in another script has two, its A-labels and its U-labels
 * (RFC 5890 §2.3.2.1). They are made here and not of what a client sends: the mapping of names has versions, and what we
 * took for ours the backend could take for another's.
 */
function namesOf(text: string): readonly string[] | undefined {
  const given = text.toLowerCase();
  if (given.startsWith("[")) {
    const literal = literalOf(given);
    return literal === undefined ? undefined : [literal];
  }
  const dot = given.startsWith(".") ? "." : "";
  const name = given.slice(dot.length).replace(/\.$/, "");
  const ascii = isAscii(name) ? name : domainToASCII(name);
  if (ascii.length > LONGEST || !LABELS.test(ascii)) return undefined;
  const unicode = ascii.includes("xn--") ? domainToUnicode(ascii) : "";
  return unicode === "" || unicode === ascii ? [dot + ascii] : [dot + ascii, dot + unicode];
}

/** An address literal in one form, however its address is written (RFC 5321 §4.1.3). */
function literalOf(text: string): string | undefined {
  const address = /^\[(?:ipv6:)?([0-9a-f:.]+)\]$/.exec(text)?.[1];
  if (address === undefined || readNetwork(address) === undefined) return undefined;
  return `[${clientPrefix(address, 32, 128)}]`;
}

function isAscii(text: string): boolean {
  return !/[^\0-\x7f]/.test(text);
}
