/**
 * Forward-confirmed reverse DNS (iprev, RFC 8601 §3): the names of an address, and which of them point back to it.
 */
import {
  type Dns,
  type DnsAnswer,
  DnsError,
  type Io,
  readNetwork,
  type ReverseFinding,
  within,
} from "sallyport";

/** How far it goes. */
export interface Bounds {
  /** Names that are asked for their addresses. */
  readonly names: number;
  /** Milliseconds in all. */
  readonly timeout: number;
}

/** Asks what an address is called. What cannot be found out in time is a temporary error. */
export async function confirm(
  octets: Uint8Array,
  io: Pick<Io, "dns" | "after">,
  { names, timeout }: Bounds,
): Promise<ReverseFinding> {
  const search = new Search(octets, names);
  await within(io, timeout, search.run(io.dns));
  return search.finding;
}

class Search {
  readonly #octets: Uint8Array;
  readonly #most: number;
  /** Undefined until the address's names are known. */
  #names: readonly string[] | undefined;
  #any = false;
  /** Of each name whether it points back; undefined where that is not known. */
  readonly #back: (boolean | undefined)[] = [];

  constructor(octets: Uint8Array, most: number) {
    this.#octets = octets;
    this.#most = most;
  }

  async run(dns: Dns): Promise<void> {
    const answer = await known(dns.resolve(reverseName(this.#octets), "PTR"));
    if (answer === undefined) return;
    this.#any = answer.status === "ok";
    // Servers shuffle their answers; of many names it should be the same ones each time.
    const names = [...new Set(answer.records.map((name) => name.toLowerCase()).filter(isHostName))].sort();
    // It is remembered, and shown to all plugins of all sessions of this client.
    this.#names = Object.freeze(names.slice(0, this.#most));
    await Promise.all(this.#names.map((name, i) => this.#ask(name, i, dns)));
  }

  async #ask(name: string, i: number, dns: Dns): Promise<void> {
    const answer = await known<"A" | "AAAA">(dns.resolve(name, this.#octets.length === 4 ? "A" : "AAAA"));
    const points = answer?.records.some((address) => isSame(address, this.#octets));
    this.#back[i] = points === false && answer!.stale ? undefined : points;
  }

  get finding(): ReverseFinding {
    const names = this.#names;
    if (names === undefined) return TEMPERROR;
    const name = names.find((_, i) => this.#back[i] === true);
    if (name !== undefined) return Object.freeze({ status: "pass", names, name });
    if (!this.#any) return NONE;
    const isOpen = names.some((_, i) => this.#back[i] === undefined);
    return Object.freeze({ status: isOpen ? "temperror" : "fail", names, name });
  }
}

const NO_NAMES: readonly string[] = Object.freeze([]);
const TEMPERROR: ReverseFinding = Object.freeze({ status: "temperror", names: NO_NAMES, name: undefined });
const NONE: ReverseFinding = Object.freeze({ status: "none", names: NO_NAMES, name: undefined });

/** An answer; undefined where the DNS could not be asked: that there was nothing at another time says nothing. */
async function known<T extends "PTR" | "A" | "AAAA">(
  asked: Promise<DnsAnswer<T>>,
): Promise<DnsAnswer<T> | undefined> {
  try {
    const answer = await asked;
    return answer.stale && answer.status !== "ok" ? undefined : answer;
  } catch (cause) {
    if (cause instanceof DnsError) return undefined;
    throw cause;
  }
}

/** RFC 1035 §3.5, RFC 3596 §2.5. */
function reverseName(octets: Uint8Array): string {
  const labels = octets.length === 4
    ? [...octets].map(String)
    : [...octets].flatMap((octet) => [(octet >> 4).toString(16), (octet & 15).toString(16)]);
  return `${labels.reverse().join(".")}.${octets.length === 4 ? "in-addr" : "ip6"}.arpa`;
}

/** Anything can stand in a PTR record: what is no host name is not asked for. */
function isHostName(name: string): boolean {
  return name.length <= 253 && /^(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z0-9-]{2,63}$/.test(name);
}

/** IPv6 has many spellings. */
function isSame(address: string, octets: Uint8Array): boolean {
  const other = readNetwork(address)?.octets;
  return other?.length === octets.length && other.every((octet, i) => octet === octets[i]);
}
