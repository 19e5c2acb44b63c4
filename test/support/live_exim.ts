// Exim as a sender: one run of the program a letter, with a configuration and a spool of its own. It conflicts with
// Debian's Postfix, so where it is not installed it runs from its unpacked package.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { Namespaced } from "../interop/namespaced.ts";
import { unpackedMissing } from "../interop/unpacked.ts";
import { findProgram, run } from "./live_children.ts";
import type { Letter } from "./live_letters.ts";
import { type Report, type Sender, type Target, unixForm } from "./live_senders.ts";

const installed = findProgram("exim4", "exim");

/** Exim uses BDAT wherever CHUNKING is offered. */
export const exim: Sender = {
  name: "Exim",
  missing: installed === undefined
    ? unpackedMissing("exim")
    : process.getuid?.() === 0
    ? undefined
    : "Exim with a configuration of ours needs root",
  can: new Set(["eight", "exact", "bdat", "partial", "starttls"]),
  send: async (letter, target) => {
    const folder = mkdtempSync(join(tmpdir(), "sallyport-exim-"));
    try {
      return await sendWithExim(folder, letter, target);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
};

async function sendWithExim(folder: string, letter: Letter, target: Target): Promise<Report> {
  const program = installed ?? "/usr/sbin/exim4";
  const configuration = join(folder, "exim.conf");
  writeFileSync(configuration, eximConfiguration(folder, program, target));
  await run(["chown", "-R", "nobody:nogroup", folder]);
  await run(["chown", "root:root", configuration]);
  const words = [program, "-C", configuration, "-odf", "-oi", "-f", letter.from, "--", ...letter.to];
  const command = installed === undefined ? unpacked(folder).command('exec "$@"', ...words) : words;
  const { stderr } = await run(command, { input: unixForm(letter.content) });
  // What it cannot write to its log goes to stderr.
  const said = (await run(["sh", "-c", `cat ${folder}/*log`])).stdout + stderr;
  return { ok: / => /.test(said) && !/ (\*\*|==) /.test(said), said };
}

function unpacked(folder: string): Namespaced {
  const own = join(folder, "apart");
  mkdirSync(own);
  return new Namespaced("exim", own);
}

function eximConfiguration(folder: string, program: string, { port, security }: Target): string {
  return `
primary_hostname = client.example
exim_path = ${program}
spool_directory = ${folder}
log_file_path = ${folder}/%slog
exim_user = nobody
exim_group = nogroup
keep_environment =
never_users =
disable_ipv6
tls_advertise_hosts =
untrusted_set_sender = *
local_from_check = false
bounce_message_file =
begin routers
out:
  driver = manualroute
  domains = ! client.example
  route_list = * 127.0.0.1
  self = send
  transport = out
own:
  driver = redirect
  data = :blackhole:
begin transports
out:
  driver = smtp
  port = ${port}
  hosts_try_chunking = *
  message_linelength_limit = 1000000
  ${security === "starttls" ? "hosts_require_tls = *\n  tls_verify_certificates =" : "hosts_avoid_tls = *"}
begin retry
`;
}
