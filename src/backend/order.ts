/**
 * In which order backends are tried for one transaction: who is well first, backups behind, and among equals by turns.
 */
import type { Backend } from "./backend.ts";
import { Balance } from "./balance.ts";

export class Order {
  readonly #balance: Balance<Backend>;
  readonly #busy: (backend: Backend) => number;

  /** @param busy transactions that a backend has now */
  constructor(kind: "round-robin" | "least-busy", busy: (backend: Backend) => number) {
    this.#balance = new Balance(kind);
    this.#busy = busy;
  }

  /** Everybody who can be asked but the spent ones; only the first of them has its turn with this. */
  of(backends: readonly Backend[], spent: ReadonlySet<Backend>, now: number): readonly Backend[] {
    const usable = backends.filter((backend) => backend.usable && !spent.has(backend));
    if (usable.length < 2) return usable;
    const ranked = usable.toSorted((a, b) => a.rank - b.rank);
    const first = ranked.filter(({ rank }) => rank === ranked[0]!.rank);
    return [...this.#balance.order(this.#candidates(first, now)), ...ranked.slice(first.length)];
  }

  /** The addresses of one name share its weight. */
  #candidates(backends: readonly Backend[], now: number) {
    return backends.map((each) => {
      const { address, circuit } = each;
      const addresses = backends.filter((other) => other.address === address).length;
      return { each, weight: address.weight * circuit.share(now) / addresses, busy: this.#busy(each) };
    });
  }
}

/** Why `Order.of` had nobody, for the log. */
export function whyNobody(backends: readonly Backend[], spent: ReadonlySet<Backend>): string {
  if (backends.length === 0) return "no backend's name can be looked up";
  if (backends.some(({ usable }) => usable)) return "no backend is left to try";
  const down = backends.find(({ circuit, drained }) => !drained && circuit.state !== "closed");
  if (down !== undefined) return `all backends are down: ${down.name}: ${down.circuit.reason}`;
  return spent.size === 0 ? "all backends are drained" : "no backend is left to try";
}
