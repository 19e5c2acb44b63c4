/**
 * Apache James' SMTP scripts (../shared/vectors/smtp-james-mpt): `C:` lines, and `S:` lines that are patterns. Codes are
 * held against theirs; the texts are James' own. Scripts that need AUTH, which this version does not have, are skipped.
 */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "bun:test";
import { Scene } from "../../src/testing/scene.ts";
import { withVectors } from "../support/dialogue_vectors.ts";
import { FakeReceiver } from "../support/fake_receiver.ts";

const SCRIPTS = 8;
const SKIPPED = 2;

interface Line {
  readonly side: "C" | "S";
  readonly text: string;
}

/** The lines of a script; comments and empty lines apart. */
function readScript(text: string): Line[] {
  return text.split("\n").flatMap((line) => {
    const match = /^([CS]):(?: (.*))?$/.exec(line.trimEnd());
    return match ? [{ side: match[1] as "C" | "S", text: match[2] ?? "" }] : [];
  });
}

/** What the client of a script sends for a line. */
function sent(text: string): string {
  const octets = text.replaceAll("\\r", "\r").replaceAll("\\n", "\n");
  return octets.endsWith("\r\n") ? octets : `${octets}\r\n`;
}

/** The extensions that a script's reply to EHLO names. */
function extensionsOf(lines: readonly Line[]): string[] {
  const from = lines.findIndex(({ side, text }) => side === "S" && text === "250.*");
  const names: string[] = [];
  for (const { side, text } of lines.slice(from + 1)) {
    if (side !== "S" || !/^250[- ][A-Z0-9]+(?:[ =]|$)/.test(text)) break;
    names.push(text.slice(4));
    if (text[3] === " ") break;
  }
  return names;
}

/** The codes that a script expects, one a reply. */
function codesOf(lines: readonly Line[]): string[] {
  return lines.filter(({ side, text }) => side === "S" && /^\d{3}(?: |$)/.test(text)).map(({ text }) =>
    text.slice(0, 3)
  );
}

/** What they say where we say something else, and why. */
const DIFFERENT: ReadonlyMap<string, readonly [theirs: string, ours: string]> = new Map([
  // A session in which somebody injects commands is not worth going on with.
  ["starttls_with_injection.test", ["451", "421"]],
]);

withVectors(
  "james",
  "smtp-james-mpt/mpt/impl/smtp/core/src/main/resources/org/apache/james/smtp/scripts",
  `${SCRIPTS} scripts`,
  (folder) => {
    const names = readdirSync(folder).filter((name) => name.endsWith(".test")).sort();
    const scripts = names.map((name) =>
      [name, readScript(readFileSync(new URL(name, folder), "utf8"))] as const
    );
    const needsAuth = (lines: readonly Line[]) =>
      lines.some(({ side, text }) => side === "C" && text.startsWith("AUTH "));

    test(`all ${SCRIPTS} scripts are read, and ${SKIPPED} need AUTH`, () => {
      expect(scripts.length).toBe(SCRIPTS);
      expect(scripts.filter(([, lines]) => needsAuth(lines)).length).toBe(SKIPPED);
    });

    for (const [name, lines] of scripts) {
      if (needsAuth(lines)) {
        test.skip(`${name}: AUTH is not there yet`, () => {});
        continue;
      }
      describe(name, () => {
        const extensions = extensionsOf(lines).filter((line) => !/^AUTH|^STARTTLS/.test(line));
        const [theirs, ours] = DIFFERENT.get(name) ?? ["", ""];
        const codes = codesOf(lines).map((code) => (code === theirs ? ours : code));
        for (const way of ["line by line", "octet by octet", "in one write"]) {
          test(way, async () => {
            const scene = new Scene({ tls: extensionsOf(lines).includes("STARTTLS"), extensions });
            const receiver = new FakeReceiver(scene, extensions);
            const writes = lines.filter(({ side }) => side === "C").map(({ text }) => sent(text));
            const injects = way === "octet by octet" && theirs !== "";
            for (const write of way === "in one write" ? [writes.join("")] : writes) {
              for (const octets of way === "octet by octet" && !injects ? write : [write]) scene.send(octets);
            }
            await scene.rest();
            const heard = scene.take().split("\r\n");
            expect(heard.filter((line) => /^\d{3} /.test(line)).map((line) => line.slice(0, 3))).toEqual(
              codes,
            );
            for (const extension of extensions) {
              expect(heard).toContain(heard.find((line) => line.slice(4) === extension)!);
            }
            const data = lines.findIndex(({ text }) => text.startsWith("354"));
            if (data === -1) return expect(receiver.commands).toEqual([]);
            const message = lines.slice(data + 1).filter(({ side, text }) => side === "C" && text !== ".")
              .map(({ text }) => `${text}\r\n`);
            expect(receiver.taken.map((taken) => taken.message)).toEqual([message.join("")]);
          });
        }
      });
    }
  },
);
