/**
 * By what a session is counted: a group, whose keys the store keeps in one place and counts at one go, and the keys in it.
 * All networks of a client are keys of the widest one's group.
 */
import { clientPrefix, isAllowed, type Known, type Path, Remembered, utf8Text } from "sallyport";
import type { Per, Prefixes } from "./options.ts";

/** One thing that a session is counted by. */
export interface Key {
  readonly group: string;
  readonly key: string;
  /** By what a rate, or a number of places, is multiplied. */
  readonly factor: number;
}

/** What a limit, or a kind of places, says about whom it counts. */
export interface Scope {
  readonly name: string;
  readonly per: Per;
  readonly prefixes?: Prefixes | undefined;
  readonly when?: ((session: Known) => boolean) | undefined;
  readonly allowed?: "exempt" | "counted" | undefined;
}

/** The networks of clients; those of the last one are not made again for the next limit. */
export class Networks {
  /** Bits of the widest ones, so that all of a client's keys are in one group. */
  readonly #widest: { readonly ipv4: number; readonly ipv6: number };
  #host: string | undefined;
  readonly #known = new Map<number, string>();

  /** @param scopes all limits of a plugin */
  constructor(scopes: readonly Pick<Scope, "per" | "prefixes">[]) {
    const clients = scopes.filter(({ per }) => per === "client").map(({ prefixes }) => levelsOf(prefixes));
    const least = (kind: "ipv4" | "ipv6") =>
      Math.min(...clients.flatMap((each) => each[kind].map(([bits]) => bits)));
    this.#widest = { ipv4: least("ipv4"), ipv6: least("ipv6") };
  }

  /** Undefined for what is no address: whoever comes over a Unix socket has none. */
  widest(host: string): string | undefined {
    const network = this.of(host, host.includes(":") ? this.#widest.ipv6 : this.#widest.ipv4);
    return network === host ? undefined : network;
  }

  of(host: string, bits: number): string {
    if (host !== this.#host) {
      this.#host = host;
      this.#known.clear();
    }
    let network = this.#known.get(bits);
    if (network === undefined) this.#known.set(bits, network = clientPrefix(host, bits, bits));
    return network;
  }
}

/** Characters of what a client wrote that count: what goes on for longer is not told apart. */
const LONGEST = 320;

const NONE: readonly never[] = [];

/** What clients claim or are; the rest is ours, or is what somebody wants counted in words of their own. */
const THEIRS: readonly Per[] = ["client", "helo", "sender", "sender-domain"];

/** What a scope makes of the keys of a session. It is the same each time, so it is made once for each of those who come often. */
export class Keyed<T> {
  readonly #scope: Scope;
  readonly #exempts: boolean;
  readonly #keys: (value: string) => readonly Key[];
  readonly #make: (key: Key) => T;
  readonly #known = new Remembered<readonly T[]>();

  constructor(scope: Scope, networks: Networks, make: (key: Key) => T) {
    const { per, allowed = THEIRS.includes(per) ? "exempt" : "counted" } = scope;
    this.#scope = scope;
    this.#exempts = allowed === "exempt";
    this.#keys = per === "client" ? networksOf(scope, networks) : named(scope);
    this.#make = make;
  }

  /** Nothing where the session is not counted. */
  of(session: Known, now: number): readonly T[] {
    if (this.#exempts && isAllowed(session)) return NONE;
    const { when, per } = this.#scope;
    if (when !== undefined && !when(session)) return NONE;
    const value = valueOf(per, session);
    if (typeof value === "object") return value.flatMap((each) => this.#made(each, now));
    // The null sender and `<Postmaster>`'s domain are nobody's: counted together they would be a limit on all the world.
    return value === undefined || value === "" ? NONE : this.#made(value, now);
  }

  #made(value: string, now: number): readonly T[] {
    const known = this.#known.get(value, now);
    if (known !== undefined) return known;
    const made = this.#keys(value).map(this.#make);
    this.#known.keep(value, made, Infinity, now);
    return made;
  }
}

type Level = readonly [bits: number, factor: number];

function levelsOf(
  { ipv4 = [32], ipv6 = [64] }: Prefixes = {},
): { readonly ipv4: Level[]; readonly ipv6: Level[] } {
  const levels = (given: NonNullable<Prefixes["ipv4"]>) =>
    given.map((each): Level => (typeof each === "number" ? [each, 1] : each));
  return { ipv4: levels(ipv4), ipv6: levels(ipv6) };
}

function networksOf({ name, prefixes }: Scope, networks: Networks): (host: string) => readonly Key[] {
  const { ipv4, ipv6 } = levelsOf(prefixes);
  return (host) => {
    const widest = networks.widest(host);
    if (widest === undefined) return NONE;
    const group = `rate:client:${widest}`;
    const levels = widest.includes(":") ? ipv6 : ipv4;
    return levels.map(([bits, factor]) => ({ group, key: `${name}:${networks.of(host, bits)}`, factor }));
  };
}

function named({ name, per }: Scope): (value: string) => readonly Key[] {
  const kind = typeof per === "string" ? per : `of:${name}`;
  return (value) => [{ group: `rate:${kind}:${value.slice(0, LONGEST)}`, key: name, factor: 1 }];
}

/** What a session is counted by; several, where that is the recipients of a message. */
function valueOf(per: Per, session: Known): string | readonly string[] | undefined {
  switch (per) {
    case "client":
      // A trusted host speaks for many.
      return session.trusted ? undefined : session.client.host;
    case "listener":
      return session.listener;
    case "helo":
      return session.helo && lower(session.helo);
    case "user":
      return session.user;
    case "sender":
      return session.reversePath && lower(session.reversePath.mailbox);
    case "sender-domain":
      return session.reversePath && lower(session.reversePath.domain);
    case "recipient":
      return ofPaths(session, (path) => lower(path.mailbox));
    case "recipient-domain":
      return ofPaths(session, (path) => lower(path.domain));
    default:
      return (per as (session: Known) => string | undefined)(session);
  }
}

/** Of the recipient in question or, where the message is there, of all of them, each once. */
function ofPaths(
  { forwardPath, recipients }: Known,
  text: (path: Path) => string,
): string | readonly string[] {
  if (forwardPath !== undefined) return text(forwardPath);
  return [...new Set(recipients?.map(text))].filter((value) => value !== "");
}

function lower(wire: string): string {
  return utf8Text(wire).toLowerCase();
}
