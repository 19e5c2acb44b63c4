/**
 * What the plugins of a stage are told about a session: exactly what is known then. Each is written out in one piece: put
 * together out of the one before, it would be made six times over.
 */
import type { TlsFacts } from "../net/wire.ts";
import type { Findings } from "../policy/finding.ts";
import type { Conduct, Stages } from "../policy/stages.ts";
import type { Path } from "../smtp/path.ts";
import type { Caller } from "./caller.ts";
import type { RcptCommand } from "./envelope.ts";
import type { Transaction } from "./transaction.ts";

/** What a session knows of its client. */
export interface Known {
  readonly id: string;
  readonly caller: Caller;
  readonly tls: TlsFacts | undefined;
  readonly listener: string;
  readonly hostname: string;
  readonly verb: "HELO" | "EHLO";
  readonly helo: string;
  readonly conduct: Conduct;
  readonly user: string | undefined;
  readonly findings: Findings;
}

export function connected({ id, caller, listener, hostname, findings }: Known): Stages["connect"] {
  const { client, trusted, via, local } = ends(caller);
  return Object.freeze({ id, client, trusted, via, local, listener, hostname, findings });
}

/** @param greeting the one in question, which the session does not go by yet */
export function greeted(
  { id, caller, listener, hostname, findings, tls, conduct }: Known,
  { helo, verb }: Pick<Known, "helo" | "verb">,
): Stages["helo"] {
  const { client, trusted, via, local } = ends(caller);
  return Object.freeze({
    id,
    client,
    trusted,
    via,
    local,
    listener,
    hostname,
    findings,
    helo,
    verb,
    tls,
    conduct,
  });
}

export function sending(known: Known, { mail }: Transaction): Stages["mail"] {
  const { id, caller, listener, hostname, findings, helo, verb, tls, conduct, user } = known;
  const { client, trusted, via, local } = ends(caller);
  const { path: reversePath, parameters, line: mailLine } = mail;
  return Object.freeze({
    id,
    client,
    trusted,
    via,
    local,
    listener,
    hostname,
    findings,
    helo,
    verb,
    tls,
    conduct,
    user,
    reversePath,
    parameters,
    mailLine,
  });
}

export function addressed(
  known: Known,
  transaction: Transaction,
  { path: forwardPath, line: rcptLine }: RcptCommand,
): Stages["rcpt"] {
  const { id, caller, listener, hostname, findings, helo, verb, tls, conduct, user } = known;
  const { client, trusted, via, local } = ends(caller);
  const { path: reversePath, parameters, line: mailLine } = transaction.mail;
  return Object.freeze({
    id,
    client,
    trusted,
    via,
    local,
    listener,
    hostname,
    findings,
    helo,
    verb,
    tls,
    conduct,
    user,
    reversePath,
    parameters,
    mailLine,
    forwardPath,
    rcptLine,
    accepted: paths(transaction),
  });
}

export function complete(known: Known, transaction: Transaction): Stages["data"] {
  const { id, caller, listener, hostname, findings, helo, verb, tls, conduct, user } = known;
  const { client, trusted, via, local } = ends(caller);
  const { path: reversePath, parameters, line: mailLine } = transaction.mail;
  return Object.freeze({
    id,
    client,
    trusted,
    via,
    local,
    listener,
    hostname,
    findings,
    helo,
    verb,
    tls,
    conduct,
    user,
    reversePath,
    parameters,
    mailLine,
    recipients: paths(transaction),
  });
}

export function read(known: Known, transaction: Transaction, size: number): Stages["message"] {
  const { id, caller, listener, hostname, findings, helo, verb, tls, conduct, user } = known;
  const { client, trusted, via, local } = ends(caller);
  const { path: reversePath, parameters, line: mailLine } = transaction.mail;
  return Object.freeze({
    id,
    client,
    trusted,
    via,
    local,
    listener,
    hostname,
    findings,
    helo,
    verb,
    tls,
    conduct,
    user,
    reversePath,
    parameters,
    mailLine,
    recipients: paths(transaction),
    size,
  });
}

/** The addresses outlive what is told of them: of the session they are counted by, and named to backends. */
function ends({ remote, trusted, via, local }: Caller) {
  return { client: Object.freeze(remote), trusted, via, local: Object.freeze(local) };
}

function paths({ accepted }: Transaction): readonly Path[] {
  return Object.freeze(accepted.map(({ path }) => path));
}
