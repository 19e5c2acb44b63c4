/**
 * Postfix as Debian's packages make a front door of it: postscreen (DNS lists, pregreet), smtpd's own checks, anvil's
 * rates, policyd-spf for SPF, postgrey for the greylist; what has passed goes to the backend by smtpd_proxy_filter.
 * As they come, but for what makes the contenders the same: one second of greylist and of greeting, limits that are
 * counted and never reached. Only its own tables serve it; Redis it does not know. All its processes count: smtpd and
 * policyd-spf come and go in pairs.
 */
import { chownSync, mkdirSync, writeFileSync } from "node:fs";
import { startChild, stopProcess } from "../child.ts";
import { listZones, ourDomain } from "../front_door_scene.ts";
import { type Peer, program, type RunningPeer, type Setup } from "../peer.ts";
import { freePort } from "../port.ts";
import { postfix, startPostfix, userId } from "./postfix.ts";

export const postfixFrontDoor: Peer = {
  ...postfix,
  title: "Postfix, postscreen, policyd-spf, postgrey",

  async start({ directory, backend }: Setup): Promise<RunningPeer> {
    const [port, greylistPort] = [await freePort(), await freePort()];
    const spf = `${directory}/policyd-spf.conf`;
    writeFileSync(spf, "debugLevel = 0\nTestOnly = 1\nHELO_reject = Fail\nMail_From_reject = Fail\n");
    const greylist = startPostgrey(directory, greylistPort);
    try {
      const main = mainConfiguration(greylistPort);
      const front = await startPostfix(directory, port, main, services(port, backend, spf));
      return {
        port,
        processes: [...front.processes, greylist.pid],
        stop: async () => void await Promise.all([front.stop(), stopProcess(greylist.pid)]),
      };
    } catch (error) {
      await stopProcess(greylist.pid);
      throw error;
    }
  },
};

function startPostgrey(directory: string, port: number) {
  const database = `${directory}/postgrey`;
  mkdirSync(database);
  chownSync(database, ...userId("postgrey"));
  const options = [`--inet=127.0.0.1:${port}`, "--delay=1", `--dbdir=${database}`];
  return startChild([program("postgrey"), ...options], `${directory}/postgrey.log`);
}

function mainConfiguration(greylistPort: number): string {
  const never = 1_000_000;
  return `myhostname = proxy.example
mydestination =
relay_domains = ${ourDomain}
mynetworks = 127.0.0.1
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
local_recipient_maps =
relay_recipient_maps =
postscreen_access_list = permit_mynetworks
postscreen_dnsbl_sites = ${listZones.join(", ")}
postscreen_dnsbl_action = enforce
postscreen_greet_action = enforce
postscreen_greet_wait = 1s
postscreen_client_connection_count_limit = ${never}
default_process_limit = 220
smtpd_helo_required = yes
smtpd_client_restrictions = reject_unknown_client_hostname
smtpd_helo_restrictions = reject_invalid_helo_hostname, reject_non_fqdn_helo_hostname,
  reject_unknown_helo_hostname
smtpd_sender_restrictions = reject_non_fqdn_sender, reject_unknown_sender_domain
smtpd_relay_restrictions = reject_unauth_destination
smtpd_recipient_restrictions = check_policy_service unix:private/policyd-spf,
  check_policy_service inet:127.0.0.1:${greylistPort}
smtpd_client_connection_count_limit = ${never}
smtpd_client_connection_rate_limit = ${never}
smtpd_client_message_rate_limit = ${never}
smtpd_client_recipient_rate_limit = ${never}
policyd-spf_time_limit = 3600
`;
}

function services(port: number, backend: number, spf: string): string {
  return `127.0.0.1:${port} inet n - n - 1 postscreen
smtpd pass - - n - - smtpd
  -o smtpd_proxy_filter=127.0.0.1:${backend}
dnsblog unix - - n - 0 dnsblog
policyd-spf unix - n n - 0 spawn user=policyd-spf argv=${program("policyd-spf")} ${spf}
rewrite unix - - n - - trivial-rewrite
anvil unix - - n - 1 anvil
tlsmgr unix - - n 1000? 1 tlsmgr
proxymap unix - - n - - proxymap
`;
}
