/**
 * What a command of the program is: its words, its options, what it does.
 */

/** An option of a command: `--name VALUE`, or `--name` alone. */
export interface Flag {
  readonly kind: "text" | "texts" | "switch";
  readonly required?: boolean;
  /** The value in words, for the usage. */
  readonly shown?: string;
}

/** Options as given: `text` a string or undefined, `texts` an array, `switch` a boolean. */
export type Given = Readonly<Record<string, unknown>>;

export interface Command {
  readonly name: string;
  /** Words behind the command, as in the usage: `"[POLICY]"`. */
  readonly words: string;
  /** Least and most of them. */
  readonly count: readonly [least: number, most: number];
  readonly flags: Readonly<Record<string, Flag>>;
  /** What it does, in a line. */
  readonly about: string;
  /** The exit code where its words and options cannot be taken. Default 1. */
  readonly failure?: number;
  /** Sets `process.exitCode` where it is not to be 0. */
  run(words: readonly string[], given: Given): Promise<void>;
}

/** `sallyport check POLICY`. */
export function usageOf({ name, words, flags }: Command): string {
  const options = Object.entries(flags).map(([flag, { kind, required, shown }]) => {
    const value = kind === "switch" ? "" : ` ${shown ?? "TEXT"}`;
    const text = `--${flag}${value}${kind === "texts" ? ` [--${flag} …]` : ""}`;
    return required ? text : `[${text}]`;
  });
  return ["sallyport", name, words, ...options].filter((word) => word !== "").join(" ");
}

/** What is wrong with a command's words and options. */
export function commandMistakes(command: Command, words: readonly string[], given: Given): string[] {
  const { name, count: [least, most], flags } = command;
  const mistakes: string[] = [];
  if (words.length < least) {
    mistakes.push(`Cannot ${name}: too little was given; allowed is ${usageOf(command)}`);
  }
  if (words.length > most) {
    mistakes.push(`Cannot ${name} ${words.join(" ")}: too much was given; allowed is ${usageOf(command)}`);
  }
  for (const [flag, { kind, required }] of Object.entries(flags)) {
    const value = given[flag];
    const missing = value === undefined || (kind === "texts" && (value as unknown[]).length === 0);
    if (required && missing) {
      mistakes.push(`Cannot ${name}: --${flag} is needed; allowed is ${usageOf(command)}`);
    }
  }
  return mistakes;
}
