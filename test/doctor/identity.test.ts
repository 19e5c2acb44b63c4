/** Whether the backend can be told who the client is, and believes it. */
import { describe, expect, test } from "bun:test";
import { examined, ScriptedBackend, type Session } from "./scripted_backend.ts";

const XCLIENT = "XCLIENT NAME ADDR PORT PROTO HELO";
const hello = ({ address }: Session) => `backend.example Hello proxy [${address}], pleased to meet you`;

describe("a backend that knows nothing of it", () => {
  test("cannot be told, and says that it sees the proxy", async () => {
    const found = await examined(await ScriptedBackend.start({ hello }));
    expect(found.level("sees-us")).toBe("note");
    expect(found.level("no-xclient")).toBe("note");
    expect(found.level("no-proxy-v1")).toBe("note");
    expect(found.find("no-proxy-v1")!.what).toContain("took the header for a command");
    expect(found.level("no-proxy-v2")).toBe("note");
    expect(found.level("no-xforward")).toBe("note");
    expect(found.level("blind")).toBe("warning");
    expect(found.dangers).toEqual([]);
  });

  test("may know XCLIENT and not trust us with it", async () => {
    const answer = (line: string) => line.startsWith("XCLIENT") ? "550 5.7.0 not you" : undefined;
    const found = await examined(await ScriptedBackend.start({ answer }));
    expect(found.level("xclient-untrusted")).toBe("note");
  });

  test("may take XCLIENT from whom it did not offer it to", async () => {
    const answer = (line: string) => line.startsWith("XCLIENT") ? "220 hello again" : undefined;
    const found = await examined(await ScriptedBackend.start({ answer }));
    expect(found.level("xclient-unoffered")).toBe("warning");
  });

  test("is not taken for one that does when it says yes to everything", async () => {
    const answer = (line: string) => /^(PROXY|XCLIENT)/.test(line) ? "250 2.0.0 ok" : undefined;
    const found = await examined(await ScriptedBackend.start({ answer }));
    expect(found.find("no-proxy-v1")!.what).toContain("took the header for a command (250 2.0.0 ok)");
  });

  test("may end the session at a header", async () => {
    const answer = (line: string) => /^PROXY|^$/.test(line) ? "554 5.5.0 synchronization error" : undefined;
    const found = await examined(await ScriptedBackend.start({ answer }));
    expect(found.find("no-proxy-v1")!.what).toContain("554 5.5.0 synchronization error");
    expect(found.level("blind")).toBe("warning");
  });
});

describe("XCLIENT", () => {
  test("is believed where the reply to EHLO names the stranger", async () => {
    const offers = () => ["PIPELINING", XCLIENT];
    const backend = await ScriptedBackend.start({ hello, offers });
    const found = await examined(backend);
    expect(found.find("xclient-believed")).toMatchObject({
      level: "good",
      seen: [expect.stringContaining("[192.0.2.99]")],
    });
    expect(found.level("blind")).toBeUndefined();
    expect(backend.commands).toContain(
      "XCLIENT NAME=[UNAVAILABLE] PROTO=ESMTP HELO=stranger.example PORT=41234 ADDR=192.0.2.99",
    );
  });

  test("is believed where the stranger is not offered it", async () => {
    const offers = ({ address }: Session) => address === "127.0.0.1" ? [XCLIENT] : ["PIPELINING"];
    expect((await examined(await ScriptedBackend.start({ offers }))).level("xclient-believed")).toBe("good");
  });

  test("is taken and not believed where the reply still names us", async () => {
    const found = await examined(
      await ScriptedBackend.start({ hello, offers: () => [XCLIENT], incredulous: true }),
    );
    expect(found.level("xclient-unbelieved")).toBe("warning");
  });

  test("is only known to be taken where nothing names anybody", async () => {
    const found = await examined(await ScriptedBackend.start({ offers: () => [XCLIENT] }));
    expect(found.level("xclient-taken")).toBe("note");
  });

  test("may be offered and refused", async () => {
    const answer = (line: string) => line.startsWith("XCLIENT") ? "501 5.5.4 bad" : undefined;
    const found = await examined(await ScriptedBackend.start({ offers: () => [XCLIENT], answer }));
    expect(found.find("xclient-refused")!.seen).toEqual(["to XCLIENT: 501 5.5.4 bad"]);
  });
});

describe("PROXY", () => {
  test("is demanded, in both versions, and everything else is examined with it", async () => {
    const backend = await ScriptedBackend.start({ hello, proxy: "demanded" });
    const found = await examined(backend, { patience: { reply: 300, total: 20_000, quiet: 100 } });
    expect(found.level("proxy-demanded")).toBe("note");
    expect(found.level("proxy-v1-believed")).toBe("good");
    expect(found.level("proxy-v2-believed")).toBe("good");
    expect(found.level("own-refused")).toBe("good");
    expect(found.level("reusable")).toBe("good");
  });

  test("a header that is taken where it comes, and not believed", async () => {
    const found = await examined(await ScriptedBackend.start({ hello, proxy: "taken", incredulous: true }));
    expect(found.level("proxy-v1-unbelieved")).toBe("warning");
    expect(found.level("proxy-v2-unbelieved")).toBe("warning");
  });
});

describe("XFORWARD", () => {
  const offers = () => ["XFORWARD NAME ADDR PORT PROTO HELO SOURCE"];

  test("is taken", async () => {
    const answer = (line: string) => line.startsWith("XFORWARD") ? "250 2.0.0 ok" : undefined;
    const backend = await ScriptedBackend.start({ offers, answer });
    expect((await examined(backend)).level("xforward")).toBe("good");
    expect(backend.commands.filter((line) => line.startsWith("XFORWARD")).join()).toContain(
      "ADDR=192.0.2.99",
    );
  });

  test("is offered and refused", async () => {
    expect((await examined(await ScriptedBackend.start({ offers }))).level("xforward-refused")).toBe(
      "warning",
    );
  });
});
