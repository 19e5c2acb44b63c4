/**
 * A stand-in for JSR's `@std/cli`, for machines that reach no JSR: `parseArgs`, written from its documentation.
 *
 * Deno finds it by `links` in deno.json, Bun by `paths` in tsconfig.json. Left out: dotted names
 * (`--a.b`) and the other functions of the package.
 */
import { Parser } from "./parser.ts";

/** How to read the arguments. A name in any of these is a known option. */
export interface ParseOptions {
  /** Name → other names of the same option. All of them are set. */
  readonly alias?: Readonly<Record<string, string | readonly string[]>>;
  /** Options without a value, `false` unless given. `true`: every `--name` without `=` is one. */
  readonly boolean?: boolean | string | readonly string[];
  /** Options whose value is never made a number; `_` stands for the positional arguments. */
  readonly string?: string | readonly string[];
  /** Options that may be repeated: an array of all their values. Of the others the last one counts. */
  readonly collect?: string | readonly string[];
  /** Options that `--no-name` sets to false. */
  readonly negatable?: string | readonly string[];
  /** Values of options that were not given. */
  readonly default?: Readonly<Record<string, unknown>>;
  /** All from the first positional argument on is positional. */
  readonly stopEarly?: boolean;
  /** Puts what follows `--` into `["--"]` instead of `_`. */
  readonly "--"?: boolean;
  /** Told of every unknown option and every positional argument (without key); `false` drops it. */
  readonly unknown?: (argument: string, key?: string, value?: unknown) => unknown;
}

type Names<T> = T extends string ? T : T extends readonly (infer Name extends string)[] ? Name : never;
type Strings<O extends ParseOptions> = Names<O["string"]>;
type Booleans<O extends ParseOptions> = Names<O["boolean"]>;
type Collected<O extends ParseOptions> = Names<O["collect"]>;
type Default<O extends ParseOptions, Name> = Name extends keyof O["default"] ? O["default"][Name] : undefined;

type Single<O extends ParseOptions, Name> = Name extends Booleans<O> ? boolean
  : Name extends Strings<O> ? string
  : unknown;
type Value<O extends ParseOptions, Name> = Name extends Collected<O> ? Single<O, Name>[]
  : Name extends Booleans<O> ? boolean
  : Single<O, Name> | Default<O, Name>;

/** What was read: the options by name, positional arguments in `_`. */
export type Args<O extends ParseOptions = ParseOptions> =
  & { readonly [name: string]: unknown }
  & { _: "_" extends Strings<O> ? string[] : (string | number)[] }
  & { [Name in Exclude<Strings<O> | Booleans<O> | Collected<O>, "_">]: Value<O, Name> }
  & (O["--"] extends true ? { "--": string[] } : unknown);

/**
 * Reads a command line.
 *
 * `--name value`, `--name=value`, `--name`, `-n value`, `-n=value`, `-n5`, `-abc` (three options), `--no-name`
 * for negatable ones, `--` before what is no option. What looks like a number becomes one, unless its
 * name is in `string`.
 */
export function parseArgs<const O extends ParseOptions>(args: readonly string[], options?: O): Args<O> {
  return new Parser(options ?? {}).parse(args) as Args<O>;
}
