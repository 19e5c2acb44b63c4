/**
 * The names in a certificate as one line of text (RFC 4514): `CN=mx.example,O=Example`. Read from the DER itself, since
 * the runtimes write them differently, and Deno without escapes: there `CN=a, O=b` may be one name that says so.
 */

/** Who signed a certificate, and whose it is. */
export interface CertificateNames {
  readonly issuer: string;
  readonly subject: string;
}

/** @param der a whole certificate (RFC 5280 §4.1); undefined where it is none */
export function readNames(der: Uint8Array): CertificateNames | undefined {
  const [certificate] = elements(der);
  const [body] = elements(certificate?.content);
  // The version is left out in version 1: [0] version, serialNumber, signature, issuer, validity, subject.
  const fields = elements(body?.content).filter(({ tag }) => tag !== VERSION);
  const [, , issuer, , subject] = fields;
  if (issuer === undefined || subject === undefined) return undefined;
  return { issuer: nameText(issuer.content), subject: nameText(subject.content) };
}

interface Element {
  readonly tag: number;
  readonly content: Uint8Array;
  /** With tag and length. */
  readonly whole: Uint8Array;
}

const VERSION = 0xa0;

/** The elements that stand side by side in some DER; none from the first on that is cut short. */
function elements(der: Uint8Array = new Uint8Array(0)): Element[] {
  const found: Element[] = [];
  let at = 0;
  while (at + 2 <= der.length) {
    const first = der[at + 1]!;
    const more = first < 0x80 ? 0 : first & 0x7f;
    if (more > 4) return found;
    const begins = at + 2 + more;
    const size = more === 0
      ? first
      : der.subarray(at + 2, begins).reduce((sum, octet) => sum * 256 + octet, 0);
    const ends = begins + size;
    if (ends > der.length) return found;
    found.push({ tag: der[at]!, content: der.subarray(begins, ends), whole: der.subarray(at, ends) });
    at = ends;
  }
  return found;
}

/** The most particular comes first (RFC 4514 §2.1). */
function nameText(name: Uint8Array): string {
  const parts = elements(name).map(({ content: set }) =>
    elements(set).map(attributeText).reverse().join("+")
  );
  return parts.reverse().join(",");
}

function attributeText({ content }: Element): string {
  const [type, value] = elements(content);
  if (type === undefined || value === undefined) return "";
  const dotted = dottedText(type.content);
  const short = SHORT[dotted];
  const text = short === undefined ? undefined : stringText(value);
  return `${short ?? dotted}=${text === undefined ? `#${hexText(value.whole)}` : escaped(text)}`;
}

/** An attribute's string (RFC 5280 §4.1.2.4); undefined where it is something else. */
function stringText({ tag, content }: Element): string | undefined {
  if (tag === UTF8) return new TextDecoder().decode(content);
  if (OCTETS.has(tag)) return new TextDecoder("latin1").decode(content);
  if (tag === BMP) return new TextDecoder("utf-16be").decode(content);
  return undefined;
}

const UTF8 = 0x0c;
const BMP = 0x1e;
/** NumericString, PrintableString, TeletexString, IA5String, VisibleString. */
const OCTETS: ReadonlySet<number> = new Set([0x12, 0x13, 0x14, 0x16, 0x1a]);

/** RFC 4514 §2.4; a control character goes as its octet, so that a name is one line. */
function escaped(text: string): string {
  return text
    .replace(/[,+"\\<>;]|^#|^ | $/g, "\\$&")
    // deno-lint-ignore no-control-regex
    .replace(/[\x00-\x1f\x7f]/g, (control) => `\\${hexText([control.charCodeAt(0)])}`);
}

function hexText(octets: Iterable<number>): string {
  return Array.from(octets, (octet) => octet.toString(16).padStart(2, "0")).join("").toUpperCase();
}

function dottedText(oid: Uint8Array): string {
  const numbers: number[] = [];
  let value = 0;
  for (const octet of oid) {
    value = value * 128 + (octet & 0x7f);
    if (octet < 0x80) {
      numbers.push(value);
      value = 0;
    }
  }
  const [first = 0, ...rest] = numbers;
  const root = Math.min(2, Math.floor(first / 40));
  return [root, first - root * 40, ...rest].join(".");
}

/** RFC 4514 §3 and what certificates bear besides, by OpenSSL's short names. */
const SHORT: Readonly<Record<string, string>> = {
  "2.5.4.3": "CN",
  "2.5.4.4": "SN",
  "2.5.4.5": "serialNumber",
  "2.5.4.6": "C",
  "2.5.4.7": "L",
  "2.5.4.8": "ST",
  "2.5.4.9": "street",
  "2.5.4.10": "O",
  "2.5.4.11": "OU",
  "2.5.4.12": "title",
  "2.5.4.13": "description",
  "2.5.4.15": "businessCategory",
  "2.5.4.17": "postalCode",
  "2.5.4.20": "telephoneNumber",
  "2.5.4.41": "name",
  "2.5.4.42": "GN",
  "2.5.4.43": "initials",
  "2.5.4.44": "generationQualifier",
  "2.5.4.45": "x500UniqueIdentifier",
  "2.5.4.46": "dnQualifier",
  "2.5.4.65": "pseudonym",
  "2.5.4.97": "organizationIdentifier",
  "0.9.2342.19200300.100.1.1": "UID",
  "0.9.2342.19200300.100.1.25": "DC",
  "1.2.840.113549.1.9.1": "emailAddress",
  "1.3.6.1.4.1.311.60.2.1.1": "jurisdictionL",
  "1.3.6.1.4.1.311.60.2.1.2": "jurisdictionST",
  "1.3.6.1.4.1.311.60.2.1.3": "jurisdictionC",
};
