/**
 * What has been counted and measured since the start, in Prometheus's text format (exposition format 0.0.4).
 */

/** Values of a metric's labels, in the order of its label names. */
type LabelValues = readonly string[];

interface Family {
  readonly name: string;
  readonly help: string;
  readonly kind: "counter" | "gauge" | "histogram";
  lines(): string[];
}

/** A sum that only grows, one for each combination of label values. */
export class Counter implements Family {
  readonly kind = "counter";
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
  readonly #most: number;
  readonly #sums = new Map<string, { readonly values: LabelValues; sum: number }>();

  constructor(name: string, help: string, labels: readonly string[], most: number) {
    this.name = name;
    this.help = help;
    this.labels = labels;
    this.#most = most;
  }

  /** Adds one. Past the bound on combinations all others are counted together. */
  add(...values: LabelValues): void {
    this.addTo(1, values);
  }

  addTo(by: number, values: LabelValues): void {
    const key = keyOf(values);
    const known = this.#sums.get(key);
    if (known !== undefined) known.sum += by;
    else if (values.length !== this.labels.length) {
      throw new TypeError(
        `Cannot count ${this.name}: ${values.length} values were given for ${this.labels.length} labels`,
      );
    } else if (this.#sums.size < this.#most) this.#sums.set(key, { values, sum: by });
    else if (values.some((value) => value !== OTHER)) this.addTo(by, values.map(() => OTHER));
    else this.#sums.set(key, { values, sum: by });
  }

  /** The sum of one combination; 0 where nothing was counted. */
  get(...values: LabelValues): number {
    return this.#sums.get(keyOf(values))?.sum ?? 0;
  }

  lines(): string[] {
    return [...this.#sums.values()].map(({ values, sum }) =>
      `${this.name}${labelText(this.labels, values)} ${sum}`
    );
  }
}

/** Mostly there are one or two. */
function keyOf(values: LabelValues): string {
  if (values.length === 1) return values[0]!;
  return values.length === 2 ? `${values[0]}\0${values[1]}` : values.join("\0");
}

const OTHER = "other";

/** Upper bounds in seconds: what a check costs, from nothing to its deadline. */
const BOUNDS: readonly number[] = [0.0001, 0.001, 0.01, 0.1, 0.5, 1, 2.5, 5, 10, 30];

/** The distribution of one combination of label values. */
export class Distribution {
  readonly values: LabelValues;
  readonly counts: number[] = new Array(BOUNDS.length + 1).fill(0);
  sum = 0;

  constructor(values: LabelValues) {
    this.values = values;
  }

  observe(seconds: number): void {
    let bucket = 0;
    while (bucket < BOUNDS.length && seconds > BOUNDS[bucket]!) bucket++;
    this.counts[bucket]!++;
    this.sum += seconds;
  }
}

/** How long something takes, one distribution for each combination of label values. */
export class Histogram implements Family {
  readonly kind = "histogram";
  readonly name: string;
  readonly help: string;
  readonly #labels: readonly string[];
  readonly #all = new Map<string, Distribution>();

  constructor(name: string, help: string, labels: readonly string[]) {
    this.name = name;
    this.help = help;
    this.#labels = labels;
  }

  /** To be kept by whoever observes often. */
  of(...values: LabelValues): Distribution {
    const key = values.join("\0");
    let one = this.#all.get(key);
    if (one === undefined) this.#all.set(key, one = new Distribution(values));
    return one;
  }

  lines(): string[] {
    const labels = [...this.#labels, "le"];
    return [...this.#all.values()].flatMap(({ values, counts, sum }) => {
      let upTo = 0;
      const buckets = counts.map((count, i) => {
        upTo += count;
        const bound = i < BOUNDS.length ? String(BOUNDS[i]) : "+Inf";
        return `${this.name}_bucket${labelText(labels, [...values, bound])} ${upTo}`;
      });
      const rest = labelText(this.#labels, values);
      return [...buckets, `${this.name}_sum${rest} ${sum}`, `${this.name}_count${rest} ${upTo}`];
    });
  }
}

/** One value of a gauge. */
export interface Reading {
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
}

/** All metrics of a process. */
export class Metrics {
  readonly #families = new Map<string, Family>();

  /**
   * A counter, the same one for the same name.
   * @param most combinations of label values that are told apart
   */
  counter(name: string, help: string, labels: readonly string[] = [], most = 1000): Counter {
    const known = this.#families.get(name);
    if (known instanceof Counter) return known;
    return this.#add(new Counter(name, help, labels, most));
  }

  histogram(name: string, help: string, labels: readonly string[] = []): Histogram {
    const known = this.#families.get(name);
    if (known instanceof Histogram) return known;
    return this.#add(new Histogram(name, help, labels));
  }

  /** A value that is read when it is asked for; `kind` says whether it only grows. */
  reading(kind: "counter" | "gauge", name: string, help: string, read: () => readonly Reading[]): void {
    const lines = () =>
      read().map(({ labels = {}, value }) =>
        `${name}${labelText(Object.keys(labels), Object.values(labels))} ${value}`
      );
    this.#families.set(name, { name, help, kind, lines });
  }

  #add<F extends Family>(family: F): F {
    this.#families.set(family.name, family);
    return family;
  }

  /** All of them as text. */
  text(): string {
    return [...this.#families.values()].map(({ name, help, kind, lines }, i, all) =>
      [`# HELP ${name} ${help}`, `# TYPE ${name} ${kind}`, ...lines.call(all[i])].join("\n") + "\n"
    ).join("");
  }
}

function labelText(names: readonly string[], values: LabelValues): string {
  if (names.length === 0) return "";
  return `{${names.map((name, i) => `${name}="${escaped(values[i] ?? "")}"`).join(",")}}`;
}

function escaped(value: string): string {
  return value.replace(/[\\"\n]/g, (sign) => (sign === "\n" ? "\\n" : `\\${sign}`));
}
