/** The stand-in for @std/cli does what that package's documentation says, under the package's name. */
import { parseArgs, type ParseOptions } from "@std/cli";
import { describe, expect, test } from "bun:test";
import fc from "fast-check";

type Row = readonly [words: string, options: ParseOptions, expected: Record<string, unknown>];

function table(rows: readonly Row[]): void {
  for (const [words, options, expected] of rows) {
    test(`${words || "nothing"} with ${JSON.stringify(options)}`, () => {
      const read: Record<string, unknown> = parseArgs(words === "" ? [] : words.split(" "), options);
      expect(read).toEqual({ _: [], ...expected });
    });
  }
}

describe("options without a declaration", () => {
  table([
    ["", {}, {}],
    ["--a b", {}, { a: "b" }],
    ["--a=b", {}, { a: "b" }],
    ["--a=b=c", {}, { a: "b=c" }],
    ["--a=", {}, { a: "" }],
    ["--a", {}, { a: true }],
    ["--a --b", {}, { a: true, b: true }],
    ["--a -", {}, { a: "-" }],
    ["--a 1 --a 2", {}, { a: 2 }],
    ["-a b", {}, { a: "b" }],
    ["-a=b", {}, { a: "b" }],
    ["-abc", {}, { a: true, b: true, c: true }],
    ["-abc d", {}, { a: true, b: true, c: "d" }],
    ["-n5", {}, { n: 5 }],
    ["-vn5", {}, { v: true, n: 5 }],
    ["-p/etc", {}, { p: "/etc" }],
    ["--no-a", {}, { "no-a": true }],
    ["x y", {}, { _: ["x", "y"] }],
    ["-", {}, { _: ["-"] }],
    ["--__proto__ x", {}, JSON.parse('{ "__proto__": "x" }')],
  ]);
});

describe("numbers", () => {
  table([
    ["--a 5", {}, { a: 5 }],
    ["--a=-5", {}, { a: -5 }],
    ["--a .5 --b 1e3 --c 0x1F", {}, { a: 0.5, b: 1000, c: 31 }],
    ["--a 1.2.3.4 --b 5m --c 0x", {}, { a: "1.2.3.4", b: "5m", c: "0x" }],
    ["7 x", {}, { _: [7, "x"] }],
    ["7 x", { string: ["_"] }, { _: ["7", "x"] }],
    ["--a 007", { string: "a" }, { a: "007" }],
  ]);
});

describe("boolean", () => {
  table([
    ["", { boolean: ["a", "b"] }, { a: false, b: false }],
    ["--a b", { boolean: ["a"] }, { a: true, _: ["b"] }],
    ["--a=true --b=false", { boolean: ["a", "b"] }, { a: true, b: false }],
    ["--a false x", { boolean: "a" }, { a: false, _: ["x"] }],
    ["-ab c", { boolean: ["a", "b"] }, { a: true, b: true, _: ["c"] }],
    ["--a b -c d --e=f", { boolean: true }, { a: true, c: "d", e: "f", _: ["b"] }],
  ]);
});

describe("string", () => {
  table([
    ["", { string: ["a"] }, {}],
    ["--a", { string: ["a"] }, { a: "" }],
    ["--a --b", { string: ["a", "b"] }, { a: "", b: "" }],
    ["--a true", { string: ["a"] }, { a: "true" }],
    ["-a 1 -b", { string: ["a", "b"] }, { a: "1", b: "" }],
  ]);
});

describe("collect", () => {
  table([
    ["", { collect: ["a"] }, { a: [] }],
    ["--a 1 --a x", { collect: ["a"] }, { a: [1, "x"] }],
    ["--a 1 --a x", { collect: ["a"], string: ["a"] }, { a: ["1", "x"] }],
    ["-vv", { collect: ["v"], boolean: ["v"] }, { v: [true, true] }],
    ["-t 1 --to 2", { collect: ["to"], alias: { to: "t" } }, { to: [1, 2], t: [1, 2] }],
    ["", { collect: ["a"], default: { a: ["x"] } }, { a: ["x"] }],
  ]);
});

describe("negatable", () => {
  table([
    ["--no-a", { boolean: ["a"], negatable: ["a"] }, { a: false }],
    ["--no-a", { boolean: ["a"], negatable: ["a"], default: { a: true } }, { a: false }],
    ["", { boolean: ["a"], negatable: ["a"], default: { a: true } }, { a: true }],
    ["--a", { boolean: ["a"], negatable: ["a"] }, { a: true }],
    ["--no-b", { boolean: ["a", "b"], negatable: ["a"] }, { a: false, b: false, "no-b": true }],
    ["--no-all x", { negatable: "a", alias: { a: "all" } }, { a: false, all: false, _: ["x"] }],
  ]);
});

describe("alias", () => {
  table([
    ["-h", { boolean: ["help"], alias: { help: "h" } }, { help: true, h: true }],
    ["--help x", { boolean: ["help"], alias: { h: "help" } }, { help: true, h: true, _: ["x"] }],
    ["-p 025", { string: ["port"], alias: { p: "port" } }, { p: "025", port: "025" }],
    ["--c 1", { alias: { a: ["b", "c"] } }, { a: 1, b: 1, c: 1 }],
    ["", { alias: { a: "b" }, default: { b: 1 } }, { a: 1, b: 1 }],
    ["", { boolean: "a", alias: { a: "b" } }, { a: false, b: false }],
  ]);
});

describe("default", () => {
  table([
    ["", { default: { a: 1 } }, { a: 1 }],
    ["--a 2", { default: { a: 1 } }, { a: 2 }],
    ["", { string: "a", default: { a: "x" } }, { a: "x" }],
  ]);
});

describe("the end of the options", () => {
  table([
    ["--a -- --b 1", {}, { a: true, _: ["--b", "1"] }],
    ["x -- --b", { "--": true }, { _: ["x"], "--": ["--b"] }],
    ["x", { "--": true }, { _: ["x"], "--": [] }],
    ["x -- y -- z", { "--": true }, { _: ["x"], "--": ["y", "--", "z"] }],
    ["--a 1 x --b 2", { stopEarly: true }, { a: 1, _: ["x", "--b", "2"] }],
    ["--a x --b -- y", { stopEarly: true, boolean: ["a"], "--": true }, {
      a: true,
      _: ["x", "--b"],
      "--": ["y"],
    }],
  ]);
});

describe("unknown", () => {
  function told(words: string, options: ParseOptions): { calls: unknown[][]; read: Record<string, unknown> } {
    const calls: unknown[][] = [];
    const unknown = (...call: unknown[]) => (calls.push(call), false);
    return { read: parseArgs(words.split(" "), { ...options, unknown }), calls };
  }

  test("is told of options nobody declared, and false drops them", () => {
    const { read, calls } = told("--port 25 --prot=26 -x -v", { string: "port", alias: { v: "verbose" } });
    expect(calls).toEqual([["--prot=26", "prot", 26], ["-x", "x", true]]);
    expect(read).toEqual({ _: [], port: "25", v: true, verbose: true });
  });

  test("is told of positional arguments without a key", () => {
    const { read, calls } = told("serve", {});
    expect(calls).toEqual([["serve"]]);
    expect(read).toEqual({ _: [] });
  });

  test.each<[string, ParseOptions]>([
    ["boolean", { boolean: ["a"] }],
    ["boolean: true", { boolean: true }],
    ["string", { string: ["a"] }],
    ["collect", { collect: ["a"] }],
    ["negatable", { negatable: ["a"] }],
    ["default", { default: { a: 1 } }],
    ["alias", { alias: { b: "a" } }],
  ])("is not told of what is in %s", (_, options) => {
    expect(told("--a", options).calls).toEqual([]);
  });

  test("keeps what it does not drop", () => {
    const unknown = () => undefined;
    expect<Record<string, unknown>>(parseArgs(["--a", "x"], { unknown })).toEqual({ _: [], a: "x" });
  });
});

test("the types follow the options", () => {
  const args = parseArgs(["--ip", "192.0.2.1", "--to", "a@b.example", "--tls", "x"], {
    string: ["ip", "to", "name"],
    boolean: ["tls"],
    collect: ["to"],
    default: { name: "mx" },
  });
  const typed: { ip: string | undefined; to: string[]; tls: boolean; name: string; _: (string | number)[] } =
    args;
  expect(typed).toMatchObject({ ip: "192.0.2.1", to: ["a@b.example"], tls: true, name: "mx", _: ["x"] });
});

test("any strings are read without a throw, and all that follows -- is kept as it is", () => {
  fc.assert(fc.property(fc.array(fc.string()), fc.array(fc.string()), (before, after) => {
    fc.pre(!before.includes("--"));
    expect(parseArgs([...before, "--", ...after], { "--": true })["--"]).toEqual(after);
  }));
});
