/**
 * Serves the administrator's pages. Hono is loaded with the first request: a proxy that nobody looks at does not carry it.
 */
import type { Watched } from "../admin/admin.ts";
import type { AdminAddress } from "../policy/settings.ts";

type Handler = (request: Request) => Response | Promise<Response>;

interface Serving {
  readonly port: number;
  stop(): Promise<void> | void;
}

/** As far as the two runtimes' servers are needed. */
interface Runtimes {
  readonly Bun?: {
    serve(
      options: { hostname: string; port: number; fetch: Handler },
    ): { port: number; stop(now: boolean): void };
  };
  readonly Deno?: {
    serve(
      options: { hostname: string; port: number; onListen: () => void },
      handler: Handler,
    ): { addr: { port: number }; shutdown(): Promise<void> };
  };
}

/** @throws Error where nobody can listen there */
export function serveAdmin({ host, port }: AdminAddress, watched: Watched): Serving {
  let app: Promise<Handler> | undefined;
  const handler: Handler = async (request) => {
    app ??= import("../admin/admin.ts").then(({ adminApp }) => adminApp(watched));
    return (await app)(request);
  };
  const { Bun, Deno } = globalThis as unknown as Runtimes;
  if (Bun !== undefined) {
    const server = Bun.serve({ hostname: host, port, fetch: handler });
    return { port: server.port, stop: () => server.stop(true) };
  }
  const server = Deno!.serve({ hostname: host, port, onListen() {} }, handler);
  return { port: server.addr.port, stop: () => server.shutdown() };
}
