// bun only: starts real servers
// Our own credentials at a real server (aiosmtpd), which takes no mail without: PLAIN, LOGIN, and what is wrong.
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Namespaced } from "../interop/namespaced.ts";
import { unpackedMissing } from "../interop/unpacked.ts";
import { RawClient } from "../support/blackbox_client.ts";
import { greets } from "../support/blackbox_proxy.ts";
import { eventually } from "../support/blackbox_wait.ts";
import { Daemon, serverPort } from "../support/live_children.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const missing = unpackedMissing("aiosmtpd");
const PASSWORD = "h4nsel & gretel, 5%";
const LOGIN = `login=proxy%40live.example:${encodeURIComponent(PASSWORD)}`;

/** Takes mail only of one user, and says how he has proven it. */
const SCRIPT = `
import asyncio, sys
from aiosmtpd.smtp import SMTP, AuthResult

port, mechanism = int(sys.argv[1]), sys.argv[2]

class Take:
    async def handle_DATA(self, server, session, envelope):
        return "250 2.0.0 taken of " + session.auth_data.login.decode()

def known(server, session, envelope, mechanism, data):
    return AuthResult(success=data.login == b"proxy@live.example" and data.password == sys.argv[3].encode(),
        handled=False, auth_data=data)

async def serve():
    def session():
        others = [name for name in ("PLAIN", "LOGIN") if name != mechanism]
        return SMTP(Take(), hostname="aiosmtpd.example", authenticator=known, auth_required=True,
            auth_require_tls=False, auth_exclude_mechanism=others if mechanism != "both" else [])
    server = await asyncio.get_running_loop().create_server(session, "127.0.0.1", port)
    await server.serve_forever()

asyncio.run(serve())
`;

describe.skipIf(missing !== undefined)(
  `our own login at a backend${missing ? ` [skipped: ${missing}]` : ""}`,
  () => {
    const folder = mkdtempSync(join(tmpdir(), "sallyport-login-"));
    const running: Daemon[] = [];
    const servers: Record<string, number> = {};

    beforeAll(async () => {
      chmodSync(folder, 0o755);
      await Promise.all(["both", "PLAIN", "LOGIN"].map(async (mechanism) => {
        const own = join(folder, mechanism);
        mkdirSync(own, { mode: 0o755 });
        const port = servers[mechanism] = await serverPort();
        const words = [String(port), mechanism, PASSWORD, SCRIPT];
        const daemon = new Daemon(
          new Namespaced("aiosmtpd", own).command('exec /usr/bin/python3 -c "$4" "$@"', ...words),
          folder,
        );
        running.push(daemon);
        await daemon.up("aiosmtpd", () => greets(port));
      }));
    }, 30_000);
    afterAll(async () => {
      await Promise.all(running.map((daemon) => daemon.stop()));
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    });

    async function deliver(backend: string): Promise<{ heard: string; proxy: Daemon }> {
      const port = await serverPort();
      const program = [process.execPath, join(ROOT, "src/main.ts"), "serve", join(ROOT, "policies/pass.ts")];
      const proxy = new Daemon(program, ROOT, {
        SALLYPORT_ADMIN: "off",
        SALLYPORT_LISTEN: `127.0.0.1:${port}`,
        SALLYPORT_BACKEND: backend,
      });
      running.push(proxy);
      await proxy.up("Sallyport", () => greets(port));
      const client = await RawClient.greeted(port);
      await client.command("MAIL FROM:<a@sender.example>", "250");
      let heard = (await client.command("RCPT TO:<you@live.example>")).raw;
      if (heard.startsWith("250")) {
        await client.command("DATA", "354");
        await client.write("Subject: x\r\n\r\nx\r\n.\r\n");
        heard = (await client.expect()).raw;
      }
      await client.quit();
      return { heard, proxy };
    }

    for (const mechanism of ["both", "PLAIN", "LOGIN"]) {
      test(`the server offers ${mechanism}: the mail is taken as ours`, async () => {
        const { heard } = await deliver(`127.0.0.1:${servers[mechanism]}?${LOGIN}`);
        expect(heard).toBe("250 2.0.0 taken of proxy@live.example\r\n");
      });
    }

    test("a wrong password defers the mail, and the log says so without it", async () => {
      const { heard, proxy } = await deliver(`127.0.0.1:${servers["both"]}?login=proxy%40live.example:wr0ng`);
      expect(heard).toMatch(/^451 4\.3\.0 /);
      const log = () => proxy.stdout + proxy.stderr;
      expect(await eventually(() => Promise.resolve(log().includes("answered AUTH with 5.7.8")), 5_000)).toBe(
        true,
      );
      expect(log()).not.toContain("wr0ng");
      expect(log()).not.toContain(btoa("\0proxy@live.example\0wr0ng"));
    });
  },
);
