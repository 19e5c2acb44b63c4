/**
 * Which answers of a DNS list are meant, as postscreen writes it: `127.0.0.[2..11]`, a dotted quad whose octets are
 * numbers, or brackets of numbers and ranges with semicolons between them.
 */

/** From the lowest to the highest, both included. */
type Range = readonly [low: number, high: number];

/** What each of the four octets may be. */
export type Filter = readonly (readonly Range[])[];

/** @returns the filter, or in words what was given and what is allowed */
export function readFilter(text: string): Filter | string {
  const parts = quad(text);
  if (typeof parts === "string") return parts;
  if (parts.length !== 4) {
    return `${parts.length} octets were given; allowed are 4, as in 127.0.0.[2..11]`;
  }
  const filter: Range[][] = [];
  for (const part of parts) {
    const ranges = octet(part);
    if (typeof ranges === "string") return ranges;
    filter.push(ranges);
  }
  if (filter[0]!.some(([low, high]) => low <= 127 && high >= 127)) return filter;
  return `${parts[0]} was given as the first octet; allowed is 127, since no other answer is a listing`;
}

/** Whether an answer is meant. */
export function matches(filter: Filter, octets: readonly number[]): boolean {
  return filter.every((ranges, i) => ranges.some(([low, high]) => octets[i]! >= low && octets[i]! <= high));
}

/** The parts between the dots; those in brackets hold dots themselves. */
function quad(text: string): string[] | string {
  const parts: string[] = [];
  for (let at = 0;;) {
    const bracket = text[at] === "[";
    const mark = text.indexOf(bracket ? "]" : ".", at);
    if (bracket && mark < 0) {
      return `${text.slice(at)} was given; allowed is a bracket that closes, as in [2..11]`;
    }
    const end = mark < 0 ? text.length : bracket ? mark + 1 : mark;
    parts.push(text.slice(at, end));
    if (end === text.length) return parts;
    if (text[end] !== ".") return `${text.slice(end)} was given behind a bracket; allowed is a dot`;
    at = end + 1;
  }
}

function octet(part: string): Range[] | string {
  const items = part.startsWith("[") ? part.slice(1, -1).split(";") : [part];
  const ranges: Range[] = [];
  for (const item of items) {
    const [low = "", high = low, more] = item.split("..");
    const wrong = more !== undefined ? item : [low, high].find((each) => !isOctet(each));
    if (wrong !== undefined) return `${wrong === "" ? "nothing" : wrong} was given; allowed is 0 to 255`;
    if (Number(low) > Number(high)) return `${item} was given; allowed is a range from low to high`;
    ranges.push([Number(low), Number(high)]);
  }
  return ranges;
}

function isOctet(text: string): boolean {
  return /^\d{1,3}$/.test(text) && Number(text) <= 255;
}
