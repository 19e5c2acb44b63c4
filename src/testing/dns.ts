/**
 * The DNS as a map, for tests.
 */
import {
  type Dns,
  type DnsAnswer,
  DnsError,
  type DnsErrorCode,
  type DnsRecords,
  type RecordType,
} from "../policy/effects.ts";

/**
 * Records by name, then by type: `{ "mx.example": { A: ["192.0.2.1"], MX: [{ exchange: "mx.example", priority: 10 }] } }`.
 * A type that is not there is `nodata`, a name that is not there `nxdomain`; an error's code in the place of records is
 * that error, `"never"` no answer at all.
 */
export type DnsMap = Readonly<
  Record<string, { readonly [T in RecordType]?: readonly DnsRecords[T][] | DnsErrorCode | "never" }>
>;

/** What was asked and how it is answered. */
export interface FakeDns extends Dns {
  /** `"A mx.example"`, in order. */
  readonly questions: readonly string[];
}

/** @param ttl milliseconds that every answer holds */
export function dnsOf(map: DnsMap, ttl = 3_600_000): FakeDns {
  const names = new Map(Object.entries(map).map(([name, records]) => [name.toLowerCase(), records]));
  const questions: string[] = [];
  return {
    questions,
    resolve<T extends RecordType>(name: string, type: T): Promise<DnsAnswer<T>> {
      questions.push(`${type} ${name}`);
      const records = names.get(name.toLowerCase());
      const given = records?.[type] as readonly DnsRecords[T][] | DnsErrorCode | "never" | undefined;
      if (given === "never") return new Promise(() => {});
      if (typeof given === "string") {
        return Promise.reject(new DnsError(given, `${type} of ${name}`, "the test says so"));
      }
      const status = records === undefined ? "nxdomain" : given === undefined ? "nodata" : "ok";
      return Promise.resolve({ status, records: given ?? [], ttl, stale: false });
    },
  };
}
