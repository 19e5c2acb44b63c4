/**
 * Greylisting (RFC 6647): who was never seen is told to come again, and who comes again is let in. Remembered is the triplet
 * of the client's network, the sender and the recipient; a network or a domain of which enough triplets have come again is
 * let through unasked. What counts is the mail that the backend has taken, not what was let in.
 */
import {
  type DataFacts,
  definePlugin,
  type Io,
  isAllowed,
  type Opinion,
  type Path,
  type PluginBody,
  type PluginFactory,
  type RcptFacts,
  Remembered,
  SPF,
  type Store,
} from "sallyport";
import { Case, type Shared } from "./case.ts";
import { Memory } from "./memory.ts";
import { type GreylistOptions, schema, type Terms } from "./options.ts";

export type { GreylistOptions } from "./options.ts";

/** Lets strangers wait. */
export const greylist: PluginFactory<GreylistOptions> = definePlugin(
  "greylist",
  schema,
  (terms): PluginBody => new Greylist(terms),
);

class Greylist implements PluginBody {
  readonly onError: PluginBody["onError"];
  readonly judges = "client";
  readonly #terms: Terms;
  readonly #shared: Shared;
  /** One for each store: what is shadowed has its own. */
  readonly #memories = new WeakMap<Store, Memory>();

  constructor(terms: Terms) {
    this.onError = terms.onError;
    this.#terms = terms;
    this.#shared = {
      terms,
      networks: new Remembered(),
      senders: new Remembered(),
      crowds: new Remembered(),
      crowdTold: -Infinity,
    };
  }

  rcpt(session: RcptFacts, io: Io): Opinion | Promise<Opinion> {
    const later = session.reversePath.mailbox === "" && this.#terms.nullSender !== "rcpt";
    return later ? undefined : this.#judge(session, session.forwardPath, io);
  }

  /** The first recipient says enough: nobody changes their order (RFC 6647 §5). */
  data(session: DataFacts, io: Io): Opinion | Promise<Opinion> {
    const due = session.reversePath.mailbox === "" && this.#terms.nullSender === "data";
    const [recipient] = session.recipients;
    return due && recipient !== undefined ? this.#judge(session, recipient, io) : undefined;
  }

  #judge(session: RcptFacts | DataFacts, recipient: Path, io: Io): Opinion | Promise<Opinion> {
    if (this.#isExempt(session)) return undefined;
    return new Case(this.#shared, this.#memory(io.store), session, recipient, io).judge(session);
  }

  #isExempt(session: RcptFacts | DataFacts): boolean {
    const { spfPass, exempt } = this.#terms;
    // RFC 6647 §5: not for those who have authenticated, not for those who are known.
    if (session.user !== undefined || isAllowed(session)) return true;
    if (spfPass === "exempt" && session.findings.get(SPF)?.result === "pass") return true;
    return exempt?.(session) ?? false;
  }

  #memory(store: Store): Memory {
    let memory = this.#memories.get(store);
    if (memory === undefined) {
      this.#memories.set(store, memory = new Memory(this.#terms.cache, this.#terms.memory));
    }
    return memory;
  }
}
