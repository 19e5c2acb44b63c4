/**
 * A mail server behind the proxy, at one address, and what is known of it. A backend given by a name is several of these.
 */
import type { Endpoint } from "../net/wire.ts";
import type { BackendAddress, Health } from "../policy/settings.ts";
import type { Extensions } from "../smtp/extensions.ts";
import { Circuit } from "./circuit.ts";
import { RefusedLogin } from "./refused_login.ts";

/** Time from dial to EHLO counts this much of what is usual. */
const NEWEST = 1 / 4;
/** Longer than so many times the usual is slow … */
const SLOW = 2;
/** … and longer than so many times is too long. */
const TOO_LONG = 3;

export type Standing = "up" | "half-open" | "down" | "drained";

/** One backend. */
export class Backend {
  /** What the operator has set; shared by all addresses of one name. */
  readonly address: BackendAddress;
  /** For people; with the host's address where that was looked up. */
  readonly name: string;
  readonly endpoint: Endpoint;
  readonly circuit: Circuit;
  readonly login = new RefusedLogin();
  /** What its last EHLO reply offered; undefined until one was seen. */
  extensions: Extensions | undefined;
  /** Nothing new for it: as the operator wishes … */
  drained = false;
  /** … or since its name stands for it no more. */
  gone = false;
  /** A dial has taken longer than usual, and none has come through since. */
  slow = false;
  /** Until when it is spoken to without TLS, where TLS is opportunistic and has failed. */
  plainUntil = -Infinity;
  /** It has once said what nobody had asked for: from then on it is told one command at a time, and messages by DATA. */
  outOfTurn = false;
  /** Open connections, apart from looks. */
  connections = 0;
  /** Those of them that have been ready. */
  working = 0;
  /** Milliseconds from dial to EHLO, by the last few. */
  #usual = 0;
  readonly #health: Health;

  constructor(
    address: BackendAddress,
    health: Health,
    random: () => number,
    endpoint: Endpoint = address.endpoint,
    name: string = address.name,
  ) {
    this.address = address;
    this.name = name;
    this.endpoint = endpoint;
    this.circuit = new Circuit(health, random);
    this.#health = health;
  }

  /** Whether transactions may begin on it. */
  get usable(): boolean {
    return !this.drained && !this.gone && this.circuit.state === "closed";
  }

  /** Usable, and nothing speaks against it. */
  get well(): boolean {
    return this.usable && !this.slow && !this.circuit.doubtful;
  }

  /** Lower ones are asked first. A backup goes before one that is slow and has failed: it may be silent. */
  get rank(): number {
    const lame = this.slow && this.circuit.doubtful;
    return (this.well ? 0 : lame ? 3 : 1) + (this.address.backup ? 2 : 0);
  }

  get standing(): Standing {
    if (this.drained || this.gone) return "drained";
    const { state } = this.circuit;
    return state === "closed" ? "up" : state === "open" ? "down" : state;
  }

  /** Milliseconds after which a dial that has not come through is slow. */
  get slowAfter(): number {
    return Math.max(this.#health.hedge, SLOW * this.#usual);
  }

  /** Milliseconds that a look may take. */
  get patience(): number {
    return Math.max(this.#health.timeout, TOO_LONG * this.#usual);
  }

  /** A dial has come through. */
  greeted(ms: number): void {
    this.slow = false;
    this.#usual = this.#usual === 0 ? ms : this.#usual + (ms - this.#usual) * NEWEST;
  }
}
