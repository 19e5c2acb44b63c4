// bun only: drives the program as a process
// Rules 1 and 2 with several backends, with backend connections that died while nobody looked, and with
// a backend that is killed and restarted under load: every 250 is one message, no message is there twice.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Action, on, type Script, ScriptedBackend } from "../support/blackbox_backend.ts";
import { code, type RawClient, told } from "../support/blackbox_client.ts";
import { type ProxyProcess, startProxy } from "../support/blackbox_proxy.ts";
import { ending, healthy, letter, type Stage, stage, taken, unharmed } from "../support/blackbox_stage.ts";
import { eventually, sleep } from "../support/blackbox_wait.ts";

describe("rule 1: failover before the message", () => {
  let sick: ScriptedBackend;
  let well: ScriptedBackend;
  let proxy: ProxyProcess;
  beforeAll(async () => {
    sick = await ScriptedBackend.start();
    well = await ScriptedBackend.start();
    proxy = await startProxy(`${sick.address},${well.address}`);
  });
  afterAll(async () => {
    await proxy.stop();
    await sick.stop();
    await well.stop();
  });

  /** Sends some letters, each on a session of its own; tells each ending and where each letter went. */
  async function several(
    count: number,
    body?: string,
  ): Promise<{ sent: string; ok: boolean; sick: number; well: number }[]> {
    const results = [];
    for (let i = 0; i < count; i++) {
      const client = await proxy.client();
      const { id, bytes } = letter(body);
      const sent = await client.send(bytes);
      await client.quit();
      results.push({
        sent: ending(sent),
        ok: taken(sent),
        sick: sick.delivered(id).length,
        well: well.delivered(id).length,
      });
    }
    return results;
  }

  async function recovered(): Promise<void> {
    sick.heal();
    // It is asked last until a look has found it well.
    const before = sick.deliveries.length;
    const asked = async () => await healthy(() => proxy.client()) && sick.deliveries.length > before;
    expect(await eventually(asked, 10_000)).toBe(true);
    sick.dropAll("close");
    well.dropAll("close");
    await sleep(50);
  }

  const opening: readonly (readonly [string, Script | undefined])[] = [
    ["refuses connections", undefined],
    ["greets with 421 and closes", on({ greeting: { reply: "421 4.3.2 no", then: "close" } })],
    ["greets with 554", on({ greeting: { reply: "554 5.3.2 no" } })],
    ["greets with garbage", on({ greeting: { raw: "\0\xff\r\n" } })],
    ["closes before the greeting", on({ greeting: { then: "close" } })],
    ["resets before the greeting", on({ greeting: { then: "reset" } })],
    ["closes at EHLO", on({ EHLO: { then: "close" } })],
    ["answers EHLO with 421", on({ EHLO: { reply: "421 4.3.2 no", then: "close" } })],
    ["resets at EHLO", on({ EHLO: { then: "reset" } })],
  ];
  for (const [name, script] of opening) {
    test(`one of two ${name}: every message goes to the other at once`, async () => {
      await recovered();
      if (script === undefined) await sick.stop();
      else sick.script = script;
      const results = await several(6);
      if (script === undefined) await sick.listen();
      sick.heal();
      expect(results.filter((r) => !r.ok || r.well !== 1 || r.sick !== 0)).toEqual([]);
    }, 30_000);
  }

  const envelope: readonly (readonly [string, Script])[] = (["MAIL", "RCPT", "DATA"] as const).flatMap((
    step,
  ) =>
    [
      [`closes at ${step}`, on({ [step]: { then: "close" } })],
      [`resets at ${step}`, on({ [step]: { then: "reset" } })],
      [`says 421 to ${step}`, on({ [step]: { reply: "421 4.3.2 no", then: "close" } })],
    ] as (readonly [string, Script])[]
  );
  for (const [name, script] of envelope) {
    test(`one of two ${name}: each message arrives once or the client hears 451`, async () => {
      await recovered();
      sick.script = script;
      const results = await several(4);
      sick.heal();
      for (const r of results) {
        expect(r.well + r.sick, r.sent).toBe(r.ok ? 1 : 0);
        if (!r.ok) expect(r.sent).toMatch(/: 451 4\./);
      }
    }, 30_000);
  }

  const late: readonly (readonly [string, Script])[] = [
    ["dies in the body", on({ body: { then: "reset" } })],
    ["closes in the body", on({ body: { then: "close" } })],
    ["dies at the dot", on({ dot: { then: "reset" } })],
    ["takes the mail and dies unheard", on({ dot: { raw: "250 2.0.0 taken, but", then: "reset" } })],
    ["says 421 to the dot", on({ dot: { reply: "421 4.3.2 no", then: "close" } })],
  ];
  for (const [name, script] of late) {
    test(`one of two ${name}: the message is not sent to the other behind the client's back`, async () => {
      await recovered();
      sick.script = script;
      // Too large for one segment: it dies with a part of it.
      const results = await several(4, "x".repeat(70).concat("\r\n").repeat(3000));
      sick.heal();
      expect(results.some(({ ok }) => !ok), "the sick one was asked").toBe(true);
      for (const r of results) {
        if (r.ok) expect([r.well, r.sick]).toEqual([1, 0]);
        else {
          expect([r.well, r.sick]).toEqual([0, 0]);
          expect(r.sent).toMatch(/: 451 4\./);
        }
      }
    }, 30_000);
  }

  test("both down: 4yz for the client, never 5yz; mail flows again when one is back", async () => {
    await recovered();
    const client = await proxy.client();
    await sick.stop();
    await well.stop();
    const sent = await client.send(letter().bytes);
    expect(told(sent.heard)).toMatch(/^451 4\./);
    const fresh = await proxy.connect();
    expect(told(await fresh.hear())).toMatch(/^(220|421 4\.3\.2)/);
    fresh.vanish();
    await well.listen();
    expect(await healthy(() => proxy.client(), 20_000)).toBe(true);
    await sick.listen();
    await client.quit();
  }, 40_000);

  test("afterwards the proxy serves and the backends saw clean SMTP only", async () => {
    await unharmed(proxy, sick, well);
  }, 20_000);
});

describe("rule 1: a kept backend connection that died meanwhile", () => {
  let at: Stage;
  beforeAll(async () => {
    at = await stage();
  });
  afterAll(() => at.close());

  const deaths: readonly (readonly [string, () => void])[] = [
    ["closed", () => at.backend.dropAll("close")],
    ["reset", () => at.backend.dropAll("reset")],
    ["said 421 and closed", () => {
      for (const c of at.backend.open) {
        c.say("421 4.4.2 idle too long\r\n");
        c.drop("close");
      }
    }],
  ];
  for (const [name, die] of deaths) {
    for (const wait of [0, 50]) {
      test(`${name}, ${wait} ms before the next mail: the client notices nothing`, async () => {
        const client = await at.proxy.client();
        for (let round = 0; round < 3; round++) {
          const { id, bytes } = letter();
          const sent = await client.send(bytes);
          expect(taken(sent), ending(sent)).toBe(true);
          expect(at.backend.delivered(id).length).toBe(1);
          die();
          if (wait > 0) await sleep(wait);
        }
        await client.quit();
      });
    }
  }

  for (
    const action of [{ then: "close" }, { then: "reset" }, {
      reply: "421 4.4.2 too long",
      then: "close",
    }] as readonly Action[]
  ) {
    test(`dies on the first command of its second transaction (${JSON.stringify(action)}): tried afresh, nothing twice`, async () => {
      const used = new Set<number>();
      at.backend.script = (m) => {
        if (m.step === "dot") used.add(m.connection.id);
        return used.has(m.connection.id) && (m.step === "MAIL" || m.step === "RSET" || m.step === "NOOP")
          ? action
          : undefined;
      };
      const client = await at.proxy.client();
      for (let round = 0; round < 4; round++) {
        const { id, bytes } = letter();
        const sent = await client.send(bytes);
        expect(taken(sent), ending(sent)).toBe(true);
        expect(at.backend.delivered(id).length).toBe(1);
      }
      await client.quit();
      at.backend.heal();
    });
  }

  test("afterwards the proxy serves and the backend saw clean SMTP only", async () => {
    await unharmed(at.proxy, at.backend);
  }, 20_000);
});

describe("rule 1 under load", () => {
  test(
    "200 sessions while the backend is killed and restarted: every 250 is one message, none is there twice",
    async () => {
      const at = await stage();
      try {
        const end = Date.now() + 10_000;
        const told250 = new Set<string>();
        const all: string[] = [];
        const falls: Record<string, number> = {};
        const one = async (client: RawClient, n: number): Promise<void> => {
          const { id, bytes } = letter(`${"z".repeat(60)}\r\n`.repeat(1 + (n % 7) * 20));
          all.push(id);
          const sent = n % 3 === 0 ? await client.sendChunks(bytes, 300) : await client.send(bytes);
          if (taken(sent)) told250.add(id);
          else {
            const key = `${sent.step} ${code(sent.heard)}`;
            falls[key] = (falls[key] ?? 0) + 1;
            if (!client.ended) await client.ask("RSET");
          }
        };
        const worker = async (n: number): Promise<void> => {
          while (Date.now() < end) {
            try {
              const client = await at.proxy.client(`127.0.${1 + (n % 50)}.${1 + n}`);
              for (let i = 0; i < 3 && !client.ended && Date.now() < end; i++) await one(client, n + i);
              await client.quit();
            } catch {
              // 421 at the banner while no backend is there, or too many sessions: try again.
            }
            await sleep(20 + n % 50);
          }
        };
        const killer = async (): Promise<void> => {
          while (Date.now() < end - 1000) {
            await sleep(700);
            await at.backend.stop();
            await sleep(120);
            await at.backend.listen();
          }
        };
        await Promise.all([killer(), ...Array.from({ length: 200 }, (_, n) => worker(n))]);
        const counts = new Map<string, number>();
        for (const d of at.backend.deliveries) {
          const id = /Message-ID: <([^>]+)>/.exec(d.bytes.toString("latin1"))?.[1] ?? "?";
          counts.set(id, (counts.get(id) ?? 0) + 1);
        }
        expect([...told250].filter((id) => counts.get(id) !== 1), "told 250, not there exactly once").toEqual(
          [],
        );
        expect(all.filter((id) => (counts.get(id) ?? 0) > 1), "there twice").toEqual([]);
        expect(Object.keys(falls).filter((k) => /^dot [235]| 5\d\d/.test(k)), JSON.stringify(falls)).toEqual(
          [],
        );
        expect(told250.size, JSON.stringify(falls)).toBeGreaterThan(200);
        await unharmed(at.proxy, at.backend);
        console.info(
          `under load: ${all.length} sent, ${told250.size} taken, ${counts.size} there, refused: ${
            JSON.stringify(falls)
          }`,
        );
      } finally {
        await at.close();
      }
    },
    50_000,
  );

  test("a proxy killed in the middle of everything has told no 250 that is not there", async () => {
    const backend = await ScriptedBackend.start();
    try {
      for (let round = 0; round < 3; round++) {
        const proxy = await startProxy(backend.address);
        const told250 = new Set<string>();
        const work = Array.from({ length: 20 }, async () => {
          try {
            const client = await proxy.client();
            for (;;) {
              const { id, bytes } = letter();
              const sent = await client.send(bytes);
              if (taken(sent)) told250.add(id);
              if (client.ended) return;
            }
          } catch {
            // Killed before its banner.
          }
        });
        await eventually(() => told250.size > 30);
        await proxy.stop();
        await Promise.all(work);
        expect(told250.size).toBeGreaterThan(30);
        expect([...told250].filter((id) => backend.delivered(id).length !== 1)).toEqual([]);
      }
    } finally {
      await backend.stop();
    }
  }, 30_000);
});
