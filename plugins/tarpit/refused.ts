/**
 * How many recipients a session has guessed wrong: those that the policy has rejected, of which an observer is told, and
 * those that the backend has refused, which their rollback shows. What the policy defers does not count: so speaks a
 * greylist, to honest senders too.
 */
import { finding, type FindingKey, type Findings, type Observation, type Path } from "sallyport";

interface Tally {
  refused: number;
  /** The recipient that nobody has decided about yet. */
  open: Path | undefined;
}

export class RefusedRecipients {
  readonly #key: FindingKey<Tally> = finding("refused recipients");

  /** What a session begins with; to be left as a finding at `connect`. */
  begin(): readonly [FindingKey<Tally>, Tally] {
    return [this.#key, { refused: 0, open: undefined }];
  }

  /** How many so far. */
  count(findings: Findings): number {
    return findings.get(this.#key)?.refused ?? 0;
  }

  /**
   * A recipient is asked about.
   * @returns what is to be done when it comes to nothing
   */
  ask(path: Path, findings: Findings): () => void {
    const tally = findings.get(this.#key);
    if (tally !== undefined) tally.open = path;
    return () => {
      // Of a transaction that came to nothing all recipients are told; only the last may still be open.
      if (tally?.open === path) tally.refused++;
    };
  }

  observe(event: Observation): void {
    if (event.kind !== "judged") return;
    const tally = event.session.findings.get(this.#key);
    if (tally === undefined) return;
    if (event.stage === "data") tally.open = undefined;
    if (event.stage !== "rcpt" || event.verdict === undefined) return;
    tally.open = undefined;
    if (event.verdict.kind === "reject") tally.refused++;
  }
}
