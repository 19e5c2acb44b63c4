/**
 * The URL of a Redis: `redis://`, `redis-sentinel://` with the master's name, `redis-cluster://`, and each with
 * `rediss` for TLS. Several hosts stand with commas, which is why `URL` cannot read it. Nothing here tells a
 * password, nor what might be one in a URL that cannot be read.
 */

/** One server's address. */
export interface RedisHost {
  readonly host: string;
  readonly port: number;
}

/** Who the proxy is to a server. */
export interface RedisLogin {
  readonly user: string | undefined;
  readonly password: string | undefined;
}

/** What a URL says. */
export interface RedisTarget {
  readonly kind: "single" | "sentinel" | "cluster";
  readonly hosts: readonly RedisHost[];
  readonly login: RedisLogin;
  /** What the sentinels call the master; empty but for `sentinel`. */
  readonly master: string;
  readonly db: number;
  readonly sentinelLogin: RedisLogin;
  /** What the names of all keys begin with. */
  readonly prefix: string;
  /** Milliseconds in which an operation has its answer or fails. */
  readonly timeout: number;
  /** PEM files, where they are not the system's; undefined without TLS. */
  readonly tls: { readonly ca?: string; readonly cert?: string; readonly key?: string } | undefined;
}

/** The forms, for messages. */
export const REDIS_FORMS =
  "redis://user:password@host:port/db, rediss://… (TLS), redis-cluster://a:port,b,c, redis-sentinel://a:port,b/name";

/** Called for each mistake: what it is about, what was given, what is allowed. */
export type Note = (what: string, given: string, allowed: string) => void;

const FORM = /^(rediss?)(-cluster|-sentinel)?:\/\/(?:([^@]*)@)?([^@/?]*)(?:\/([^@?]*))?(?:\?([^@]*))?$/;
const SETTINGS = ["prefix", "timeout", "ca", "cert", "key", "sentinel-user", "sentinel-password"];

/** Reads a URL; a target that mistakes were noted of is of no use. */
export function redisTarget(url: string, note: Note): RedisTarget | undefined {
  const found = FORM.exec(url);
  if (found === null) {
    note("the URL", redisName(url), `${REDIS_FORMS}; an @ in user or password is written %40`);
    return undefined;
  }
  const [, scheme, form = "", login = "", hosts = "", path = "", query = ""] = found;
  const kind = form === "-cluster" ? "cluster" : form === "-sentinel" ? "sentinel" : "single";
  const settings = readSettings(query, note);
  return {
    kind,
    hosts: readHosts(hosts, kind, note),
    login: readLogin(login, note),
    ...readPath(path, kind, note),
    sentinelLogin: { user: settings.get("sentinel-user"), password: settings.get("sentinel-password") },
    prefix: readPrefix(settings.get("prefix"), note),
    timeout: readTimeout(settings.get("timeout"), note),
    tls: readTls(settings, scheme === "rediss", note),
  };
}

/** The URL for people to read. */
export function redisName(url: string): string {
  const named = FORM.test(url)
    ? url.replace(/^([^@]*:\/\/[^:@]*):[^@]*@/, "$1:***@")
    : url.replace(/^(rediss?[a-z-]*:\/*)?.*@/s, "$1***@");
  return named.replace(/(sentinel-password=)[^&]*/g, "$1***");
}

function readHosts(text: string, kind: RedisTarget["kind"], note: Note): RedisHost[] {
  const hosts = text.split(",").map((each) => readHost(each, kind === "sentinel" ? 26379 : 6379, note));
  if (kind === "single" && hosts.length > 1) {
    note("the host", text, "one host, or redis-cluster:// or redis-sentinel:// for several");
  }
  return hosts;
}

function readHost(text: string, usual: number, note: Note): RedisHost {
  const [, host = "", port] = /^(\[[\da-fA-F:.]+\]|[^[\]:\s]*)(?::(.*))?$/s.exec(text) ?? [];
  // What stands where the port should may be a password whose @ is missing.
  if (host === "") note("the host", port === undefined ? text : "none", "a name, an IPv4 or [IPv6] address");
  const number = port === undefined ? usual : /^\d{1,5}$/.test(port) ? Number(port) : 0;
  if (number < 1 || number > 65535) {
    note("the port", /^\d+$/.test(port ?? "") ? port! : "something else", "a number from 1 to 65535");
  }
  return { host: host.replace(/^\[|\]$/g, ""), port: number };
}

function readLogin(text: string, note: Note): RedisLogin {
  if (text === "") return { user: undefined, password: undefined };
  const [, user = "", password] = /^([^:]*)(?::(.*))?$/s.exec(text) ?? [];
  if (!password) note("the login", "a user without a password", "user:password@ or :password@");
  return {
    user: decoded(user, "the user", note) || undefined,
    password: decoded(password ?? "", "the password", note),
  };
}

function readPath(
  path: string,
  kind: RedisTarget["kind"],
  note: Note,
): Pick<RedisTarget, "master" | "db"> {
  const [first = "", second = "", ...more] = path.split("/");
  const [master, db] = kind === "sentinel"
    ? [decoded(first, "the master's name", note), second]
    : ["", first];
  if (kind === "sentinel" && master === "") note("the master's name", "none", "/name after the hosts");
  if (more.length > 0 || (kind !== "sentinel" && second !== "")) note("the path", path, "/db, or /name/db");
  if (!/^\d{0,4}$/.test(db)) note("the database", db, "a number from 0");
  if (kind === "cluster" && Number(db) > 0) note("the database", db, "0, the only one of a cluster");
  return { master, db: Number(db) };
}

function readSettings(query: string, note: Note): Map<string, string> {
  const settings = new Map<string, string>();
  for (const part of query.split("&").filter((each) => each !== "")) {
    const [, name = "", value = ""] = /^([^=]*)=?(.*)$/s.exec(part) ?? [];
    if (!SETTINGS.includes(name)) note("the setting", name, SETTINGS.join(", "));
    settings.set(name, decoded(value, name, note));
  }
  return settings;
}

function readPrefix(text: string | undefined, note: Note): string {
  // A brace of its own would be the hash tag in the place of the group's.
  if (text !== undefined && /[{}]/.test(text)) note("prefix", text, "anything without braces");
  return text ?? "sallyport:";
}

function readTimeout(text: string | undefined, note: Note): number {
  if (text === undefined) return 1000;
  const timeout = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (timeout < 10 || timeout > 60_000) note("timeout", text, "milliseconds from 10 to 60000");
  return timeout;
}

function readTls(settings: ReadonlyMap<string, string>, tls: boolean, note: Note): RedisTarget["tls"] {
  const files = (["ca", "cert", "key"] as const).filter((name) => settings.has(name));
  if (!tls && files.length > 0) note(files[0]!, "a file without TLS", "it only with rediss://");
  if (settings.has("cert") !== settings.has("key")) {
    note("the client's certificate", "only a half", "cert and key together");
  }
  return tls ? Object.fromEntries(files.map((name) => [name, settings.get(name)!])) : undefined;
}

function decoded(text: string, what: string, note: Note): string {
  try {
    return decodeURIComponent(text);
  } catch {
    note(what, "a % that begins no code", "%25 for a %");
    return "";
  }
}
