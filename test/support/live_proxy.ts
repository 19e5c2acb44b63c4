// The program as an operator starts it, on either runtime and with any shipped policy.
import process from "node:process";
import { fileURLToPath } from "node:url";
import { DENO } from "../../scripts/runtimes.ts";
import { greets } from "./blackbox_proxy.ts";
import { Daemon, serverPort } from "./live_children.ts";

const MAIN = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
const POLICIES = fileURLToPath(new URL("../../policies/", import.meta.url));

export type Runtime = "Bun" | "Deno";

export interface LiveProxyOptions {
  readonly runtime?: Runtime;
  /** Default `pass`; a path with a slash is a policy of the test's own. */
  readonly policy?: "pass" | "quickstart" | `/${string}`;
  /** The same, for a path that is no literal. */
  readonly policyFile?: string;
  /** Where it greets, where the policy says so; a free port otherwise. */
  readonly port?: number;
  readonly backend?: string;
  /** Where it runs; the demo backend's Maildir is made here. */
  readonly cwd: string;
  readonly tls?: { readonly cert: string; readonly key: string };
  readonly env?: Readonly<Record<string, string>>;
}

export interface LiveProxy {
  readonly port: number;
  /** The port with TLS from the first byte; 0 without a certificate. */
  readonly tlsPort: number;
  readonly process: Daemon;
}

/** The name that proxies and Postfix both bear, so that what they say can be compared. */
export const HOSTNAME = "mx.live.example";

/** Starts `serve POLICY` and waits until it greets. */
export async function startLiveProxy(options: LiveProxyOptions): Promise<LiveProxy> {
  const port = options.port ?? await serverPort();
  const tlsPort = options.tls === undefined ? 0 : await serverPort();
  const runtime = options.runtime === "Deno" ? [DENO, "run", "-A"] : [process.execPath];
  const { policy = "pass" } = options;
  const listen = [`127.0.0.1:${port}`, ...(tlsPort === 0 ? [] : [`tls://127.0.0.1:${tlsPort}`])];
  const daemon = new Daemon(
    [
      ...runtime,
      MAIN,
      "serve",
      options.policyFile ?? (policy.startsWith("/") ? policy : `${POLICIES}${policy}.ts`),
    ],
    options.cwd,
    {
      SALLYPORT_ADMIN: "off",
      SALLYPORT_LISTEN: listen.join(","),
      SALLYPORT_HOSTNAME: HOSTNAME,
      ...(options.backend === undefined ? {} : { SALLYPORT_BACKEND: options.backend }),
      ...(options.tls === undefined
        ? {}
        : { SALLYPORT_TLS_CERT: options.tls.cert, SALLYPORT_TLS_KEY: options.tls.key }),
      ...options.env,
    },
  );
  await daemon.up(`the proxy on ${options.runtime ?? "Bun"}`, () => greets(port));
  return { port, tlsPort, process: daemon };
}
