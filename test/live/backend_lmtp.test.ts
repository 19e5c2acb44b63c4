// bun only: starts real servers
// LMTP to Dovecot (RFC 2033): one recipient a transaction, and the client told of.
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { RunningPeer } from "../interop/peer.ts";
import { dovecotLmtp } from "../interop/peers/dovecot.ts";
import { RawClient } from "../support/blackbox_client.ts";
import { eventually } from "../support/blackbox_wait.ts";
import { type LiveProxy, startLiveProxy } from "../support/live_proxy.ts";

const { missing } = dovecotLmtp;

describe.skipIf(missing !== undefined)(`LMTP to Dovecot${missing ? ` [skipped: ${missing}]` : ""}`, () => {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-lmtp-"));
  let dovecot: RunningPeer;
  let proxy: LiveProxy;

  beforeAll(async () => {
    chmodSync(folder, 0o755);
    dovecot = await dovecotLmtp.start({ folder });
    proxy = await startLiveProxy({ cwd: folder, backend: `lmtp://127.0.0.1:${dovecot.port}` });
  }, 30_000);
  afterAll(async () => {
    await proxy?.process.stop();
    await dovecot?.stop();
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  });

  test("EHLO says so, the second recipient is deferred, and each has the message in the end", async () => {
    const client = await RawClient.connect(proxy.port, "127.0.0.5");
    await client.expect("220");
    expect((await client.command("EHLO helo.example", "250")).raw).toContain("LIMITS RCPTMAX=1");
    for (const to of ["you", "me"]) {
      await client.command("MAIL FROM:<a@sender.example>", "250");
      await client.command(`RCPT TO:<${to}@live.example>`, "250");
      for (let i = 0; i < 12; i++) {
        expect((await client.command("RCPT TO:<you@live.example>", "452")).raw).toContain("452 4.5.3");
      }
      await client.command("DATA", "354");
      await client.write("Subject: lmtp-token\r\n\r\nhello\r\n.\r\n");
      expect((await client.expect("250")).raw).toContain(`<${to}@live.example>`);
    }
    await client.quit();
    expect(await eventually(() => Promise.resolve(dovecot.stored("lmtp-token").length === 2), 10_000)).toBe(
      true,
    );
    for (const { content } of dovecot.stored("lmtp-token")) {
      // Dovecot writes whom it was told of by XCLIENT.
      expect(String(content)).toMatch(/Received: from helo\.example \(\[127\.0\.0\.5\]\)\r?\n\s*by dovecot/);
    }
  });

  test("an unknown mailbox is the recipient's refusal", async () => {
    const client = await RawClient.greeted(proxy.port);
    await client.command("MAIL FROM:<a@sender.example>", "250");
    await client.command("RCPT TO:<nobody@live.example>", "550");
    await client.command("RCPT TO:<you@live.example>", "250");
    await client.quit();
  });
});
