/**
 * The import direction: smtp ← mail ← policy ← auth ← backend ← proxy ← cli, with dns, store and net
 * as leaves that the others see through interfaces only, and plugins that see the public face only.
 *
 * `bun scripts/imports.ts` prints each violation and exits with 1 when there are any. The tables
 * below are the rule; whoever needs an exception writes it there with its reason.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import process from "node:process";
import { type Import, importsOf, lineAt, withoutComments } from "./import_scan.ts";

/** The files that stand for a leaf: what dns, store and net are to everybody else. */
const INTERFACES: readonly string[] = [
  "src/net/wire.ts",
  "src/net/proxy_protocol.ts",
  "src/policy/effects.ts",
];

/** The commands put all the parts together. */
const PARTS = [
  "smtp",
  "mail",
  "policy",
  "auth",
  "backend",
  "proxy",
  "dns",
  "store",
  "net",
  "admin",
  "face",
  "schema",
  "demo",
  "doctor",
];

/** Zone (a folder of src, or a part of it) → the zones it may import, besides itself. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  smtp: [],
  mail: ["smtp"],
  net: [],
  dns: ["interfaces"],
  store: ["interfaces"],
  policy: ["smtp", "mail", "interfaces"],
  auth: ["smtp", "mail", "policy", "interfaces"],
  backend: ["smtp", "mail", "policy", "interfaces"],
  proxy: ["smtp", "mail", "policy", "auth", "backend", "interfaces"],
  admin: ["smtp", "mail", "policy", "auth", "backend", "proxy", "interfaces"],
  face: ["smtp", "mail", "policy", "auth", "interfaces"],
  schema: [],
  testing: ["smtp", "mail", "policy", "auth", "backend", "proxy", "dns", "store", "face", "interfaces"],
  demo: ["smtp", "interfaces"],
  // It talks to backends as a stranger: it shares the protocol and the addresses with the proxy, not its machinery.
  doctor: ["smtp", "net"],
  cli: [...PARTS, "testing"],
  main: [...PARTS, "cli"],
  plugins: ["face", "schema"],
  policies: ["face", "plugins"],
  examples: ["face", "schema", "testing", "plugins"],
  vendor: [],
};

/** Single files that may import what their zone may not. */
const EXCEPTIONS: readonly { readonly file: string; readonly imports: string; readonly why: string }[] = [
  // It is pure, and two readers of addresses that differ in one text are a way around every list.
  ...["src/net/ip_octets.ts", "src/dns/address.ts"].map((file) => ({
    file,
    imports: "src/smtp/ip_address.ts",
    why: "one reader of IP addresses for all",
  })),
];

/** Packages that more than one file may import. */
const SHARED_PACKAGES: readonly { readonly name: string; readonly under: string; readonly why: string }[] = [
  { name: "hono", under: "src/admin/", why: "the dashboard's pages are its JSX" },
  { name: "@hono/zod-openapi", under: "src/admin/", why: "each route of the API declares its own types" },
];

/** A plugin gets its effects by argument, so it imports no socket, process, timer or clock. */
const EFFECTS =
  /^(bun|node:(net|tls|dgram|dns|https?|http2|child_process|worker_threads|cluster|timers|perf_hooks))(\/.*|:.*)?$/;

/** Where anything may be imported. */
const FREE = /^(test|bench|scripts)\//;

/** An import that should not be. */
export interface Violation {
  readonly file: string;
  readonly line: number;
  readonly imports: string;
  /** Why it is wrong, and what is allowed. */
  readonly why: string;
}

/** Checks files given as path from the root → source text. */
export function checkImports(files: ReadonlyMap<string, string>): Violation[] {
  const imports = [...files].flatMap(([file, source]) => importsOf(file, source));
  const wrong = imports.flatMap((each) => {
    const why = isException(each) ? undefined : fault(each);
    return why === undefined ? [] : [violation(each, why)];
  });
  return [...wrong, ...sharedPackages(imports), ...coreNames(files)];
}

function violation({ file, line, target }: Import, why: string): Violation {
  return { file, line, imports: target, why };
}

function isException({ file, target }: Import): boolean {
  return EXCEPTIONS.some((each) => each.file === file && each.imports === target);
}

/** What is wrong with one import, if anything. */
function fault(given: Import): string | undefined {
  if (/^(jsr|npm|https?):/.test(given.specifier)) {
    return "a module is named in package.json and deno.json, not in code";
  }
  if (FREE.test(given.file)) return undefined;
  return isOurs(given.target) ? direction(given) : foreign(given);
}

function isOurs(target: string): boolean {
  return /^(src|plugins|policies|examples|vendor|test|bench|scripts)\//.test(target);
}

function direction({ file, specifier, target }: Import): string | undefined {
  if (specifier.startsWith(".") && !/\.(tsx?|json|css|js)$/.test(specifier)) {
    return "an import names the file, with .ts";
  }
  const from = zoneOf(file);
  const to = zoneOf(target);
  const allowed = ALLOWED[from];
  if (allowed === undefined) return `scripts/imports.ts does not know ${from}: say there what it may import`;
  if (from === "plugins") return pluginDirection(file, specifier, target);
  if (from === "examples") return exampleDirection(file, specifier, target);
  if (to === from || allowed.includes(to)) return undefined;
  if (allowed.includes("interfaces") && INTERFACES.includes(target)) return undefined;
  return `${from} may not see ${to}; it may import ${told(allowed)}`;
}

/** A plugin that became a folder may import its own files. */
function pluginDirection(file: string, specifier: string, target: string): string | undefined {
  if (specifier === "sallyport" || specifier === "sallyport/schema") return undefined;
  const folder = /^plugins\/[^/]+\//.exec(file)?.[0];
  if (folder !== undefined && target.startsWith(folder)) return undefined;
  return 'a plugin may import only "sallyport", "sallyport/schema" and its own library';
}

/** An example is a package of its own: it sees what an installed Sallyport shows, and its own files. */
function exampleDirection(file: string, specifier: string, target: string): string | undefined {
  const faces = [
    "sallyport",
    "sallyport/schema",
    ...(file.endsWith(".test.ts") ? ["sallyport/testing"] : []),
  ];
  if (specifier.startsWith("sallyport/plugins/")) return undefined;
  const folder = /^examples\/[^/]+\//.exec(file)?.[0];
  if (faces.includes(specifier) || (folder !== undefined && target.startsWith(folder))) return undefined;
  return `an example may import only its own folder, sallyport/plugins/ and ${faces.join(", ")}`;
}

function told(allowed: readonly string[]): string {
  if (allowed.length === 0) return "only itself";
  return allowed.map((zone) => zone === "interfaces" ? INTERFACES.join(", ") : zone).join(", ");
}

/** Imports of the runtime and of packages. */
function foreign({ file, target }: Import): string | undefined {
  const zone = zoneOf(file);
  if (target === "bun:test" && zone === "examples" && file.endsWith(".test.ts")) return undefined;
  if (zone === "smtp") return "src/smtp may import only itself: no runtime, no package";
  if ((zone === "plugins" || zone === "examples") && EFFECTS.test(target)) {
    return "a plugin gets effects by argument: use io";
  }
  if (zone === "policies" && !target.startsWith("node:")) {
    return 'a policy may import only "sallyport" and plugins';
  }
  if (/^bun(:|$)/.test(target) && !["net", "cli", "main"].includes(zone)) {
    return "only src/net, src/cli and src/main.ts may name a runtime";
  }
  return undefined;
}

/** One package, one importing file. */
function sharedPackages(imports: readonly Import[]): Violation[] {
  const counted = imports.filter(({ file, target }) =>
    !FREE.test(file) && !isOurs(target) && !/^(node|bun):|^bun$/.test(target) && !mayShare(file, target)
  );
  return [...Map.groupBy(counted, ({ target }) => packageOf(target))].flatMap(([name, group]) => {
    const first = group[0]!.file;
    return group.filter(({ file }) => file !== first)
      .map((each) => violation(each, `${name} is ${first}'s: one package, one importing file`));
  });
}

function mayShare(file: string, target: string): boolean {
  return SHARED_PACKAGES.some(({ name, under }) => name === packageOf(target) && file.startsWith(under));
}

function packageOf(specifier: string): string {
  return specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");
}

/** The clock and the dice that the language itself brings, which the type check of src/smtp cannot see. */
function coreNames(files: ReadonlyMap<string, string>): Violation[] {
  return [...files].filter(([file]) => zoneOf(file) === "smtp").flatMap(([file, source]) =>
    [...withoutComments(source).matchAll(/\b(Date|Math\.random)\b/g)].map((found) => ({
      file,
      line: lineAt(source, found.index),
      imports: found[0],
      why: "src/smtp is pure: time and chance are arguments",
    }))
  );
}

function zoneOf(path: string): string {
  const [top = "", second = ""] = path.split("/");
  if (top !== "src") return top;
  if (second === "mod.ts") return "face";
  return second.replace(/\.ts$/, "");
}

/** The project's source files under the current folder. */
function sources(): Map<string, string> {
  const files = new Map<string, string>();
  for (const top of ["src", "plugins", "policies", "examples", "vendor", "test", "bench", "scripts"]) {
    if (!existsSync(top)) continue;
    for (const name of readdirSync(top, { recursive: true }) as string[]) {
      const path = `${top}/${name}`;
      if (/\.tsx?$/.test(path)) files.set(path, readFileSync(path, "utf8"));
    }
  }
  return files;
}

if (import.meta.main) {
  const violations = checkImports(sources());
  for (const { file, line, imports, why } of violations) {
    console.log(`${file}:${line} imports ${imports}: ${why}`);
  }
  if (violations.length > 0) process.exitCode = 1;
}
