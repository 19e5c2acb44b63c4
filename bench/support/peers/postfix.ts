/**
 * Postfix as a proxy: smtpd with smtpd_proxy_filter, which passes a message on without queueing it.
 * An instance of its own, with its own queue and data directories, that shares nothing with a
 * Postfix of the machine. One process serves one session.
 */
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { adopt, pause, runChild, startChild, stopProcess } from "../child.ts";
import { type Peer, program, type RunningPeer, type Setup } from "../peer.ts";
import { freePort, untilGreeted } from "../port.ts";

export const postfix: Peer = {
  name: "postfix",
  title: "Postfix smtpd_proxy_filter",
  unable: { idle: "a process per session: 15,000 sessions would be 15,000 processes" },
  descriptorsPerSession: 2,

  async version() {
    const { stdout } = await runChild([program("postconf"), "-d", "-h", "mail_version"], {
      seconds: 10,
    });
    return `Postfix ${stdout.trim()}`;
  },

  async start(setup: Setup): Promise<RunningPeer> {
    const port = await freePort();
    return startPostfix(setup.directory, port, mainConfiguration(setup), services(port, setup.backend));
  },
};

/**
 * Starts an instance and waits until it greets.
 * @param main its main.cf, as far as it is not about the directories
 * @param services its master.cf
 */
export async function startPostfix(
  directory: string,
  port: number,
  main: string,
  services: string,
): Promise<RunningPeer> {
  if (process.getuid?.() !== 0) throw new Error("its master process needs root");
  for (const name of ["etc", "spool", "data"]) mkdirSync(`${directory}/${name}`);
  // Postfix's own user must get through to the queue, and must own what it keeps.
  chmodSync(directory, 0o755);
  const [uid, gid] = userId("postfix");
  chownSync(`${directory}/data`, uid, gid);
  const places = `queue_directory = ${directory}/spool\ndata_directory = ${directory}/data\n`;
  writeFileSync(`${directory}/etc/main.cf`, `compatibility_level = 3.6\n${places}${main}`);
  writeFileSync(`${directory}/etc/master.cf`, services);
  const command = startChild([program("postfix"), "-c", `${directory}/etc`, "start"], `${directory}/log`);
  const code = await command.exited;
  if (code !== 0) throw new Error(`postfix start gave ${code}: ${command.lastWords()}`);
  const master = await masterProcess(`${directory}/spool/pid/master.pid`);
  adopt(master);
  const stop = () => stopProcess(master);
  await untilGreeted(port, 20).catch(async (error) => {
    await stop();
    throw error;
  });
  return { port, processes: [master], stop };
}

/** The ids of a user of the machine and of its group. */
export function userId(name: string): [uid: number, gid: number] {
  const user = new RegExp(`^${name}:[^:]*:(\\d+):(\\d+):`, "m").exec(readFileSync("/etc/passwd", "utf8"));
  if (user === null) throw new Error(`there is no user ${name}`);
  return [Number(user[1]), Number(user[2])];
}

function mainConfiguration({ certificate }: Setup): string {
  const tls = certificate === undefined ? "" : `
smtpd_tls_security_level = may
smtpd_tls_cert_file = ${certificate.cert}
smtpd_tls_key_file = ${certificate.key}`;
  return `myhostname = proxy.example
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
local_recipient_maps =
message_size_limit = 104857600
mailbox_size_limit = 0
smtpd_peername_lookup = no
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_recipient_restrictions = permit_mynetworks, reject${tls}
`;
}

function services(port: number, backend: number): string {
  return `127.0.0.1:${port} inet n - n - 220 smtpd
  -o smtpd_proxy_filter=127.0.0.1:${backend}
  -o smtpd_client_connection_count_limit=0
rewrite unix - - n - - trivial-rewrite
anvil unix - - n - 1 anvil
tlsmgr unix - - n 1000? 1 tlsmgr
`;
}

/** The id that the master process writes down; it may take a moment after the command has ended. */
async function masterProcess(file: string): Promise<number> {
  for (let waited = 0; waited < 5000; waited += 50) {
    const pid = existsSync(file) ? Number(readFileSync(file, "utf8").trim()) : 0;
    if (pid > 0) return pid;
    await pause(50);
  }
  throw new Error("its master process left no id");
}
