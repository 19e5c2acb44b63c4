/**
 * What the DNS says of a HELO name: whether there is such a host, and whether it is the client.
 */
import { type Dns, type DnsAnswer, DnsError, type RecordType } from "sallyport";
import { oneForm } from "./reading.ts";

export interface HeloName {
  /** Whether it has an A, AAAA or MX record. */
  readonly resolves: "yes" | "no" | "temperror";
  /** One of its addresses is the client's; undefined where that may have changed. */
  readonly isClient: boolean | undefined;
}

/**
 * Asks for the address of the client's kind first, which mostly answers both questions.
 * @param client in the one form of `oneForm`
 */
export async function lookUp(name: string, client: string, dns: Dns): Promise<HeloName> {
  const [own, other] = client.includes(":") ? ["AAAA", "A"] as const : ["A", "AAAA"] as const;
  const first = await answerOf(dns, name, own);
  if (first === undefined) return { resolves: "temperror", isClient: false };
  if (first.status === "ok") {
    const isClient = first.records.some((address) => oneForm(address) === client);
    return { resolves: "yes", isClient: isClient || (first.stale ? undefined : false) };
  }
  if (first.status === "nxdomain") return { resolves: "no", isClient: false };
  const others = await Promise.all([answerOf(dns, name, other), answerOf(dns, name, "MX")]);
  if (others.some((answer) => answer?.status === "ok")) return { resolves: "yes", isClient: false };
  return { resolves: others.includes(undefined) ? "temperror" : "no", isClient: false };
}

/** Undefined where the DNS could not be asked: that there was nothing at another time says nothing. */
async function answerOf<T extends RecordType>(
  dns: Dns,
  name: string,
  type: T,
): Promise<DnsAnswer<T> | undefined> {
  try {
    const answer = await dns.resolve(name, type);
    return answer.stale && answer.status !== "ok" ? undefined : answer;
  } catch (cause) {
    if (cause instanceof DnsError) return undefined;
    throw cause;
  }
}
