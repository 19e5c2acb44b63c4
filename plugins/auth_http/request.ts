/**
 * What an auth service is asked: the header fields of nginx's auth_http request, in its order and with its escapes. No
 * value can end its own field, whatever a client, a certificate or a name in the DNS says.
 */
import { escaped, plain } from "./field_value.ts";

/** Who wants in. Strings hold one character per byte. */
export type Login =
  /** Nobody has authenticated: the name in HELO, and the command lines of the envelope as the client wrote them. */
  | {
    readonly method: "none";
    /** Who has authenticated elsewhere, if anybody. */
    readonly user?: string | undefined;
    readonly helo: string;
    readonly from: string;
    readonly to: string;
  }
  /** PLAIN and LOGIN. */
  | { readonly method: "plain"; readonly user: string; readonly password: string }
  /** `salt`: the challenge; `digest`: the answer's 32 hexadecimal digits. */
  | {
    readonly method: "cram-md5";
    readonly user: string;
    readonly salt: string;
    readonly digest: string;
  }
  | { readonly method: "external"; readonly user: string };

/** The client's certificate; what is empty or unknown is not told. */
export interface Certificate {
  /** `SUCCESS`, `FAILED:reason`, or `NONE` where the client showed none. */
  readonly verify: string;
  readonly subject?: string | undefined;
  readonly issuer?: string | undefined;
  /** Hexadecimal. */
  readonly serial?: string | undefined;
  /** SHA-1, hexadecimal. */
  readonly fingerprint?: string | undefined;
  readonly pem?: string | undefined;
}

/** Whether the client's name is known, and if not, whether that may change. */
export type ClientName = { readonly name: string } | "none" | "unknown for now";

export interface Asked {
  readonly login: Login;
  /** From 1. */
  readonly attempt: number;
  /** An address without brackets. */
  readonly client: string;
  readonly clientName: ClientName;
  /** As a PROXY header told it, where there was one. */
  readonly proxied?: {
    readonly client: { readonly host: string; readonly port: number };
    readonly server: { readonly host: string; readonly port: number };
  } | undefined;
  readonly tls?: {
    readonly protocol: string;
    readonly cipher: string;
    /** Given where clients are asked for a certificate. */
    readonly certificate?: Certificate | undefined;
  } | undefined;
}

export type Field = readonly [name: string, value: string];

/** All names that a request may have. */
export const REQUEST_FIELDS: readonly string[] = [
  "Auth-Method",
  "Auth-User",
  "Auth-Pass",
  "Auth-Salt",
  "Auth-Protocol",
  "Auth-Login-Attempt",
  "Client-IP",
  "Client-Host",
  "Proxy-Protocol-Addr",
  "Proxy-Protocol-Port",
  "Proxy-Protocol-Server-Addr",
  "Proxy-Protocol-Server-Port",
  "Auth-SMTP-Helo",
  "Auth-SMTP-From",
  "Auth-SMTP-To",
  "Auth-SSL",
  "Auth-SSL-Protocol",
  "Auth-SSL-Cipher",
  "Auth-SSL-Verify",
  "Auth-SSL-Subject",
  "Auth-SSL-Issuer",
  "Auth-SSL-Serial",
  "Auth-SSL-Fingerprint",
  "Auth-SSL-Cert",
];

/**
 * The request's header fields but Host.
 * @param extra the operator's own, sent last
 */
export function requestFields(asked: Asked, extra: readonly Field[] = []): Field[] {
  return [
    ...loginFields(asked.login),
    ["Auth-Protocol", "smtp"],
    ["Auth-Login-Attempt", String(asked.attempt)],
    ["Client-IP", plain(asked.client)],
    ["Client-Host", nameText(asked.clientName)],
    ...proxiedFields(asked.proxied),
    ...envelopeFields(asked.login),
    ...tlsFields(asked.tls),
    ...extra,
  ];
}

function loginFields(login: Login): Field[] {
  const password = login.method === "plain"
    ? login.password
    : login.method === "cram-md5"
    ? login.digest
    : "";
  const fields: Field[] = [
    ["Auth-Method", login.method],
    ["Auth-User", escaped(login.user ?? "")],
    ["Auth-Pass", escaped(password)],
  ];
  return login.method === "cram-md5" ? [...fields, ["Auth-Salt", plain(login.salt)]] : fields;
}

/** The DNS may hold anything: what is no host name is none. */
function nameText(name: ClientName): string {
  if (name === "unknown for now") return "[TEMPUNAVAIL]";
  if (name === "none" || !/^[\w.-]{1,255}$/.test(name.name)) return "[UNAVAILABLE]";
  return name.name;
}

function proxiedFields(proxied: Asked["proxied"]): Field[] {
  if (proxied === undefined) return [];
  const { client, server } = proxied;
  return [
    ["Proxy-Protocol-Addr", plain(client.host)],
    ["Proxy-Protocol-Port", String(client.port)],
    ["Proxy-Protocol-Server-Addr", plain(server.host)],
    ["Proxy-Protocol-Server-Port", String(server.port)],
  ];
}

function envelopeFields(login: Login): Field[] {
  if (login.method !== "none") return [];
  return [
    ["Auth-SMTP-Helo", plain(login.helo)],
    ["Auth-SMTP-From", plain(login.from)],
    ["Auth-SMTP-To", plain(login.to)],
  ];
}

function tlsFields(tls: Asked["tls"]): Field[] {
  if (tls === undefined) return [];
  return [
    ["Auth-SSL", "on"],
    ["Auth-SSL-Protocol", plain(tls.protocol)],
    ["Auth-SSL-Cipher", plain(tls.cipher)],
    ...certificateFields(tls.certificate),
  ];
}

function certificateFields(certificate: Certificate | undefined): Field[] {
  if (certificate === undefined) return [];
  const { verify, subject = "", issuer = "", serial = "", fingerprint = "", pem = "" } = certificate;
  const fields: readonly Field[] = [
    ["Auth-SSL-Verify", plain(verify)],
    ["Auth-SSL-Subject", plain(subject)],
    ["Auth-SSL-Issuer", plain(issuer)],
    ["Auth-SSL-Serial", plain(serial)],
    ["Auth-SSL-Fingerprint", plain(fingerprint)],
    ["Auth-SSL-Cert", escaped(pem)],
  ];
  return fields.filter(([, value]) => value !== "");
}
