// bun only: starts real servers
// The front door's checks of the client against a real name server, NSD: the program as an operator runs it, lists that
// are lists, lists that are none, and a name server that goes away.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createSocket, type Socket } from "node:dgram";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { RawClient, told } from "../support/blackbox_client.ts";
import { greets } from "../support/blackbox_proxy.ts";
import { eventually } from "../support/blackbox_wait.ts";
import { Daemon, serverPort } from "../support/live_children.ts";
import { type Nsd, nsdMissing, startNsd, zoneHead } from "../support/live_nsd.ts";

const missing = nsdMissing();
const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const HEAD = zoneHead();
const MAPPED_2 = `2.0.0.0.0.0.f.7.f.f.f.f.${"0.".repeat(19)}0`;

/** Clients are addresses of loopback. 127.0.0.2 is the test entry, and no client. */
const ZONES = new Map([
  [
    "bl.live",
    `${HEAD}2.0.0.127 A 127.0.0.2\n9.0.0.127 A 127.0.0.4\n9.0.0.127 TXT "Spam, see " "https://bl.live/"\n`,
  ],
  ["light.live", `${HEAD}2.0.0.127 A 127.0.0.2\n10.0.0.127 A 127.0.0.2\n12.0.0.127 A 127.0.0.2\n`],
  ["six.live", `${HEAD}${MAPPED_2} A 127.0.0.2\n10.0.0.127 A 127.0.0.2\n`],
  ["wl.live", `${HEAD}2.0.0.127 A 127.0.0.2\n12.0.0.127 A 127.0.5.2\n`],
  ["wild.live", `${HEAD}* A 127.0.0.2\n`],
  ["parked.live", `${HEAD}* A 192.0.2.80\n`],
  ["codes.live", `${HEAD}* A 127.255.255.254\n`],
  ["empty.live", HEAD],
  ["dbl.live", `${HEAD}test A 127.0.1.2\nspam.example A 127.0.1.4\n`],
  ["127.in-addr.arpa", `${HEAD}9.0.0 PTR mail.client.live.\n11.0.0 PTR 11-0-0-127.dsl.client.live.\n`],
  ["client.live", `${HEAD}mail A 127.0.0.9\n`],
]);
const SITES =
  "bl.live=127.0.0.[2..11]*3 light.live*1 six.live*2 wl.live*-2 wild.live*9 parked.live*9 codes.live*9 " +
  "codes.live=127.255.255.[0..255]*9 empty.live*9 unserved.live*9";

/** @param timeout of each list; where it is not the usual one, the lists are all that is asked */
function policy(timeout: number): string {
  const from = (path: string) => JSON.stringify(join(ROOT, path));
  return `
    import { definePolicy, parallel } from ${from("src/mod.ts")};
    import { dnsbl } from ${from("plugins/dnsbl/mod.ts")};
    import { fcrdns } from ${from("plugins/fcrdns/mod.ts")};
    const sites = [{ zone: "dbl.live", of: "helo" }];
    export default definePolicy(({ relayDomains: _, dnsbl: lists, ...environment }) => ({
      ...environment,
      store: "memory:",
      demo: "mail",
      plugins: [
        parallel(
          ...${timeout < USUAL} ? [] : [fcrdns({ privateAddresses: "check" })],
          dnsbl({ sites: lists, threshold: 3, privateAddresses: "check", timeout: ${timeout} }),
        ),
        { ...dnsbl({ sites, timeout: ${timeout} }), name: "dnsbl-helo" },
      ],
    }));`;
}

const USUAL = 2000;

class Door {
  readonly #folder = mkdtempSync(join(tmpdir(), "sallyport-dnsbl-"));
  #daemon: Daemon | undefined;
  #port = 0;

  async open(dnsPort: number, timeout = USUAL): Promise<void> {
    this.#port = await serverPort();
    const path = join(this.#folder, "policy.ts");
    writeFileSync(path, policy(timeout));
    this.#daemon = new Daemon([process.execPath, join(ROOT, "src/main.ts"), "serve", path], this.#folder, {
      SALLYPORT_ADMIN: "off",
      SALLYPORT_LISTEN: `127.0.0.1:${this.#port}`,
      SALLYPORT_HOSTNAME: "mx.live.example",
      SALLYPORT_DNS: `127.0.0.1:${dnsPort}`,
      SALLYPORT_DNSBL: SITES,
    });
    await this.#daemon.up("the proxy", () => greets(this.#port));
  }

  /** Texts of the plugins' lines. */
  get said(): string[] {
    return this.#lines.filter(({ event }) => event === "plugin").map(({ text }) => String(text));
  }

  get #lines(): Record<string, unknown>[] {
    return this.#daemon!.stdout.split("\n").filter((line) => line.startsWith("{")).map((line) =>
      JSON.parse(line)
    );
  }

  /** What the log has of a client's session, once it is over. */
  async verdicts(client: string): Promise<readonly string[]> {
    const find = () => this.#lines.findLast((line) => line["client"] === client && "verdicts" in line);
    await eventually(() => find() !== undefined);
    return find()?.["verdicts"] as string[] ?? [];
  }

  /** What a client hears last, its reference taken off, and in how many milliseconds. */
  async hears(client: string, helo?: string): Promise<{ readonly heard: string; readonly ms: number }> {
    const began = performance.now();
    const raw = await RawClient.connect(this.#port, client);
    let heard = await raw.hear();
    if (helo !== undefined) heard = await raw.ask(`EHLO ${helo}`);
    raw.reset();
    return { heard: told(heard).replace(/ \[ref \w+\]/, ""), ms: performance.now() - began };
  }

  async close(): Promise<void> {
    await this.#daemon?.stop("SIGTERM");
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

const title = missing === undefined
  ? "the front door and NSD"
  : `the front door and NSD (skipped: ${missing})`;
describe.skipIf(missing !== undefined)(title, () => {
  let nsd: Nsd;
  let door: Door;
  beforeAll(async () => {
    nsd = await startNsd({ zones: ZONES });
    door = new Door();
    await door.open(nsd.port);
  }, 30_000);
  afterAll(async () => {
    await door?.close();
    await nsd?.stop();
  });

  test("zones that are no lists are skipped and shouted about, the others are used", async () => {
    const line = (zone: string, fault: string) =>
      `DNS list ${zone} is skipped: ${fault} (RFC 5782 section 5)`;
    await eventually(() => door.said.length >= 4);
    expect(door.said.filter((text) => text.includes("is skipped")).sort()).toEqual([
      line(
        "codes.live",
        "asked for 127.0.0.1 it answers 127.255.255.254; asked for ::FFFF:7F00:1 it answers 127.255.255.254",
      ),
      line("empty.live", "it lists neither 127.0.0.2 nor ::FFFF:7F00:2"),
      line(
        "parked.live",
        "asked for 127.0.0.1 it answers 192.0.2.80; asked for ::FFFF:7F00:1 it answers 192.0.2.80",
      ),
      line("wild.live", "it lists 127.0.0.1, as no list may; it lists ::FFFF:7F00:1, as no list may"),
    ]);
  });

  test("a listed client is refused, and told why", async () => {
    const { heard } = await door.hears("127.0.0.9");
    expect(heard).toBe("554 5.7.1 Client host blocked using bl.live: Spam, see https://bl.live/");
    const verdicts = await door.verdicts("127.0.0.9");
    expect(verdicts).toContain("dnsbl@connect:bl.live=127.0.0.4");
    expect(verdicts).toContain("fcrdns@connect:reverse=pass mail.client.live");
  });

  test("light listings add up, those of a list that only has IPv6's test entries too", async () => {
    const { heard } = await door.hears("127.0.0.10");
    expect(heard).toBe("554 5.7.1 Client host blocked using six.live, light.live");
  });

  test("a client that no list knows is greeted, whatever zones say that are none", async () => {
    const { heard } = await door.hears("127.0.0.11");
    expect(heard).toMatch(/^220 mx.live.example/);
    const verdicts = await door.verdicts("127.0.0.11");
    expect(verdicts.filter((each) => /=(skipped|EREFUSED)$/.test(each))).toEqual([
      "dnsbl@connect:wild.live=skipped",
      "dnsbl@connect:parked.live=skipped",
      "dnsbl@connect:codes.live=skipped",
      "dnsbl@connect:empty.live=skipped",
      "dnsbl@connect:unserved.live=EREFUSED",
    ]);
    expect(verdicts).toContain("fcrdns@connect:reverse=fail 11-0-0-127.dsl.client.live");
    expect(verdicts).toContain('fcrdns@connect:generic=it holds "dsl"');
  });

  test("an allow list outweighs a light listing", async () => {
    expect((await door.hears("127.0.0.12")).heard).toMatch(/^220 /);
    expect(await door.verdicts("127.0.0.12")).toContain("dnsbl@connect:wl.live=127.0.5.2");
  });

  test("a name on a list of names is refused at EHLO", async () => {
    expect((await door.hears("127.0.0.13", "spam.example")).heard).toBe(
      "550 5.7.1 HELO name blocked using dbl.live",
    );
    expect((await door.hears("127.0.0.13", "ham.example")).heard).toMatch(/^250-mx.live.example/);
  });
});

const silenceTitle = missing === undefined ? "a name server" : `a name server (skipped: ${missing})`;
describe.skipIf(missing !== undefined)(silenceTitle, () => {
  test("that goes away refuses nobody, and the log says so", async () => {
    const nsd = await startNsd({ zones: ZONES });
    const door = new Door();
    try {
      await door.open(nsd.port);
      expect((await door.hears("127.0.0.9")).heard).toMatch(/^554 /);
      await nsd.stop();
      const { heard, ms } = await door.hears("127.0.0.14");
      expect(heard).toMatch(/^220 /);
      expect(ms).toBeLessThan(3500);
      const lines = () => door.said.filter((text) => text.startsWith("DNS list bl.live was left out"));
      await eventually(() => lines().length > 0);
      expect(lines()).toHaveLength(1);
      // What is in the cache still holds.
      expect((await door.hears("127.0.0.9")).heard).toMatch(/^554 /);
    } finally {
      await door.close();
      await nsd.stop();
    }
  }, 30_000);

  test("that never answers costs what a list may take, and no more", async () => {
    const socket = await mute();
    const door = new Door();
    try {
      await door.open(socket.address().port, 300);
      const { heard, ms } = await door.hears("127.0.0.15");
      expect(heard).toMatch(/^220 /);
      expect(ms).toBeGreaterThan(250);
      expect(ms).toBeLessThan(1500);
      const line = "DNS list bl.live was left out: no answer within 300 ms";
      expect(await eventually(() => door.said.includes(line))).toBe(true);
    } finally {
      await door.close();
      socket.close();
    }
  }, 30_000);
});

/** A socket that hears all and says nothing. */
function mute(): Promise<Socket> {
  const socket = createSocket("udp4");
  return new Promise((resolve) => socket.bind(0, "127.0.0.1", () => resolve(socket)));
}
