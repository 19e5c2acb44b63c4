/**
 * The claims: a session with STARTTLS (ECDSA P-256, no resumption) costs a quarter less than nginx's, and no more than
 * that when the client's server name chooses among several certificates, which nginx's mail proxy cannot do.
 * smtp-source speaks no TLS, so the load is `support/smtp_load.ts`, which needs more CPU than any
 * of the proxies: read the CPU per session, not the wall time.
 */
import { certificate } from "./support/certificate.ts";
import { type Contender, openField, type Run } from "./support/field.ts";
import { load as send } from "./support/load.ts";
import type { Certificate } from "./support/peer.ts";
import { cpuSeconds, readCpu, readMemory } from "./support/proc.ts";
import { inRounds } from "./support/rounds.ts";
import { type Sample, sessionTable } from "./support/session_table.ts";
import type { LoadReport } from "./support/smtp_load.ts";
import type { Table } from "./support/table.ts";

const order = { sessions: 2000, parallel: 20, size: 4000 };

export async function starttls(run: Run): Promise<Table[]> {
  const one = await certificate(run.directory);
  const other = await certificate(run.directory, "other.example");
  return [
    await compare("STARTTLS session, ECDSA P-256", "starttls", run, one),
    await compare("STARTTLS session, two names, SNI chooses", "starttls_sni", run, one, other),
  ];
}

/** @param named the certificate that clients ask for; those that cannot choose show the only one they have */
async function compare(
  title: string,
  name: string,
  run: Run,
  identity: Certificate,
  named?: Certificate,
): Promise<Table> {
  run.progress(title);
  const field = await openField(name, run, identity, named);
  // Only Sallyport has both: the others are there for comparison, with one.
  const shown = ({ title }: Contender) => title === "Sallyport" && named !== undefined ? named : identity;
  const nameFor = (contender: Contender) => shown(contender) === named ? "other.example" : "proxy.example";
  try {
    const outcomes = await inRounds(
      field.entries,
      run,
      (contender) => load(contender, shown(contender), nameFor(contender), 500),
      (contender) => measure(contender, shown(contender), nameFor(contender)),
    );
    const note = `${order.sessions} sessions of one message of ${order.size} bytes, ` +
      `${order.parallel} at a time, a full handshake each; direct is without TLS.` +
      (named === undefined ? "" : " Only Sallyport has two certificates, the others one.");
    return sessionTable(title, note, "session", outcomes);
  } finally {
    await field.close();
  }
}

async function measure(contender: Contender, identity: Certificate, serverName: string): Promise<Sample> {
  const before = readCpu(contender.processes);
  const { seconds } = await load(contender, identity, serverName, order.sessions);
  const cpu = cpuSeconds(before, readCpu(contender.processes));
  const resident = readMemory(contender.processes).resident;
  return { seconds, cpu: cpu / order.sessions * 1e6, resident: resident / 1024 };
}

function load(
  { port, processes }: Contender,
  identity: Certificate,
  serverName: string,
  sessions: number,
): Promise<LoadReport> {
  // Only the sink has no processes to measure; it has no TLS either.
  const secure = processes.length > 0 ? { certificate: identity.cert, serverName } : {};
  return send({ ...order, sessions, port, ...secure });
}
