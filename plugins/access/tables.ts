/**
 * Lists as hash maps: what is looked up is cut shorter and shorter until an entry is met, so the entry that is met is
 * the nearest, and the price does not grow with the list.
 */
import { NETWORK_FORMS, readNetwork } from "sallyport";
import { plainLiteral, plainLocalPart, plainName } from "./subjects.ts";

/** What lists are about. */
export const KINDS = ["clients", "reverse", "helo", "senders", "recipients"] as const;

export type Kind = typeof KINDS[number];

/** One entry of a list. */
export interface Entry {
  /** As the operator wrote it. */
  readonly written: string;
  /** What a refused client is told, where the entry has words of its own. */
  readonly reply: string | undefined;
}

/** The nearest entry; of two, the one of greater `weight` says more exactly what it is about. */
export interface Match {
  readonly entry: Entry;
  readonly weight: number;
}

/** Entries of one kind. */
export interface Table {
  /** False: the entry is none of this kind. */
  add(entry: Entry): boolean;
  /** @param subject as `subjects.ts` spells it */
  find(subject: string): Match | undefined;
}

export function tableOf(kind: Kind): Table {
  switch (kind) {
    case "clients":
      return new NetworkTable();
    case "reverse":
      return new NameTable(isName);
    case "helo":
      return new NameTable((written) => NAME.test(written) || isLiteral(written));
    case "senders":
    case "recipients":
      return new MailboxTable(kind === "senders");
  }
}

const NAME_FORMS = "a name, as in mail.example.org, or .example.org for all names below it";
const MAILBOX_FORMS =
  "a@example.org, a@ in any domain, example.org, or .example.org for all domains below it";

/** What an entry may look like, for people. */
export const FORMS: Readonly<Record<Kind, string>> = {
  clients: NETWORK_FORMS,
  reverse: NAME_FORMS,
  helo: `${NAME_FORMS}, or an address literal, as in [192.0.2.1]`,
  senders: `${MAILBOX_FORMS}, or <> for the null sender`,
  recipients: MAILBOX_FORMS,
};

/** Networks of one prefix length, by their octets. */
interface Length {
  readonly bits: number;
  readonly networks: Map<string, Entry>;
}

/** Client networks; the longest prefix is the nearest. */
class NetworkTable implements Table {
  readonly #lengths: Readonly<Record<number, Length[]>> = { 4: [], 16: [] };

  add(entry: Entry): boolean {
    const network = readNetwork(entry.written);
    if (network === undefined) return false;
    const { octets, bits } = network;
    const lengths = this.#lengths[octets.length]!;
    let length = lengths.find((each) => each.bits === bits);
    if (length === undefined) {
      lengths.push(length = { bits, networks: new Map() });
      lengths.sort((a, b) => b.bits - a.bits);
    }
    length.networks.set(prefix(String.fromCharCode(...octets), bits), entry);
    return true;
  }

  find(octets: string): Match | undefined {
    for (const { bits, networks } of this.#lengths[octets.length]!) {
      const entry = networks.get(prefix(octets, bits));
      if (entry !== undefined) return { entry, weight: bits };
    }
    return undefined;
  }
}

function prefix(octets: string, bits: number): string {
  const whole = octets.slice(0, bits >> 3);
  const rest = bits & 7;
  return rest === 0
    ? whole
    : whole + String.fromCharCode(octets.charCodeAt(bits >> 3) & (0xff00 >> rest) & 0xff);
}

/** A name's labels: letters of any script, digits, hyphens, underscores. */
const NAME = /^\.?[\p{L}\p{M}\p{N}_-]+(\.[\p{L}\p{M}\p{N}_-]+)*\.?$/u;

function isLiteral(written: string): boolean {
  return plainLiteral(written) !== undefined;
}

/** What ends in a number is an address (RFC 3696 §2). */
function isName(written: string): boolean {
  return NAME.test(written) && !/(^|\.)\d+\.?$/.test(written);
}

/** Names, and with a dot before them all names below; the longest is the nearest, a name itself nearer than what is above. */
class NameTable implements Table {
  readonly #takes: (written: string) => boolean;
  readonly #entries = new Map<string, Entry>();
  #hasSuffixes = false;

  constructor(takes: (written: string) => boolean) {
    this.#takes = takes;
  }

  add(entry: Entry): boolean {
    const { written } = entry;
    if (!this.#takes(written)) return false;
    if (written.startsWith(".")) this.#hasSuffixes = true;
    this.#entries.set(suffixed(written), entry);
    return true;
  }

  find(name: string): Match | undefined {
    const entry = this.#entries.get(name);
    if (entry !== undefined) return { entry, weight: name.length };
    if (!this.#hasSuffixes) return undefined;
    for (let at = name.indexOf("."); at >= 0; at = name.indexOf(".", at + 1)) {
      const above = this.#entries.get(name.slice(at));
      if (above !== undefined) return { entry: above, weight: name.length - at };
    }
    return undefined;
  }
}

function suffixed(written: string): string {
  return written.startsWith(".") ? `.${plainName(written.slice(1))}` : plainName(written);
}

/** Addresses, domains, and local parts in any domain, from the nearest to the farthest. */
class MailboxTable implements Table {
  readonly #null: boolean;
  readonly #mailboxes = new Map<string, Entry>();
  readonly #domains = new NameTable((written) => isName(written) || isLiteral(written));

  /** @param hasNull the null path is one of them */
  constructor(hasNull: boolean) {
    this.#null = hasNull;
  }

  add(entry: Entry): boolean {
    const { written } = entry;
    if (written === "<>" && this.#null) {
      this.#mailboxes.set("", entry);
      return true;
    }
    const at = written.lastIndexOf("@");
    if (at < 0) return this.#domains.add(entry);
    const [localPart, domain] = [written.slice(0, at), written.slice(at + 1)];
    if (!LOCAL_PART.test(localPart) || (domain !== "" && !isDomain(domain))) return false;
    this.#mailboxes.set(`${plainLocalPart(localPart)}@${plainName(domain)}`, entry);
    return true;
  }

  find(mailbox: string): Match | undefined {
    const entry = this.#mailboxes.get(mailbox);
    if (entry !== undefined) return { entry, weight: mailbox.length };
    const at = mailbox.lastIndexOf("@");
    const domain = this.#domains.find(mailbox.slice(at + 1));
    if (domain !== undefined || at < 0) return domain;
    const anywhere = this.#mailboxes.get(mailbox.slice(0, at + 1));
    return anywhere && { entry: anywhere, weight: 0 };
  }
}

/** Without spaces, quotes and brackets, or in quotes; a star only so, since it looks like a pattern and is none. */
const LOCAL_PART = /^([^\s"<>@*]+|"(\\.|[^"\\])*")$/;

function isDomain(text: string): boolean {
  return !text.startsWith(".") && (isName(text) || isLiteral(text));
}
