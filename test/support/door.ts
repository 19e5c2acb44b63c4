/**
 * A proxy with one listener on a fake network, within fake time: what comes to it before there is a session, from which
 * host, and whom it then takes for its client.
 */
import { BACKEND_DEFAULTS } from "../../src/policy/backend_address.ts";
import type { TlsIdentity } from "../../src/net/wire.ts";
import { listenAddress } from "../../src/policy/address.ts";
import { definePlugin } from "../../src/policy/plugin.ts";
import { DEFAULTS, type Settings } from "../../src/policy/settings.ts";
import type { HeloFacts } from "../../src/policy/stages.ts";
import type { Fields } from "../../src/proxy/journal.ts";
import { Proxy } from "../../src/proxy/server.ts";
import { latin1, latin1Text } from "../../src/smtp/reply.ts";
import { FakeBackend } from "../../src/testing/backend.ts";
import { FakeEvents, FakeNetwork, type FakeWire } from "../../src/testing/network.ts";
import { FakeTimers, promisesSettle } from "../../src/testing/timers.ts";
import { withTimers } from "./fake_timers.ts";

/** The host that is believed, a client that it speaks for, and one that comes by itself. */
export const [HOST, CLIENT, STRANGER] = ["10.0.0.5", "192.0.2.1", "203.0.113.7"] as const;
export const GREETING = "220 mx.example ESMTP Sallyport\r\n";

const TLS: TlsIdentity = { cert: "", key: "" };
const FACTS = { version: "TLSv1.3", cipher: "TLS_AES_128_GCM_SHA256", serverName: undefined };

/** How the proxy is set; `listen` as SALLYPORT_LISTEN has it. */
export interface DoorOptions extends Partial<Omit<Settings, "listen">> {
  readonly listen?: string;
  readonly proxy?: "off" | "optional" | "required";
}

export class Door {
  readonly network = new FakeNetwork(new FakeEvents());
  readonly timers: FakeTimers;
  readonly log: { readonly event: string; readonly fields: Fields }[] = [];
  readonly proxy: Proxy;
  /** What plugins were told at EHLO and HELO. */
  readonly known: HeloFacts[] = [];

  constructor(timers: FakeTimers, { listen = "192.0.2.25:25", proxy, plugins = [], ...given }: DoorOptions) {
    this.timers = timers;
    const note = (event: string, fields: Fields) => void this.log.push({ event, fields });
    this.network.onDial = (dial) => new FakeBackend("backend", dial.open()).greet(["SIZE 1000"]);
    const witness = definePlugin("witness", () => ({
      onError: "pass",
      helo: (session) => void this.known.push(session),
    }))();
    this.proxy = new Proxy(
      {
        ...DEFAULTS,
        hostname: "mx.example",
        listen: [{ ...listenAddress(listen)!, ...(proxy && { proxy }) }],
        backends: [{ ...BACKEND_DEFAULTS, name: "backend", endpoint: { host: "198.51.100.1", port: 25 } }],
        trusted: ["10.0.0.0/8", "2001:db8:5::/48"],
        plugins: [...plugins, witness],
        ...given,
      },
      TLS,
      this.network,
      { info: note, warn: note },
    );
  }

  async rest(): Promise<void> {
    do {
      this.network.events.settle();
      await promisesSettle();
    } while (this.network.events.settle());
  }

  async pass(milliseconds: number): Promise<void> {
    for (let left = milliseconds; left > 0; left -= 100) {
      this.timers.advance(Math.min(left, 100));
      await this.rest();
    }
  }

  /** A connection from this address. */
  async call(host: string = HOST): Promise<Guest> {
    const guest = new Guest(this, this.network.call(host)!);
    await this.rest();
    return guest;
  }

  /** Lines of the log, as text of these fields. */
  told(event: string, ...fields: readonly string[]): string[] {
    return this.log.filter((line) => line.event === event).map((line) =>
      fields.map((field) => String(line.fields[field])).join(" ")
    );
  }
}

/** The other end of a connection. */
export class Guest {
  readonly wire: FakeWire;
  heard = "";
  readonly #door: Door;

  constructor(door: Door, wire: FakeWire) {
    this.#door = door;
    this.wire = wire;
    wire.onWritten = (bytes) => void (this.heard += latin1Text(bytes));
  }

  /** Sends octets in one write; what it hears of it. */
  async say(octets: string | Uint8Array): Promise<string> {
    this.heard = "";
    this.wire.send(typeof octets === "string" ? latin1(octets) : octets.slice());
    await this.#door.rest();
    return this.heard;
  }

  /** Sends octets one by one. */
  async spell(octets: Uint8Array): Promise<string> {
    let heard = "";
    for (let at = 0; at < octets.length; at++) heard += await this.say(octets.subarray(at, at + 1));
    return heard;
  }

  /** The handshake of TLS, which begins with octets of the client's unless it has begun already. */
  async shake(): Promise<void> {
    if (this.wire.handshake === undefined) await this.say("\x16\x03\x01");
    this.wire.shake(FACTS);
    await this.#door.rest();
  }
}

/** Runs a test with a proxy that has been started. */
export function atDoor(options: DoorOptions, body: (door: Door) => Promise<void>): () => Promise<void> {
  return () => {
    const timers = new FakeTimers();
    return withTimers(timers, async () => {
      const door = new Door(timers, options);
      const started = door.proxy.start();
      await door.rest();
      await started;
      await body(door);
      await door.rest();
    });
  };
}
