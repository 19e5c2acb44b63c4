/**
 * What one evaluation may ask of the DNS, within the limits of RFC 7208 §4.6.4 and some of our own: whoever sends a
 * message chooses whose records are read, so the records are an attacker's.
 */
import type { DnsAnswer, Io, RecordType } from "sallyport";

/** Terms that ask the DNS; names of one MX or PTR answer; answers with nothing in them (RFC 7208 §4.6.4). */
const LIMIT = { terms: 10, names: 10, voids: 2 } as const;

/** Records of one evaluation. An answer over TCP can hold thousands, and each is parsed. */
const MOST_RECORDS = 2000;

/**
 * Octets of all policies of one evaluation, of one term, and of an explanation. mailauth's check of a top label takes
 * time by the square of its length: a single TXT record of 60,000 octets would stop the process for four seconds.
 */
const OCTETS = { policies: 16_384, term: 512, explanation: 1024 } as const;

/** Ends an evaluation; `spfResult` is where mailauth looks for the reason. No Error: nobody reads its stack. */
class EarlyEnd {
  readonly spfResult: { error: "permerror" | "temperror"; text: string };

  constructor(error: "permerror" | "temperror", text: string) {
    this.spfResult = { error, text };
  }
}

type Ask = (name: string, type: string) => Promise<unknown[]>;

export class SpfLookups {
  /** Milliseconds for which all answers so far hold. */
  ttl = Infinity;
  /** A look-up failed, or its answer is past its time. The evaluation may have gone past it; it says nothing of the next one. */
  failed = false;
  /** It was one that the result depends on. */
  unsure = false;
  /** A macro was seen: what was found out holds for this sender and HELO name only. */
  macros = false;
  readonly #io: Pick<Io, "dns" | "late">;
  #over = false;
  /** The domain's own policies, until they are asked for. */
  #own: unknown[] | undefined;
  #terms = 0;
  #voids = 0;
  #records = 0;
  #octets = 0;

  constructor(io: Pick<Io, "dns" | "late">) {
    this.#io = io;
  }

  /** Nothing is asked any more. */
  stop(): void {
    this.#over = true;
  }

  /**
   * Asks for the domain's own policy first, which counts as no term. Most domains have none, and then there is nothing
   * to evaluate.
   * @returns whether there is one
   */
  async begin(domain: string): Promise<boolean> {
    const records = await this.#ask(domain, "TXT");
    this.#own = this.#policies(domain, records as string[][]);
    return this.#own.length > 0;
  }

  /** For what terms ask; the first question is that for the domain's own policy again. */
  readonly term: Ask = async (name, type) => {
    const own = this.#own;
    this.#own = undefined;
    if (own !== undefined) return own;
    if (++this.#terms > LIMIT.terms) {
      throw new EarlyEnd("permerror", `more than ${LIMIT.terms} terms ask the DNS`);
    }
    const records = await this.#ask(name, type as RecordType);
    if (records.length === 0 && ++this.#voids > LIMIT.voids) {
      throw new EarlyEnd("permerror", `more than ${LIMIT.voids} look-ups found nothing`);
    }
    return type === "TXT" ? this.#policies(name, records as string[][]) : records;
  };

  /** For the addresses of the names in one MX or PTR answer. */
  readonly names = (): Ask => {
    let names = 0;
    return (name, type) => {
      if (++names <= LIMIT.names) return this.#ask(name, type as RecordType);
      return Promise.reject(new EarlyEnd("permerror", `an MX has more than ${LIMIT.names} hosts`));
    };
  };

  /** For an explanation, which counts towards no limit; where it is too long there is none. */
  readonly explanation: Ask = async (name, type) => {
    const unsure = this.unsure;
    const records = await this.#ask(name, type as RecordType).finally(() => this.unsure = unsure);
    if (type !== "TXT") return records;
    const texts = (records as string[][]).map((strings) => strings.join(""));
    if (texts.some((text) => text.length > OCTETS.explanation)) return [];
    if (texts.some((text) => text.includes("%{"))) this.macros = true;
    return texts;
  };

  async #ask(name: string, type: RecordType): Promise<unknown[]> {
    if (this.#over || this.#io.late) throw new EarlyEnd("temperror", "no answer in time");
    let answer: DnsAnswer;
    try {
      answer = await this.#io.dns.resolve(name, type);
    } catch (cause) {
      this.failed = this.unsure = true;
      throw new EarlyEnd("temperror", cause instanceof Error ? cause.message : `cannot look up ${name}`);
    }
    if (answer.stale) this.failed = this.unsure = true;
    if (answer.ttl < this.ttl) this.ttl = answer.ttl;
    this.#records += answer.records.length;
    if (this.#records > MOST_RECORDS) {
      throw new EarlyEnd("permerror", `more than ${MOST_RECORDS} records`);
    }
    // A copy: mailauth sorts what it is given.
    return answer.records.slice();
  }

  /** The policies among some TXT records (RFC 7208 §4.5). */
  #policies(name: string, records: readonly (readonly string[])[]): unknown[] {
    const policies: string[] = [];
    for (const strings of records) {
      const text = strings.length === 1 ? strings[0]! : strings.join("");
      if (!/^v=spf1(?: |$)/i.test(text)) continue;
      this.#octets += text.length;
      if (this.#octets > OCTETS.policies) {
        throw new EarlyEnd("permerror", `the records are longer than ${OCTETS.policies} octets together`);
      }
      if (text.length > OCTETS.term && text.split(" ").some(({ length }) => length > OCTETS.term)) {
        throw new EarlyEnd("permerror", `the record of ${name} has a term of over ${OCTETS.term} octets`);
      }
      if (text.includes("%{")) this.macros = true;
      policies.push(text);
    }
    return policies;
  }
}
