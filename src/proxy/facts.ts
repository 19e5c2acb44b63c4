/**
 * What the plugins of a stage are told about a session: exactly what is known then.
 */
import type { Wire } from "../net/wire.ts";
import type { Stages } from "../policy/plugin.ts";
import type { Path } from "../smtp/path.ts";
import type { Transaction } from "./transaction.ts";

/** What a session knows of its client. */
export interface Known {
  readonly id: string;
  readonly wire: Wire;
  readonly verb: "HELO" | "EHLO";
  readonly helo: string;
}

export function connected({ id, wire }: Pick<Known, "id" | "wire">): Stages["connect"] {
  return { id, client: wire.remote, local: wire.local };
}

export function greeted(known: Known): Stages["helo"] {
  return { ...connected(known), helo: known.helo, verb: known.verb, tls: known.wire.tls };
}

export function sending(known: Known, { mail }: Transaction): Stages["mail"] {
  return { ...greeted(known), reversePath: mail.path, parameters: mail.parameters };
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
