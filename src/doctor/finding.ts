/**
 * What an examination finds: how bad it is, what was seen, and what to do about it.
 */

/**
 * `good`: as it should be. `note`: to know. `warning`: will hurt some day. `unknown`: could not be told, and should be.
 * `danger`: mail is at risk now.
 */
export type Level = "good" | "note" | "warning" | "unknown" | "danger";

/** In the order of the report. */
export const TOPICS = [
  "server",
  "tls",
  "identity",
  "relay",
  "recipients",
  "end of data",
  "extensions",
  "pace",
  "delivery",
] as const;
export type Topic = (typeof TOPICS)[number];

export interface Finding {
  readonly topic: Topic;
  readonly level: Level;
  /** For machines: stays the same from version to version. */
  readonly id: string;
  /** The claim, in a sentence. */
  readonly what: string;
  /** What it rests on: commands and replies, made fit to print. */
  readonly seen: readonly string[];
  /** What to do. */
  readonly advice: string | undefined;
}

/** Makes a finding of one topic. */
export type Finder = (
  level: Level,
  id: string,
  what: string,
  more?: { readonly seen?: readonly string[]; readonly advice?: string | undefined },
) => Finding;

export function finder(topic: Topic): Finder {
  return (level, id, what, { seen = [], advice } = {}) => ({ topic, level, id, what, seen, advice });
}
