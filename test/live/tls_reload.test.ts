// bun only: starts the program
// Certificates exchanged a hundred times while clients come and go: no handshake fails, no session is lost, and what cannot
// be used is named in the log while the old ones are served on.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import tls from "node:tls";
import type { TlsIdentity } from "../../src/net/wire.ts";
import { makeIdentity } from "../support/certificate.ts";
import { type LiveProxy, startLiveProxy } from "../support/live_proxy.ts";

const identities = [
  makeIdentity({ names: ["even.example"] }),
  makeIdentity({ names: ["odd.example"] }),
] as const;
/** Changes of the certificates. */
const CHANGES = 100;

let folder = "";
beforeAll(() => folder = mkdtempSync(join(tmpdir(), "sallyport-reload-")));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Puts a pair where `now` leads, the way certbot and Kubernetes do: a symbolic link that is renamed over. */
function deploy(identity: TlsIdentity, name: string): void {
  const place = mkdtempSync(join(folder, `${name}-`));
  writeFileSync(`${place}/fullchain.pem`, identity.cert);
  writeFileSync(`${place}/privkey.pem`, identity.key);
  symlinkSync(place, `${folder}/next`);
  renameSync(`${folder}/next`, `${folder}/now`);
}

/** A handshake on either port; the name in the certificate. */
async function shake(proxy: LiveProxy, way: "implicit" | "starttls"): Promise<string> {
  const client = way === "implicit"
    ? tls.connect({ port: proxy.tlsPort, host: "127.0.0.1", rejectUnauthorized: false })
    : tls.connect({ socket: await startTls(proxy.port), rejectUnauthorized: false });
  return new Promise((done, fail) => {
    client.once("error", fail);
    client.once("secureConnect", () => {
      const { subject } = client.getPeerCertificate();
      client.destroy();
      done(String(subject.CN));
    });
  });
}

async function startTls(port: number): Promise<net.Socket> {
  const socket = net.connect(port, "127.0.0.1");
  for (const [line, reply] of [["", "220 "], ["EHLO x\r\n", "250 "], ["STARTTLS\r\n", "220 "]] as const) {
    if (line !== "") socket.write(line);
    await heard(socket, reply);
  }
  socket.pause();
  return socket;
}

function heard(socket: net.Socket | tls.TLSSocket, reply: string): Promise<void> {
  return new Promise((done, fail) => {
    let text = "";
    socket.once("error", fail);
    socket.on("data", function more(chunk: Uint8Array) {
      text += chunk.toString();
      if (!new RegExp(`^${reply}.*\r\n$`, "m").test(text)) return;
      socket.off("data", more);
      socket.off("error", fail);
      done();
    });
  });
}

for (const runtime of ["Bun", "Deno"] as const) {
  test(`a hundred new certificates under load, on ${runtime}`, async () => {
    deploy(identities[0], "first");
    const files = { cert: `${folder}/now/fullchain.pem`, key: `${folder}/now/privkey.pem` };
    // Port 9: nobody is there, and nobody is asked.
    const proxy = await startLiveProxy({ runtime, cwd: folder, tls: files, backend: "127.0.0.1:9" });
    try {
      const resident = await longSession(proxy);
      const seen = new Map<string, number>();
      let over = false;
      const clients = (["implicit", "starttls", "implicit", "starttls"] as const).map(async (way) => {
        while (!over) {
          const name = await shake(proxy, way);
          seen.set(name, (seen.get(name) ?? 0) + 1);
        }
      });
      const load = Promise.all(clients);
      load.catch(() => over = true);
      for (let i = 1; i <= CHANGES; i++) {
        deploy(identities[i % 2]!, `change${i}`);
        hangUp(proxy, "SIGHUP");
        await Promise.race([load, shown(proxy, i % 2 === 0 ? "even.example" : "odd.example")]);
      }
      over = true;
      await load;
      expect([...seen.keys()].sort()).toEqual(["even.example", "odd.example"]);
      expect(proxy.process.log).not.toContain("cannot be used");
      resident.write("NOOP\r\n");
      await heard(resident, "250 ");
      resident.destroy();

      // A key that is another's: named, and the old pair is served on.
      deploy({ cert: identities[1].cert, key: identities[0].key }, "bad");
      hangUp(proxy, "SIGHUP");
      while (!proxy.process.log.includes("it does not belong to the certificate of CN=odd.example")) {
        await new Promise((done) => setTimeout(done, 20));
      }
      expect(await shake(proxy, "implicit")).toBe("even.example");
      expect(await shake(proxy, "starttls")).toBe("even.example");
      // Without a signal too.
      deploy(identities[1], "watched");
      await shown(proxy, "odd.example");
    } finally {
      hangUp(proxy, "SIGTERM");
      await proxy.process.stop();
    }
  }, 90_000);
}

/** Signals the program itself: npm's deno is a script that starts another. */
function hangUp({ process: { pid } }: LiveProxy, signal: "SIGHUP" | "SIGTERM"): void {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ");
  process.kill(Number(children[0] || pid), signal);
}

/** A session under the first certificate that stays. */
async function longSession(proxy: LiveProxy): Promise<tls.TLSSocket> {
  const client = tls.connect({ port: proxy.tlsPort, host: "127.0.0.1", rejectUnauthorized: false });
  await heard(client, "220 ");
  return client;
}

/** Resolves when new handshakes get this certificate. */
async function shown(proxy: LiveProxy, name: string): Promise<void> {
  while (await shake(proxy, "implicit") !== name) await new Promise((done) => setTimeout(done, 5));
}
