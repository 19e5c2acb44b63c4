/**
 * Reads the JUnit reports of `bun test` and `deno test`.
 *
 * Bun nests a `testsuite` per file and per `describe`; Deno's cases, as `bun_test_deno.ts` names
 * them, carry "file > group > test" in their name.
 */

/** What became of one test. */
export interface Case {
  readonly file: string;
  /** "group > test". */
  readonly name: string;
  readonly outcome: "passed" | "failed" | "skipped";
  /** The error with its stack, where it failed. */
  readonly detail: string;
}

/** The detail of a test that was not run, or not to its end, because of an error outside of any test. */
export const CANCELLED = "Cancelled";

const TAG = /<(\/?)(testsuite|testcase)\b([^>]*?)(\/?)>/g;

/** Reads a whole report. */
export function readReport(xml: string): Case[] {
  const cases: Case[] = [];
  const groups: string[] = [];
  for (const tag of xml.matchAll(TAG)) {
    const [whole, closing, kind, attributes = "", empty] = tag;
    if (kind === "testsuite") {
      if (closing) groups.pop();
      else if (!empty) groups.push(attribute(attributes, "name"));
    } else if (!closing) {
      const start = tag.index + whole.length;
      const body = empty ? "" : xml.slice(start, xml.indexOf("</testcase>", start));
      cases.push(readCase(attributes, body, groups));
    }
  }
  return cases;
}

function readCase(attributes: string, body: string, groups: readonly string[]): Case {
  const place = placeOf(attribute(attributes, "name"), attribute(attributes, "file"), groups);
  const fault = /<(?:failure|error)\b([^>]*?)(?:\/>|>([\s\S]*?)<\/(?:failure|error)>)/.exec(body);
  if (fault) {
    return {
      ...place,
      outcome: "failed",
      detail: unescape(fault[2] ?? "") || attribute(fault[1]!, "message"),
    };
  }
  if (!body.includes("<skipped")) return { ...place, outcome: "passed", detail: "" };
  // Deno also calls skipped what it never came to, because the process broke off: those took no time at all.
  if (attribute(attributes, "time") === "") return { ...place, outcome: "failed", detail: CANCELLED };
  return { ...place, outcome: "skipped", detail: "" };
}

function placeOf(name: string, file: string, groups: readonly string[]): { file: string; name: string } {
  if (file !== "") return { file, name: [...groups.slice(1), name].join(" > ") };
  const cut = name.indexOf(" > ");
  return { file: name.slice(0, cut), name: name.slice(cut + 3) };
}

function attribute(attributes: string, name: string): string {
  return unescape(new RegExp(`(?:^|\\s)${name}="([^"]*)"`).exec(attributes)?.[1] ?? "");
}

const ENTITIES: Readonly<Record<string, string>> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };

function unescape(text: string): string {
  return text.replace(/&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi, (whole, hex, decimal, name) => {
    if (name) return ENTITIES[name] ?? whole;
    return String.fromCodePoint(hex ? parseInt(hex, 16) : Number(decimal));
  });
}
