/**
 * Lists as people write them: one entry a line, `#` before a remark, and behind an entry what the client is told.
 */
import { ListError } from "sallyport";
import { type Entry, FORMS, type Kind, type Table, tableOf } from "./tables.ts";

/** Mistakes that are told of one file: whoever took the wrong file need not read all of it in the log. */
const MOST_MISTAKES = 20;

/** An entry up to the first space outside of quotes, and what follows it. */
const LINE = /^("(?:\\.|[^"\\])*"\S*|\S+)\s*(.*)$/su;
const REPLY = /^[ -~]{1,400}$/;

/**
 * Reads a list file.
 * @param replies entries may have a reply
 * @throws ListError naming each line that cannot be read
 */
export function readLines(bytes: Uint8Array, path: string, kind: Kind, replies: boolean): Table {
  const table = tableOf(kind);
  const mistakes: string[] = [];
  for (const [i, line] of decoded(bytes, path).split("\n").entries()) {
    const text = line.trim();
    if (text === "" || text.startsWith("#")) continue;
    const mistake = addLine(table, text, kind, replies);
    if (mistake !== undefined) mistakes.push(`${path}:${i + 1}: ${shown(text)} was given; ${mistake}`);
  }
  if (mistakes.length > MOST_MISTAKES) {
    const more = mistakes.splice(MOST_MISTAKES).length;
    mistakes.push(`${path}: and ${more} more`);
  }
  if (mistakes.length > 0) throw new ListError(mistakes);
  return table;
}

function decoded(bytes: Uint8Array, path: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new ListError([`${path}: bytes that are no UTF-8 were given; allowed is text, one entry a line`]);
  }
}

/** Adds what a line holds, or says what is allowed. */
export function addLine(table: Table, line: string, kind: Kind, replies: boolean): string | undefined {
  const [, written = "", rest = ""] = LINE.exec(line) ?? [];
  const words = rest.startsWith("#") ? "" : rest;
  if (words !== "" && !replies) return "allowed is an entry alone, since nobody is refused by an allow list";
  if (words !== "" && !REPLY.test(words)) {
    return "allowed behind the entry is a reply of 1 to 400 printable ASCII characters";
  }
  const entry: Entry = { written, reply: words === "" ? undefined : words };
  return table.add(entry) ? undefined : `allowed is ${FORMS[kind]}`;
}

function shown(text: string): string {
  return JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text);
}
