/**
 * Opens the store that a URL names. A driver is loaded when it is needed: ioredis alone takes 18 MB.
 */
import type { Store } from "../policy/effects.ts";
import { REDIS_FORMS, redisName, redisTarget } from "./redis_url.ts";

/** What a store is given, whichever it is. */
export interface StoreOptions {
  /** Milliseconds since 1970. */
  now(): number;
  /** Called when a store over a network is reached and when it is lost, once each time; `detail` says why. */
  readonly onState?: (state: StoreState, detail: string) => void;
}

export type StoreState = "ready" | "lost";

/** The forms of a store's URL, for messages. */
export const STORE_FORMS = `memory:, sqlite:PATH, ${REDIS_FORMS}`;

/**
 * Opens a store. One over a network need not be there yet: its operations fail until it is.
 * @throws Error (as a rejection): a mistake in the URL, or a file that cannot be read or written
 */
export async function openStore(url: string, { now, onState = () => {} }: StoreOptions): Promise<Store> {
  const mistakes = storeMistakes(url);
  if (mistakes.length > 0) throw new Error(`Cannot open the store: ${mistakes.join("; ")}`);
  if (url === "memory:") return (await import("./memory.ts")).memoryStore({ now });
  if (url.startsWith("sqlite:")) {
    return await (await import("./sqlite.ts")).sqliteStore(url.slice("sqlite:".length), { now });
  }
  const { redisStore } = await import("./redis.ts");
  try {
    return redisStore(redisTarget(url, () => {})!, { onState });
  } catch (error) {
    throw new Error(
      `Cannot open the store ${storeName(url)}: ${error instanceof Error ? error.message : error}`,
    );
  }
}

/** What is wrong with a store's URL, a line each: what was given and what is allowed, passwords left out. */
export function storeMistakes(url: string): string[] {
  const mistakes: string[] = [];
  const note = (what: string, given: string, allowed: string) =>
    mistakes.push(`${what}: ${JSON.stringify(given)} was given; allowed is ${allowed}`);
  if (REDIS.test(url)) redisTarget(url, note);
  else if (url.startsWith("sqlite:")) checkPath(url.slice("sqlite:".length), note);
  else if (url !== "memory:") note("the URL", redisName(url), STORE_FORMS);
  return mistakes;
}

/** A store's URL for people to read: with *** for a password and, where there are mistakes, for all that may be one. */
export function storeName(url: string): string {
  if (url === "memory:" || url.startsWith("sqlite:")) return url;
  const form = REDIS.exec(url);
  return form !== null && storeMistakes(url).length > 0 ? `${form[0]}//***` : redisName(url);
}

const REDIS = /^rediss?(-cluster|-sentinel)?:/;

function checkPath(path: string, note: (what: string, given: string, allowed: string) => void): void {
  if (path === "") note("the path", path, "sqlite:PATH");
  // SQLite would make a database in memory, each process its own.
  else if (/^(:memory:|file:)/i.test(path)) note("the path", path, "the path of a file, or memory: alone");
  // `sqlite://state.db` would be a file in the root folder.
  else if (/^\/\/[^/]/.test(path)) note("the path", path, "sqlite:relative/path or sqlite:/absolute/path");
  else if (path.includes("\0")) note("the path", path, "no NUL");
}
