/**
 * The tables of `access` against a plain comparison of bits and names.
 */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { clientOctets } from "../../plugins/access/subjects.ts";
import { type Kind, tableOf } from "../../plugins/access/tables.ts";

/** Few different octets, so that networks often hold one another. */
const octet = fc.constantFrom(0, 1, 127, 128, 255);
const ipv4 = fc.array(octet, { minLength: 4, maxLength: 4 }).map((octets) => octets.join("."));
const ipv6 = fc.array(fc.tuple(octet, octet), { minLength: 8, maxLength: 8 }).map((groups) =>
  groups.map(([high, low]) => (high << 8 | low).toString(16)).join(":")
);

function bits(address: string): string {
  const octets = address.includes(":")
    ? address.split(":").flatMap((group) => [parseInt(group, 16) >> 8, parseInt(group, 16) & 255])
    : address.split(".").map(Number);
  return octets.map((each) => each.toString(2).padStart(8, "0")).join("");
}

function filled(kind: Kind, entries: readonly string[]) {
  const table = tableOf(kind);
  for (const written of entries) expect(table.add({ written, reply: undefined })).toBe(true);
  return table;
}

for (const [name, address, length] of [["IPv4", ipv4, 32], ["IPv6", ipv6, 128]] as const) {
  test(`${name}: of all networks that hold an address, the longest prefix is met`, () => {
    const network = fc.tuple(address, fc.nat(length));
    fc.assert(fc.property(fc.array(network, { maxLength: 12 }), address, (networks, client) => {
      const table = filled("clients", networks.map(([first, prefix]) => `${first}/${prefix}`));
      const holding = networks.filter(([first, prefix]) =>
        bits(client).startsWith(bits(first).slice(0, prefix))
      );
      const longest = holding.length === 0 ? undefined : Math.max(...holding.map(([, prefix]) => prefix));
      expect(table.find(clientOctets(client)!)?.weight).toBe(longest!);
    }));
  });
}

test("of all entries that fit a name, the longest is met, and the name itself first", () => {
  const name = fc.array(fc.constantFrom("a", "b", "example"), { minLength: 1, maxLength: 4 })
    .map((labels) => labels.join("."));
  const entry = fc.tuple(fc.constantFrom("", "."), name).map(([dot, rest]) => dot + rest);
  fc.assert(fc.property(fc.array(entry, { maxLength: 12 }), name, (entries, asked) => {
    const fitting = entries.filter((each) => (each.startsWith(".") ? asked.endsWith(each) : asked === each));
    const nearest = fitting.sort((a, b) => b.length - a.length)[0];
    expect(filled("helo", entries).find(asked)?.entry.written).toBe(nearest!);
  }));
});
