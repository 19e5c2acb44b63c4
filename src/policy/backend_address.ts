/**
 * A backend as an operator writes it: `10.0.0.1:25?weight=3&backup` in the environment and in a policy, or
 * `{ address: "10.0.0.1:25", weight: 3, backup: true }` in a policy. `smtps://` before it is TLS from the first octet,
 * `lmtp://` another protocol.
 *
 * Each option is one row of the table below: how its text is read, and what is allowed.
 */
import type { Endpoint } from "../net/wire.ts";
import { ADDRESS_FORM, endpointOf, isBackendEndpoint, isDomain } from "./address.ts";
import { securityMistakes } from "./backend_security.ts";
import type { BackendAddress, BackendLogin } from "./settings.ts";

/** Everything of a backend but where it is. */
export type BackendOptions = Omit<BackendAddress, "name" | "endpoint">;
type OptionName = keyof BackendOptions;

/** A backend in a policy, other than as text. */
export type BackendGiven =
  | ({ readonly address: string } & Partial<BackendOptions>)
  | (Pick<BackendAddress, "name" | "endpoint"> & Partial<BackendOptions>);

/** What an option is where it is not given. */
export const BACKEND_DEFAULTS: BackendOptions = {
  weight: 1,
  backup: false,
  lmtp: false,
  identity: "auto",
  tls: "auto",
  verify: "name",
  serverName: undefined,
  pins: [],
  ca: undefined,
  cert: undefined,
  key: undefined,
  login: undefined,
};

/** What stands before an address, and what it sets. */
const SCHEMES: ReadonlyMap<string, Partial<BackendOptions>> = new Map([
  ["smtp://", {}],
  ["smtps://", { tls: "implicit" }],
  ["lmtp://", { lmtp: true }],
]);

interface Option<Value> {
  /** As text, with what is allowed; undefined where it cannot be given so. */
  readonly form: string | undefined;
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
  lmtp: {
    form: undefined,
    allowed: "true or false",
    read: () => undefined,
    isGood: (value) => typeof value === "boolean",
  },
  identity: choice("identity", ["auto", "xclient", "xforward", "proxy-v1", "proxy-v2", "none"]),
  tls: choice("tls", ["auto", "off", "opportunistic", "required", "implicit"]),
  verify: choice("verify", ["none", "ca", "name"]),
  serverName: text("serverName", "a host name", isDomain),
  pins: {
    form: "pins=SHA-256 in base64 (several only in a policy)",
    allowed: "an array of SHA-256 sums in base64",
    read: (given) => given.split(",").every(isPin) ? given.split(",") : undefined,
    isGood: (value) => Array.isArray(value) && value.every(isPin),
  },
  ca: text("ca", "the name of a file in PEM"),
  cert: text("cert", "the name of a file in PEM"),
  key: text("key", "the name of a file in PEM"),
  login: {
    form: "login=USER:PASSWORD (percent-encoded)",
    allowed: '{ user, password }, with a mechanism "PLAIN", "LOGIN" or "XOAUTH2" if need be',
    read: readLogin,
    isGood: isLogin,
  },
};

function choice<Value extends string>(name: string, values: readonly Value[]): Option<Value> {
  return {
    form: `${name}=${values.join("|")}`,
    allowed: `one of ${values.join(", ")}`,
    read: (given) => values.find((value) => value === given),
    isGood: (value) => values.includes(value as Value),
  };
}

function text(
  name: string,
  allowed: string,
  isGood: (value: unknown) => boolean = (value) => typeof value === "string" && value !== "",
): Option<string | undefined> {
  return {
    form: `${name}=${allowed}`,
    allowed,
    read: (given) => (isGood(given) ? given : undefined),
    isGood,
  };
}

/** 32 octets in base64. */
function isPin(value: unknown): boolean {
  return typeof value === "string" && /^[A-Za-z0-9+/]{43}=$/.test(value);
}

function readLogin(given: string): BackendLogin | undefined {
  const colon = given.indexOf(":");
  if (colon < 1) return undefined;
  try {
    const [user, password] = [given.slice(0, colon), given.slice(colon + 1)].map(decodeURIComponent);
    const login = { user: user!, password: password! };
    return isLogin(login) ? login : undefined;
  } catch {
    return undefined;
  }
}

function isLogin(value: unknown): boolean {
  const { user, password, mechanism } = (value ?? {}) as Record<string, unknown>;
  const isSecret = (given: unknown) => typeof given === "string" && given !== "" && !given.includes("\0");
  return isSecret(user) && isSecret(password) &&
    [undefined, "PLAIN", "LOGIN", "XOAUTH2"].includes(mechanism as undefined);
}

const NAMES = Object.keys(OPTIONS) as OptionName[];
const TEXT_NAMES = NAMES.filter((name) => OPTIONS[name].form !== undefined).join(", ");

/** What `backendAddress` reads, in words. */
export const BACKEND_FORMS = `${ADDRESS_FORM} or unix:PATH, with smtps:// or lmtp:// before it if need be, ` +
  `with options behind "?" and "&" between them: ${TEXT_NAMES}`;

/** Reads `127.0.0.1:10025?weight=3`; undefined where it has none of `BACKEND_FORMS`. */
export function backendAddress(text: string): BackendAddress | undefined {
  const { place, query } = split(text);
  const { endpoint, scheme } = placeOf(place);
  if (endpoint === undefined) return undefined;
  const options: Record<string, unknown> = {};
  for (const [name, given] of query) {
    const value = isOption(name) && !Object.hasOwn(options, name) ? OPTIONS[name].read(given) : undefined;
    if (value === undefined) return undefined;
    options[name] = value;
  }
  // What stands before the address and an option behind it must not contradict each other.
  if (Object.keys(scheme).some((name) => Object.hasOwn(options, name))) return undefined;
  return {
    ...BACKEND_DEFAULTS,
    ...options,
    ...scheme,
    ...relied({ ...options, ...scheme }),
    name: place,
    endpoint,
  };
}

/** Who says what a certificate must show wants no backend that shows none. */
function relied({ verify, tls }: Record<string, unknown>): Partial<BackendOptions> {
  return (verify === "ca" || verify === "name") && tls === undefined ? { tls: "required" } : {};
}

function placeOf(place: string): { endpoint: Endpoint | undefined; scheme: Partial<BackendOptions> } {
  const scheme = /^[a-z]+:\/\//.exec(place)?.[0] ?? "smtp://";
  const set = SCHEMES.get(scheme);
  const endpoint = set && endpointOf(place.startsWith(scheme) ? place.slice(scheme.length) : place);
  return { endpoint: isBackendEndpoint(endpoint) ? endpoint : undefined, scheme: set ?? {} };
}

/** What a policy gives, with its defaults; what cannot be read stays as it is, for `backendMistakes` to name. */
export function completeBackend(given: string | BackendGiven): BackendAddress {
  if (typeof given === "string") return backendAddress(given) ?? (given as unknown as BackendAddress);
  if (typeof given !== "object" || given === null) return given;
  const set = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  if (!("address" in given)) return { ...BACKEND_DEFAULTS, ...relied(set), ...set } as BackendAddress;
  const { address, ...rest } = set;
  const read = typeof address === "string" ? backendAddress(address) : undefined;
  if (read === undefined) return given as unknown as BackendAddress;
  const auto = read.tls === "auto" ? relied(rest) : {};
  return { ...read, ...auto, ...rest } as BackendAddress;
}

/** The mistakes of a backend as `completeBackend` has left it. */
export function backendMistakes(path: string, given: unknown): string[] {
  if (typeof given !== "object" || given === null) return [unreadable(path, given)];
  const { name, endpoint, address, ...options } = given as Record<string, unknown>;
  const wrong = Object.entries(options).flatMap(([option, value]) => optionMistakes(path, option, value));
  if (address !== undefined) return [unreadable(`${path}.address`, address), ...wrong];
  const { cert, key } = options;
  if ((cert === undefined) !== (key === undefined)) {
    wrong.push(
      `${path}: ${cert === undefined ? "key" : "cert"} is given alone; allowed are cert and key together`,
    );
  }
  if (typeof name === "string" && name !== "" && isBackendEndpoint(endpoint)) {
    return wrong.length > 0 ? wrong : securityMistakes(path, given as BackendAddress);
  }
  return [unreadable(path, given), ...wrong];
}

/** What is allowed instead of this text: only the options where nothing but an option is wrong with it. */
export function allowedBackend(given: string): string {
  const { place, query } = split(given);
  if (placeOf(place).endpoint === undefined) return BACKEND_FORMS;
  const login = query.findIndex(([name]) => name === "login");
  const stranger = query.findIndex(([name]) => !isOption(name));
  // It may be the rest of a password.
  if (login !== -1 && stranger > login) return 'login=USER:PASSWORD with each "&" in it written %26';
  if (stranger !== -1) {
    return `the options ${TEXT_NAMES}; there is no ${JSON.stringify(query[stranger]![0])}`;
  }
  const bad = query.find(([name, value]) => OPTIONS[name as OptionName].read(value) === undefined);
  const { scheme } = placeOf(place);
  const twice = query.find(([name]) => Object.hasOwn(scheme, name));
  if (bad === undefined && twice !== undefined) {
    return `no ${twice[0]}=, which ${place.slice(0, place.indexOf("//") + 2)} says already`;
  }
  return bad === undefined
    ? "each option once"
    : OPTIONS[bad[0] as OptionName].form ?? "lmtp:// before the address";
}

function unreadable(path: string, given: unknown): string {
  const allowed = typeof given === "string" ? allowedBackend(given) : BACKEND_FORMS;
  return `${path}: ${withoutSecret(JSON.stringify(given) ?? String(given))} was given; allowed is ${allowed}`;
}

function optionMistakes(path: string, name: string, value: unknown): string[] {
  if (!isOption(name)) return [`${path}.${name}: there is no such option; allowed are ${NAMES.join(", ")}`];
  if (value === undefined || OPTIONS[name].isGood(value)) return [];
  const given = name === "login"
    ? "(hidden)"
    : typeof value === "number"
    ? String(value)
    : JSON.stringify(value) ?? String(value);
  return [`${path}.${name}: ${given} was given; allowed is ${OPTIONS[name].allowed}`];
}

/** What an option may be called that is none and was to hold a secret. */
const SECRET = /pass|pw|user|auth|cred|token|secret|log/i;

/** A backend as text, for people: it may hold a password, in its place, where others have it, or under a mistyped name. */
export function withoutSecret(text: string): string {
  return text
    .replace(/("?login"?[=:]).*/is, "$1…")
    .replace(/(:\/\/|^"?)[^/?@\s"]*:[^/?@\s"]*@/g, "$1…@")
    .replace(
      /([?&])([^=&"]*)=([^&"]*)/g,
      (whole, mark: string, name: string, value: string) =>
        !isOption(name) && (value.includes(":") || SECRET.test(name)) ? `${mark}${name}=…` : whole,
    )
    .replace(/("pass\w*":)"(?:[^"\\]|\\.)*"/gi, '$1"…"');
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
