/**
 * What observers are told: every judgement, and how transactions and sessions end.
 */
import type { Path } from "../smtp/path.ts";
import type { Refusal } from "./verdict.ts";
import type { ConnectFacts, MailFacts, Stage, Stages } from "./stages.ts";

/** How a transaction ended. `ambiguous`: the backend has the whole message and did not say what became of it. */
export type Outcome = "delivered" | "ambiguous" | "deferred" | "rejected" | "reset" | "lost";

export type Observation =
  /** A stage was judged. `plugin` is who decided. */
  | {
    readonly kind: "judged";
    readonly stage: Stage;
    readonly session: Stages[Stage];
    readonly verdict: Refusal | undefined;
    readonly plugin: string | undefined;
  }
  | {
    readonly kind: "transaction";
    readonly session: MailFacts;
    readonly recipients: readonly Path[];
    readonly outcome: Outcome;
    /** Octets; 0 where the message was not read to its end. */
    readonly size: number;
  }
  | { readonly kind: "session"; readonly session: ConnectFacts; readonly ms: number };
