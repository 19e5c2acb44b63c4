/**
 * What the plugins of a stage are told about a session: exactly what is known then. Made anew for each stage, in one piece or
 * two: put together out of those before, it would be made six times over.
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

export function sending(known: Known, transaction: Transaction): Stages["mail"] {
  return Object.freeze(envelope(known, transaction));
}

export function addressed(
  known: Known,
  transaction: Transaction,
  { path: forwardPath, line: rcptLine }: RcptCommand,
): Stages["rcpt"] {
  const more = { forwardPath, rcptLine, accepted: paths(transaction) };
  return Object.freeze(Object.assign(envelope(known, transaction), more));
}

export function complete(known: Known, transaction: Transaction): Stages["data"] {
  return Object.freeze(Object.assign(envelope(known, transaction), { recipients: paths(transaction) }));
}

export function read(known: Known, transaction: Transaction, size: number): Stages["message"] {
  return Object.freeze(Object.assign(envelope(known, transaction), { recipients: paths(transaction), size }));
}

/** What is known from MAIL on, anew for each stage. */
function envelope(
  { id, caller, listener, hostname, findings, helo, verb, tls, conduct, user }: Known,
  { mail: { path: reversePath, parameters, line: mailLine } }: Transaction,
): Stages["mail"] {
  const { client, trusted, via, local } = ends(caller);
  return {
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
  };
}

/** The addresses outlive what is told of them: of the session they are counted by, and named to backends. */
function ends({ remote, trusted, via, local }: Caller) {
  return { client: Object.freeze(remote), trusted, via, local: Object.freeze(local) };
}

function paths({ accepted }: Transaction): readonly Path[] {
  return Object.freeze(accepted.map(({ path }) => path));
}
