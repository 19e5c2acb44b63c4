/**
 * What `check` says would run, and what loading a policy finds in the files that it names.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "bun:test";
import { report } from "../../src/cli/check.ts";
import { loadPolicy } from "../../src/cli/load.ts";
import { definePlugin, definePolicy, type Plugin, SettingsError } from "../../src/mod.ts";

const folder = mkdtempSync(join(tmpdir(), "sallyport-check-"));
afterAll(() => rmSync(folder, { recursive: true }));

function lines(plugins: readonly Plugin[]): string[] {
  return report(
    definePolicy({ hostname: "mx.example", listen: ["127.0.0.1:25"], backends: ["b.example:25"], plugins })
      .settings,
  );
}

describe("check shows", () => {
  const size = definePlugin("size", () => ({ onError: "pass", message: () => undefined }))();
  const names = definePlugin(
    "names",
    () => ({ onError: "defer", mail: () => undefined, rcpt: () => undefined }),
  )();

  test("how a message flows, by who is asked at its end", () => {
    const flow = (plugins: readonly Plugin[]) =>
      lines(plugins).find((line) => line.startsWith("message flow"));
    expect(flow([names])).toBe("message flow: stream (straight through; nobody judges at its end)");
    expect(flow([names, size])).toBe(
      "message flow: stream (straight through; only the end of data waits, for size)",
    );
  });

  test("options that JSON has no word for", () => {
    const options = { names: undefined, most: 5n, judge: () => true };
    const shown = lines([{ ...names, options }]).map((line) => line.trim().replace(/ +/, " "));
    expect(shown).toContain("names.names not set");
    expect(shown).toContain('names.most "5"');
    expect(shown).toContain('names.judge "(a function)"');
  });

  test("backends with what is not their default", () => {
    const { settings } = definePolicy({
      hostname: "mx.example",
      listen: ["127.0.0.1:25"],
      backends: ["a.example:25?weight=3&backup", { address: "b.example:25", weight: 2 }, "unix:/run/c"],
    });
    const shown = report(settings).find((line) => line.startsWith("  backends"));
    expect(shown).toContain("a.example:25 (weight=3, backup), b.example:25 (weight=2), unix:/run/c");
  });

  test("units, and what a number is for where its name does not say so", () => {
    const shown = lines([]).map((line) => line.trim().replace(/ +/, " "));
    for (
      const line of [
        "limits.messageSize 256 MiB",
        "limits.commandLine 4 KiB",
        "limits.dataRate 100 octets/s",
        "limits.messageLine Infinity",
        "limits.recipients 1000",
        "times.end 600 s",
        "reuse.check 5 s without a transaction, then RSET is asked before the next",
      ]
    ) expect(shown).toContain(line);
  });

  test("pools and routes, and nothing of them where there are none", () => {
    const { settings } = definePolicy({
      hostname: "mx.example",
      listen: ["127.0.0.1:25"],
      backends: ["b.example:25"],
      pools: { a: ["10.0.0.1:25", "10.0.0.2:25"] },
      routes: [
        { listener: "127.0.0.1:25", domain: ["a.example", "*.a.example"], pool: "a" },
        { user: "ann", pool: () => undefined },
        {
          pool: function byWeekday() {
            return "a";
          },
        },
      ],
    });
    const shown = report(settings).map((line) => line.trim().replace(/ +/, " "));
    const from = shown.indexOf("pools.a 10.0.0.1:25, 10.0.0.2:25");
    expect(shown.slice(from + 1, from + 5)).toEqual([
      "routes[0] listener 127.0.0.1:25, domain a.example or *.a.example: to pool a",
      "routes[1] user ann: as a function says",
      "routes[2] all the rest: as the function byWeekday says",
      "otherwise to pool default",
    ]);
    expect(lines([]).filter((line) => /pools|routes|otherwise/.test(line))).toEqual([]);
  });

  test("certificates without their keys, and what is asked of clients", () => {
    const shown = report(
      definePolicy({
        hostname: "mx.example",
        listen: ["127.0.0.1:25", { address: "127.0.0.1:587", tls: "required" }],
        backends: ["b.example:25"],
        tls: {
          certificates: [{ cert: "/a.pem", key: "/a.key" }, { cert: "/b.pem", key: "/b.key" }],
          clientCertificates: "optional",
          clientCa: "/ca.pem",
        },
      }).settings,
    ).map((line) => line.trim().replace(/ +/, " "));
    expect(shown).toContain("listen 127.0.0.1:25, 127.0.0.1:587 (nothing before STARTTLS)");
    expect(shown.slice(shown.indexOf("tls /a.pem (key hidden)")).slice(1, 3)).toEqual([
      "/b.pem (key hidden)",
      "tls.clientCertificates optional, by /ca.pem",
    ]);
    expect(shown.join()).not.toContain(".key");
  });

  test("who is asked at each stage, in order", () => {
    expect(lines([size, names]).slice(-6).map((line) => line.trim().replace(/ +/, " "))).toEqual([
      "connect nobody is asked",
      "helo nobody is asked",
      "mail names (on error: defer)",
      "rcpt names (on error: defer)",
      "data nobody is asked",
      "message size (on error: pass)",
    ]);
  });
});

describe("loading names", () => {
  async function mistakes(name: string, body: string): Promise<readonly string[]> {
    const file = join(folder, name);
    const mod = new URL("../../src/mod.ts", import.meta.url).href;
    writeFileSync(file, `import { definePolicy } from ${JSON.stringify(mod)};\nexport default ${body};\n`);
    try {
      await loadPolicy(file);
    } catch (cause) {
      if (cause instanceof SettingsError) return cause.mistakes;
      throw cause;
    }
    return [];
  }
  const good =
    'listen: ["127.0.0.1:25"], backends: ["b.example:25"], tls: { cert: "/no/cert", key: "/no/key" }';

  test("the certificate and the key, when neither can be read", async () => {
    const found = await mistakes("files.ts", `definePolicy({ hostname: "mx.example", ${good} })`);
    expect(found.map((line) => line.split(":")[0])).toEqual([
      "Cannot read the certificate /no/cert",
      "Cannot read the key /no/key",
    ]);
  });

  test("the mistakes of the variables, the policy and the files, all at once", async () => {
    const variables = '{ SALLYPORT_HOSTNAME: "a b" }';
    const found = await mistakes(
      "tiers.ts",
      `definePolicy(({ hostname }) => ({ hostname, dial: "data", ${good} }), ${variables})`,
    );
    expect(found.map((line) => line.split(":")[0])).toEqual([
      "SALLYPORT_HOSTNAME",
      "dial",
      "Cannot read the certificate /no/cert",
      "Cannot read the key /no/key",
    ]);
  });

  test("a wrong domain of the environment once", async () => {
    const gate = new URL("../../plugins/relay_gate/mod.ts", import.meta.url).href;
    for (const [name, given] of [["a b/c", "b/c"], ["", ""]] as const) {
      const found = await mistakes(
        `domains_${name.length}.ts`,
        `definePolicy(({ hostname, relayDomains: domains }) => ({
          hostname, listen: ["127.0.0.1:25"], backends: ["b.example:25"], plugins: [relayGate({ domains })],
        }), { SALLYPORT_RELAY_DOMAINS: ${JSON.stringify(name)}, SALLYPORT_HOSTNAME: "mx.example" });
        import { relayGate } from ${JSON.stringify(gate)}`,
      );
      const words = `SALLYPORT_RELAY_DOMAINS: ${
        JSON.stringify(given)
      } was given; allowed is domain names with commas`;
      expect(found).toEqual([words]);
    }
  });
});

describe("a policy that cannot be imported", () => {
  async function mistakes(name: string, text: string, of = name): Promise<readonly string[]> {
    writeFileSync(join(folder, name), text);
    try {
      await loadPolicy(join(folder, of));
    } catch (cause) {
      if (cause instanceof SettingsError) return cause.mistakes;
      throw cause;
    }
    return [];
  }
  /** Runtimes have words of their own; the place is the same. */
  const places = (lines: readonly string[]) =>
    lines.map((line) => /^Cannot load the policy \S+: \S.*\S \((\S+)\)$/.exec(line)?.[1] ?? line);

  test("says in which line its syntax is wrong", async () => {
    const found = await mistakes("syntax.ts", "export default {\n  a: 1,\n  b: ,\n};\n");
    expect(places(found)).toEqual([`${folder}/syntax.ts:3:6`]);
  });

  test("says the line of each fault, or of the first where the runtime stops there", async () => {
    const found = await mistakes(
      "twice.ts",
      "const a = 1;\nconst a = 2, b = 3;\nlet b;\nexport default a;\n",
    );
    expect(places(found)[0]).toBe(`${folder}/twice.ts:2:7`);
    expect([1, 2]).toContain(found.length);
  });

  test("says the file too, where it is one that it imports", async () => {
    writeFileSync(join(folder, "outer.ts"), 'import "./inner.ts";\nexport default 1;\n');
    const found = await mistakes("inner.ts", "export const b = 1 2;\n", "outer.ts");
    expect(places(found)[0]).toContain(`${folder}/inner.ts:1:`);
  });

  test("says in which line it throws, also from within another file", async () => {
    const throws = await mistakes("throws.ts", "const a = 1;\na.b.c;\nexport default a;\n");
    expect(places(throws)[0]).toContain(`${folder}/throws.ts:2:`);
    writeFileSync(join(folder, "far.ts"), "export function far(): never { throw new Error('far away'); }\n");
    const far = await mistakes("near.ts", 'import { far } from "./far.ts";\n\nfar();\n');
    expect(places(far)).toEqual([`${folder}/near.ts:3:1`]);
    expect(far[0]).toContain("far away");
  });

  test("says no place where there is none", async () => {
    const found = await mistakes("unused.ts", "", "missing.ts");
    expect(found).toHaveLength(1);
    expect(found[0]).toContain("missing.ts");
    expect(found[0]).not.toMatch(/:\d+:\d+/);
  });
});
