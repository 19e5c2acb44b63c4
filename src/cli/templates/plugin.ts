/**
 * The files of a new plugin: what it is to be called goes in, a plugin that works and its test come out.
 */

/** What the files are made with. */
export interface PluginNames {
  /** The plugin's name, as in `no-numbers`. */
  readonly name: string;
  /** The factory's, as in `noNumbers`. */
  readonly factory: string;
  /** The interface of its options, as in `NoNumbersOptions`. */
  readonly options: string;
}

/** Names in the files below that the factory's would clash with. */
export const TAKEN: readonly string[] = ["assert", "options", "reject", "test", "transcript", "z"];

/** The plugin. */
export function pluginFile({ name, factory, options }: PluginNames): string {
  return `/**
 * ${name}: says what it is for. This one refuses mail to mailboxes that are closed.
 */
import { definePlugin, type PluginFactory, reject, utf8Text } from "sallyport";
import { options, z } from "sallyport/schema";

/** What can be set. */
export interface ${options} {
  /** Local parts that mail is no longer taken for, whatever their case; none unless given. */
  readonly closed?: readonly string[];
}

/** Refuses recipients whose mailbox is closed. */
export const ${factory}: PluginFactory<${options}> = definePlugin(
  "${name}",
  options({ closed: z.array(z.string()).readonly().default([]) }),
  ({ closed }) => {
    const names = new Set(closed.map((name) => name.toLowerCase()));
    return {
      // What a failure of this plugin does to the mail at hand: "pass", "defer" or "reject".
      onError: "pass",
      // The other stages are connect, helo, mail, data and message; each is told what is known by then.
      rcpt({ forwardPath }) {
        if (names.has(utf8Text(forwardPath.localPart).toLowerCase())) {
          return reject("5.7.1", "This mailbox is closed");
        }
      },
    };
  },
);
`;
}

/** Its test, for any runner that knows node:test: \`bun test\` does, and \`deno test\`. */
export function testFile({ factory }: PluginNames, plugin: string): string {
  return `import assert from "node:assert/strict";
import { test } from "node:test";
import { GREETED, transcript } from "sallyport/testing";
import { ${factory} } from ${JSON.stringify(`./${plugin}`)};

test("mail to a closed mailbox is refused, and to no other", async () => {
  await transcript(
    ${factory}({ closed: ["old"] }),
    \`\${GREETED}
    C: MAIL FROM:<a@client.example>
    S: 250 2.1.0 Ok
    C: RCPT TO:<Old@mx.example>
    S: 550 5.7.1 This mailbox is closed
    C: RCPT TO:<b@mx.example>
    S: 250 2.1.5 Ok
    \`,
  );
});

test("a mistake in the options is named", async () => {
  const wrong = ${factory}({ closed: "old" as never });
  await assert.rejects(transcript(wrong, GREETED), /options\\.closed: "old" was given/);
});
`;
}

/** Where an installed Sallyport has it. */
const RELAY_GATE = "sallyport/plugins/relay_gate/mod.ts";

/** A policy that uses it. */
export function policyFile({ factory }: PluginNames): string {
  return `/** The plugin in use: \`sallyport check policy.ts\`, then \`sallyport serve policy.ts\`. */
import { definePolicy } from "sallyport";
import { relayGate } from "${RELAY_GATE}";
import { ${factory} } from "./mod.ts";

// The SALLYPORT_ variables, read and checked; every setting may also be written down: listen: ["0.0.0.0:25"], …
export default definePolicy(({ relayDomains: domains = ["example.org"], dnsbl: _, ...environment }) => ({
  ...environment,
  plugins: [relayGate({ domains }), ${factory}({ closed: ["old"] })],
}));
`;
}

/** Which versions a new package is made for. */
export interface Versions {
  readonly sallyport: string;
  /** Where the package manager finds it: a version, or \`file:\` and a folder. */
  readonly source: string;
  readonly bun: string;
}

export function packageFile({ name }: PluginNames, { sallyport, source, bun }: Versions): string {
  const content = {
    name: `sallyport-${name}`,
    version: "0.1.0",
    description: `${name}: a Sallyport plugin`,
    keywords: ["sallyport", "sallyport-plugin"],
    type: "module",
    exports: "./mod.ts",
    files: ["mod.ts"],
    scripts: { test: "bun test", check: "bun check --no-script" },
    peerDependencies: { sallyport: `^${sallyport}` },
    devDependencies: { "@types/bun": bun, bun, sallyport: source },
  };
  return JSON.stringify(content, null, 2) + "\n";
}

/** The compiler options that Sallyport itself is checked with. */
export function tsconfigFile(): string {
  const compilerOptions = {
    target: "ESNext",
    lib: ["ESNext"],
    types: ["bun"],
    module: "Preserve",
    moduleResolution: "bundler",
    allowImportingTsExtensions: true,
    verbatimModuleSyntax: true,
    noEmit: true,
    skipLibCheck: true,
    strict: true,
    noUncheckedIndexedAccess: true,
    exactOptionalPropertyTypes: true,
  };
  return JSON.stringify({ compilerOptions }, null, 2) + "\n";
}

export function readmeFile({ name, factory }: PluginNames): string {
  return `# ${name}

A plugin for Sallyport that refuses mail to mailboxes that are closed.

\`\`\`ts
import { ${factory} } from "sallyport-${name}";

plugins: [${factory}({ closed: ["old"] })],
\`\`\`

| option | what it does | default |
| --- | --- | --- |
| \`closed\` | local parts that mail is no longer taken for | none |

\`bun install\` and \`bun test\` run its tests; \`bun run check\` checks its types.
`;
}
