/**
 * What `src/net/bun_wire.ts` takes from Bun without it being documented. Bun once had no server side of
 * `upgradeTLS`; when a later one drops or changes it, these fail and say so. What to do then: let
 * `src/net/mod.ts` pick the node network on that Bun.
 */

import { describe, expect, test } from "bun:test";
import net from "node:net";
import tls, { createSecureContext } from "node:tls";
import { bun, bunContext, type BunSocket } from "../../src/net/bun_socket.ts";
import { makeIdentity } from "../support/certificate.ts";
import { onBun } from "./support.ts";

describe.if(onBun)("Bun still has what STARTTLS needs", () => {
  test("upgradeTLS({ isServer: true }) answers a ClientHello, and its halves behave as measured", async () => {
    const identity = makeIdentity();
    const told: string[] = [];
    const note = (who: string) => ({
      binaryType: "uint8array" as const,
      data: (_socket: BunSocket<string>, bytes: Uint8Array) =>
        void told.push(`${who} data ${bytes.length > 0}`),
      drain() {},
      end: () => void told.push(`${who} end`),
      close: () => void told.push(`${who} close`),
      error: () => void told.push(`${who} error`),
      timeout() {},
    });
    let version = "";
    const listener = bun.listen<string>({
      hostname: "127.0.0.1",
      port: 0,
      allowHalfOpen: true,
      socket: {
        ...note("plain"),
        open(socket) {
          const [plain, secure] = socket.upgradeTLS({
            isServer: true,
            tls: { secureContext: bunContext(createSecureContext(identity)) },
            data: "secure",
            socket: {
              ...note("secure"),
              handshake(shaken, success) {
                told.push(`secure handshake ${success}`);
                version = shaken.getTLSVersion();
                shaken.write(new TextEncoder().encode("hello"));
              },
            },
          });
          expect(plain).not.toBe(secure);
          expect(secure.data).toBe("secure");
        },
      },
    });
    const client = tls.connect({ port: listener.port!, host: "127.0.0.1", rejectUnauthorized: false });
    const first = await new Promise<Uint8Array>((done, fail) => {
      client.once("data", done);
      client.once("error", fail);
    });
    expect(first.toString()).toBe("hello");
    expect(version).toBe("TLSv1.3");
    expect(told).toContain("plain data true"); // the ciphertext that BunWire must not hear
    expect(told).toContain("secure handshake true");
    expect(told).not.toContain("secure data true");
    client.destroy();
    listener.stop(true);
  });

  test("a server's upgradeTLS asks `serverName` for a context, and takes `initialData`", async () => {
    const [first, second] = [makeIdentity({ names: ["first"] }), makeIdentity({ names: ["second"] })];
    const quiet = {
      binaryType: "uint8array" as const,
      data() {},
      drain() {},
      end() {},
      close() {},
      error() {},
      timeout() {},
    };
    const asked: string[] = [];
    let upgraded = false;
    const listener = bun.listen<string>({
      hostname: "127.0.0.1",
      port: 0,
      allowHalfOpen: true,
      socket: {
        ...quiet,
        data(socket, bytes) {
          if (upgraded) return;
          upgraded = true;
          socket.upgradeTLS({
            isServer: true,
            tls: { secureContext: bunContext(createSecureContext(first)) },
            data: "mine",
            initialData: bytes.slice(),
            socket: {
              ...quiet,
              serverName(data, name) {
                asked.push(`${data} ${name}`);
                return bunContext(createSecureContext(second));
              },
            },
          });
        },
      },
    });
    const client = tls.connect({
      port: listener.port!,
      host: "127.0.0.1",
      servername: "a.example",
      rejectUnauthorized: false,
    });
    await new Promise<void>((done, fail) => {
      client.once("secureConnect", done);
      client.once("error", fail);
    });
    expect(client.getPeerCertificate().subject.CN).toBe("second");
    expect(asked).toEqual(["mine a.example"]);
    client.destroy();
    listener.stop(true);
  });

  test("write takes less than it is given when the kernel is full, and drain follows", async () => {
    const big = new Uint8Array(30_000_000);
    let drained = () => {};
    const room = new Promise<void>((done) => drained = done);
    let taken = 0;
    const ignore = {
      binaryType: "uint8array" as const,
      data() {},
      end() {},
      close() {},
      error() {},
      timeout() {},
    };
    const listener = bun.listen<undefined>({
      hostname: "127.0.0.1",
      port: 0,
      allowHalfOpen: true,
      socket: { ...ignore, open: (socket) => void (taken = socket.write(big)), drain: () => drained() },
    });
    const client = net.connect(listener.port!, "127.0.0.1");
    client.resume();
    await room;
    expect(taken).toBeGreaterThan(0);
    expect(taken).toBeLessThan(big.length);
    client.destroy();
    listener.stop(true);
  });
});
