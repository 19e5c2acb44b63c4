/**
 * The proxy's own credentials for a backend (RFC 4954): PLAIN (RFC 4616), LOGIN, XOAUTH2. What is sent here is secret:
 * no line of it may reach a log.
 */
import type { BackendLogin } from "../policy/settings.ts";
import type { Extensions } from "../smtp/extensions.ts";
import { type Reply, textOf } from "../smtp/reply.ts";

type Mechanism = NonNullable<BackendLogin["mechanism"]>;

/** The first that a backend offers is taken, unless one is set. XOAUTH2 needs a token, so it is never guessed. */
const PREFERRED: readonly Mechanism[] = ["PLAIN", "LOGIN"];

/** Replies that judge credentials (RFC 4954 §6); all others find fault with a command, and many repeat it. */
const JUDGEMENTS: ReadonlySet<number> = new Set([432, 454, 530, 534, 535, 538]);

export class Credentials {
  readonly #lines: string[];
  readonly #secrets: readonly string[];

  private constructor(mechanism: Mechanism, { user, password }: BackendLogin) {
    this.#lines = LINES[mechanism](user, password);
    this.#secrets = [password, ...this.#lines.map((line) => line.split(" ").at(-1)!)];
  }

  /** What is said to a backend with these extensions; or why nothing can be, in words. */
  static for(login: BackendLogin, extensions: Extensions): Credentials | string {
    const offered = (extensions.get("AUTH") ?? "").toUpperCase().split(/[ =]/).filter((each) => each !== "");
    const wanted = login.mechanism === undefined ? PREFERRED : [login.mechanism];
    const mechanism = wanted.find((each) => offered.includes(each));
    if (mechanism !== undefined) return new Credentials(mechanism, login);
    return `offers AUTH ${offered.join(" ") || "not at all"}; wanted is ${wanted.join(" or ")}`;
  }

  /** The command. */
  begin(): string {
    return this.#lines.shift()!;
  }

  /** A reply to any of it, for the log: its text only where it cannot be an echo of what was sent. */
  shown(reply: Reply): string {
    const text = textOf(reply).join(" ");
    const echo = this.#secrets.some((secret) => secret !== "" && text.includes(secret));
    if (JUDGEMENTS.has(reply.code) && !echo) return `${text} (${reply.code})`;
    return `${reply.code} (its text is hidden)`;
  }

  /** What is said to 334; undefined where nothing is left to say. */
  next(): string | undefined {
    return this.#lines.shift();
  }
}

const LINES: Readonly<Record<Mechanism, (user: string, password: string) => string[]>> = {
  PLAIN: (user, password) => [`AUTH PLAIN ${base64(`\0${user}\0${password}`)}`],
  LOGIN: (user, password) => ["AUTH LOGIN", base64(user), base64(password)],
  // An error is told in a 334 that wants an empty line before its 535.
  XOAUTH2: (user, token) => [
    `AUTH XOAUTH2 ${base64(`user=${user}\x01auth=Bearer ${token}\x01\x01`)}`,
    "",
  ],
};

function base64(text: string): string {
  return Buffer.from(text, "utf8").toString("base64");
}
