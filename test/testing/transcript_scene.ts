/** Plugins and words that the tests of `transcript` share. */
import { expect } from "bun:test";
import { addHeader, commit, definePlugin, reject, rollback } from "../../src/mod.ts";
import { type Given, transcript } from "../../src/testing.ts";

export const DAY = 86_400_000;

/** Counts what a sender has sent, and what was drawn and given back. */
export const counting = definePlugin("counting", () => ({
  onError: "defer",
  rcpt({ reversePath }) {
    const key = reversePath.mailbox;
    return [
      commit((io) => io.store.count(`taken ${key}`, 1, DAY)),
      rollback((io) => io.store.count(`dropped ${key}`, 1, DAY)),
      addHeader("X-Counted", "yes"),
    ];
  },
}));

/** Refuses who greets so. */
export const refusing = definePlugin("refusing", (name: string) => ({
  onError: "defer",
  helo: ({ helo }) => helo === name ? reject("5.7.1", "Not you") : undefined,
}));

/** The words of what is thrown. */
export async function faultOf(playing: Promise<unknown>): Promise<string> {
  try {
    await playing;
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error("the transcript came true");
}

export function wrong(given: Given, text: string): Promise<string> {
  return faultOf(transcript(given, text));
}

export function begins(message: string, words: string): void {
  expect(message.slice(0, words.length)).toBe(words);
}

export function ends(message: string, words: string): void {
  expect(message.slice(-words.length)).toBe(words);
}
