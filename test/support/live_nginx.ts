// nginx's mail proxy for live tests: one worker that asks an auth service and has no users of its own.
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { greets } from "./blackbox_proxy.ts";
import { Daemon, findProgram, run, serverPort } from "./live_children.ts";

export interface NginxOptions {
  readonly folder: string;
  /** Where the auth service listens, on 127.0.0.1. */
  readonly authPort: number;
  readonly tls: { readonly cert: string; readonly key: string };
  /** What `smtp_auth` says; `none` unless given. */
  readonly auth?: string;
  /** More lines of the `mail` block. */
  readonly more?: string;
}

/** The line that loads the mail module; undefined where nginx cannot be a mail proxy here. */
async function mailModule(): Promise<string | undefined> {
  const nginx = findProgram("nginx");
  if (nginx === undefined) return undefined;
  const { stderr } = await run([nginx, "-V"]);
  if (/--with-mail(\s|$)/.test(stderr)) return "";
  const module = `${/--modules-path=(\S+)/.exec(stderr)?.[1]}/ngx_mail_module.so`;
  return existsSync(module) ? `load_module ${module};\n` : undefined;
}

const MODULE = await mailModule();

/** Why it cannot run here. */
export function nginxMissing(): string | undefined {
  return MODULE === undefined ? "Debian packages nginx and libnginx-mod-mail are not installed" : undefined;
}

/** Starts it on a free port of 127.0.0.1. */
export async function startNginx(options: NginxOptions): Promise<{ port: number; process: Daemon }> {
  const { folder } = options;
  const port = await serverPort();
  const file = join(folder, `nginx-${port}.conf`);
  writeFileSync(file, MODULE + configuration(port, options));
  const daemon = new Daemon([findProgram("nginx")!, "-p", folder, "-c", file], folder);
  await daemon.up("nginx", () => greets(port));
  return { port, process: daemon };
}

/** What it says of a configuration's `mail` block. */
export async function nginxSays(folder: string, mail: string): Promise<string> {
  const file = join(folder, "tested.conf");
  writeFileSync(file, `${MODULE}pid tested.pid;\nevents {}\n${mail}`);
  const { stderr } = await run([findProgram("nginx")!, "-t", "-p", folder, "-c", file]);
  return stderr;
}

function configuration(port: number, { authPort, tls, auth = "none", more = "" }: NginxOptions): string {
  return `daemon off;
master_process off;
error_log stderr error;
pid nginx-${port}.pid;
events { worker_connections 100; }
mail {
  server_name mx.live.example;
  auth_http 127.0.0.1:${authPort}/auth;
  auth_http_timeout 5s;
  xclient off;
  smtp_capabilities "SIZE 10240000" 8BITMIME DSN;
  starttls on;
  ssl_certificate ${tls.cert};
  ssl_certificate_key ${tls.key};
  ssl_protocols TLSv1.2 TLSv1.3;
  ssl_session_cache none;
  ${more}
  server {
    listen 127.0.0.1:${port};
    protocol smtp;
    smtp_auth ${auth};
  }
}
`;
}
