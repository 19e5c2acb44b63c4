/**
 * Routes: which of a policy's pools the mail for a recipient goes to. What they say is data here; who chooses by them
 * is `backend/route`.
 */
import { domainToASCII } from "node:url";
import type { Path } from "../smtp/path.ts";
import type { MailFacts } from "./stages.ts";

/** The pool that the setting `backends` makes. */
export const DEFAULT_POOL = "default";

/** One, or any of several. */
export type AnyOf = string | readonly string[];

/**
 * Names a pool; undefined leaves the choice to the routes that follow. It is asked for each recipient, must answer at
 * once, and always the same for the same recipient of a transaction.
 * @param recipient undefined at MAIL, where a backend is dialled then
 */
export type PoolChoice = (session: MailFacts, recipient: Path | undefined) => string | undefined;

/** Where all that it names holds, mail goes to its pool. One that names nothing always holds. */
export interface Route {
  /** As `listen` has it: `"0.0.0.0:25"`. */
  readonly listener?: AnyOf | undefined;
  /** The recipient's: `"a.example"`, or `"*.a.example"` for every domain below it. */
  readonly domain?: AnyOf | undefined;
  /** Whom the client has authenticated as: `"ann"`, or `"*@a.example"` for all of a domain. */
  readonly user?: AnyOf | undefined;
  readonly pool: string | PoolChoice;
}

/**
 * A mail server by its IP address. One that no pool of the policy's holds is spoken to as the first backend is, without
 * what is that one's alone (`login`, `pins`, `serverName`, `cert`).
 */
export interface RouteAddress {
  readonly host: string;
  readonly port: number;
}

/** Where a plugin sends mail: a pool's name, or an address. */
export type RouteTarget = string | RouteAddress;

/** The conditions that a route may have. */
export const CONDITIONS = ["listener", "domain", "user"] as const;
export type Condition = typeof CONDITIONS[number];

/** A condition's values, one by one; undefined where it has none. */
export function valuesOf(route: Route, condition: Condition): readonly string[] | undefined {
  const given = route[condition];
  return typeof given === "string" ? [given] : given;
}

/** A domain as it is compared: in lower case, its labels in ASCII. */
export function domainKey(name: string): string {
  return (/^[\0-\x7f]*$/.test(name) ? name : domainToASCII(name)).toLowerCase();
}

/** The domain of a user's name that has one. */
export function userDomain(user: string): string | undefined {
  const at = user.lastIndexOf("@");
  return at === -1 ? undefined : domainKey(user.slice(at + 1));
}
