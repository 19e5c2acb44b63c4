/**
 * Runs the interoperation tests and writes what passed into docs/interop.md, between its two marks.
 *
 *   bun test/interop/report.ts [FOLDER-OF-RESULTS]
 *
 * With a folder (of an earlier run with `SALLYPORT_INTEROP_RESULTS`) it runs nothing.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import type { MatrixResults, PeerResults } from "./results.ts";
import { senderVersion } from "./versions.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const page = join(root, "docs/interop.md");
const MARKS = ["<!-- written by test/interop/report.ts -->", "<!-- end -->"] as const;

/** A letter for each kind of case; plain mail is what every pair has. */
const KINDS: readonly (readonly [string, string])[] = [
  ["mail", "M"],
  ["refused", "R"],
  ["utf8", "U"],
  ["size", "S"],
  ["starttls", "T"],
  ["implicit", "I"],
];

function runTests(): string {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-interop-results-"));
  const env = { ...process.env, SALLYPORT_INTEROP_RESULTS: folder };
  const files = ["matrix", "smuggling", "identity"].map((name) => `./test/interop/${name}.test.ts`);
  const words = ["test", "--timeout=30000", ...files];
  spawnSync(process.execPath, words, { cwd: root, env, stdio: "inherit", timeout: 600_000 });
  return folder;
}

function read<T>(folder: string, file: string): T {
  const path = join(folder, file);
  if (!existsSync(path)) throw new Error(`Cannot report: the tests wrote no ${path}`);
  return JSON.parse(readFileSync(path, "utf8")) as T;
}

function row(cells: readonly string[]): string {
  return `| ${cells.join(" | ")} |`;
}

function matrix({ peers, senders, passed }: MatrixResults): string[] {
  const names = Object.keys(peers);
  const cell = (sender: string, peer: string) => {
    if (peers[peer]?.missing !== undefined || senders[sender] !== "") return "–";
    const kinds = passed.filter((each) => each.sender === sender && each.peer === peer).map(({ kind }) =>
      kind
    );
    return KINDS.filter(([kind]) => kinds.includes(kind)).map(([, letter]) => letter).join("") || "failed";
  };
  return [
    row(["sender", ...names]),
    row(["---", ...names.map(() => "---")]),
    ...Object.keys(senders).map((sender) =>
      row([senderVersion(sender), ...names.map((peer) => cell(sender, peer))])
    ),
  ];
}

function servers({ peers }: MatrixResults, smuggling: PeerResults, identity: PeerResults): string[] {
  return [
    row([
      "server",
      "version",
      "look-alikes of an end of data",
      "backend forms whose identity and TLS were checked",
    ]),
    row(["---", "---", "---", "---"]),
    ...Object.entries(peers).map(([name, { version, missing }]) =>
      row([
        name,
        version ?? `not run: ${missing}`,
        smuggling[name]?.join(", ") ?? "–",
        identity[name]?.map((form) => `\`${form.replace("%", "host:port").replace("$", "")}\``).join(", ") ??
          "–",
      ])
    ),
  ];
}

function write(lines: readonly string[]): void {
  const text = readFileSync(page, "utf8");
  const [from, to] = [text.indexOf(MARKS[0]) + MARKS[0].length, text.indexOf(MARKS[1])];
  if (to < from) throw new Error(`Cannot write ${page}: it lacks ${MARKS.join(" or ")}`);
  writeFileSync(page, `${text.slice(0, from)}\n\n${lines.join("\n")}\n\n${text.slice(to)}`);
}

const folder = process.argv[2] ?? runTests();
const results = read<MatrixResults>(folder, "matrix.json");
const told = servers(results, read(folder, "smuggling.json"), read(folder, "identity.json"));
write([...told, "", ...matrix(results)]);
if (process.argv[2] === undefined) rmSync(folder, { recursive: true });
