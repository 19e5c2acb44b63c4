// bun only: drives the program as a process
// Rule 2: a client that leaves before its end of data leaves nothing behind, at whatever byte it goes,
// and the backend connection dies without a dot. One that leaves after it costs at most one delivery.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { type BackendConnection } from "../support/blackbox_backend_connection.ts";
import { on } from "../support/blackbox_backend.ts";
import { bytesOf, stuff } from "../support/blackbox_bytes.ts";
import { code, type RawClient } from "../support/blackbox_client.ts";
import { letter, type Stage, stage, taken, unharmed } from "../support/blackbox_stage.ts";
import { eventually, sleep } from "../support/blackbox_wait.ts";

let at: Stage;
beforeAll(async () => {
  at = await stage();
});
beforeEach(() => at.backend.heal());
afterAll(() => at.close());

const WAYS = ["FIN", "RST", "half-close"] as const;
function leave(client: RawClient, way: typeof WAYS[number]): void {
  if (way === "RST") client.reset();
  else if (way === "FIN") client.vanish();
  else client.finish();
}

/** Connections on which a message was begun since this many connections, and left open or cut. */
const begun = (): BackendConnection[] => at.backend.connections.filter((c) => c.midMessage);

/** What the backend may hold of an abandoned message: no terminator, no QUIT inside the data, and the connection gone. */
async function abandoned(id: string): Promise<string[]> {
  const problems: string[] = [];
  const ended = await eventually(() => begun().every((c) => !c.open || c.peerEnd !== undefined), 3000);
  if (!ended) problems.push("the backend connection is kept though its message was abandoned");
  for (const connection of begun()) {
    const raw = Buffer.concat(connection.bodies.at(-1)?.chunks ?? []).toString("latin1");
    if (raw.includes(id) && /\r\n\.(\r\n|$)|QUIT/.test(raw)) {
      problems.push(`ends with ${JSON.stringify(raw.slice(-40))}`);
    }
  }
  const count = at.backend.delivered(id).length;
  if (count > 0) problems.push(`${count} delivered`);
  return problems;
}

async function opened(steps: readonly string[]): Promise<RawClient> {
  const client = await at.proxy.client();
  for (const step of steps) await client.command(step, step === "DATA" ? "354" : "250");
  return client;
}
const ENVELOPE = ["MAIL FROM:<a@client.example>", "RCPT TO:<r@b.example>"];

describe("rule 2: a client gone before the message", () => {
  const stops: readonly (readonly [string, readonly string[]])[] = [
    ["EHLO", []],
    ["MAIL", ENVELOPE.slice(0, 1)],
    ["RCPT", ENVELOPE],
    ["DATA", [...ENVELOPE, "DATA"]],
  ];
  for (const [name, steps] of stops) {
    for (const way of WAYS) {
      test(`after ${name} by ${way}: nothing delivered, the next client is served`, async () => {
        const before = at.backend.deliveries.length;
        const client = await opened(steps);
        leave(client, way);
        expect(await abandoned("no such id")).toEqual([]);
        expect(at.backend.deliveries.length).toBe(before);
        const next = await at.proxy.client();
        expect(taken(await next.send(letter().bytes))).toBe(true);
        await next.quit();
        client.vanish();
      });
    }
  }

  test("before the banner, and in the middle of a command", async () => {
    for (const way of WAYS) {
      for (
        const bytes of [
          "",
          "EH",
          "EHLO x\r\nMAIL FROM:<a",
          "EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDA",
        ]
      ) {
        const client = await at.proxy.connect();
        await client.write(bytes);
        leave(client, way);
      }
    }
    await unharmed(at.proxy, at.backend);
  }, 20_000);
});

describe("rule 2: a client gone within the message (DATA)", () => {
  const ends = [
    "",
    "\r",
    "\r\n",
    "\r\n.",
    "\r\n.\r",
    "\r\n..",
    "\r\n..\r\n",
    "\r\n\r\n",
    "\r\n.x",
    "x".repeat(200_000),
  ];
  for (const end of ends) {
    for (const way of WAYS) {
      test(`ending in ${JSON.stringify(end.slice(0, 12))} by ${way}: no dot, nothing delivered`, async () => {
        const { id, bytes } = letter("begun");
        const client = await opened([...ENVELOPE, "DATA"]);
        await client.write(Buffer.concat([bytes, bytesOf(end)]));
        await sleep(20);
        leave(client, way);
        expect(await abandoned(id)).toEqual([]);
        client.vanish();
      });
    }
  }

  test("a client that leaves in the same breath as its half message", async () => {
    const { id, bytes } = letter("begun\r\n.");
    for (const way of WAYS) {
      const client = await opened([...ENVELOPE, "DATA"]);
      await client.write(bytes);
      leave(client, way);
      expect(await abandoned(id)).toEqual([]);
      client.vanish();
    }
  });

  test("a client that leaves while the backend has not answered DATA", async () => {
    for (const way of WAYS) {
      let go: () => void = () => undefined;
      at.backend.script = on({ DATA: { after: new Promise<void>((resolve) => go = resolve) } });
      const { id, bytes } = letter();
      const client = await opened(ENVELOPE);
      await client.write(Buffer.concat([bytesOf("DATA\r\n"), bytes.subarray(0, 40)]));
      await sleep(30);
      leave(client, way);
      await sleep(30);
      go();
      expect(await abandoned(id)).toEqual([]);
      at.backend.heal();
      client.vanish();
    }
  });
});

describe("rule 2: a client gone within the message (BDAT)", () => {
  const tails: readonly (readonly [string, string])[] = [
    ["in the first chunk", "BDAT 500\r\nhalf"],
    ["after a whole inner chunk", "BDAT 6\r\nwhole\n"],
    ["in the command after a chunk", "BDAT 7\r\nwhole\r\nBDAT 1"],
    ["one byte before the end of LAST", "BDAT 7\r\nwhole\r\nBDAT 8 LAST\r\nalmost\r"],
    ["after BDAT 0", "BDAT 7\r\nwhole\r\nBDAT 0\r\n"],
    ["in a chunk that holds CRLF.CRLF", "BDAT 7\r\nwhole\r\nBDAT 80\r\n.\r\n\r\n.\r\nQUIT\r\n"],
  ];
  for (const [name, tail] of tails) {
    for (const way of WAYS) {
      test(`${name} by ${way}: nothing delivered`, async () => {
        const { id, bytes } = letter();
        const client = await opened(ENVELOPE);
        await client.write(Buffer.concat([bytesOf(`BDAT ${bytes.length}\r\n`), bytes]));
        await client.expect("250");
        await client.write(tail);
        await sleep(20);
        leave(client, way);
        const problems = await abandoned(id);
        // QUIT is data here, if the proxy has handed that chunk on.
        expect(problems.filter((p) => !(tail.includes("QUIT") && p.startsWith("ends with")))).toEqual([]);
        client.vanish();
      });
    }
  }

  for (const command of ["RSET", "QUIT", "EHLO again.example"]) {
    test(`${command} between chunks drops the message`, async () => {
      const { id, bytes } = letter();
      const client = await opened(ENVELOPE);
      await client.write(Buffer.concat([bytesOf(`BDAT ${bytes.length}\r\n`), bytes]));
      await client.expect("250");
      await client.command(command, "2");
      if (command !== "QUIT") {
        const next = letter();
        expect(taken(await client.send(next.bytes))).toBe(true);
        expect(at.backend.delivered(next.id).length).toBe(1);
      }
      await client.quit();
      expect(at.backend.delivered(id)).toEqual([]);
    });
  }
});

describe("rule 2: a client gone after its end of data", () => {
  for (const via of ["DATA", "BDAT"] as const) {
    for (const way of WAYS) {
      test(`${via}, ${way} right behind it: at most one delivery, and the backend is heard out`, async () => {
        at.backend.script = on({ dot: { after: 300 } });
        const { id, bytes } = letter();
        const client = await opened(via === "DATA" ? [...ENVELOPE, "DATA"] : ENVELOPE);
        await client.write(
          via === "DATA" ? stuff(bytes) : Buffer.concat([bytesOf(`BDAT ${bytes.length} LAST\r\n`), bytes]),
        );
        leave(client, way);
        await sleep(500);
        expect(at.backend.delivered(id).length).toBeLessThanOrEqual(1);
        if (way === "half-close") {
          const heard = await client.hear(1000);
          if (code(heard).startsWith("2")) expect(at.backend.delivered(id).length).toBe(1);
        }
        client.vanish();
      });

      test(`${via}, ${way} once the backend has the message: exactly one, the connection is kept until the answer`, async () => {
        let reached: () => void = () => undefined;
        let go: () => void = () => undefined;
        const arrived = new Promise<void>((resolve) => reached = resolve);
        const gate = new Promise<void>((resolve) => go = resolve);
        let where: BackendConnection | undefined;
        at.backend.script = on({ dot: (m) => (where = m.connection, reached(), { after: gate }) });
        const { id, bytes } = letter();
        const client = await opened(via === "DATA" ? [...ENVELOPE, "DATA"] : ENVELOPE);
        await client.write(
          via === "DATA" ? stuff(bytes) : Buffer.concat([bytesOf(`BDAT ${bytes.length} LAST\r\n`), bytes]),
        );
        await arrived;
        leave(client, way);
        await sleep(400);
        expect(where?.open, "the proxy waits for the backend's word").toBe(true);
        expect(where?.peerEnd).toBe(undefined);
        go();
        expect(await eventually(() => at.backend.delivered(id).length === 1)).toBe(true);
        await sleep(100);
        expect(at.backend.delivered(id).length).toBe(1);
        client.vanish();
      });
    }
  }

  test(
    "fifty at once, each gone at another moment around the dot: none twice, 250 only for what is there",
    async () => {
      at.backend.script = on({ dot: { after: 15 } });
      const letters = Array.from({ length: 50 }, () => letter());
      const heard = new Map<string, string>();
      await Promise.all(letters.map(async ({ id, bytes }, i) => {
        const client = await opened([...ENVELOPE, "DATA"]);
        await client.write(stuff(bytes));
        heard.set(id, code(await client.hear(i)));
        client.reset();
      }));
      await sleep(500);
      for (const { id } of letters) {
        const count = at.backend.delivered(id).length;
        expect(count).toBeLessThanOrEqual(1);
        if (heard.get(id)?.startsWith("2")) expect(count).toBe(1);
      }
    },
    20_000,
  );
});

test("afterwards the proxy serves and the backend saw clean SMTP only", async () => {
  await unharmed(at.proxy, at.backend);
}, 20_000);
