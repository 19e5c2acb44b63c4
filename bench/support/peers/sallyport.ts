/** Sallyport itself, as an operator starts it: `serve policies/pass.ts`, one process. */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Peer, RunningPeer, Setup } from "../peer.ts";
import { freePort } from "../port.ts";
import { startServer } from "../server.ts";

const project = fileURLToPath(new URL("../../../", import.meta.url));

export const sallyport: Peer = {
  name: "sallyport",
  title: "Sallyport",
  descriptorsPerSession: 1,

  version: () => Promise.resolve(`Sallyport on Bun ${process.versions.bun}`),

  async start(setup: Setup): Promise<RunningPeer> {
    for (const file of ["src/main.ts", "policies/pass.ts"]) {
      if (!existsSync(`${project}${file}`)) throw new Error(`there is no ${file}`);
    }
    const port = await freePort();
    const command = [process.execPath, "src/main.ts", "serve", "policies/pass.ts"];
    return startServer(command, {
      port,
      log: `${setup.directory}/log`,
      seconds: 15,
      directory: project,
      environment: environment(port, setup),
    });
  },
};

function environment(port: number, { backend, certificate }: Setup): Record<string, string> {
  return {
    SALLYPORT_LISTEN: `127.0.0.1:${port}`,
    SALLYPORT_BACKEND: `127.0.0.1:${backend}`,
    SALLYPORT_HOSTNAME: "proxy.example",
    SALLYPORT_ADMIN: "off",
    ...(certificate === undefined
      ? {}
      : { SALLYPORT_TLS_CERT: certificate.cert, SALLYPORT_TLS_KEY: certificate.key }),
  };
}
