/** STARTTLS of the backend and its certificate. */
import { expect, test } from "bun:test";
import { CannotExamine } from "../../src/doctor/meeting.ts";
import { makeIdentity } from "../support/certificate.ts";
import { examined, ScriptedBackend, type Session } from "./scripted_backend.ts";

const DAY = 86_400_000;
const lasting = { notAfter: new Date(Date.now() + 90 * DAY) };

test("a certificate that verifies for its name", async () => {
  const tls = makeIdentity({ names: ["mx.example"], ...lasting });
  const found = await examined(await ScriptedBackend.start({ tls }), { name: "mx.example", ca: tls.cert });
  expect(found.find("tls-works")!.what).toMatch(/^TLS works: TLSv1\.3, TLS_/);
  expect(found.find("certificate")!.seen).toContain("names: DNS:mx.example");
  expect(found.level("certificate-verifies")).toBe("good");
  expect(found.findings.filter(({ topic, level }) => topic === "tls" && level === "warning")).toEqual([]);
});

test("an authority that nobody knows, and another name", async () => {
  const backend = await ScriptedBackend.start({ tls: makeIdentity({ names: ["mx.example"], ...lasting }) });
  const found = await examined(backend, { name: "other.example" });
  expect(found.find("certificate-unverified")).toMatchObject({
    level: "warning",
    what: expect.stringContaining("does not verify for other.example"),
    seen: [expect.stringMatching(/SELF_SIGNED|self.signed/i), expect.stringContaining("other.example")],
  });
});

test.each([
  ["certificate-expired", {
    notBefore: new Date(Date.now() - 9 * DAY),
    notAfter: new Date(Date.now() - DAY),
  }],
  ["certificate-early", { notBefore: new Date(Date.now() + DAY), ...lasting }],
  ["certificate-ends", { notAfter: new Date(Date.now() + 5 * DAY) }],
])("%s", async (id, dates) => {
  const found = await examined(await ScriptedBackend.start({ tls: makeIdentity(dates) }));
  expect(found.level(id)).toBe("warning");
  expect(found.level("tls-works")).toBe("good");
});

test("what came in plain before the handshake is not to be obeyed", async () => {
  const tls = makeIdentity(lasting);
  const sound = await examined(await ScriptedBackend.start({ tls }));
  expect(sound.level("starttls-injection")).toBeUndefined();
  const found = await examined(await ScriptedBackend.start({ tls, obeysInjection: true }));
  expect(found.level("starttls-injection")).toBe("warning");
});

test("STARTTLS that is offered and refused, and one whose handshake is none", async () => {
  const offers = () => ["STARTTLS"];
  const refusing = (line: string) => line === "STARTTLS" ? "454 4.7.0 not available" : undefined;
  const refused = await examined(await ScriptedBackend.start({ offers, answer: refusing }));
  expect(refused.find("tls-fails")).toMatchObject({ level: "warning", seen: ["454 4.7.0 not available"] });
  const babbling = (line: string) => line === "STARTTLS" ? "220 go\r\nhello, this is no TLS" : undefined;
  const broken = await examined(await ScriptedBackend.start({ offers, answer: babbling }));
  expect(broken.level("tls-fails")).toBe("warning");
});

test("where no mail is taken without it, everything is examined within it", async () => {
  const tls = makeIdentity(lasting);
  const answer = (line: string, session: Session) =>
    line.startsWith("MAIL") && !session.tls ? "530 5.7.0 Must issue a STARTTLS command first" : undefined;
  const offers = ({ tls }: Session) => tls ? ["PIPELINING", "XCLIENT ADDR PORT"] : ["PIPELINING"];
  const found = await examined(await ScriptedBackend.start({ tls, answer, offers }));
  expect(found.level("tls-demanded")).toBe("note");
  expect(found.level("tls-works")).toBe("good");
  expect(found.level("own-refused")).toBe("good");
  expect(found.level("xclient-taken")).toBe("note");
});

test("no TLS at all is told", async () => {
  expect((await examined(await ScriptedBackend.start())).level("no-starttls")).toBe("note");
});

test("implicit TLS: all of it is examined within, and plain SMTP is no handshake", async () => {
  const tls = makeIdentity({ names: ["mx.example"], ...lasting });
  const backend = await ScriptedBackend.start({ implicitTls: tls });
  const found = await examined(backend, { name: "mx.example", ca: tls.cert, implicitTls: true });
  expect(found.level("certificate-verifies")).toBe("good");
  expect(found.level("own-refused")).toBe("good");
  const plain = examined(await ScriptedBackend.start(), { implicitTls: true });
  expect(await plain.catch((cause) => cause)).toBeInstanceOf(CannotExamine);
});
