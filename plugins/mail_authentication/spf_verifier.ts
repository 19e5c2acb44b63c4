/**
 * The decision on an identity: remembered, or found out within its time.
 */
import { type Io, type SpfResult, within } from "sallyport";
import { checkHost, type SpfDecision } from "./mailauth.ts";
import type { SpfIdentity } from "./spf_identity.ts";
import { SpfLookups } from "./spf_lookups.ts";
import { SpfMemory } from "./spf_memory.ts";

/** RFC 7208 §4.3: nothing is asked. */
const NO_DOMAIN: SpfDecision = { result: "none" };

const LATE: SpfDecision = { result: "temperror", problem: "no answer in time" };

export class SpfVerifier {
  readonly #timeout: number;
  readonly #memory = new SpfMemory();

  /** @param timeout milliseconds for all look-ups of one evaluation */
  constructor(timeout: number) {
    this.#timeout = timeout;
  }

  /** At once where it is remembered, or where there is no domain to ask. */
  verify(identity: SpfIdentity, io: Io): SpfDecision | Promise<SpfDecision> {
    if (identity.domain === "") return NO_DOMAIN;
    return this.#memory.get(identity, io.now()) ?? this.#evaluate(identity, io);
  }

  async #evaluate(identity: SpfIdentity, io: Io): Promise<SpfDecision> {
    const began = io.now();
    const lookups = new SpfLookups(io);
    try {
      const found = await within(io, this.#timeout, checkHost(identity, lookups)) ?? LATE;
      const decision = lookups.unsure ? spared(found) : found;
      this.#memory.keep(identity, decision, lookups, began);
      return decision;
    } catch (cause) {
      // Whoever can make a record that the library fails at must not be able to switch the check off by it.
      io.log.warn("the evaluation of SPF failed", { domain: identity.domain, cause: String(cause) });
      return { result: "permerror", problem: "the record cannot be evaluated" };
    } finally {
      lookups.stop();
    }
  }
}

/** What speaks against a client. */
const AGAINST: readonly SpfResult[] = ["fail", "softfail", "permerror"];

/**
 * A look-up failed, or its answer may have changed since, and the evaluation went on (RFC 7208 §5.5: a `ptr` that cannot be
 * asked does not match). What then speaks against the client may be the DNS's doing: no mail is lost to that.
 */
function spared(found: SpfDecision): SpfDecision {
  if (!AGAINST.includes(found.result)) return found;
  return { result: "temperror", problem: `${found.result}, but not all of the DNS could be asked` };
}
