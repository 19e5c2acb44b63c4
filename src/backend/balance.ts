/**
 * Whose turn it is among backends that can all be asked. Round robin is smooth: with weights 5, 1, 1 the first gets
 * its five of seven with the others between. Least busy goes by transactions for the weight, and by turns between equals.
 */

/** A backend's part in the balance. */
interface Turn {
  /** What it is owed. */
  owed: number;
}

/** Something that takes turns, with the weight it has now. */
export interface Candidate<Each> {
  readonly each: Each;
  /** Above 0. */
  readonly weight: number;
  /** Transactions it has now. */
  readonly busy: number;
}

export class Balance<Each extends object> {
  readonly #turns = new WeakMap<Each, Turn>();
  readonly #leastBusy: boolean;

  constructor(kind: "round-robin" | "least-busy") {
    this.#leastBusy = kind === "least-busy";
  }

  /** The candidates in the order to try: the first has its turn with this, the others are who would be next. */
  order(candidates: readonly Candidate<Each>[]): Each[] {
    if (candidates.length < 2) return candidates.map(({ each }) => each);
    const total = candidates.reduce((sum, { weight }) => sum + weight, 0);
    for (const { each, weight } of candidates) this.#turn(each).owed += weight;
    const sorted = candidates.toSorted((a, b) => this.#before(a, b));
    this.#turn(sorted[0]!.each).owed -= total;
    if (this.#leastBusy) { for (const { each } of candidates) this.#forgive(this.#turn(each), total); }
    return sorted.map(({ each }) => each);
  }

  /** Where others decide, debts would grow without bound, and be paid all at once. */
  #forgive(turn: Turn, most: number): void {
    turn.owed = Math.max(-most, Math.min(most, turn.owed));
  }

  #before(a: Candidate<Each>, b: Candidate<Each>): number {
    const busier = this.#leastBusy ? a.busy / a.weight - b.busy / b.weight : 0;
    return busier || this.#turn(b.each).owed - this.#turn(a.each).owed;
  }

  #turn(each: Each): Turn {
    let turn = this.#turns.get(each);
    if (turn === undefined) this.#turns.set(each, turn = { owed: 0 });
    return turn;
  }
}
