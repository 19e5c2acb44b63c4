/**
 * What the plugins of a stage are told about a session: exactly what is known then.
 */
import type { Wire } from "../net/wire.ts";
import type { Findings } from "../policy/finding.ts";
import type { Conduct, Stages } from "../policy/stages.ts";
import type { Path } from "../smtp/path.ts";
import type { Transaction } from "./transaction.ts";

/** What a session knows of its client. */
export interface Known {
  readonly id: string;
  readonly wire: Wire;
  readonly listener: string;
  readonly hostname: string;
  readonly verb: "HELO" | "EHLO";
  readonly helo: string;
  readonly conduct: Conduct;
  readonly user: string | undefined;
  readonly findings: Findings;
}

export function connected({ id, wire, listener, hostname, findings }: Known): Stages["connect"] {
  return { id, client: wire.remote, local: wire.local, listener, hostname, findings };
}

export function greeted(
  { id, wire, listener, hostname, findings, helo, verb, conduct }: Known,
): Stages["helo"] {
  const { remote: client, local, tls } = wire;
  return { id, client, local, listener, hostname, findings, helo, verb, tls, conduct };
}

/** Each in one piece: what is put together from the stage before is put together anew at every stage. */
export function sending(known: Known, { mail }: Transaction): Stages["mail"] {
  const { id, wire, listener, hostname, findings, helo, verb, conduct, user } = known;
  const { remote: client, local, tls } = wire;
  const { path: reversePath, parameters } = mail;
  return {
    id,
    client,
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
  };
}

export function addressed(known: Known, transaction: Transaction, forwardPath: Path): Stages["rcpt"] {
  return { ...sending(known, transaction), forwardPath, accepted: paths(transaction) };
}

export function complete(known: Known, transaction: Transaction): Stages["data"] {
  return { ...sending(known, transaction), recipients: paths(transaction) };
}

export function read(known: Known, transaction: Transaction, size: number): Stages["message"] {
  return { ...complete(known, transaction), size };
}

function paths({ accepted }: Transaction): Path[] {
  return accepted.map(({ path }) => path);
}
