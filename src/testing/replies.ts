/**
 * What a scripted backend answers, by command.
 */

/**
 * Replies by the start of a command line, the longest that fits: `{ "RCPT TO:<full@mx.example>": "452 4.2.2 Full" }`.
 * `"."` is the end of a message, `"connect"` a dial, `"greeting"` what follows. Lines are separated by LF. Instead of a
 * reply: `"<close>"`, `"<reset>"`, `"<silence>"`, and to a dial `"<refuse>"`. Of an array each is used once, the last one from
 * then on; what is not named is answered as usual.
 */
export type Replies = Readonly<Record<string, string | readonly string[]>>;

const FORM = /^(?:\d{3}(?:[ -][^\n]*)?(?:\n\d{3}(?:[ -][^\n]*)?)*|<(?:close|reset|silence|refuse)>)$/;

/** @throws TypeError naming the first reply that is none */
export function answersOf(replies: Replies): (command: string) => string | undefined {
  const all = Object.entries(replies).map(([start, given]) => ({ start, left: [given].flat() }));
  for (const { start, left } of all) {
    const wrong = left.length === 0 ? "nothing" : left.find((reply) => !FORM.test(reply));
    if (wrong === undefined) continue;
    throw new TypeError(
      `Cannot script the backend's answer to ${start}: ${JSON.stringify(wrong)} was given; ` +
        "allowed is a reply, as in 450 4.2.0 Later, or <close>, <reset>, <silence>, <refuse>",
    );
  }
  all.sort((one, other) => other.start.length - one.start.length);
  return (command) => {
    const found = all.find(({ start }) => start === "." ? command === "." : command.startsWith(start));
    return found === undefined ? undefined : found.left.length > 1 ? found.left.shift() : found.left[0];
  };
}
