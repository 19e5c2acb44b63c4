/**
 * A backend as an operator writes it: `10.0.0.1:25?weight=3&backup` in the environment and in a policy, or
 * `{ address: "10.0.0.1:25", weight: 3, backup: true }` in a policy.
 *
 * Each option is one row of the table below: how its text is read, and what is allowed.
 */
import { ADDRESS_FORM, endpointOf, isBackendEndpoint } from "./address.ts";
import type { BackendAddress } from "./settings.ts";

/** Everything of a backend but where it is. */
export type BackendOptions = Omit<BackendAddress, "name" | "endpoint">;
type OptionName = keyof BackendOptions;

/** A backend in a policy, other than as text. */
export type BackendGiven =
  | ({ readonly address: string } & Partial<BackendOptions>)
  | (Pick<BackendAddress, "name" | "endpoint"> & Partial<BackendOptions>);

/** What an option is where it is not given. */
export const BACKEND_DEFAULTS: BackendOptions = { weight: 1, backup: false };

interface Option<Value> {
  /** As text, with what is allowed. */
  readonly form: string;
  /** What its value may be in a policy, in words. */
  readonly allowed: string;
  /** Its value from what stands behind "="; "" where nothing does. Undefined: not allowed. */
  read(text: string): Value | undefined;
  isGood(value: unknown): boolean;
}

const OPTIONS: { readonly [Name in OptionName]: Option<BackendOptions[Name]> } = {
  weight: {
    form: "weight=NUMBER (whole, from 1)",
    allowed: "a whole number from 1",
    read: (text) => /^[1-9]\d{0,8}$/.test(text) ? Number(text) : undefined,
    isGood: (value) => Number.isSafeInteger(value) && (value as number) >= 1,
  },
  backup: {
    form: "backup",
    allowed: "true or false",
    read: (text) => text === "" ? true : undefined,
    isGood: (value) => typeof value === "boolean",
  },
};

const NAMES = Object.keys(OPTIONS) as OptionName[];
const OPTION_FORMS = Object.values(OPTIONS).map(({ form }) => form).join(", ");

/** What `backendAddress` reads, in words. */
export const BACKEND_FORMS = `${ADDRESS_FORM} or unix:PATH (lmtp:// and smtps:// are not there yet), ` +
  `with options behind "?" and "&" between them: ${OPTION_FORMS}`;

/** Reads `127.0.0.1:10025?weight=3`; undefined where it has none of `BACKEND_FORMS`. */
export function backendAddress(text: string): BackendAddress | undefined {
  const { place, query } = split(text);
  const endpoint = endpointOf(place);
  if (endpoint === undefined || !isBackendEndpoint(endpoint)) return undefined;
  const options: Record<string, unknown> = {};
  for (const [name, given] of query) {
    const value = isOption(name) && !Object.hasOwn(options, name) ? OPTIONS[name].read(given) : undefined;
    if (value === undefined) return undefined;
    options[name] = value;
  }
  return { ...BACKEND_DEFAULTS, ...options, name: place, endpoint };
}

/** What a policy gives, with its defaults; what cannot be read stays as it is, for `backendMistakes` to name. */
export function completeBackend(given: string | BackendGiven): BackendAddress {
  if (typeof given === "string") return backendAddress(given) ?? (given as unknown as BackendAddress);
  if (typeof given !== "object" || given === null) return given;
  const set = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  if (!("address" in given)) return { ...BACKEND_DEFAULTS, ...set } as BackendAddress;
  const { address, ...rest } = set;
  const read = typeof address === "string" ? backendAddress(address) : undefined;
  return (read === undefined ? given : { ...read, ...rest }) as BackendAddress;
}

/** The mistakes of a backend as `completeBackend` has left it. */
export function backendMistakes(path: string, given: unknown): string[] {
  if (typeof given !== "object" || given === null) return [unreadable(path, given)];
  const { name, endpoint, address, ...options } = given as Record<string, unknown>;
  const wrong = Object.entries(options).flatMap(([option, value]) => optionMistakes(path, option, value));
  if (address !== undefined) return [unreadable(`${path}.address`, address), ...wrong];
  if (typeof name === "string" && name !== "" && isBackendEndpoint(endpoint)) return wrong;
  return [unreadable(path, given), ...wrong];
}

/** What is allowed instead of this text: only the options where nothing but an option is wrong with it. */
export function allowedBackend(given: string): string {
  const { place, query } = split(given);
  const endpoint = endpointOf(place);
  if (endpoint === undefined || !isBackendEndpoint(endpoint)) return BACKEND_FORMS;
  const stranger = query.find(([name]) => !isOption(name));
  if (stranger !== undefined) {
    return `the options ${OPTION_FORMS}; there is no ${JSON.stringify(stranger[0])}`;
  }
  const bad = query.find(([name, value]) => OPTIONS[name as OptionName].read(value) === undefined);
  return bad === undefined ? "each option once" : OPTIONS[bad[0] as OptionName].form;
}

function unreadable(path: string, given: unknown): string {
  const allowed = typeof given === "string" ? allowedBackend(given) : BACKEND_FORMS;
  return `${path}: ${JSON.stringify(given) ?? String(given)} was given; allowed is ${allowed}`;
}

function optionMistakes(path: string, name: string, value: unknown): string[] {
  if (!isOption(name)) return [`${path}.${name}: there is no such option; allowed are ${NAMES.join(", ")}`];
  if (value === undefined || OPTIONS[name].isGood(value)) return [];
  const given = typeof value === "number" ? String(value) : JSON.stringify(value) ?? String(value);
  return [`${path}.${name}: ${given} was given; allowed is ${OPTIONS[name].allowed}`];
}

function isOption(name: string): name is OptionName {
  return Object.hasOwn(OPTIONS, name);
}

/** The address, and the options as pairs of name and text. A path of a unix socket cannot have a "?". */
function split(text: string): { place: string; query: (readonly [string, string])[] } {
  const mark = text.indexOf("?");
  if (mark === -1) return { place: text, query: [] };
  const query = text.slice(mark + 1).split("&").map((part) => {
    const is = part.indexOf("=");
    return is === -1 ? [part, ""] as const : [part.slice(0, is), part.slice(is + 1)] as const;
  });
  return { place: text.slice(0, mark), query };
}
