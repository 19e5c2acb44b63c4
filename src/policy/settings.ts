/**
 * What can be set, and every default in one place. A policy gives what it wants otherwise.
 */
import type { Endpoint } from "../net/wire.ts";
import { DEFAULT_LIMITS, type Limits } from "../smtp/limits.ts";
import { DEADLINES, type Deadlines } from "./engine.ts";
import type { Route } from "./route.ts";
import type { Rule } from "./rule.ts";
import type { TlsSettings } from "./tls_settings.ts";

/** Milliseconds the proxy waits for a backend, by what it waits for (RFC 5321 §4.5.3.2). */
export interface BackendTimes {
  readonly connect: number;
  readonly greeting: number;
  /** EHLO and HELO. */
  readonly hello: number;
  readonly mail: number;
  readonly rcpt: number;
  /** From DATA to 354. */
  readonly data: number;
  /** For the kernel to take message octets that were written. */
  readonly block: number;
  /** From the end of data to its reply. Shortening it makes duplicates. */
  readonly end: number;
  readonly rset: number;
}

/** How long and how often one backend connection is used. */
export interface Reuse {
  /** Milliseconds from its opening. */
  readonly age: number;
  /** Transactions. */
  readonly uses: number;
  /** Milliseconds without a transaction. */
  readonly idle: number;
  /** Refused commands: their count must not be held against the next client. */
  readonly refusals: number;
  /** Past this many idle milliseconds RSET is asked first, to see whether the connection still lives. */
  readonly check: number;
}

/**
 * How it is found out who is well, and how long one that is not is left alone. Milliseconds, except for counts.
 * Who fails `failures` times in a row is not asked any more. After `pause` one look is taken at it, after a failed look
 * `pause` doubles up to `longestPause`, and after `successes` good looks in a row it gets its share again.
 */
export interface Health {
  /** Between two looks at a backend that greeted nobody in between. */
  readonly interval: number;
  /** From the dial of a look to the reply to EHLO. */
  readonly timeout: number;
  /** Dials, greetings and replies that failed, one after the other. */
  readonly failures: number;
  readonly successes: number;
  readonly pause: number;
  readonly longestPause: number;
  /** From the recovery until it has its full share. */
  readonly slowStart: number;
  /** Without a greeting, then another backend is dialled beside it. */
  readonly hedge: number;
}

/** Where clients come in. */
export interface ListenAddress {
  /** As the operator wrote it. */
  readonly name: string;
  readonly endpoint: Endpoint;
  /** TLS from the first byte. */
  readonly implicitTls: boolean;
  /**
   * Whether a PROXY header (version 1 or 2) comes before everything else. `required`: always, and from trusted hosts
   * only. `optional`, the default: from trusted hosts, where it comes at once. `off`: never.
   */
  readonly proxy?: ProxyProtocol | undefined;
  /** Before STARTTLS nothing but greetings is taken. */
  readonly tlsRequired?: boolean;
}

export type ProxyProtocol = "off" | "optional" | "required";

/** Where mail goes. */
export interface BackendAddress {
  /** Where it is, as the operator wrote it. */
  readonly name: string;
  /** A host that is a name stands for all its addresses. */
  readonly endpoint: Endpoint;
  /** Its share among the others: a whole number from 1. */
  readonly weight: number;
  /** Asked only when nobody else can be. */
  readonly backup: boolean;
  /** It speaks LMTP (RFC 2033): one recipient a transaction. */
  readonly lmtp: boolean;
  /**
   * How it is told who the client is. `auto`: by XCLIENT, or else XFORWARD, where it offers that. XCLIENT and PROXY that
   * are asked for by name must be had: mail is deferred rather than sent as our own. XFORWARD gives no rights, and mail
   * goes without it where it is not offered.
   */
  readonly identity: BackendIdentity;
  /**
   * `opportunistic`: where it offers STARTTLS, without asking who it is. `implicit`: from the first octet. `auto`: off on
   * this machine (a loopback address, a unix socket), and opportunistic elsewhere.
   */
  readonly tls: "auto" | "off" | "opportunistic" | "required" | "implicit";
  /** What its certificate must show, where TLS is required or implicit. */
  readonly verify: "none" | "ca" | "name";
  /** The name that is asked for and looked for in the certificate, where it is not the host's. */
  readonly serverName: string | undefined;
  /** Base64 SHA-256 of its public key. */
  readonly pins: readonly string[];
  /** A file of CA certificates in PEM, instead of the system's. */
  readonly ca: string | undefined;
  /** Our certificate for it and its key: files in PEM. */
  readonly cert: string | undefined;
  readonly key: string | undefined;
  /** Our own credentials there. */
  readonly login: BackendLogin | undefined;
}

export type BackendIdentity = "auto" | "xclient" | "xforward" | "proxy-v1" | "proxy-v2" | "none";

/** The proxy's own credentials for a backend. */
export interface BackendLogin {
  readonly user: string;
  /** The token, for XOAUTH2. */
  readonly password: string;
  readonly mechanism?: "PLAIN" | "LOGIN" | "XOAUTH2" | undefined;
}

/** A name server. */
export interface DnsServer {
  /** IPv4 or IPv6. */
  readonly host: string;
  readonly port: number;
}

/** Where the administrator looks in. */
export interface AdminAddress {
  readonly host: string;
  readonly port: number;
}

/** All settings of a running proxy. */
export interface Settings {
  /** A domain name: in the greeting, in EHLO to the backend, and in trace fields. */
  readonly hostname: string;
  readonly listen: readonly ListenAddress[];
  /** One that cannot be reached is passed over. */
  readonly backends: readonly BackendAddress[];
  /** More of them, each by its name; `backends` is the one named "default". */
  readonly pools: Readonly<Record<string, readonly BackendAddress[]>>;
  /** Which pool a recipient's mail goes to: the first route that holds says it, where none does the default pool. */
  readonly routes: readonly Route[];
  /** Networks whose hosts are believed when they say for whom they speak: by a PROXY header, or by XCLIENT. */
  readonly trusted: readonly string[];
  /**
   * What becomes of a connection whose PROXY header does not tell the client: it is refused, or taken as that of nobody:
   * not judged or counted by an address, nor allowed anything by one.
   */
  readonly proxyUnknown: "take" | "refuse";
  /** Whose turn it is: by weight alone, or by who has the fewest transactions for its weight. */
  readonly balance: "round-robin" | "least-busy";
  readonly health: Health;
  /** While no backend can be asked: the first recipient hears 451, or the client 421 instead of a greeting. */
  readonly whenDown: "defer" | "refuse";
  /** With it STARTTLS is offered. */
  readonly tls: TlsSettings | undefined;
  /** Asked in this order at every stage. */
  readonly plugins: readonly Rule[];
  /** Milliseconds that the plugins of a stage have together. */
  readonly deadlines: Deadlines;
  /** Where plugins keep what outlives a session: `memory:`, `sqlite:PATH`, `redis://…` and the like. */
  readonly store: string;
  /** Name servers; those of resolv.conf where none is given. */
  readonly dns: readonly DnsServer[];
  /** Where metrics can be read. */
  readonly admin: AdminAddress | undefined;
  readonly limits: Limits;
  /** Sessions at a time. */
  readonly sessions: number;
  /** Sessions at a time of one client: an IPv4 address, an IPv6 /64. */
  readonly sessionsPerClient: number;
  readonly times: BackendTimes;
  readonly reuse: Reuse;
  /** What a bare CR or LF in a message does: 550, or CRLF in its place. */
  readonly bareLineFeeds: "reject" | "normalize";
  /** When a backend is dialled; at "mail", the reply to MAIL is the backend's own. */
  readonly dial: "mail" | "rcpt";
  /** MAIL and RCPT go to a backend together where it offers PIPELINING; false: each waits for the reply before it. */
  readonly pipelining: boolean;
  /** Commands put to the backend instead of being answered by the proxy. */
  readonly relay: readonly ("VRFY" | "EXPN" | "ETRN")[];
  /** Milliseconds that running transactions have when the proxy is told to stop; a timer, so never Infinity. */
  readonly drain: number;
  /** A Maildir: the built-in demo backend is started and delivers there. Only without `backends`. */
  readonly demo: string | undefined;
  /** Lines for the operator, printed at the start. */
  readonly notices: readonly string[];
}

/**
 * A backend gets the RFC's time where its client waits just as long, and less where another backend could serve
 * instead: nobody gains from one that does not even greet.
 */
export const DEFAULTS: Omit<Settings, "hostname" | "listen" | "backends"> = {
  trusted: [],
  proxyUnknown: "refuse",
  pools: {},
  routes: [],
  tls: undefined,
  plugins: [],
  deadlines: DEADLINES,
  store: "memory:",
  dns: [],
  admin: undefined,
  limits: DEFAULT_LIMITS,
  sessions: 20_000,
  sessionsPerClient: 200,
  times: {
    connect: 10_000,
    greeting: 30_000,
    hello: 30_000,
    mail: 300_000,
    rcpt: 300_000,
    data: 120_000,
    block: 180_000,
    end: 600_000,
    rset: 20_000,
  },
  reuse: { age: 600_000, uses: 1000, idle: 30_000, refusals: 3, check: 5_000 },
  balance: "round-robin",
  health: {
    interval: 30_000,
    timeout: 5_000,
    failures: 3,
    successes: 1,
    pause: 1_000,
    longestPause: 30_000,
    slowStart: 30_000,
    hedge: 1_000,
  },
  whenDown: "defer",
  bareLineFeeds: "reject",
  dial: "rcpt",
  pipelining: true,
  relay: [],
  drain: 30_000,
  demo: undefined,
  notices: [],
};
