/**
 * Whom a session is with, as far as that is known by now: what it is offered, what plugins and backends are told of it,
 * and what stands in the Received field.
 */
import type { Identity } from "../backend/identity.ts";
import { receivedField } from "../mail/trace.ts";
import type { TlsFacts, Wire } from "../net/wire.ts";
import type { Findings } from "../policy/finding.ts";
import type { Conduct } from "../policy/stages.ts";
import { REVERSE, type ReverseFinding } from "../policy/well_known.ts";
import type { ClientName } from "../smtp/client_facts.ts";
import type { Caller } from "./caller.ts";
import type { Known } from "./facts.ts";
import type { Offer } from "./offer.ts";
import type { Surroundings } from "./surroundings.ts";

/** What a trace field tells of a message besides its client. */
interface Passing {
  readonly utf8: boolean;
  readonly id: string;
  readonly recipient: string | undefined;
}

export class Guest {
  /** As the settings name it. */
  readonly listener: string;
  verb: "HELO" | "EHLO" = "HELO";
  /** Empty until it has greeted. */
  helo = "";
  readonly #wire: Wire;
  readonly #around: Surroundings;
  #caller: Caller;
  /** Made anew when something of it changes: connections to backends are kept by it. */
  #identity: Identity | undefined;

  constructor(wire: Wire, caller: Caller, listener: string, around: Surroundings) {
    this.#wire = wire;
    this.#caller = caller;
    this.listener = listener;
    this.#around = around;
  }

  get caller(): Caller {
    return this.#caller;
  }

  /** A trusted host has named somebody else, who has not greeted yet. */
  replaced(caller: Caller): void {
    this.#caller = caller;
    this.forgetGreeting();
  }

  greeted(verb: "HELO" | "EHLO", helo: string): void {
    this.verb = verb;
    this.helo = helo;
    this.#identity = undefined;
  }

  forgetGreeting(): void {
    this.helo = "";
    this.#identity = undefined;
  }

  /** Who it has authenticated as. */
  get user(): string | undefined {
    return this.#around.user ?? this.#caller.user;
  }

  /** Of its own connection, wherever that ends. */
  get tls(): TlsFacts | undefined {
    return this.#wire.tls ?? this.#caller.tls;
  }

  /** What it is offered now, as far as the backends are known. */
  offer(): Offer {
    const { pools, offers, tls } = this.#around;
    return offers.for(pools.reach(this.listener).extensions(), {
      // Where a trusted host has ended the client's TLS, the client is within TLS already (RFC 3207 §4.2).
      starttls: tls !== undefined && this.tls === undefined,
      secured: this.#wire.tls !== undefined,
      xclient: this.#caller.mayName,
    });
  }

  known(id: string, findings: Findings, conduct: Conduct): Known {
    const { tls } = this;
    Object.freeze(tls?.peer);
    return {
      id,
      caller: this.#caller,
      tls: Object.freeze(tls),
      listener: this.listener,
      hostname: this.#around.hostname,
      verb: this.verb,
      helo: this.helo,
      conduct,
      user: this.user,
      findings,
    };
  }

  /** @param findings what is known of the connection */
  identity(findings: Findings | undefined): Identity {
    if (this.#identity !== undefined) return this.#identity;
    const caller = this.#caller;
    const { remote, trusted, mayName } = caller;
    const identity: Identity = {
      remote,
      // Only who is told of it by XCLIENT or PROXY asks, and then at once.
      get local() {
        return caller.local;
      },
      unknown: trusted && !mayName,
      name: nameOf(findings?.get(REVERSE)),
      helo: this.helo,
      verb: this.verb,
      user: this.user,
      tls: this.tls,
      present: () => this.#identity === identity,
    };
    return (this.#identity = identity);
  }

  /** Nobody is spoken for any more. */
  left(): void {
    this.#identity = undefined;
  }

  /** The Received field of a message of its. */
  received(passing: Passing): string {
    return receivedField({
      ...passing,
      helo: this.helo,
      client: this.#caller.remote.host,
      hostname: this.#around.hostname,
      extended: this.verb === "EHLO",
      tls: this.tls,
      authenticated: this.user !== undefined,
      time: Date.now(),
    });
  }
}

/** Where nobody has looked, the name is not known now: nothing is to be concluded from that. */
function nameOf(reverse: ReverseFinding | undefined): ClientName {
  if (reverse === undefined || reverse.status === "temperror") return { failed: "temporary" };
  return reverse.name ?? null;
}
