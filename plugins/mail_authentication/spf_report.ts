/**
 * What is said of an identity at one stage: a finding, a word for `explain`, a count, and what else follows. It is the same
 * as long as the decision is, so for those who come often it is made once.
 */
import {
  type Action,
  type FindingKey,
  found,
  type Io,
  note,
  Remembered,
  type SpfFinding,
  type Verdict,
} from "sallyport";
import type { SpfDecision } from "./mailauth.ts";
import type { SpfIdentity } from "./spf_identity.ts";

type Parts = readonly (Action | Verdict)[];
type Wanted = readonly (Action | Verdict | undefined)[];

interface Report {
  readonly decision: SpfDecision;
  /** Of the metric. */
  readonly labels: Readonly<Record<string, string>>;
  readonly parts: Parts;
}

/** An identity, and what was last said of it. */
export interface Subject {
  readonly identity: SpfIdentity;
  report: Report | undefined;
}

export class Reports {
  readonly #key: FindingKey<SpfFinding>;
  readonly #follows: (identity: SpfIdentity, decision: SpfDecision) => Wanted;
  readonly #subjects = new Remembered<Subject>();

  /** @param follows what goes with the finding */
  constructor(
    key: FindingKey<SpfFinding>,
    follows: (identity: SpfIdentity, decision: SpfDecision) => Wanted,
  ) {
    this.#key = key;
    this.#follows = follows;
  }

  /** @param name the same for the same identity */
  subject(name: string, now: number, identify: () => SpfIdentity): Subject {
    return this.#subjects.of(name, now, () => ({ identity: identify(), report: undefined }));
  }

  /** Counts it, and says what there is to say. */
  of(subject: Subject, decision: SpfDecision, io: Io): Parts {
    if (subject.report?.decision !== decision) subject.report = this.#make(subject.identity, decision);
    const { labels, parts } = subject.report;
    io.count("spf_results", labels);
    return parts;
  }

  #make(identity: SpfIdentity, decision: SpfDecision): Report {
    const { scope, domain } = identity;
    const { result, problem } = decision;
    const parts = [
      found(this.#key, Object.freeze({ result, scope, domain })),
      note(scope, problem === undefined ? result : `${result}: ${problem}`),
      ...this.#follows(identity, decision),
    ].filter((part) => part !== undefined);
    return { decision, labels: { identity: scope, result }, parts };
  }
}
