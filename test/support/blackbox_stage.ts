// The usual stage of a black-box test: one scripted backend, one proxy before it, and the checks that
// every suite makes at its end (the process lives, the backend saw nothing but clean SMTP).
import { Buffer } from "node:buffer";
import { expect } from "bun:test";
import { type Script, ScriptedBackend } from "./blackbox_backend.ts";
import { bytesOf } from "./blackbox_bytes.ts";
import { code, type RawClient, type Sent, told } from "./blackbox_client.ts";
import { type ProxyProcess, startProxy } from "./blackbox_proxy.ts";
import { eventually, sleep } from "./blackbox_wait.ts";

export interface Stage {
  readonly backend: ScriptedBackend;
  readonly proxy: ProxyProcess;
  close(): Promise<void>;
}

/** A backend that offers these keywords and a proxy that has learnt them. */
export async function stage(
  keywords?: readonly string[],
  env: Readonly<Record<string, string>> = {},
  script?: Script,
): Promise<Stage> {
  const backend = await ScriptedBackend.start(keywords);
  backend.script = script;
  const proxy = await startProxy(backend.address, env);
  return {
    backend,
    proxy,
    close: async () => {
      await proxy.stop();
      await backend.stop();
    },
  };
}

let serial = 0;
/** A short message with an id that no other message of the run has. */
export function letter(body = "Hello.\r\n"): { id: string; bytes: Buffer } {
  const id = `id-${++serial}-${process.pid}@client.example`;
  return { id, bytes: bytesOf(`Message-ID: <${id}>\r\nSubject: test\r\n\r\n${body}`) };
}

/** Where and with what a transaction ended, in one line. */
export function ending(sent: Sent): string {
  return `${sent.step}: ${told(sent.heard)}`;
}

/** Whether the client was told that its message is taken. */
export function taken(sent: Sent): boolean {
  return sent.step === "dot" && code(sent.heard).startsWith("2");
}

/** Sends small letters until one is taken, for a proxy that needs a moment to find its backend again; false past the limit. */
export async function healthy(client: () => Promise<RawClient>, limit = 10_000): Promise<boolean> {
  return await eventually(async () => {
    try {
      const session = await client();
      const sent = await session.send(letter().bytes);
      await session.quit();
      if (taken(sent)) return true;
    } catch {
      // Not yet: the proxy may refuse sessions while no backend answers.
    }
    await sleep(100);
    return false;
  }, limit);
}

/** The proxy lives, serves, and has sent its backends nothing but clean SMTP. */
export async function unharmed(proxy: ProxyProcess, ...backends: readonly ScriptedBackend[]): Promise<void> {
  for (const backend of backends) backend.heal();
  expect(proxy.ended, proxy.log).toBe(false);
  expect(await healthy(() => proxy.client()), `serves again\n${proxy.log}`).toBe(true);
  expect(backends.flatMap((b) => b.anomalies)).toEqual([]);
}
