/**
 * The layers of one session, from the widest to the narrowest: each is kept with what it is about, and goes with it.
 */
import { type Fate, Layer, type Run, type Sent } from "./layer.ts";
import type { Stage } from "./stages.ts";

export class Scopes {
  readonly session = new Layer();
  #greeting: Layer | undefined;
  /** A greeting that is being judged: what it brings counts once it is accepted. */
  #next: Layer | undefined;
  #transaction: Layer | undefined;
  #recipient: Layer | undefined;

  /** Where a stage's findings and effects belong. */
  of(stage: Stage): Layer {
    if (stage === "connect") return this.session;
    if (stage === "helo") return this.#next ??= new Layer(this.session);
    const greeting = this.#greeting ??= new Layer(this.session);
    const transaction = this.#transaction ??= new Layer(greeting);
    if (stage !== "rcpt") return transaction;
    return this.#recipient ??= new Layer(transaction);
  }

  get headers(): string {
    return this.session.headers + (this.#greeting?.headers ?? "") + (this.#transaction?.headers ?? "");
  }

  /** Where plugins have sent the mail at hand. */
  get sent(): Sent | undefined {
    return (this.#recipient ?? this.#transaction ?? this.#greeting ?? this.session).sent;
  }

  /** A greeting was answered: an accepted one takes the place of the last, and ends its transaction. */
  greeted(accepted: boolean, run: Run): void {
    const next = this.#next;
    this.#next = undefined;
    if (!accepted) return next?.over(run);
    this.greetingOver(run);
    this.#greeting = next;
  }

  greetingOver(run: Run): void {
    this.transactionOver("not taken", run);
    this.#greeting?.over(run);
    this.#greeting = undefined;
  }

  recipientOver(accepted: boolean, run: Run): void {
    const recipient = this.#recipient;
    this.#recipient = undefined;
    if (recipient === undefined) return;
    if (accepted) this.#transaction!.join(recipient);
    else recipient.over(run);
  }

  /** The session and its greeting have had mail taken once one transaction has. */
  transactionOver(fate: Fate, run: Run): void {
    this.recipientOver(false, run);
    const transaction = this.#transaction;
    this.#transaction = undefined;
    if (fate === "taken") { for (const layer of [this.session, this.#greeting]) layer?.decided(fate, run); }
    transaction?.decided(fate, run);
    transaction?.over(run);
  }

  over(run: Run): void {
    this.greeted(false, run);
    this.greetingOver(run);
    this.session.over(run);
  }
}
