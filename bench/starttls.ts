/**
 * The claim: a session with STARTTLS (ECDSA P-256, no resumption) costs a quarter less than nginx's.
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
  const title = "STARTTLS session, ECDSA P-256";
  run.progress(title);
  const identity = await certificate(run.directory);
  const field = await openField("starttls", run, identity);
  try {
    const outcomes = await inRounds(
      field.entries,
      run,
      (contender) => load(contender, identity, 500),
      (contender) => measure(contender, identity),
    );
    const note = `${order.sessions} sessions of one message of ${order.size} bytes, ` +
      `${order.parallel} at a time, a full handshake each; direct is without TLS.`;
    return [sessionTable(title, note, "session", outcomes)];
  } finally {
    await field.close();
  }
}

async function measure(contender: Contender, identity: Certificate): Promise<Sample> {
  const before = readCpu(contender.processes);
  const { seconds } = await load(contender, identity, order.sessions);
  const cpu = cpuSeconds(before, readCpu(contender.processes));
  const resident = readMemory(contender.processes).resident;
  return { seconds, cpu: cpu / order.sessions * 1e6, resident: resident / 1024 };
}

function load(
  { port, processes }: Contender,
  identity: Certificate,
  sessions: number,
): Promise<LoadReport> {
  // Only the sink has no processes to measure; it has no TLS either.
  const secure = processes.length > 0 ? { certificate: identity.cert } : {};
  return send({ ...order, sessions, port, ...secure });
}
