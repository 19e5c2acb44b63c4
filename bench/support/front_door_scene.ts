/**
 * Who knocks at the front door, and what the DNS says of them. Fifty mail servers, each in a network of its
 * own, with a forward-confirmed name, an MX and an SPF record that names it; ten pairs of sender and recipient
 * each. And three clients who must be turned away.
 *
 * Addresses are from 198.18.0.0/15 (RFC 2544), since Haraka leaves its checks out for those of RFC 5737; names are
 * below example.net (RFC 2606), since to Haraka a name under `.example` is none.
 */
import type { Zones } from "./nsd.ts";
import type { Envelope } from "./smtp_load.ts";

/** What a front door asks, the same for all contenders. */
export interface Sources {
  /** A name server, `host:port`; /etc/resolv.conf names it too. */
  readonly nameServer: string;
  /** The port of a Redis on 127.0.0.1. */
  readonly redis: number;
}

/** The domain that the front door takes mail for. */
export const ourDomain = "bench.example";

/** DNS lists; a client must be on all of them, so that one threshold or another makes no difference. */
export const listZones = ["a.example", "b.example", "c.example"] as const;

/** All clients of this page come from here. */
export const clientNetwork = "198.18.0.0/16";

const clients = 50;
const envelopesPerClient = 10;
const listed = 250;

/** The triplets (client, sender, recipient), the clients in turn. */
export function envelopes(): Envelope[] {
  return Array.from({ length: clients * envelopesPerClient }, (_, place) => {
    const client = place % clients;
    const pair = Math.floor(place / clients);
    return {
      client: addressOf(client),
      hello: `mx.${domainOf(client)}`,
      from: `sender${pair}@${domainOf(client)}`,
      to: `recipient${pair % 3}@${ourDomain}`,
    };
  });
}

/** A client that no front door may let in, and why. */
export interface Intruder extends Envelope {
  readonly why: string;
}

/** One per check that can refuse for good. */
export function intruders(): Intruder[] {
  const [honest, other] = envelopes() as [Envelope, Envelope];
  return [
    {
      why: "a client on all DNS lists",
      client: addressOf(listed),
      hello: `mx.${domainOf(listed)}`,
      from: `sender@${domainOf(listed)}`,
      to: honest.to,
    },
    { ...honest, from: other.from, why: "a sender whose SPF record says -all" },
    { ...honest, to: "someone@elsewhere.example", why: "a recipient of a foreign domain" },
  ];
}

/** What a name server must know for all this. */
export function zones(): Zones {
  const known = [...Array(clients).keys(), listed];
  const reverse = known.map((client) => `10.${client} PTR mx.${domainOf(client)}.`);
  const entry = addressOf(listed).split(".").reverse().join(".");
  return new Map([
    [".", zone([])],
    ["example.net", zone(known.flatMap(hostRecords))],
    [ourDomain, zone(["@ A 127.0.0.1", "@ MX 10 mx", "mx A 127.0.0.1"])],
    ["18.198.in-addr.arpa", zone(reverse)],
    ["127.in-addr.arpa", zone(["1.0.0 PTR localhost."])],
    // RFC 5782 §5: a list has an entry for 127.0.0.2, by which it can be seen to work.
    ...listZones.map((name) => [name, zone(["2.0.0.127 A 127.0.0.2", `${entry} A 127.0.0.2`])] as const),
  ]);
}

function hostRecords(client: number): string[] {
  const name = `s${client}`;
  return [
    `${name} MX 10 mx.${name}`,
    `${name} TXT "v=spf1 mx -all"`,
    `mx.${name} A ${addressOf(client)}`,
    `mx.${name} TXT "v=spf1 a -all"`,
  ];
}

function zone(records: readonly string[]): string {
  const start = "@ SOA ns.invalid. hostmaster.invalid. 1 3600 600 86400 3600\n@ NS ns.invalid.\n";
  return `$TTL 3600\n${start}${records.join("\n")}\n`;
}

function addressOf(client: number): string {
  return `198.18.${client}.10`;
}

function domainOf(client: number): string {
  return `s${client}.example.net`;
}
