/**
 * nginx's mail proxy, one worker, without authentication. Its auth_http server, which every session
 * must ask, is the smallest there is: a fixed answer from the same worker.
 */
import { existsSync, writeFileSync } from "node:fs";
import { runChild } from "../child.ts";
import { type Peer, program, type RunningPeer, type Setup } from "../peer.ts";
import { freePort } from "../port.ts";
import { descriptorLimit } from "../proc.ts";
import { startServer } from "../server.ts";

export const nginx: Peer = {
  name: "nginx",
  title: "nginx mail",
  descriptorsPerSession: 1,

  async version() {
    const { stderr } = await runChild([program("nginx"), "-v"], { seconds: 10 });
    return /nginx\/[\d.]+/.exec(stderr)?.[0].replace("/", " ");
  },

  async start(setup: Setup): Promise<RunningPeer> {
    const [port, authPort] = [await freePort(), await freePort()];
    const file = `${setup.directory}/nginx.conf`;
    writeFileSync(file, `${await mailModule()}${configuration(port, authPort, setup)}`);
    const command = [program("nginx"), "-p", setup.directory, "-c", file];
    return startServer(command, { port, log: `${setup.directory}/log`, seconds: 10 });
  },
};

/** The line that loads the mail module, where it is not built in. */
async function mailModule(): Promise<string> {
  const { stderr } = await runChild([program("nginx"), "-V"], { seconds: 10 });
  if (/--with-mail(\s|$)/.test(stderr)) return "";
  const directory = /--modules-path=(\S+)/.exec(stderr)?.[1];
  const path = `${directory}/ngx_mail_module.so`;
  if (!existsSync(path)) throw new Error("its mail module (libnginx-mod-mail) is not installed");
  return `load_module ${path};\n`;
}

function configuration(port: number, authPort: number, { backend, certificate }: Setup): string {
  const tls = certificate === undefined ? "" : `
    starttls on;
    ssl_certificate ${certificate.cert};
    ssl_certificate_key ${certificate.key};
    ssl_session_cache none;`;
  return `daemon off;
worker_processes 1;
error_log stderr error;
pid nginx.pid;
events { worker_connections ${Math.min(20_000, descriptorLimit() - 100)}; }
http {
  access_log off;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  server {
    listen 127.0.0.1:${authPort} backlog=4096;
    location / {
      add_header Auth-Status OK;
      add_header Auth-Server 127.0.0.1;
      add_header Auth-Port ${backend};
      return 204;
    }
  }
}
mail {
  server_name proxy.example;
  auth_http 127.0.0.1:${authPort}/auth;
  xclient off;
  timeout 10m;
  proxy_timeout 10m;
  server {
    listen 127.0.0.1:${port} backlog=4096;
    protocol smtp;
    smtp_auth none;${tls}
  }
}
`;
}
