/**
 * The test suite of RFC 7208 through the plugin `spf`, and through spf-check as a second opinion: prints the table that
 * docs/plugins/spf.md shows.
 *
 *   bun scripts/spf_report.ts
 *
 * spf-check never judges mail. It asks the system's DNS and nobody else, so its one method that does is replaced here;
 * how it takes what it is told stays its own.
 */
import { SPF as SpfCheck, SPFResult } from "spf-check";
import { spf } from "../plugins/mail_authentication/spf.ts";
import { type Dns, type DnsAnswer, type RecordType, SPF } from "../src/mod.ts";
import { ask, dnsOf } from "../src/testing.ts";
import { factsOf, readSuite, type SuiteCase, type SuiteSection } from "../test/support/spf_suite.ts";

/** How many cases of a group each gets right. */
interface Score {
  readonly name: string;
  readonly cases: number;
  readonly ours: number;
  readonly theirs: number;
  /** Cases that spf-check passes and that are no pass. */
  readonly wronglyPassed: readonly string[];
}

/** The table, as Markdown. */
export async function spfReport(): Promise<string> {
  const scores: Score[] = [];
  for (const section of readSuite()) scores.push(await score(section));
  const sum = (of: (score: Score) => number) => scores.reduce((total, each) => total + of(each), 0);
  const row = (name: string, ...cells: readonly number[]) => `| ${[name, ...cells].join(" | ")} |`;
  const wrong = scores.flatMap(({ wronglyPassed }) => wronglyPassed);
  return [
    "| group | cases | `spf` | spf-check 0.4.3 |",
    "| --- | ---: | ---: | ---: |",
    ...scores.map(({ name, cases, ours, theirs }) => row(name, cases, ours, theirs)),
    row("**all**", sum(({ cases }) => cases), sum(({ ours }) => ours), sum(({ theirs }) => theirs)),
    "",
    `spf-check says \`pass\` where that is wrong in ${wrong.length} cases: ${
      wrong.map((name) => `\`${name}\``).join(", ")
    }.`,
  ].join("\n");
}

async function score({ name, cases, zone }: SuiteSection): Promise<Score> {
  const dns = dnsOf(zone.map);
  let ours = 0;
  let theirs = 0;
  const wronglyPassed: string[] = [];
  for (const each of cases) {
    if (each.results.includes(await asSallyport(each, dns))) ours++;
    const second = await asSpfCheck(each, dns);
    if (each.results.includes(second)) theirs++;
    else if (second === "pass") wronglyPassed.push(each.name);
  }
  return { name, cases: cases.length, ours, theirs, wronglyPassed };
}

async function asSallyport(given: SuiteCase, dns: Dns): Promise<string> {
  const plugin = spf({ privateAddresses: "check" });
  const { findings } = await ask(plugin, "mail", factsOf(given), { effects: { dns } });
  return findings.get(SPF)?.result ?? "nothing";
}

async function asSpfCheck(given: SuiteCase, dns: Dns): Promise<string> {
  const sender = given.mailfrom === "" ? `postmaster@${given.helo}` : given.mailfrom;
  const domain = sender.slice(sender.lastIndexOf("@") + 1);
  const { result } = await new SecondOpinion(domain, sender, dns).check(factsOf(given).client.host);
  return result.toLowerCase();
}

/** spf-check, asking a DNS of ours. */
class SecondOpinion extends SpfCheck {
  readonly #dns: Dns;

  constructor(domain: string, sender: string, dns: Dns) {
    super(domain, sender, {});
    this.#dns = dns;
  }

  override async resolveDNS(name: string, type: string, counts = true): Promise<unknown[]> {
    if (counts && this.queryDNSCount >= this.options.maxDNS) throw new SPFResult("PermError", "too many");
    if (counts) this.queryDNSCount++;
    let answer: DnsAnswer;
    try {
      answer = await this.#dns.resolve(name, type as RecordType);
    } catch (cause) {
      throw new SPFResult("TempError", String(cause));
    }
    // Without a policy it says "none"; every other name without records is "temperror" to it.
    if (answer.status !== "ok") throw new SPFResult(type === "TXT" ? "None" : "TempError", answer.status);
    if (type !== "TXT") return answer.records.map((record) => structuredClone(record));
    return (answer.records as readonly string[][]).map((strings) => strings.join(""));
  }
}

if (import.meta.main) console.log(await spfReport());
