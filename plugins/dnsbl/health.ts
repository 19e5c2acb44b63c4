/**
 * Whether a zone is a list at all: it must list its test entry and must not list another (RFC 5782 §5). A zone that was
 * given up lists nobody, or everybody; one that does not like our questions answers with an error. Such a zone is skipped
 * until a later test passes. A test that gets no answer changes nothing: that a server is away says nothing of the list.
 */
import { DnsError, type Io, within } from "sallyport";
import { isErrorCode, octetsOf } from "./answers.ts";

/** What is asked for: the kinds of names a zone may hold. */
export type Kind = "ipv4" | "ipv6" | "name";

/** The entry that must be there, and the one that must not; `words` are for people. */
interface TestEntries {
  readonly listed: string;
  readonly absent: string;
  readonly words: { readonly listed: string; readonly absent: string };
}

const MAPPED = `f.f.f.f.${"0.".repeat(19)}0`;

const ENTRIES: Readonly<Record<Kind, TestEntries>> = {
  ipv4: {
    listed: "2.0.0.127",
    absent: "1.0.0.127",
    words: { listed: "127.0.0.2", absent: "127.0.0.1" },
  },
  ipv6: {
    listed: `2.0.0.0.0.0.f.7.${MAPPED}`,
    absent: `1.0.0.0.0.0.f.7.${MAPPED}`,
    words: { listed: "::FFFF:7F00:2", absent: "::FFFF:7F00:1" },
  },
  name: { listed: "test", absent: "invalid", words: { listed: "TEST", absent: "INVALID" } },
};

/** What the two entries say. `empty`: neither is listed. */
type Finding = "sound" | "empty" | "unknown" | { readonly fault: string };

/** What a test needs of the world. */
export type TestIo = Pick<Io, "dns" | "after" | "log" | "count">;

/** What is known of one zone. */
export class Health {
  readonly #zone: string;
  /** What logs and metrics call it. */
  readonly #name: string;
  readonly #kinds: readonly Kind[];
  readonly #faults = new Map<Kind, string>();
  /** Called when a fault appears or goes. */
  changed = (): void => {};
  /** Set while the first test is under way: nothing is known before. */
  first: Promise<void> | undefined;
  #begun = false;
  #passed = false;

  /** @param names true: it lists names, not addresses */
  constructor(zone: string, name: string, names: boolean) {
    this.#zone = zone;
    this.#name = name;
    this.#kinds = names ? ["name"] : ["ipv4", "ipv6"];
  }

  /** True: the next test is not to wait for long. */
  get inDoubt(): boolean {
    return !this.#passed || this.#faults.size > 0;
  }

  /** Why it is not asked, if so. */
  fault(kind: Kind): string | undefined {
    return this.#faults.get(kind);
  }

  /** Tests it. @param patience milliseconds for each question */
  async test(io: TestIo, patience: number): Promise<void> {
    const testing = this.#test(io, patience).finally(() => this.first = undefined);
    if (!this.#begun) this.first = testing;
    this.#begun = true;
    await testing;
  }

  async #test(io: TestIo, patience: number): Promise<void> {
    const findings = await Promise.all(
      this.#kinds.map((kind) => findingOf(io, this.#zone, ENTRIES[kind], patience)),
    );
    for (const [i, kind] of this.#kinds.entries()) {
      const fault = faultOf(kind, findings[i]!, findings.filter((_, other) => other !== i));
      if (fault !== undefined) this.#note(kind, fault, io);
    }
    if (findings.includes("unknown")) io.count("dnsbl_tests_unanswered", { zone: this.#name });
    if (this.#faults.size === 0) return;
    io.count("dnsbl_tests_failed", { zone: this.#name });
    const faults = [...new Set(this.#faults.values())].join("; ");
    io.log.warn(`DNS list ${this.#name} is skipped: ${faults} (RFC 5782 section 5)`, { zone: this.#name });
  }

  #note(kind: Kind, fault: string, { log }: TestIo): void {
    if (fault !== SOUND) {
      const isNew = !this.#faults.has(kind);
      this.#faults.set(kind, fault);
      if (isNew) this.changed();
      return;
    }
    this.#passed = true;
    if (!this.#faults.delete(kind)) return;
    this.changed();
    if (this.#faults.size > 0) return;
    log.info(`DNS list ${this.#name} is used again: it has passed its test`, { zone: this.#name });
  }
}

const SOUND = "";

/**
 * What a kind's finding means beside those of the zone's other kinds: a list of IPv6 alone has no entry for 127.0.0.2.
 * @returns undefined where nothing is to change
 */
function faultOf(kind: Kind, finding: Finding, others: readonly Finding[]): string | undefined {
  if (typeof finding === "object") return finding.fault;
  if (finding === "sound" || (finding === "empty" && others.includes("sound"))) return SOUND;
  if (finding === "unknown" || others.includes("unknown")) return undefined;
  const other = others.find((each) => typeof each === "object");
  if (other !== undefined) return other.fault;
  return kind === "name" ? "it does not list TEST" : "it lists neither 127.0.0.2 nor ::FFFF:7F00:2";
}

async function findingOf(
  io: TestIo,
  zone: string,
  { listed, absent, words }: TestEntries,
  patience: number,
): Promise<Finding> {
  const [must, mustNot] = await Promise.all([
    entry(io, `${listed}.${zone}`, patience),
    entry(io, `${absent}.${zone}`, patience),
  ]);
  for (const [answers, word] of [[mustNot, words.absent], [must, words.listed]] as const) {
    const odd = answers?.find((answer) => !isSound(answer));
    if (odd !== undefined) return { fault: `asked for ${word} it answers ${odd}` };
  }
  if (mustNot !== undefined && mustNot.length > 0) {
    return { fault: `it lists ${words.absent}, as no list may` };
  }
  if (must === undefined || mustNot === undefined) return "unknown";
  return must.length > 0 ? "sound" : "empty";
}

function isSound(answer: string): boolean {
  const octets = octetsOf(answer);
  return octets[0] === 127 && !isErrorCode(octets);
}

/** The answers for a name; undefined where there were none to be had. */
async function entry(io: TestIo, name: string, patience: number): Promise<readonly string[] | undefined> {
  try {
    const answer = await within(io, patience, io.dns.resolve(name, "A"));
    return answer === undefined || answer.stale ? undefined : answer.records;
  } catch (cause) {
    if (cause instanceof DnsError) return undefined;
    throw cause;
  }
}
