/** The reading of a command line for `parseArgs`. */
import type { ParseOptions } from "./mod.ts";

const NUMBER = /^(?:0x[0-9a-f]+|[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[-+]?\d+)?)$/i;

/** Reads one command line. */
export class Parser {
  readonly #options: ParseOptions;
  readonly #booleans: ReadonlySet<string>;
  readonly #strings: ReadonlySet<string>;
  readonly #collected: ReadonlySet<string>;
  readonly #negatable: ReadonlySet<string>;
  /** Every name → all the names of its option, itself first. */
  readonly #names: ReadonlyMap<string, readonly string[]>;
  readonly #known: ReadonlySet<string>;
  readonly #values: Map<string, unknown> = new Map();
  readonly #positional: (string | number)[] = [];

  constructor(options: ParseOptions) {
    this.#options = options;
    this.#names = aliases(options.alias ?? {});
    this.#booleans = this.#all(typeof options.boolean === "boolean" ? [] : list(options.boolean));
    this.#strings = this.#all(list(options.string));
    this.#collected = this.#all(list(options.collect));
    this.#negatable = this.#all(list(options.negatable));
    this.#known = new Set([
      ...this.#names.keys(),
      ...this.#booleans,
      ...this.#strings,
      ...this.#collected,
      ...this.#negatable,
      ...Object.keys(options.default ?? {}),
    ]);
  }

  parse(args: readonly string[]): Record<string, unknown> {
    const end = args.includes("--") ? args.indexOf("--") : args.length;
    const after = args.slice(end + 1);
    this.#readAll(args.slice(0, end));
    this.#complete();
    if (!this.#options["--"]) this.#positional.push(...after);
    // fromEntries and not assignment: a name like __proto__ is then only a name.
    return Object.fromEntries([
      ["_", this.#positional],
      ...this.#values,
      ...(this.#options["--"] ? [["--", after] as const] : []),
    ]);
  }

  #readAll(args: readonly string[]): void {
    for (let at = 0; at < args.length; at++) {
      const argument = args[at]!;
      const next = args[at + 1];
      if (/^--./.test(argument)) at += this.#long(argument, next);
      else if (/^-./.test(argument)) at += this.#short(argument, next);
      else {
        this.#positionalArgument(argument);
        if (!this.#options.stopEarly) continue;
        this.#positional.push(...args.slice(at + 1));
        return;
      }
    }
  }

  #positionalArgument(argument: string): void {
    if (this.#options.unknown?.(argument) === false) return;
    this.#positional.push(this.#strings.has("_") ? argument : numberOr(argument));
  }

  /** `--name`, `--name=value`, `--no-name`. Returns how many of the arguments that follow were its value. */
  #long(argument: string, next: string | undefined): 0 | 1 {
    const equals = argument.indexOf("=");
    if (equals > 2) {
      this.#give(argument.slice(2, equals), argument.slice(equals + 1), argument);
      return 0;
    }
    const name = argument.slice(2);
    if (name.startsWith("no-") && this.#negatable.has(name.slice(3))) {
      this.#set(name.slice(3), false, argument);
      return 0;
    }
    return this.#giveNext(name, next, argument, this.#options.boolean === true);
  }

  /** `-n`, `-n=value`, `-n5`, `-n/path`, `-abc`. Returns as `#long` does. */
  #short(argument: string, next: string | undefined): 0 | 1 {
    const letters = argument.slice(1);
    for (let at = 0; at < letters.length - 1; at++) {
      const letter = letters[at]!;
      const rest = letters.slice(at + 1);
      if (/^=/.test(rest)) return this.#give(letter, rest.slice(1), argument);
      if (/^\W/.test(rest) || (/[a-z]/i.test(letter) && NUMBER.test(rest))) {
        return this.#give(letter, rest, argument);
      }
      this.#set(letter, this.#bare(letter), argument);
    }
    return this.#giveNext(letters.at(-1)!, next, argument, false);
  }

  /** Takes the argument that follows where the option wants a value and that is no option itself. */
  #giveNext(name: string, next: string | undefined, argument: string, isBoolean: boolean): 0 | 1 {
    if (isBoolean || this.#booleans.has(name)) {
      const told = next === "true" || next === "false";
      this.#set(name, next !== "false", argument);
      return told ? 1 : 0;
    }
    if (next === undefined || /^-./.test(next)) {
      this.#set(name, this.#bare(name), argument);
      return 0;
    }
    this.#give(name, next, argument);
    return 1;
  }

  /** An option that stands alone. */
  #bare(name: string): "" | true {
    return this.#strings.has(name) ? "" : true;
  }

  #give(name: string, text: string, argument: string): 0 {
    if (this.#booleans.has(name)) this.#set(name, text !== "false", argument);
    else this.#set(name, this.#strings.has(name) ? text : numberOr(text), argument);
    return 0;
  }

  #set(name: string, value: unknown, argument: string): void {
    if (!this.#isKnown(name, argument) && this.#options.unknown?.(argument, name, value) === false) return;
    const collected = this.#collected.has(name);
    const whole = collected ? [...(this.#values.get(name) as unknown[] | undefined ?? []), value] : value;
    this.#setAll(name, whole);
  }

  #isKnown(name: string, argument: string): boolean {
    return this.#known.has(name) || (this.#options.boolean === true && /^--[^=]+$/.test(argument));
  }

  #setAll(name: string, value: unknown): void {
    for (const each of this.#namesOf(name)) this.#values.set(each, value);
  }

  /** What was not given: defaults first, then `false` and `[]`. */
  #complete(): void {
    const missing = (name: string) => name !== "_" && !this.#values.has(name);
    for (const [name, value] of Object.entries(this.#options.default ?? {})) {
      if (missing(name)) this.#setAll(name, value);
    }
    for (const name of this.#collected) if (missing(name)) this.#setAll(name, []);
    for (const name of this.#booleans) if (missing(name)) this.#setAll(name, false);
  }

  #namesOf(name: string): readonly string[] {
    return this.#names.get(name) ?? [name];
  }

  #all(names: readonly string[]): Set<string> {
    return new Set(names.flatMap((name) => this.#namesOf(name)));
  }
}

function aliases(
  given: Readonly<Record<string, string | readonly string[]>>,
): Map<string, readonly string[]> {
  const names = new Map<string, readonly string[]>();
  for (const [name, others] of Object.entries(given)) {
    const all = [...new Set([name, ...list(others)].flatMap((each) => names.get(each) ?? [each]))];
    for (const each of all) names.set(each, all);
  }
  return names;
}

function list(names: string | readonly string[] | undefined): readonly string[] {
  return typeof names === "string" ? [names] : names ?? [];
}

function numberOr(text: string): string | number {
  return NUMBER.test(text) ? Number(text) : text;
}
