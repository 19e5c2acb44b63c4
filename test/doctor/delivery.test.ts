/** What the backend writes of the client, read in a mailbox. */
import { afterAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mailboxFault, receivedOf } from "../../src/doctor/mailbox.ts";
import { examined, ScriptedBackend, type Session } from "./scripted_backend.ts";

const TO = "t@b.example";

/** A folder of its own for each test. */
function folderFor(files: Readonly<Record<string, string>> = {}): string {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-doctor-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
  return folder;
}

/** A backend that delivers into a Maildir, with a Received field that names this address. */
async function delivering(maildir: string, named: (session: Session) => string): Promise<ScriptedBackend> {
  let seen: Session | undefined;
  const backend = await ScriptedBackend.start({
    offers: () => ["XCLIENT ADDR PORT"],
    answer(line, session) {
      if (line.startsWith("DATA")) seen = { ...session };
      return undefined;
    },
    onDelivered(message) {
      mkdirSync(join(maildir, "new"), { recursive: true });
      mkdirSync(join(maildir, "cur"), { recursive: true });
      const received = `Received: from proxy.example (unknown [${named(seen!)}])\n\tby backend.example\n`;
      writeFileSync(join(maildir, "new", `${Math.random()}`), received + message);
    },
  });
  return backend;
}

test("its Received field names whom it was told", async () => {
  const maildir = join(folderFor(), "box");
  const backend = await delivering(maildir, ({ address }) => address);
  const found = await examined(backend, { deliver: TO, mailbox: maildir });
  expect(found.find("own-received")).toMatchObject({
    level: "good",
    seen: ["Received: from proxy.example (unknown [127.0.0.1]) by backend.example"],
  });
  expect(found.find("xclient-received")).toMatchObject({ level: "good" });
  expect(backend.delivered.length).toBe(2);
});

test("it names somebody else", async () => {
  const maildir = join(folderFor(), "box");
  const found = await examined(await delivering(maildir, () => "127.0.0.1"), {
    deliver: TO,
    mailbox: maildir,
  });
  expect(found.level("own-received")).toBe("good");
  expect(found.level("xclient-received-other")).toBe("warning");
});

test("without a mailbox the operator is told what to look for; a refusal is told", async () => {
  const backend = await ScriptedBackend.start();
  const found = await examined(backend, { deliver: TO });
  const token = /Token: (doctor-\w+)/.exec(found.find("own-delivered")!.seen[0]!)![1]!;
  expect(backend.delivered[0]).toContain(`X-Sallyport-Doctor: ${token}\r\n`);
  const refused = await examined(backend, { deliver: "t@other.example" });
  expect(refused.level("own-not-delivered")).toBe("note");
});

test("nothing is sent without an address", async () => {
  const backend = await ScriptedBackend.start();
  await examined(backend);
  expect(backend.delivered).toEqual([]);
});

test("an mbox file, in which the topmost Received of the right message counts", () => {
  const message = (token: string, by: string) =>
    `From <> now\nReturn-Path: <>\nReceived: from ${by}\n (x) by b\nReceived: older\nX-Sallyport-Doctor: ${token}\n\nbody\n\n`;
  const folder = folderFor({ mbox: message("one", "first") + message("two", "second"), plain: "" });
  expect(receivedOf(join(folder, "mbox"), "two")).toBe("from second (x) by b");
  expect(receivedOf(join(folder, "mbox"), "one")).toBe("from first (x) by b");
  expect(receivedOf(join(folder, "mbox"), "three")).toBeUndefined();
  expect(mailboxFault(join(folder, "mbox"))).toBeUndefined();
  expect(mailboxFault(join(folder, "not-yet"))).toBeUndefined();
  expect(mailboxFault(join(folder, "no/where"))).toBe("ENOENT");
  expect(mailboxFault(folder)).toContain("no folder with new and cur");
});
