/**
 * The administrator's pages, over HTTP.
 */
import { expect, test } from "bun:test";
import { serveAdmin } from "../../src/cli/admin.ts";

test("metrics, alive, ready, and nothing else", async () => {
  let why: string | undefined;
  const server = serveAdmin({ host: "127.0.0.1", port: 0 }, { metrics: () => "a 1\n", unready: () => why });
  const get = async (path: string) => {
    const response = await fetch(`http://127.0.0.1:${server.port}${path}`);
    return `${response.status} ${await response.text()}`;
  };
  try {
    expect(await get("/metrics")).toBe("200 a 1\n");
    expect(await get("/healthz")).toBe("200 alive\n");
    expect(await get("/readyz")).toBe("200 ready\n");
    why = "no backend has been seen";
    expect(await get("/readyz")).toBe("503 not ready: no backend has been seen\n");
    expect(await get("/")).toMatch(/^404/);
  } finally {
    await server.stop();
  }
});
