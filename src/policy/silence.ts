/**
 * What a plugin may ask for when it listens to a client's silence.
 */

/** Longest time, in milliseconds. */
const LONGEST = 60_000;

/** What is wrong with it, if anything. */
export function silenceMistake(ms: number, teaser: string | undefined): string | undefined {
  if (!(ms >= 0 && ms <= LONGEST)) {
    return `Cannot wait for silence: ${ms} ms was given; allowed is 0 to ${LONGEST}`;
  }
  if (teaser === undefined || /^[ -~]{1,400}$/.test(teaser)) return undefined;
  return `Cannot greet: teaser ${JSON.stringify(teaser)} was given; ` +
    "allowed is 1 to 400 characters of printable ASCII";
}
