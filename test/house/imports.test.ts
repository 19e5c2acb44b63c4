/** The import direction is checked by scripts/imports.ts; here its rules are broken one by one. */
import { describe, expect, test } from "bun:test";
import { checkImports } from "../../scripts/imports.ts";

/** "file imports what", one line per violation. */
function violations(files: Record<string, string>): string[] {
  return checkImports(new Map(Object.entries(files)))
    .map(({ file, line, imports }) => `${file}:${line} ${imports}`);
}

function importing(file: string, specifier: string): string[] {
  return violations({ [file]: `import { a } from "${specifier}";\n` });
}

describe("allowed", () => {
  test.each([
    ["src/smtp/server.ts", "./reply.ts"],
    ["src/mail/trace.ts", "../smtp/path.ts"],
    ["src/policy/plugin.ts", "../net/wire.ts"],
    ["src/dns/resolver.ts", "../policy/effects.ts"],
    ["src/store/sqlite.ts", "node:sqlite"],
    ["src/backend/pool.ts", "../policy/verdict.ts"],
    ["src/proxy/session.ts", "../backend/connection.ts"],
    ["src/proxy/session.ts", "../net/wire.ts"],
    ["src/net/mod.ts", "./bun.ts"],
    ["src/net/bun.ts", "bun"],
    ["src/cli/serve.ts", "../net/mod.ts"],
    ["src/cli/serve.ts", "../admin/server.ts"],
    ["src/main.ts", "./cli/serve.ts"],
    ["src/cli/doctor.ts", "../doctor/examination.ts"],
    ["src/doctor/door.ts", "../smtp/xclient_lines.ts"],
    ["src/doctor/visitor.ts", "../net/proxy_protocol.ts"],
    ["src/doctor/wire_stream.ts", "../net/ordered.ts"],
    ["plugins/spf.ts", "sallyport"],
    ["plugins/spf.ts", "mailauth/lib/spf/index.js"],
    ["plugins/milter/session.ts", "./packet.ts"],
    ["policies/pass.ts", "../plugins/spf.ts"],
    ["policies/pass.ts", "sallyport"],
    ["test/proxy/session.test.ts", "../../src/cli/serve.ts"],
    ["examples/quota/mod.ts", "sallyport/schema"],
    ["examples/quota/policy.ts", "./mod.ts"],
    ["examples/quota/policy.ts", "sallyport/plugins/spf.ts"],
    ["examples/quota/mod.test.ts", "sallyport/testing"],
    ["examples/quota/mod.test.ts", "bun:test"],
  ])("%s may import %s", (file, specifier) => {
    expect(importing(file, specifier)).toEqual([]);
  });
});

describe("refused", () => {
  test.each([
    ["src/smtp/server.ts", "../mail/trace.ts", "src/mail/trace.ts"],
    ["src/smtp/server.ts", "../net/wire.ts", "src/net/wire.ts"],
    ["src/smtp/server.ts", "node:crypto", "node:crypto"],
    ["src/mail/trace.ts", "../policy/verdict.ts", "src/policy/verdict.ts"],
    ["src/policy/chain.ts", "../proxy/session.ts", "src/proxy/session.ts"],
    ["src/policy/chain.ts", "../dns/resolver.ts", "src/dns/resolver.ts"],
    ["src/backend/pool.ts", "../proxy/session.ts", "src/proxy/session.ts"],
    ["src/proxy/session.ts", "../net/bun.ts", "src/net/bun.ts"],
    ["src/proxy/session.ts", "../net/node.ts", "src/net/node.ts"],
    ["src/proxy/session.ts", "../store/redis.ts", "src/store/redis.ts"],
    ["src/proxy/session.ts", "../admin/server.ts", "src/admin/server.ts"],
    ["src/proxy/session.ts", "../cli/serve.ts", "src/cli/serve.ts"],
    ["src/proxy/session.ts", "bun", "bun"],
    ["src/doctor/door.ts", "../proxy/session.ts", "src/proxy/session.ts"],
    ["src/doctor/door.ts", "../policy/address.ts", "src/policy/address.ts"],
    ["src/doctor/door.ts", "../cli/serve.ts", "src/cli/serve.ts"],
    ["src/backend/pool.ts", "../doctor/door.ts", "src/doctor/door.ts"],
    ["src/proxy/session.ts", "bun:sqlite", "bun:sqlite"],
    ["src/dns/resolver.ts", "../policy/chain.ts", "src/policy/chain.ts"],
    ["src/net/bun.ts", "../smtp/reply.ts", "src/smtp/reply.ts"],
    ["src/admin/server.ts", "../cli/serve.ts", "src/cli/serve.ts"],
    ["src/mod.ts", "./proxy/session.ts", "src/proxy/session.ts"],
    ["src/mail/trace.ts", "../smtp/path", "src/smtp/path"],
    ["src/mail/trace.ts", "jsr:@std/cli", "jsr:@std/cli"],
    ["test/proxy/session.test.ts", "npm:fast-check", "npm:fast-check"],
    ["plugins/spf.ts", "../src/mail/trace.ts", "src/mail/trace.ts"],
    ["plugins/spf.ts", "./dkim.ts", "plugins/dkim.ts"],
    ["plugins/spf.ts", "sallyport/testing", "src/testing.ts"],
    ["plugins/spf.ts", "sallyport/plugins/dkim.ts", "plugins/dkim.ts"],
    ["src/cli/serve.ts", "sallyport/plugins/spf.ts", "plugins/spf.ts"],
    ["plugins/spf.ts", "node:net", "node:net"],
    ["plugins/spf.ts", "node:timers/promises", "node:timers/promises"],
    ["policies/pass.ts", "../src/proxy/session.ts", "src/proxy/session.ts"],
    ["policies/pass.ts", "zod", "zod"],
    ["vendor/std-cli/mod.ts", "../../src/mod.ts", "src/mod.ts"],
    ["examples/quota/mod.ts", "../../src/mod.ts", "src/mod.ts"],
    ["examples/quota/mod.ts", "../helo_rule/mod.ts", "examples/helo_rule/mod.ts"],
    ["examples/quota/mod.ts", "sallyport/testing", "src/testing.ts"],
    ["examples/quota/mod.ts", "node:timers", "node:timers"],
    ["examples/quota/mod.ts", "bun:test", "bun:test"],
    ["src/helpers/text.ts", "../smtp/reply.ts", "src/smtp/reply.ts"],
    ["src/smtp/reply.ts", "../helpers/text.ts", "src/helpers/text.ts"],
  ])("%s may not import %s", (file, specifier, target) => {
    expect(importing(file, specifier)).toEqual([`${file}:1 ${target}`]);
  });

  test("a package is imported by one file; others are told which", () => {
    const [found, ...more] = checkImports(
      new Map([
        ["src/dns/resolver.ts", 'import packet from "dns-packet";'],
        ["src/dns/cache.ts", 'import type { Answer } from "dns-packet/types";'],
        ["test/dns/resolver.test.ts", 'import packet from "dns-packet";'],
      ]),
    );
    expect(more).toEqual([]);
    expect(found?.file).toBe("src/dns/cache.ts");
    expect(found?.why).toContain("src/dns/resolver.ts");
  });

  test("hono may be in several files of src/admin, and nowhere else", () => {
    const page = 'import { Hono } from "hono";';
    expect(violations({ "src/admin/a.tsx": page, "src/admin/b.tsx": 'import { html } from "hono/html";' }))
      .toEqual([]);
    expect(violations({ "src/cli/a.ts": page, "src/cli/b.ts": page })).toEqual(["src/cli/b.ts:1 hono"]);
  });

  test("the core names neither the clock nor the dice, except in comments", () => {
    const core = "// not a Date\nexport const now = Date.now();\nexport const dice = Math.random();\n";
    expect(violations({ "src/smtp/server.ts": core })).toEqual([
      "src/smtp/server.ts:2 Date",
      "src/smtp/server.ts:3 Math.random",
    ]);
  });
});

describe("found", () => {
  test.each([
    ["a type import", 'import type { A } from "../proxy/a.ts";', 1],
    ["an import without a name", 'import "../proxy/a.ts";', 1],
    ["an export from", 'export * from "../proxy/a.ts";', 1],
    ["single quotes", "import { a } from '../proxy/a.ts';", 1],
    ["many lines", 'import {\n  a,\n  b,\n} from "../proxy/a.ts";', 4],
    ["a dynamic import", 'const a = 1;\nconst b = await import("../proxy/a.ts");', 2],
    ["an import in a type", 'let a: import("../proxy/a.ts").A;', 1],
    ["after a string with //", 'import "./b.ts";\nconst a = "//"; await import("../proxy/a.ts");', 2],
  ])("%s", (_, source, line) => {
    expect(violations({ "src/mail/b.ts": source })).toEqual([`src/mail/b.ts:${line} src/proxy/a.ts`]);
  });

  test.each([
    ["a comment", '// import "../proxy/a.ts";'],
    ["a block comment", '/*\nimport "../proxy/a.ts";\n*/'],
    ["a comment's dynamic import", '/** See import("../proxy/a.ts"). */'],
    ["a string that is exported", 'export const from = "../proxy/a.ts";'],
  ])("not in %s", (_, source) => {
    expect(violations({ "src/mail/b.ts": source })).toEqual([]);
  });
});
