/**
 * By what a session is counted: a group, whose keys the store keeps in one place and counts at one go, and the keys in it.
 * All networks of a client are keys of the widest one's group.
 */
import { clientPrefix, isAllowed, type Known, type Path, utf8Text } from "sallyport";
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

const NONE: readonly Key[] = [];

/** What clients claim or are; the rest is ours, or is what somebody wants counted in words of their own. */
const THEIRS: readonly Per[] = ["client", "helo", "sender", "sender-domain"];

/** Finds the keys of sessions for one limit. */
export function keysOf(scope: Scope, networks: Networks): (session: Known) => readonly Key[] {
  const { when, per, allowed = THEIRS.includes(per) ? "exempt" : "counted" } = scope;
  const all = per === "client" ? networksOf(scope, networks) : namedBy(scope);
  return (session) => {
    if (allowed === "exempt" && isAllowed(session)) return NONE;
    return when === undefined || when(session) ? all(session) : NONE;
  };
}

type Level = readonly [bits: number, factor: number];

function levelsOf(
  { ipv4 = [32], ipv6 = [64] }: Prefixes = {},
): { readonly ipv4: Level[]; readonly ipv6: Level[] } {
  const levels = (given: NonNullable<Prefixes["ipv4"]>) =>
    given.map((each): Level => (typeof each === "number" ? [each, 1] : each));
  return { ipv4: levels(ipv4), ipv6: levels(ipv6) };
}

function networksOf({ name, prefixes }: Scope, networks: Networks): (session: Known) => readonly Key[] {
  const { ipv4, ipv6 } = levelsOf(prefixes);
  return ({ client: { host } }) => {
    const widest = networks.widest(host);
    if (widest === undefined) return NONE;
    const group = `rate:client:${widest}`;
    const levels = widest.includes(":") ? ipv6 : ipv4;
    return levels.map(([bits, factor]) => ({ group, key: `${name}:${networks.of(host, bits)}`, factor }));
  };
}

function namedBy({ name, per }: Scope): (session: Known) => readonly Key[] {
  const kind = typeof per === "string" ? per : `of:${name}`;
  return (session) =>
    valuesOf(per, session).map((value) => ({
      group: `rate:${kind}:${value.slice(0, LONGEST)}`,
      key: name,
      factor: 1,
    }));
}

function valuesOf(per: Per, session: Known): readonly string[] {
  switch (per) {
    case "listener":
      return [session.listener];
    case "helo":
      return some(session.helo && lower(session.helo));
    case "user":
      return some(session.user);
    case "sender":
      return some(session.reversePath && lower(session.reversePath.mailbox));
    case "sender-domain":
      return some(session.reversePath && lower(session.reversePath.domain));
    case "recipient":
      return pathsOf(session, (path) => lower(path.mailbox));
    case "recipient-domain":
      return pathsOf(session, (path) => lower(path.domain));
    default:
      return some((per as (session: Known) => string | undefined)(session));
  }
}

/** Of the recipient in question or, where the message is there, of all of them, each once. */
function pathsOf({ forwardPath, recipients }: Known, text: (path: Path) => string): readonly string[] {
  if (forwardPath !== undefined) return some(text(forwardPath));
  return [...new Set(recipients?.map(text))].filter((value) => value !== "");
}

/** The null sender and `<Postmaster>`'s domain are nobody's: counted together they would be a limit on all the world. */
function some(value: string | undefined): readonly string[] {
  return value === undefined || value === "" ? [] : [value];
}

function lower(wire: string): string {
  return utf8Text(wire).toLowerCase();
}
