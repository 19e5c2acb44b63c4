// bun only: drives the program as a process
// Rule 2 and RFC 5321 §4.5.3.2: waits of minutes are lawful. A wire that is silent for longer than any
// runtime's own idle timer (Bun: 120 s) is not a dead one. These run with SALLYPORT_BLACKBOX_SLOW=1 only.
import process from "node:process";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Moment, on } from "../support/blackbox_backend.ts";
import { bytesOf, stuff } from "../support/blackbox_bytes.ts";
import { type RawClient, told } from "../support/blackbox_client.ts";
import { ending, letter, type Stage, stage, taken, unharmed } from "../support/blackbox_stage.ts";
import { TLS_ENV } from "../support/blackbox_tls.ts";
import { sleep } from "../support/blackbox_wait.ts";

const SLOW = process.env.SALLYPORT_BLACKBOX_SLOW === "1";
if (!SLOW) console.info("patience: 1 case of 140 s SKIPPED (SALLYPORT_BLACKBOX_SLOW=1 runs it)");
const LONG = 140_000;

describe.skipIf(!SLOW)("rules 1 and 2: more than two minutes of silence", () => {
  let at: Stage;
  beforeAll(async () => {
    at = await stage(undefined, TLS_ENV);
  });
  afterAll(() => at.close());

  async function begun(tls: boolean, name: string): Promise<RawClient> {
    const client = await at.proxy.client();
    if (tls) {
      await client.command("STARTTLS", "220");
      await client.startTls();
      await client.command("EHLO client.example", "250");
    }
    await client.command(`MAIL FROM:<${name}@client.example>`, "250");
    return client;
  }

  test(
    "at RCPT, at the dot, in a stalled body and between commands: the mail is taken in the end",
    async () => {
      // Who waits where is written into the recipient, since all run side by side.
      const here = (m: Moment, step: string) => m.connection.commands.some((l) => l.includes(`<${step}`));
      const frozen = new Set<number>();
      at.backend.script = on({
        RCPT: (m) => m.line.includes("<slow-rcpt") ? { after: LONG } : undefined,
        dot: (m) => here(m, "slow-dot") && !here(m, "slow-body") ? { after: LONG } : undefined,
        body: (m) => {
          if (!here(m, "slow-body") || frozen.has(m.connection.id)) return undefined;
          frozen.add(m.connection.id);
          m.connection.freeze();
          setTimeout(() => m.connection.thaw(), LONG);
          return undefined;
        },
      });
      const large = "b".repeat(998).concat("\r\n").repeat(20_000);
      const jobs: [string, Promise<string>][] = [];
      for (const tls of [false, true]) {
        const way = tls ? "TLS" : "plain";
        for (const where of ["slow-rcpt", "slow-dot", "slow-body"]) {
          const job = async () => {
            const client = await begun(tls, "patient");
            const { id, bytes } = letter(where === "slow-body" ? large : "short\r\n");
            await client.write(`RCPT TO:<${where}@b.example>\r\n`);
            const rcpt = told(await client.hear(LONG + 20_000));
            if (!rcpt.startsWith("250")) return `RCPT: ${rcpt}`;
            await client.command("DATA", "354");
            await client.write(stuff(bytes));
            const heard = told(await client.hear(LONG + 20_000));
            return heard.startsWith("250") && at.backend.delivered(id).length === 1
              ? ""
              : `dot: ${heard}, ${at.backend.delivered(id).length} delivered`;
          };
          jobs.push([`${where}, ${way}`, job().catch(String)]);
        }
        const idle = async () => {
          const client = await begun(tls, "idle");
          await sleep(LONG);
          const rcpt = told(await client.ask("RCPT TO:<r@b.example>"));
          return rcpt.startsWith("250") ? "" : `RCPT: ${rcpt}`;
        };
        jobs.push([`idle between commands, ${way}`, idle().catch(String)]);
      }
      const problems: string[] = [];
      for (const [name, job] of jobs) {
        const found = await job;
        if (found !== "") problems.push(`${name}: ${found}`);
      }
      expect(problems).toEqual([]);
      at.backend.heal();
      const client = await at.proxy.client();
      const sent = await client.send(bytesOf("S: x\r\n\r\nafterwards\r\n"));
      expect(taken(sent), ending(sent)).toBe(true);
      await unharmed(at.proxy, at.backend);
    },
    LONG + 60_000,
  );
});
