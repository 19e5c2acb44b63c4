/**
 * A plugin that is put together wrongly does not compile. See handlers.ts.
 */
import {
  addHeader,
  afterwards,
  definePlugin,
  definePolicy,
  delay,
  finding,
  found,
  isAllowed,
  parallel,
  type PluginFactory,
  reject,
  sample,
  score,
  shadow,
  SPF,
  threshold,
  unless,
  when,
} from "sallyport";
import { options, z } from "sallyport/schema";

// @ts-expect-error 2322: onError is missing
export const careless = definePlugin("careless", () => ({ helo: () => reject("5.7.1", "No") }));

export const each = definePlugin("each", () => ({
  onError: { timeout: "pass", temporary: "defer", crash: "reject" },
}));

// @ts-expect-error 2322: no mail is thrown away
export const careful = definePlugin("careful", () => ({ onError: "discard" }));

// @ts-expect-error 2322: one each means all three
export const half = definePlugin("half", () => ({ onError: { timeout: "pass", crash: "defer" } }));

export const misspelt = definePlugin("misspelt", () => ({
  onError: "pass",
  // @ts-expect-error 2322: the stage is rcpt
  recpt: () => reject("5.7.1", "No"),
}));

export const haraka = definePlugin("haraka", () => ({
  onError: "pass",
  // @ts-expect-error 2322: there is no next
  helo: (_session: unknown, _io: unknown, next: () => void) => next(),
}));

// ---- options ----

interface QuotaOptions {
  readonly recipients: number;
  readonly window?: number;
}

export const quota = definePlugin("quota", ({ recipients }: QuotaOptions) => ({
  onError: "pass",
  rcpt: ({ accepted }) => (accepted.length > recipients ? reject("5.7.1", "Too many") : undefined),
}));

quota({ recipients: 3 });
// @ts-expect-error 2554: an option is required
quota();
// @ts-expect-error 2322: it is a number
quota({ recipients: "3" });
// @ts-expect-error 2353: there is no such option
quota({ recipients: 3, perDay: true });
// @ts-expect-error 2379: undefined is not the same as left out
quota({ recipients: 3, window: undefined });

export const checked: PluginFactory<{ readonly most?: number }> = definePlugin(
  "checked",
  options({ most: z.int().default(3) }),
  ({ most }) => ({
    onError: "pass",
    data: ({ recipients }) => score(recipients.length - most, "recipients"),
  }),
);

checked();
checked({ most: 4 });
// @ts-expect-error 2322: it is a number
checked({ most: "4" });
declare const required: PluginFactory<{ readonly most: number }>;
// @ts-expect-error 2554: what has no default is not left out
required();

export const defaulted = definePlugin("defaulted", options({ most: z.int().default(3) }), (given) => ({
  onError: "pass",
  // @ts-expect-error 2339: there is no such option
  data: () => score(given.least, "recipients"),
}));

// ---- what it can do ----

export const doing = definePlugin("doing", () => ({
  onError: "pass",
  async helo({ findings }, io) {
    const { records, status } = await io.dns.resolve("x.example", "MX");
    io.log.info("looked up", { status, first: records[0]?.exchange });
    // @ts-expect-error 2339: an MX record has no address
    io.log.info(records[0]?.address);
    // @ts-expect-error 2345: TXT holds them
    await io.dns.resolve("x.example", "SPF");
    await io.store.set("key", "value", 1000);
    // @ts-expect-error 2554: everything expires
    await io.store.set("key", "value");
    // @ts-expect-error 2345: a store holds text
    await io.store.set("key", 3, 1000);
    // @ts-expect-error 2322: a label is text
    io.count("seen", { size: 3 });
    const result = findings.get(SPF)?.result;
    // @ts-expect-error 2367: no SPF result is called so
    if (result === "failed") return found(SPF, { result: "fail", scope: "helo", domain: "x.example" });
    // @ts-expect-error 2820: nor can one be left
    return found(SPF, { result: "failed", scope: "helo", domain: "x.example" });
  },
}));

const COUNTRY = finding<string>("country");
found(COUNTRY, "NL");
// @ts-expect-error 2345: the key says what its findings are
found(COUNTRY, 31);
// @ts-expect-error 2345: points are a number
score("3", "x");
// @ts-expect-error 2345: milliseconds
delay("5 s");
// @ts-expect-error 2345: text
addHeader("X-Score", 3);
// @ts-expect-error 2345: an effect is done later
afterwards(Promise.resolve());

// ---- a policy ----

definePolicy({
  hostname: "mx.example",
  listen: ["127.0.0.1:2525"],
  backends: ["127.0.0.1:10025"],
  plugins: [
    parallel(quota({ recipients: 3 }), each()),
    unless(isAllowed, shadow(checked())),
    when(({ helo }) => helo?.endsWith(".example") ?? false, sample(10, each())),
    threshold({ reject: 10 }),
  ],
});

// @ts-expect-error 18048: not known at every stage
when(({ helo }) => helo.endsWith(".example"), each());
// @ts-expect-error 2322: yes or no
when(({ helo }) => helo, each());
// @ts-expect-error 2345: a factory makes a plugin, and is none
parallel(each);
// @ts-expect-error 2345: a name is none
shadow("quota");
// @ts-expect-error 2322: points are numbers
threshold({ reject: "10" });
// @ts-expect-error 2322: the stage is rcpt
threshold({ reject: 10, stages: ["recipient"] });
// @ts-expect-error 2345: a policy listens somewhere
definePolicy({ hostname: "mx.example" });
// @ts-expect-error 2353: there is no such setting
definePolicy({ hostname: "mx.example", listen: ["fd:3"], plugin: [each()] });
// @ts-expect-error 2322: plugins are made
definePolicy({ hostname: "mx.example", listen: ["fd:3"], plugins: ["each"] });
