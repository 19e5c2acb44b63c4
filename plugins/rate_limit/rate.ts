/**
 * Rates as an operator writes them: `100/min`, `1000/hour burst 200`, `50M/day`, `5/10 min`.
 */

/** A bucket of `burst` that refills by one every `interval` milliseconds. */
export interface ReadRate {
  readonly interval: number;
  readonly burst: number;
}

/** What can be read, in words. */
export const RATE_FORMS = "a rate as in 10/s, 100/min, 5/10 min, 50M/day or 1000/hour burst 200";

const UNITS: ReadonlyMap<string, number> = new Map([
  ...["s", "sec", "second", "seconds"].map((unit) => [unit, 1000] as const),
  ...["min", "minute", "minutes"].map((unit) => [unit, 60_000] as const),
  ...["h", "hour", "hours"].map((unit) => [unit, 3_600_000] as const),
  ...["d", "day", "days"].map((unit) => [unit, 86_400_000] as const),
]);

/** 1000 and its powers, as for octets in a contract. */
const FACTORS: Readonly<Record<string, number>> = { "": 1, k: 1e3, M: 1e6, G: 1e9 };

const FORM = /^(\d+)([kMG]?) ?\/ ?(?:(\d+) ?)?([a-z]+)(?: burst (\d+)([kMG]?))?$/;

/** Milliseconds that a bucket may take to empty: a year. */
const LONGEST = 31_536_000_000;

/** Reads a rate, or says what is wrong with it. The burst is all of one period's unless it is given. */
export function readRate(text: string): ReadRate | string {
  const [, count = "", factor = "", periods = "1", unit = "", burst, burstFactor = ""] =
    FORM.exec(text.trim().replace(/\s+/g, " ")) ?? [];
  if (count === "") return `allowed is ${RATE_FORMS}`;
  const length = UNITS.get(unit);
  if (length === undefined) return `${unit} is no unit of time; allowed are s, min, hour, day`;
  const most = Number(count) * FACTORS[factor]!;
  const period = Number(periods) * length;
  const whole = burst === undefined ? most : Number(burst) * FACTORS[burstFactor]!;
  if (most === 0 || period === 0 || whole === 0) {
    return "a rate of nothing would refuse all; allowed is 1 or more";
  }
  if (!(most <= 1e12 && whole <= 1e12)) return "the count is too large; allowed is up to 1000G";
  const interval = period / most;
  return interval * whole <= LONGEST
    ? { interval, burst: whole }
    : "the burst takes longer than a year to come back; allowed is less";
}
