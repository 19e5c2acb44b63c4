/**
 * What may be wrong with a greeting, and what is made of it.
 */
import { type Action, defer, type Refusal, reject, score } from "sallyport";

/** Something that is wrong with a greeting; named as the option that says what it costs. */
export type HeloFault =
  | "syntax"
  | "bareAddress"
  | "ownName"
  | "ownLiteral"
  | "foreignLiteral"
  | "singleLabel"
  | "reservedName"
  | "unresolvable"
  | "mismatch";

/** What a fault costs; `"score"` is the fault's own number of points. */
export type HeloAction = "off" | "score" | "reject" | "defer" | { readonly score: number };

/** For people: what a fault is, and the points of `"score"`. */
const WORDS: Readonly<Record<HeloFault, readonly [text: string, points: number]>> = {
  syntax: ["Your HELO is neither a host name nor an address literal", 5],
  bareAddress: ["Your HELO is an address without brackets", 5],
  ownName: ["Your HELO is our own name", 5],
  ownLiteral: ["Your HELO is our own address", 5],
  foreignLiteral: ["Your HELO is an address that is not yours", 2],
  singleLabel: ["Your HELO is not a fully qualified name", 2],
  reservedName: ["Your HELO is a name that the public DNS does not have", 1],
  unresolvable: ["Your HELO is a name without an address in the DNS", 2],
  mismatch: ["Your HELO is a name of another host", 1],
};

/** RFC 5321 §4.2.2: a syntax error in parameters or arguments. */
const SYNTAX: ReadonlySet<HeloFault> = new Set(["syntax", "bareAddress"]);

export type HeloActions = Readonly<Record<HeloFault, HeloAction>>;

/** What the faults cost together: every score, and the strictest refusal. */
export function costs(faults: readonly HeloFault[], actions: HeloActions): (Action | Refusal)[] {
  const scores = faults.flatMap((fault) => {
    const points = pointsOf(fault, actions[fault]);
    return points === 0 ? [] : [score(points, `HELO: ${fault}`)];
  });
  const refused = faults.find((fault) => actions[fault] === "reject") ??
    faults.find((fault) => actions[fault] === "defer");
  return refused === undefined ? scores : [...scores, refusalOf(refused, actions[refused])];
}

function pointsOf(fault: HeloFault, action: HeloAction): number {
  if (typeof action === "object") return action.score;
  return action === "score" ? WORDS[fault][1] : 0;
}

function refusalOf(fault: HeloFault, action: HeloAction): Refusal {
  const [text] = WORDS[fault];
  if (action === "defer") return defer("4.7.1", text);
  return SYNTAX.has(fault) ? reject("5.5.2", text, 501) : reject("5.7.1", text);
}
