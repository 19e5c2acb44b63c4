/**
 * Rates as text, and what is wrong with options.
 */
import { describe, expect, test } from "bun:test";
import { rateLimit, type RateLimitOptions } from "../../plugins/rate_limit/mod.ts";
import { readRate } from "../../plugins/rate_limit/rate.ts";

describe("rates as text", () => {
  const read: readonly (readonly [string, number, number])[] = [
    ["10/s", 100, 10],
    ["100/min", 600, 100],
    ["100 / minute", 600, 100],
    ["1000/hour burst 200", 3600, 200],
    ["5/10 min", 120_000, 5],
    ["5/10min", 120_000, 5],
    ["1/d", 86_400_000, 1],
    ["50M/day", 1.728, 50e6],
    ["2k/2 hours  burst  1k", 3600, 1000],
    [" 1/sec ", 1000, 1],
  ];
  for (const [text, interval, burst] of read) {
    test(text, () => expect(readRate(text)).toEqual({ interval, burst }));
  }

  const wrong: readonly (readonly [string, string])[] = [
    ["", "allowed is a rate as in 10/s, 100/min"],
    ["100", "allowed is a rate"],
    ["100 per min", "allowed is a rate"],
    ["-1/min", "allowed is a rate"],
    ["1.5/min", "allowed is a rate"],
    ["1/min burst", "allowed is a rate"],
    ["1/min burst 5 more", "allowed is a rate"],
    ["100/week", "week is no unit of time; allowed are s, min, hour, day"],
    ["100/ms", "ms is no unit of time"],
    ["0/min", "a rate of nothing would refuse all"],
    ["1/0 min", "a rate of nothing"],
    ["1/min burst 0", "a rate of nothing"],
    ["99999999999999/s", "the count is too large"],
    ["1/day burst 1000", "the burst takes longer than a year to come back"],
    [`${"9".repeat(400)}/s`, "the count is too large"],
  ];
  for (const [text, mistake] of wrong) {
    test(`not ${text.slice(0, 30) || "nothing"}`, () => expect(readRate(text)).toContain(mistake));
  }
});

describe("mistakes", () => {
  const of = (options: unknown) => rateLimit(options as RateLimitOptions).mistakes;
  const one = { name: "some", per: "client", of: "messages", rate: "1/s" };

  test("nothing to do", () => {
    expect(of({})).toEqual(["options: {} was given; nothing is limited; a limit or a place is needed"]);
  });

  const wrong: readonly (readonly [string, object, string])[] = [
    ["a rate", { rate: "1/week" }, 'limits[0].rate: "1/week" was given; week is no unit of time'],
    ["a name", { name: "Some" }, 'limits[0].name: "Some" was given; allowed are lower case words'],
    ["what to count by", { per: "ip" }, 'limits[0].per: "ip" was given; allowed are client, listener, helo,'],
    ["what to count", { of: "mails" }, 'limits[0].of: "mails" was given; allowed are connections, messages,'],
    [
      "a key that is not known yet",
      { of: "connections", per: "user" },
      "connections are counted when a client connects",
    ],
    ["errors by whom", { of: "errors", per: "sender" }, "errors are counted when a client connects"],
    ["errors delayed", { of: "errors", action: "delay" }, "errors cannot be delayed"],
    [
      "a delay for ever",
      { rate: "100/h", action: "delay" },
      "it lets one through in 36000 ms, and nobody waits longer than",
    ],
    ["networks of users", { per: "user", prefixes: { ipv4: [24] } }, 'allowed only with per "client"'],
    ["a network twice", { prefixes: { ipv4: [24, [24, 2]] } }, "one comes twice"],
    [
      "a network of nothing",
      { prefixes: { ipv6: [129] } },
      "prefixes.ipv6[0]: 129 was given; allowed is a whole number from 1 to 128",
    ],
    ["an option", { burst: 5 }, "there is no option burst; allowed are action, allowed,"],
    ["a test", { when: true }, "limits[0].when: true was given; allowed is a function"],
  ];
  for (const [what, given, mistake] of wrong) {
    test(what, () => expect(of({ limits: [{ ...one, ...given }] })?.join("\n")).toContain(mistake));
  }

  test("names that are taken, and places without one", () => {
    expect(of({ limits: [one, one] })?.join("\n")).toContain(
      'limits[1].name: "some" was given; the name some is taken',
    );
    const per = () => "x";
    expect(of({ concurrency: [{ per, most: 1 }] })?.join("\n")).toContain("a function needs a name");
    expect(of({ concurrency: [{ per, name: "x", most: 0 }] })?.join("\n")).toContain(
      "allowed is a whole number from 1",
    );
    expect(of({ concurrency: [{ per: "helo", most: 1 }] })?.join("\n")).toContain("places cannot be held by");
  });
});
