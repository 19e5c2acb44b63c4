/**
 * A plugin's options, checked by whatever schema its author chose (standardschema.dev: zod, valibot, arktype …), so
 * that this program holds no schema library unless a plugin brings one.
 */

/** The part of Standard Schema v1 that is used here. */
export interface OptionsSchema<Given, Options> {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (given: unknown) => Validated<Options> | Promise<Validated<Options>>;
    readonly types?: { readonly input: Given; readonly output: Options } | undefined;
  };
}

type Validated<Options> =
  | { readonly value: Options; readonly issues?: undefined }
  | { readonly issues: readonly Issue[] };

interface Issue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** The options with their defaults, or what is wrong with them: place, what was given, what is allowed. */
export function readOptions<Options>(
  schema: OptionsSchema<unknown, Options>,
  given: unknown,
): { readonly options?: Options; readonly mistakes: readonly string[] } {
  const read = schema["~standard"].validate(given);
  if (read instanceof Promise) {
    return { mistakes: ["its schema answers later; allowed is one that answers at once"] };
  }
  if (read.issues === undefined) return { options: read.value, mistakes: [] };
  return { mistakes: read.issues.map((issue) => mistake(issue, given)) };
}

function mistake({ message, path = [] }: Issue, given: unknown): string {
  const keys = path.map((part) => (typeof part === "object" ? part.key : part));
  const place = keys.map((key) => (typeof key === "number" ? `[${key}]` : `.${String(key)}`)).join("");
  let value = given;
  for (const key of keys) value = (value as Record<PropertyKey, unknown> | undefined)?.[key];
  return `options${place}: ${shown(value)} was given; ${message}`;
}

/** What was given, as it would be written, and not too long. */
export function shown(value: unknown): string {
  if (value === undefined) return "nothing";
  if (typeof value === "function") return "a function";
  const text = typeof value === "number" ? String(value) : JSON.stringify(value) ?? String(value);
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}
