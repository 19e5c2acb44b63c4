/**
 * What there is to find out about a greeting: at once what it shows by itself, then what the DNS says of its name.
 */
import { type Dns, finding, type FindingKey, type HeloFacts, NetworkSet, REVERSE } from "sallyport";
import type { HeloActions, HeloFault } from "./faults.ts";
import { lookUp } from "./look_up.ts";
import { type Greeting, isReserved, oneForm, readGreeting } from "./reading.ts";

/** What was found out about a greeting. */
export interface HeloFinding {
  readonly faults: readonly HeloFault[];
  /** Whether the name has an A, AAAA or MX record; undefined where that was not asked. */
  readonly resolves: "yes" | "no" | "temperror" | undefined;
  /** Whether the name is the client's, by its addresses or by the confirmed reverse name; undefined where unknown. */
  readonly matches: boolean | undefined;
}

/** Left at `helo`. */
export const HELO: FindingKey<HeloFinding> = finding("helo");

const LOOPBACK = new NetworkSet(["127.0.0.0/8", "::1"]);

export class Checks {
  readonly #actions: HeloActions;
  readonly #names: ReadonlySet<string>;
  readonly #addresses: NetworkSet;

  constructor(actions: HeloActions, ownNames: readonly string[], ownAddresses: readonly string[]) {
    this.#actions = actions;
    this.#names = new Set(ownNames.map((name) => name.toLowerCase().replace(/\.$/, "")));
    this.#addresses = new NetworkSet(ownAddresses);
  }

  /** Only a look-up makes it a promise. */
  see(session: HeloFacts, dns: Dns): HeloFinding | Promise<HeloFinding> {
    const greeting = readGreeting(session.helo);
    const faults = this.#faults(greeting, session);
    if (greeting.kind !== "name") return { faults, resolves: undefined, matches: undefined };
    const { name } = greeting;
    const isReverse = session.findings.get(REVERSE)?.name?.toLowerCase() === name || undefined;
    if (!this.#asksDns(faults)) return { faults, resolves: undefined, matches: isReverse };
    return this.#lookedUp(name, oneForm(session.client.host) ?? "", isReverse, dns);
  }

  async #lookedUp(name: string, client: string, isReverse: true | undefined, dns: Dns): Promise<HeloFinding> {
    const { resolves, isClient } = await lookUp(name, client, dns);
    const matches = isReverse ?? (resolves === "temperror" ? undefined : isClient);
    return { faults: dnsFaults(resolves, matches), resolves, matches };
  }

  /** A greeting that shows a fault by itself is not looked up. */
  #asksDns(faults: readonly HeloFault[]): boolean {
    return faults.length === 0 &&
      (this.#actions.unresolvable !== "off" || this.#actions.mismatch !== "off");
  }

  #faults(greeting: Greeting, session: HeloFacts): HeloFault[] {
    switch (greeting.kind) {
      case "neither":
        return ["syntax"];
      case "address":
        return this.#isOurs(greeting.address, session) ? ["bareAddress", "ownLiteral"] : ["bareAddress"];
      case "literal":
        if (this.#isOurs(greeting.address, session)) return ["ownLiteral"];
        return greeting.address === oneForm(session.client.host) ? [] : ["foreignLiteral"];
      case "name":
        return this.#nameFaults(greeting.name, session);
    }
  }

  #nameFaults(name: string, session: HeloFacts): HeloFault[] {
    const isOurs = name === session.hostname.toLowerCase() || this.#names.has(name);
    if (isOurs && !isSameHost(session)) return ["ownName"];
    if (!name.includes(".")) return ["singleLabel"];
    return isReserved(name) ? ["reservedName"] : [];
  }

  #isOurs(address: string, session: HeloFacts): boolean {
    if (isSameHost(session)) return false;
    return address === oneForm(session.local.host) || this.#addresses.has(address);
  }
}

function dnsFaults(resolves: HeloFinding["resolves"], matches: boolean | undefined): HeloFault[] {
  if (resolves === "no") return ["unresolvable"];
  return matches === false ? ["mismatch"] : [];
}

/** A program on this machine may well greet with its name and its address. */
function isSameHost({ client, local }: HeloFacts): boolean {
  return client.host === local.host || LOOPBACK.has(client.host);
}
