/**
 * What came instead of, or as, a reply.
 */
import type { BackendReply, BackendWord } from "./reply_reader.ts";
import { shown } from "./shown.ts";

/** `text` is fit to print; `ms` is how long it took from when it was waited for. */
export type Heard =
  | {
    readonly kind: "reply";
    readonly code: number;
    /** As they came: show them with `shown`. */
    readonly lines: readonly string[];
    readonly bareLf: boolean;
    readonly text: string;
    readonly ms: number;
  }
  | { readonly kind: "silence" | "closed" | "garbage"; readonly text: string; readonly ms: number };

export function heardReply({ code, lines, bareLf }: BackendReply, ms: number): Heard {
  return { kind: "reply", code, lines, bareLf, text: shown(`${code} ${lines.join(" / ")}`), ms };
}

export function heardWord(word: BackendWord, ms: number): Heard {
  return "fault" in word ? { kind: "garbage", text: shown(word.fault), ms } : heardReply(word, ms);
}

/** The code; 0 where there was no reply. */
export function codeOf(heard: Heard): number {
  return heard.kind === "reply" ? heard.code : 0;
}

/** Whether it is a 2yz. */
export function isYes(heard: Heard): boolean {
  return codeOf(heard) >= 200 && codeOf(heard) < 300;
}

/** Whether it is a 5yz. */
export function isNo(heard: Heard): boolean {
  return codeOf(heard) >= 500;
}

/** A 500, 502 or 504: the command, or what it asks for, is not known there. */
export function isUnknown(heard: Heard): boolean {
  return [500, 502, 504].includes(codeOf(heard));
}
