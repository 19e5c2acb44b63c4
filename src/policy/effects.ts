/**
 * What a plugin may do to the world and ask of it. All of it comes in by argument, so a plugin can be tested without a
 * network and a recorded session can be played again. `dns` and `store` implement two of these interfaces.
 */

// ---- DNS ----

/** A mail exchange (RFC 5321 §5.1); `exchange` is "." or "" for a null MX (RFC 7505). */
export interface MxRecord {
  readonly exchange: string;
  readonly priority: number;
}

export interface SoaRecord {
  readonly nsname: string;
  readonly hostmaster: string;
  readonly serial: number;
  readonly refresh: number;
  readonly retry: number;
  readonly expire: number;
  readonly minttl: number;
}

export interface SrvRecord {
  readonly name: string;
  readonly port: number;
  readonly priority: number;
  readonly weight: number;
}

export interface TlsaRecord {
  readonly usage: number;
  readonly selector: number;
  readonly matchingType: number;
  readonly certificate: Uint8Array;
}

/** Record types that can be asked for, and one record of each. Names are lower case and without the final dot. */
export interface DnsRecords {
  A: string;
  AAAA: string;
  CNAME: string;
  MX: MxRecord;
  NS: string;
  PTR: string;
  SOA: SoaRecord;
  SRV: SrvRecord;
  TLSA: TlsaRecord;
  /** The strings of one record, one character per byte. */
  TXT: readonly string[];
}

export type RecordType = keyof DnsRecords;

/** What the DNS says. That it could not be asked is a `DnsError`, never one of these. */
export interface DnsAnswer<T extends RecordType = RecordType> {
  /** `nodata`: the name exists and has no such record; `nxdomain`: there is no such name. */
  readonly status: "ok" | "nodata" | "nxdomain";
  /** Empty unless `ok`. */
  readonly records: readonly DnsRecords[T][];
  /** Milliseconds for which it holds from now on. */
  readonly ttl: number;
  /** True where it is past its time and the servers could not be asked. */
  readonly stale: boolean;
}

/** Why the DNS could not be asked, in node:dns's words: the servers' refusals, no answer in time, nonsense. */
export type DnsErrorCode =
  | "ESERVFAIL"
  | "EREFUSED"
  | "EFORMERR"
  | "ENOTIMP"
  | "ETIMEOUT"
  | "ECONNREFUSED"
  | "EBADRESP";

/** The DNS could not be asked. Nothing follows from it for the name. */
export class DnsError extends Error {
  readonly code: DnsErrorCode;
  readonly temporary = true;
  /** The name and type that were asked for. */
  readonly question: string;

  constructor(code: DnsErrorCode, question: string, detail: string) {
    super(`Cannot look up ${question}: ${detail}`);
    this.name = "DnsError";
    this.code = code;
    this.question = question;
  }
}

export interface Dns {
  /**
   * Looks a name up.
   * @param name without a final dot; one that cannot exist (an empty or overlong label) is answered `nxdomain`
   * @throws DnsError (as a rejection)
   */
  resolve<T extends RecordType>(name: string, type: T): Promise<DnsAnswer<T>>;
}

// ---- the store ----

/** The store could not be asked, or did not answer in time. */
export class StoreError extends Error {
  readonly temporary = true;

  constructor(deed: string, cause: unknown) {
    super(`Cannot ${deed}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    this.name = "StoreError";
  }
}

/** One rate that is drawn on (GCRA: a bucket of `burst` that refills by one every `interval` milliseconds). */
export interface Rate {
  readonly key: string;
  readonly interval: number;
  readonly burst: number;
  /** How much is drawn. */
  readonly cost: number;
}

export interface RateAnswer {
  /** True: all rates had room and all were drawn on. False: none was. */
  readonly allowed: boolean;
  /** Index of the rate that refuses longest; -1 where allowed. */
  readonly limiting: number;
  /** Milliseconds until the same draw would be allowed; Infinity where the cost is above the burst; 0 where allowed. */
  readonly retryAfter: number;
  /** For each rate, what is left of its burst. */
  readonly remaining: readonly number[];
}

/** One question to the greylist. Times are milliseconds. */
export interface GreylistTriplet {
  readonly key: string;
  /** How long a new triplet waits. */
  readonly delay: number;
  /** How long after its first attempt it may come again. */
  readonly window: number;
  /** How long a triplet that has passed is remembered after its last message. */
  readonly memory: number;
  /** How many triplets of the group must have passed for the group to be let through unasked; 0: never. */
  readonly passes: number;
  /** How many new triplets of the group are remembered in a period: whoever makes them up is not to fill the store. */
  readonly strangers: number;
  /** That period; it begins with the first new triplet. */
  readonly period: number;
  /** True: a new one is not remembered. */
  readonly peek?: boolean;
}

export interface GreylistAnswer {
  /**
   * `new`: first seen now. `early`: the delay is not over. `matured`: it is over, the triplet passes.
   * `passed`: it has passed before. `allowed`: the group has had enough passes. `crowded`: first seen now, and not
   * remembered, since the group has had too many new ones.
   */
  readonly state: "new" | "early" | "matured" | "passed" | "allowed" | "crowded";
  /** Milliseconds left of the delay; 0 unless `new`, `early` or `crowded`. */
  readonly wait: number;
  /** Milliseconds since the triplet was first seen; 0 where `new` or unknown. */
  readonly age: number;
}

/**
 * State that outlives a session. One operation is atomic, whoever else uses the store. A `group` names what must be
 * atomic together (a client's prefix, say): all its keys are kept in one place of a cluster.
 *
 * Every operation rejects with a StoreError, in bounded time, where the store is away. Times are milliseconds.
 */
export interface Store {
  get(key: string): Promise<string | undefined>;
  set(key: string, value: string, ttl: number): Promise<void>;
  delete(key: string): Promise<void>;
  /**
   * Adds to a counter and tells the sum. It expires `ttl` after its first count, or with `sliding` after its last.
   * `by` 0 only asks, and begins nothing.
   */
  count(key: string, by: number, ttl: number, sliding?: boolean): Promise<number>;
  /** Draws on all rates of a group, or on none. */
  draw(group: string, rates: readonly Rate[]): Promise<RateAnswer>;
  /** Gives back what was drawn. */
  refund(group: string, rates: readonly Rate[]): Promise<void>;
  /** Asks about a triplet; a new one is remembered, unless its group has had too many. */
  greylist(group: string, triplet: GreylistTriplet): Promise<GreylistAnswer>;
  /**
   * A message of the triplet was taken: it has passed from now on. The group's passes count triplets, once each.
   * @returns the group's passes
   */
  greylistPass(group: string, triplet: GreylistTriplet): Promise<number>;
  /**
   * Takes (or renews) one of `limit` places for `holder`; it is given up after `ttl` unless renewed. Where it fails, the
   * place may be held all the same: who does not ask again for this holder releases it.
   * @returns whether the place is held, and how many are
   */
  lease(key: string, holder: string, limit: number, ttl: number): Promise<LeaseAnswer>;
  /** Gives a place up; nothing happens where it was not held. */
  release(key: string, holder: string): Promise<void>;
  /** Releases what the driver holds. */
  close(): Promise<void>;
}

export interface LeaseAnswer {
  readonly held: boolean;
  /** Places that are held now, this one included. */
  readonly count: number;
}

// ---- all of them ----

/** Names and values for a line of the log. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

/** Lines go to the proxy's log with the plugin's name and the session's reference; wire text is made printable there. */
export interface PluginLog {
  info(text: string, fields?: LogFields): void;
  warn(text: string, fields?: LogFields): void;
}

/** What a handler can do. */
export interface Io {
  readonly dns: Dns;
  /** Shared by all workers and proxies that use the same one. */
  readonly store: Store;
  /** This process's own: never away, gone with the process. */
  readonly local: Store;
  /** As the runtime's, but that it ends when `signal` fires, and throws `Unavailable` where nobody can be reached. */
  fetch(url: string | URL, init?: RequestInit): Promise<Response>;
  /** Milliseconds since 1970. */
  now(): number;
  /** From 0 to below 1. */
  random(): number;
  /** Calls once so many milliseconds have passed, unless what it returns is called before. */
  after(ms: number, callback: () => void): () => void;
  readonly log: PluginLog;
  /** Adds one to the metric `sallyport_plugin_<name>_total`, which gets the label `plugin` besides those given. */
  count(name: string, labels?: Readonly<Record<string, string>>): void;
  /** Fires at the deadline and when the client leaves. */
  readonly signal: AbortSignal;
  /** True once it has fired: nobody hears the handler's answer any more. Costs nothing, which a signal does. */
  readonly late: boolean;
}

/** What a handler at `connect` can do besides. */
export interface ConnectIo extends Io {
  /**
   * It is too late to listen: the trusted host that speaks for the client was greeted long ago (XCLIENT). What `silence`
   * says is then no merit of the client's.
   */
  readonly greeted: boolean;
  /**
   * Lets the client wait for its greeting, which does not count as the handler's time, and listens.
   * @param ms up to 60,000
   * @param teaser a first line of the greeting that is sent at once (`220-…`); printable ASCII
   * @returns true: it was silent, or the trusted host that speaks for it was greeted long ago (at once); false: it spoke
   *   before it was greeted (at once), or had done so already
   */
  silence(ms: number, teaser?: string): Promise<boolean>;
}

/** What a plugin can do once, before any session. */
export interface Setup {
  readonly io: Omit<Io, "signal" | "late">;
  /**
   * Reads a file now, and again whenever it changes. `read` throws a `ListError` (or any error) at a file that cannot be
   * used: the start then fails, and a later change is not taken, the old value stays and the log says why.
   */
  file<T>(path: string, read: (bytes: Uint8Array, path: string) => T): Promise<Live<T>>;
  /** Runs `work` now and every `ms` milliseconds, one at a time; not under `check`. A failure is logged. */
  every(ms: number, work: () => Promise<void> | void): void;
}

/** A value that may be replaced. */
export interface Live<T> {
  readonly value: T;
}

/** What is wrong with a file, a line each: where, what was given, what is allowed. */
export class ListError extends Error {
  readonly mistakes: readonly string[];

  constructor(mistakes: readonly string[]) {
    super(mistakes.join("\n"));
    this.name = "ListError";
    this.mistakes = mistakes;
  }
}
