/**
 * For whom one connection to a backend speaks: what its handshake is told of that, what the backend knows of it, and which
 * clients can have a transaction there.
 */
import type { Wire } from "../net/wire.ts";
import type { BackendAddress } from "../policy/settings.ts";
import type { Extensions } from "../smtp/extensions.ts";
import type { Backend } from "./backend.ts";
import { type HandshakeOptions, mayName, mustTell } from "./handshake.ts";
import { type Identity, identityKey, proxyHeader, takesNames } from "./identity.ts";

/** Who we are, by which clock. */
interface Ourselves {
  readonly hostname: string;
  now(): number;
}

/** What a connection holds of those for whom it speaks; it is what its handshakes are told of them, too. */
export class Mandate implements HandshakeOptions {
  client: Identity | undefined;
  plain: boolean;
  /** The backend knows for whom it speaks. */
  told = false;
  readonly #backend: Backend;
  readonly #ourselves: Ourselves;
  /** Made when it is first asked for. */
  #key: string | undefined;

  /** @param client undefined for ourselves */
  constructor(backend: Backend, ourselves: Ourselves, client: Identity | undefined) {
    this.#backend = backend;
    this.#ourselves = ourselves;
    this.client = client;
    this.plain = ourselves.now() < backend.plainUntil;
  }

  /** It is another client's from now on; the backend has yet to be told. */
  rename(client: Identity): void {
    this.client = client;
    this.#key = undefined;
    this.plain = this.#ourselves.now() < this.#backend.plainUntil;
  }

  // ---- what the handshake is told ----

  get address(): BackendAddress {
    return this.#backend.address;
  }

  get hostname(): string {
    return this.#ourselves.hostname;
  }

  refusedLogin(): string | undefined {
    return this.#backend.login.barred(this.#ourselves.now());
  }

  /** The octets before all others, where a backend is told by a PROXY header; undefined where none can tell of the client. */
  header(wire: Wire): Uint8Array | undefined {
    return proxyHeader(this.address.identity === "proxy-v1" ? 1 : 2, this.client, wire);
  }

  // ---- whose it is and can be ----

  /** Whether it speaks for this very client. */
  speaksFor(client: Identity): boolean {
    if (this.client === undefined) return false;
    if (this.client === client) return true;
    // Nobody knows one who has no address from another.
    if (client.unknown) return false;
    return (this.#key ??= identityKey(this.client)) === identityKey(client);
  }

  /** Whether it is this client's, or can be made so. @param offered what the backend offers now */
  canServe(client: Identity, offered: Extensions): boolean {
    if (this.#canName(offered)) return true;
    return this.told ? this.speaksFor(client) : !mustTell(this.address);
  }

  /** The backend must be told first that it is this client's now. */
  mustName(client: Identity, offered: Extensions): boolean {
    return this.#canName(offered) && !this.speaksFor(client);
  }

  /** It speaks for one client only, who has left. */
  deserted(offered: Extensions): boolean {
    return this.told && !this.#canName(offered) && this.client?.present?.() === false;
  }

  /** It can be made to speak for another client: the backend offers XCLIENT even now. */
  #canName(offered: Extensions): boolean {
    return mayName(this.address) && takesNames(offered);
  }
}
