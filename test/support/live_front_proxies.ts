// HAProxy and nginx's mail proxy, as others put them before a mail server: with the lines that the operator's page shows.
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { greets } from "./blackbox_proxy.ts";
import { Daemon, findProgram, run } from "./live_children.ts";

/** One listener of HAProxy. */
export interface HaproxyListener {
  readonly name: string;
  readonly port: number;
  /** What stands behind the address of `bind`, and of `server`. */
  readonly bind?: string;
  readonly send: string;
  readonly target: number;
  /** Further lines. */
  readonly lines?: readonly string[];
}

export function haproxyMissing(): string | undefined {
  return findProgram("haproxy") === undefined ? "Debian package haproxy is not installed" : undefined;
}

export async function startHaproxy(folder: string, listeners: readonly HaproxyListener[]): Promise<Daemon> {
  const sections = listeners.map(({ name, port, bind = "", send, target, lines = [] }) =>
    [
      `listen ${name}`,
      `  bind 127.0.0.1:${port} ${bind}`,
      ...lines.map((line) => `  ${line}`),
      `  server sallyport 127.0.0.1:${target} ${send}`,
    ].join("\n")
  );
  const head = "defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 1m\n  timeout server 1m\n";
  writeFileSync(join(folder, "haproxy.cfg"), `${head}${sections.join("\n")}\n`);
  const daemon = new Daemon([findProgram("haproxy")!, "-db", "-f", join(folder, "haproxy.cfg")], folder);
  await daemon.up("HAProxy", () => greets(listeners[0]!.port));
  return daemon;
}

/** One server of nginx's mail proxy, without authentication. */
export interface NginxServer {
  readonly port: number;
  readonly target: number;
  /** Its own lines, as in `xclient on;`, and what stands behind the address of `listen`. */
  readonly lines: readonly string[];
  readonly listen?: string;
}

export function nginxMissing(): string | undefined {
  const path = findProgram("nginx");
  if (path === undefined) return "Debian package nginx is not installed";
  return existsSync(MODULE) ? undefined : "Debian package libnginx-mod-mail is not installed";
}

const MODULE = "/usr/lib/nginx/modules/ngx_mail_module.so";

/** @param authPort where its auth_http server, which says where mail goes, may listen */
export async function startNginx(
  folder: string,
  authPort: number,
  servers: readonly NginxServer[],
): Promise<Daemon> {
  const { stderr } = await run([findProgram("nginx")!, "-V"]);
  const module = /--with-mail(\s|$)/.test(stderr) ? "" : `load_module ${MODULE};\n`;
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((name) => `${name}_temp_path ${name};`).join(" ");
  const locations = servers.map(({ port, target }) =>
    `location /${port} { add_header Auth-Status OK; add_header Auth-Server 127.0.0.1;` +
    ` add_header Auth-Port ${target}; return 204; }`
  );
  const mail = servers.map(({ port, listen = "", lines }) =>
    `server { listen 127.0.0.1:${port} ${listen}; protocol smtp; smtp_auth none;` +
    ` auth_http 127.0.0.1:${authPort}/${port}; ${lines.join(" ")} }`
  );
  writeFileSync(
    join(folder, "nginx.conf"),
    `${module}daemon off; worker_processes 1; error_log stderr error; pid nginx.pid;
events { worker_connections 100; }
http { access_log off; ${temporary} server { listen 127.0.0.1:${authPort};
${locations.join("\n")} } }
mail { server_name nginx.example;
${mail.join("\n")} }
`,
  );
  const command = [findProgram("nginx")!, "-p", folder, "-c", join(folder, "nginx.conf")];
  const daemon = new Daemon(command, folder);
  try {
    await daemon.up("nginx", () => greets(servers[0]!.port));
  } catch (cause) {
    await daemon.stop("SIGTERM");
    throw cause;
  }
  return daemon;
}
