/**
 * Finds a test message in a mailbox, a Maildir or an mbox file, and reads its topmost Received field: what the backend
 * wrote of the client. Bounded: the newest files, their heads, the end of an mbox.
 */
import { closeSync, existsSync, fstatSync, openSync, readdirSync, readSync, statSync } from "node:fs";
import { dirname, join } from "node:path";

const FILES = 500;
const HEAD = 64 * 1024;
const TAIL = 4 * 1024 * 1024;

/** Why this is no mailbox; undefined where it is one, or where the first message may make one. */
export function mailboxFault(path: string): string | undefined {
  if (!existsSync(path) && existsSync(dirname(path))) return undefined;
  try {
    const found = statSync(path);
    if (found.isFile()) return undefined;
    const maildir = found.isDirectory() && ["new", "cur"].some((folder) => existsSync(join(path, folder)));
    return maildir ? undefined : "it is no file (mbox) and no folder with new and cur in it (Maildir)";
  } catch (cause) {
    return (cause as { code?: string }).code ?? String(cause);
  }
}

/** The topmost Received field of the message with this token, unfolded; `""` where it has none; undefined: no message. */
export function receivedOf(mailbox: string, token: string): string | undefined {
  for (const text of texts(mailbox)) {
    const at = text.indexOf(`X-Sallyport-Doctor: ${token}`);
    if (at !== -1) return topReceived(headOf(text, at));
  }
  return undefined;
}

function* texts(mailbox: string): Generator<string> {
  if (!existsSync(mailbox)) return;
  if (statSync(mailbox).isFile()) return yield readEnd(mailbox, TAIL);
  for (const folder of ["new", "cur"]) {
    if (!existsSync(join(mailbox, folder))) continue;
    for (const file of newest(join(mailbox, folder))) yield readStart(file, HEAD);
  }
}

function newest(folder: string): string[] {
  const files = readdirSync(folder).flatMap((name) => {
    try {
      const path = join(folder, name);
      return [{ path, changed: statSync(path).mtimeMs }];
    } catch {
      // Moved from new to cur just now.
      return [];
    }
  });
  return files.sort((one, other) => other.changed - one.changed).slice(0, FILES).map(({ path }) => path);
}

function readStart(path: string, most: number): string {
  return readPart(path, () => 0, most);
}

function readEnd(path: string, most: number): string {
  return readPart(path, (size) => Math.max(0, size - most), most);
}

function readPart(path: string, from: (size: number) => number, most: number): string {
  let file: number | undefined;
  try {
    file = openSync(path, "r");
    const { size } = fstatSync(file);
    const start = from(size);
    const bytes = new Uint8Array(Math.min(most, size - start));
    const length = readSync(file, bytes, 0, bytes.length, start);
    return new TextDecoder("latin1").decode(bytes.subarray(0, length)).replaceAll("\r\n", "\n");
  } catch {
    return "";
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

/** From the start of the message that holds `at`: the file's, or that of the last `From ` line before it. */
function headOf(text: string, at: number): string {
  const from = text.lastIndexOf("\nFrom ", at);
  return text.slice(from === -1 ? 0 : from + 1, at);
}

function topReceived(head: string): string {
  const unfolded = head.replace(/\n[ \t]+/g, " ");
  return /^Received: *(.*)$/im.exec(unfolded)?.[1] ?? "";
}
