/**
 * What the tests of `spf` share: a client, one policy for each result, and how the plugin is asked.
 */
import { spf, type SpfOptions } from "../../plugins/mail_authentication/spf.ts";
import type { Dns, MailFacts } from "../../src/mod.ts";
import { type Answer, ask, type DnsMap, dnsOf, factsAt, path } from "../../src/testing.ts";

export const CLIENT: MailFacts["client"] = { host: "203.0.113.7", port: 50_000 };

/** The results that a policy can come to; each has a domain of its name in `DNS`. */
export const RESULTS = ["pass", "fail", "softfail", "neutral", "permerror", "temperror"] as const;

/** One policy a domain, and what else there is. */
export function policies(given: Readonly<Record<string, string>>, rest: DnsMap = {}): DnsMap {
  return {
    ...Object.fromEntries(Object.entries(given).map(([name, text]) => [name, { TXT: [[text]] }])),
    ...rest,
  };
}

export const DNS: DnsMap = policies({
  "pass.example": "v=spf1 ip4:203.0.113.0/24 -all",
  "fail.example": "v=spf1 -all",
  "softfail.example": "v=spf1 ~all",
  "neutral.example": "v=spf1 ?all",
  "permerror.example": "v=spf1 ip4:nonsense -all",
  "temperror.example": "v=spf1 a:away.example -all",
}, { "away.example": { A: "ESERVFAIL" } });

/** MAIL from a sender. */
export function from(sender: string, given: Partial<MailFacts> = {}): MailFacts {
  return factsAt("mail", { client: CLIENT, reversePath: path(sender), ...given });
}

/** A new plugin's answer at MAIL. */
export function atMail(
  sender: string,
  options: SpfOptions = {},
  dns: Dns = dnsOf(DNS),
  given: Partial<MailFacts> = {},
): Promise<Answer> {
  return ask(spf(options), "mail", from(sender, given), { effects: { dns } });
}

/** The field that is put before the message, in one line. */
export function headerOf({ actions }: Answer): string | undefined {
  const header = actions.find(({ kind }) => kind === "header");
  return header?.kind === "header" ? `${header.name}: ${header.value}` : undefined;
}
