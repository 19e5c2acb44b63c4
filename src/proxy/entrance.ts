/**
 * Where connections come in: what a PROXY header or TLS must come first is waited for, then there is a client that can
 * have a session. Headers are taken from trusted hosts only.
 */
import type { ProxyHeader } from "../net/proxy_protocol.ts";
import type { Address, Wire, WireOwner } from "../net/wire.ts";
import type { ListenAddress, Settings } from "../policy/settings.ts";
import type { Refusal } from "../smtp/commands.ts";
import { type Caller, callerOf, proxied } from "./caller.ts";
import type { Census } from "./census.ts";
import { visible, visibleFields } from "./journal.ts";
import { Preface } from "./preface.ts";
import { strayHeaderText } from "./record.ts";
import type { Session } from "./session.ts";
import type { Surroundings } from "./surroundings.ts";

const STRANGER: Refusal = [554, "7.1", "Only trusted hosts may connect here"];
const NO_CLIENT: Refusal = [421, "3.0", "The host before this one did not say for whom it speaks"];

/** Who makes sessions. */
export interface Host {
  /** A client's session begins; with `refusal` it is also its end. */
  begin(wire: Wire, address: ListenAddress, caller: Caller, refusal?: Refusal): Session;
}

export class Entrance {
  readonly #settings: Settings;
  readonly #around: Surroundings;
  /** Who waits here is counted like a session of the connection's other end: nobody can hold more than the settings say. */
  readonly #census: Census;
  readonly #host: Host;
  /** Connections that have not said yet whose they are. */
  readonly #prefaces = new Set<Preface>();

  constructor(
    settings: Settings,
    around: Surroundings,
    census: Census,
    host: Host,
  ) {
    this.#settings = settings;
    this.#around = around;
    this.#census = census;
    this.#host = host;
  }

  #tellStray(caller: Pick<Caller, "remote" | "via" | "trusted">, { name: listener }: ListenAddress): void {
    const fields = { client: caller.remote.host, listener, detail: strayHeaderText(caller) };
    this.#around.log.warn("proxy header", visibleFields(fields));
  }

  /** A handshake came to nothing. */
  #unshaken({ host }: Address, { name: listener }: ListenAddress, { message }: Error): void {
    this.#around.log.info("no handshake", { client: host, listener, error: visible(message) });
  }

  accept(wire: Wire, address: ListenAddress): WireOwner {
    const caller = callerOf(wire, this.#around.trusted);
    const { proxy = "optional" } = address;
    if (caller.trusted && proxy !== "off") return this.#preface(wire, address, caller, proxy);
    if (proxy === "required") {
      return this.#refuse(wire, address, caller, STRANGER, "that address is not trusted");
    }
    if (address.implicitTls && wire.tls === undefined) return this.#preface(wire, address, caller, "off");
    return this.#host.begin(wire, address, caller);
  }

  /** Ends all that have not begun. */
  close(): void {
    for (const preface of [...this.#prefaces]) preface.abort();
  }

  #preface(
    wire: Wire,
    address: ListenAddress,
    caller: Caller,
    header: "off" | "optional" | "required",
  ): WireOwner {
    const beginning = {
      header,
      tls: address.implicitTls ? this.#around.tls?.() : undefined,
      handshakeTime: this.#settings.limits.handshakeTime,
      wait: this.#around.chain.engine.wait,
    };
    const over = () => {
      this.#prefaces.delete(preface);
      this.#census.leave(caller);
    };
    const preface: Preface = new Preface(wire, beginning, {
      began: (header, early) => {
        over();
        this.#introduced(wire, address, header, early);
      },
      faulty: (fault) => {
        over();
        wire.owner = this.#refuse(wire, address, caller, NO_CLIENT, fault);
      },
      stray: () => {
        over();
        this.#tellStray(caller, address);
      },
      left: (error) => {
        over();
        if (error !== undefined) this.#unshaken(caller.remote, address, error);
      },
    });
    this.#prefaces.add(preface);
    const full = this.#census.enter(caller) !== undefined;
    if (full || this.#around.draining()) queueMicrotask(() => preface.abort());
    return preface;
  }

  /** The client that a header names has its session now, or whoever is there without one. */
  #introduced(wire: Wire, address: ListenAddress, header: ProxyHeader | undefined, early: Uint8Array): void {
    const { trusted } = this.#around;
    const peer = callerOf(wire, trusted);
    if (header?.command === "unknown" && this.#settings.proxyUnknown === "refuse") {
      const why = "the header says that the client is not known";
      wire.owner = this.#refuse(wire, address, peer, NO_CLIENT, why);
      return;
    }
    const caller = header === undefined ? peer : proxied(peer, header, trusted);
    const session = this.#host.begin(wire, address, caller);
    wire.owner = session;
    if (early.length > 0) session.data(early);
  }

  #refuse(wire: Wire, address: ListenAddress, caller: Caller, refusal: Refusal, why: string): Session {
    const client = caller.remote.host;
    const detail = `Cannot take a connection by the PROXY protocol from ${client}: ${why}`;
    this.#around.log.warn("proxy header", visibleFields({ client, listener: address.name, detail }));
    return this.#host.begin(wire, address, caller, refusal);
  }
}
