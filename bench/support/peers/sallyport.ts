/** Sallyport itself, as an operator starts it: `serve policies/pass.ts`, one process; with a profiler if wanted. */
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

  start(setup: Setup): Promise<RunningPeer> {
    const { certificate, named } = setup;
    const files = certificate === undefined ? [] : named === undefined ? [certificate] : [certificate, named];
    return startSallyport("policies/pass.ts", setup, {
      ...(files.length === 0 ? {} : {
        SALLYPORT_TLS_CERT: files.map(({ cert }) => cert).join(),
        SALLYPORT_TLS_KEY: files.map(({ key }) => key).join(),
      }),
    });
  },
};

/** Starts it with a policy of the project. */
export async function startSallyport(
  policy: string,
  { directory, backend, profile }: Setup,
  environment: Readonly<Record<string, string>>,
): Promise<RunningPeer> {
  for (const file of ["src/main.ts", policy]) {
    if (!existsSync(`${project}${file}`)) throw new Error(`there is no ${file}`);
  }
  const port = await freePort();
  const profiler = profile === undefined ? [] : ["--cpu-prof", "--cpu-prof-md", `--cpu-prof-dir=${profile}`];
  const command = [process.execPath, ...profiler, "src/main.ts", "serve", policy];
  return startServer(command, {
    port,
    log: `${directory}/log`,
    seconds: 15,
    directory: project,
    environment: {
      SALLYPORT_LISTEN: `127.0.0.1:${port}`,
      SALLYPORT_BACKEND: `127.0.0.1:${backend}`,
      SALLYPORT_HOSTNAME: "proxy.example",
      SALLYPORT_ADMIN: "off",
      ...environment,
    },
  });
}
