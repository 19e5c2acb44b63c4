/**
 * What the administrator sees: metrics, and whether the program lives and can take mail.
 */
import { Hono } from "hono";

/** What it is told of the program. */
export interface Watched {
  /** All metrics in Prometheus's text format. */
  metrics(): string;
  /** Why mail cannot be taken now; undefined when it can. */
  unready(): string | undefined;
}

/** Answers `/metrics`, `/healthz` and `/readyz`. */
export function adminApp({ metrics, unready }: Watched): (request: Request) => Response | Promise<Response> {
  const app = new Hono();
  app.get(
    "/metrics",
    (c) => c.text(metrics(), 200, { "content-type": "text/plain; version=0.0.4; charset=utf-8" }),
  );
  app.get("/healthz", (c) => c.text("alive\n"));
  app.get("/readyz", (c) => {
    const why = unready();
    return why === undefined ? c.text("ready\n") : c.text(`not ready: ${why}\n`, 503);
  });
  return (request) => app.fetch(request);
}
