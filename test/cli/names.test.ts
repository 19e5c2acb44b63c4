/** Where the addresses of a backend's name come from, in this order: hosts file, DNS, system. */
import { describe, expect, test } from "bun:test";
import { namesOf, type System } from "../../src/cli/names.ts";
import { type Dns, type DnsAnswer, DnsError } from "../../src/policy/effects.ts";

type Given = Partial<Record<"A" | "AAAA", Partial<DnsAnswer> | "fails">>;

function dns(given: Given): Dns {
  return {
    resolve(name, type) {
      const answer = given[type as "A"] ?? { status: "nodata" };
      if (answer === "fails") return Promise.reject(new DnsError("ESERVFAIL", `${name} ${type}`, "no"));
      return Promise.resolve({ status: "ok", records: [], ttl: 60_000, stale: false, ...answer } as never);
    },
  };
}

const system = (hosts = "", found?: readonly string[]): System => ({
  hosts: () => Promise.resolve(hosts),
  lookup: () => found ? Promise.resolve(found) : Promise.reject(new Error("ENOTFOUND")),
});

const V4: Partial<DnsAnswer> = { records: ["192.0.2.1", "192.0.2.2"], ttl: 20_000 };
const V6: Partial<DnsAnswer> = { records: ["2001:db8::1"], ttl: 50_000 };
const HOSTS =
  "127.0.0.1 localhost # me\n::1\tlocalhost ip6-localhost\n#192.0.2.9 mx.example\n10.0.0.5 Old MX2.example\n";

describe("a backend's name is looked up", () => {
  test("in the hosts file first, all its addresses", async () => {
    const names = namesOf(dns({ A: V4 }), system(HOSTS));
    expect(await names("localhost")).toEqual({ hosts: ["127.0.0.1", "::1"], ttl: 30_000, complete: true });
    expect((await names("mx2.example.")).hosts).toEqual(["10.0.0.5"]);
  });

  test("in the DNS, IPv4 and IPv6, for as long as both hold", async () => {
    const names = namesOf(dns({ A: V4, AAAA: V6 }), system(HOSTS));
    expect(await names("mx.example")).toEqual({
      hosts: ["192.0.2.1", "192.0.2.2", "2001:db8::1"],
      ttl: 20_000,
      complete: true,
    });
  });

  test("with one kind of address is whole, with one that could not be asked for it is not", async () => {
    expect(await namesOf(dns({ A: V4 }), system())("mx.example")).toMatchObject({ complete: true });
    expect(await namesOf(dns({ A: V4, AAAA: "fails" }), system())("mx.example")).toMatchObject({
      hosts: ["192.0.2.1", "192.0.2.2"],
      complete: false,
      whole: 4,
    });
    const stale = dns({ A: { ...V4, stale: true }, AAAA: V6 });
    expect(await namesOf(stale, system())("mx.example")).toMatchObject({ complete: false, whole: 6 });
    const gone = dns({ A: { ...V4, stale: true }, AAAA: "fails" });
    expect((await namesOf(gone, system())("mx.example")).whole).toBeUndefined();
  });

  test("by the system where the DNS has none, cannot be asked, or is not there", async () => {
    const answers: readonly (Dns | undefined)[] = [
      undefined,
      dns({}),
      dns({ A: { status: "nxdomain" }, AAAA: { status: "nxdomain" } }),
      dns({ A: "fails", AAAA: "fails" }),
    ];
    for (const answer of answers) {
      expect(await namesOf(answer, system("", ["10.0.0.1", "10.0.0.1"]))("backend")).toEqual({
        hosts: ["10.0.0.1"],
        ttl: 30_000,
        complete: true,
      });
    }
  });

  test("in vain where nobody knows it", () => {
    expect(namesOf(dns({}), system())("backend")).rejects.toThrow("ENOTFOUND");
  });

  test("on this machine: localhost is there", async () => {
    expect((await namesOf(undefined)("localhost")).hosts).toContain("127.0.0.1");
  });
});
