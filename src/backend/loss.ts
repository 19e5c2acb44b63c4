/**
 * How a connection to a backend ends other than by our own wish, and in which words the log has it.
 */
import type { BackendAddress } from "../policy/settings.ts";
import type { ClientFault, Step } from "../smtp/client.ts";
import type { Reply } from "../smtp/reply.ts";
import type { Misread } from "./exchange.ts";

/** Why a connection ended other than by our own wish. */
export interface Loss {
  readonly why: "refused" | "closed" | "torn" | "timeout" | "tls" | ClientFault;
  /** The step that was waiting for its reply. */
  readonly step: Step | undefined;
  /** For the log. */
  readonly detail: string;
  /** What the backend says to the client whom it was told of: it refuses that client, and is well itself. */
  readonly verdict?: Reply | undefined;
  /** It came to pass after the backend was told of a client: it may be about that client. */
  readonly personal?: boolean | undefined;
  /** The same backend may do without what failed: TLS, where it is opportunistic. */
  readonly again?: boolean | undefined;
}

/** Whether the backend said what nobody had asked for. */
export function isOutOfTurn({ why }: Loss): boolean {
  return why === "unasked" || why === "unexpected";
}

/** What no reply was, for the log; where we authenticate it may be an echo of the credentials, however late it comes. */
export function faultText({ step, fault, text }: Misread, { login }: BackendAddress): string {
  if (step === "auth") return "no possible reply to AUTH (its text is hidden)";
  return login === undefined || fault === "421" ? text : "no possible reply (its text is hidden)";
}
