/** For whom the backend relays: the proxy's own address is the trap. */
import { expect, test } from "bun:test";
import { exitCodeOf } from "../../src/doctor/examination.ts";
import { examined, ScriptedBackend, type Session } from "./scripted_backend.ts";

const XCLIENT = () => ["XCLIENT ADDR PORT"];
const trusting = ({ address }: Session) => address.startsWith("127.");

test("a backend that relays for nobody is sound, and hears of no message", async () => {
  const backend = await ScriptedBackend.start();
  const found = await examined(backend);
  expect(found.level("own-refused")).toBe("good");
  expect(found.level("odd-refused")).toBe("good");
  expect(exitCodeOf(found.findings)).toBe(0);
  expect(backend.commands.filter((line) => /^(DATA|BDAT [1-9])/.test(line))).toEqual([]);
  expect(backend.delivered).toEqual([]);
});

test("one that relays for the proxy's address is an open relay for all its clients", async () => {
  const backend = await ScriptedBackend.start({ relays: trusting });
  const found = await examined(backend);
  expect(found.dangers).toEqual(["own-relays"]);
  expect(found.find("own-relays")!.advice).toContain("SALLYPORT_RELAY_DOMAINS");
  expect(exitCodeOf(found.findings)).toBe(1);
  expect(backend.commands).not.toContain("DATA");
});

test("where a stranger is named and refused, the trap holds no longer than every session is named", async () => {
  const found = await examined(await ScriptedBackend.start({ relays: trusting, offers: XCLIENT }));
  expect(found.dangers).toEqual(["own-relays"]);
  expect(found.find("own-relays")!.advice).toContain("named by XCLIENT is refused");
  expect(found.level("stranger-by-xclient-refused")).toBe("good");
});

test("one that takes the name and relays all the same", async () => {
  const found = await examined(
    await ScriptedBackend.start({ relays: trusting, offers: XCLIENT, incredulous: true }),
  );
  expect(found.dangers).toEqual(["own-relays", "stranger-by-xclient-relays"]);
});

test("one that relays for one of its own senders only", async () => {
  let from = "";
  const answer = (line: string) => (from = /^MAIL FROM:<(.*?)>/.exec(line)?.[1] ?? from, undefined);
  const backend = await ScriptedBackend.start({ answer, relays: () => from.endsWith("@backend.example") });
  const found = await examined(backend);
  expect(found.dangers).toEqual(["own-relays"]);
  expect(found.find("own-relays")!.seen).toEqual([
    "RCPT TO:<sallyport-doctor@elsewhere.example> (from <sallyport-doctor@backend.example>): 250 2.1.5 ok",
  ]);
});

test("a source route that is followed is a relay; a foreign domain in a local part may be one", async () => {
  const relays = (_: Session, line: string) => /<@|%/.test(line);
  const found = await examined(await ScriptedBackend.start({ relays }));
  expect(found.dangers).toEqual(["route-relays"]);
  expect(found.level("hidden-taken")).toBe("warning");
});

test.each([
  ["450 4.1.2 Domain not found"],
  ["550 5.1.2 Host or domain name not found"],
  ["451 4.7.1 Greylisted, come again"],
])("a refusal that is not about relaying is no proof: %s", async (refusal) => {
  const answer = (line: string) => /^RCPT.*elsewhere/.test(line) ? refusal : undefined;
  const found = await examined(await ScriptedBackend.start({ answer }));
  expect(found.level("own-unclear")).toBe("unknown");
  expect(exitCodeOf(found.findings)).toBe(2);
});

test("one that hangs up after some refusals is asked on, on new connections", async () => {
  let refused = 0;
  const answer = (line: string) =>
    line.startsWith("RCPT") && ++refused % 3 === 0 ? "421 4.7.0 too many" : undefined;
  const found = await examined(await ScriptedBackend.start({ answer }));
  expect(found.level("own-refused")).toBe("good");
});

test.each([
  ["550 5.1.1 no such user", "nobody-refused", "good"],
  ["450 4.1.1 no such user", "nobody-deferred", "note"],
  ["250 2.1.5 ok", "nobody-taken", "warning"],
])("a mailbox that is not there: %s", async (reply, id, level) => {
  const answer = (line: string) => line.startsWith("RCPT TO:<doctor-") ? reply : undefined;
  const found = await examined(await ScriptedBackend.start({ answer }), { deliver: "t@b.example" });
  expect(found.level(id)).toBe(level);
});
