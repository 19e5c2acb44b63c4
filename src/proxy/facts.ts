/**
 * What the plugins of a stage are told about a session: exactly what is known then.
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
  const { remote: client, local, trusted, via } = caller;
  return { id, client, trusted, via, local, listener, hostname, findings };
}

export function greeted(known: Known): Stages["helo"] {
  const { helo, verb, tls, conduct } = known;
  return { ...connected(known), helo, verb, tls, conduct };
}

export function sending(known: Known, { mail }: Transaction): Stages["mail"] {
  const { path: reversePath, parameters, line: mailLine } = mail;
  return { ...greeted(known), user: known.user, reversePath, parameters, mailLine };
}

export function addressed(
  known: Known,
  transaction: Transaction,
  { path: forwardPath, line: rcptLine }: RcptCommand,
): Stages["rcpt"] {
  return { ...sending(known, transaction), forwardPath, rcptLine, accepted: paths(transaction) };
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
