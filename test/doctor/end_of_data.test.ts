/** What the backend takes for an end of data, and how little the trial leaves behind. */
import { expect, test } from "bun:test";
import { FALSE_ENDS } from "../../src/doctor/end_of_data_forms.ts";
import { MARK } from "../../src/doctor/letter.ts";
import { spelt } from "../../src/doctor/shown.ts";
import { examined, ScriptedBackend } from "./scripted_backend.ts";

const TO = "t@b.example";

/** The forms that a reader ends at, itself and whatever it makes of what follows. */
const endedBy = (ends: RegExp) => FALSE_ENDS.filter((form) => ends.test(`text${form}NOOP`));

test("nothing is sent without an address", async () => {
  const backend = await ScriptedBackend.start();
  expect((await examined(backend)).level("ends-untried")).toBe("note");
  expect(backend.delivered).toEqual([]);
});

test("a sound backend gets one marked message", async () => {
  const backend = await ScriptedBackend.start();
  const found = await examined(backend, { to: TO });
  expect(found.find("ends-content")).toMatchObject({ level: "good" });
  expect(found.dangers).toEqual([]);
  expect(backend.delivered.length).toBe(1);
  expect(backend.delivered[0]).toContain(`Subject: ${MARK}: a whole message`);
});

test("no form holds a true end, alone or with what follows it", () => {
  expect(endedBy(/\r\n\.\r\n/)).toEqual([]);
});

test.each([
  ["bare LF everywhere", /\n\.\r?\n/],
  ["LF.LF", /[^\r]\n\.\n|\r\n\.\r\n/],
  ["CR.CR", /\r\.\r(?!\n)|\r\n\.\r\n/],
  ["any mixture", /[\r\n]\.[\r\n]/],
  ["NUL dropped", /\r\n\0?\.\0?\r\n/],
])("a backend that ends at %s is told of, form by form", async (_, ends) => {
  const backend = await ScriptedBackend.start({ ends });
  const found = await examined(backend, { to: TO });
  const forms = endedBy(ends);
  expect(forms.length).toBeGreaterThan(0);
  expect(found.dangers).toEqual(["smuggling"]);
  const seen = found.find("smuggling")!.seen.map((each) => each.slice(0, each.indexOf(": ")));
  expect(seen).toEqual(forms.map(spelt));
  // The whole message, and one for each form: what was smuggled is not a message.
  expect(backend.delivered.length).toBe(1 + forms.length);
});

test("forms that the proxy itself lets through are named", async () => {
  const through = await examined(await ScriptedBackend.start({ ends: /\r\n\0?\.\r\n/ }), { to: TO });
  expect(through.find("smuggling")!.advice).toContain("so \\r\\n\\0.\\r\\n gets through it");
  const stuffed = await examined(await ScriptedBackend.start({ ends: /\r\n\.\0?\r\n/ }), { to: TO });
  expect(stuffed.dangers).toEqual(["smuggling"]);
  expect(stuffed.find("smuggling")!.advice).not.toContain("gets through it");
  const not = await examined(await ScriptedBackend.start({ ends: /\n\.\r?\n/ }), { to: TO });
  expect(not.find("smuggling")!.advice).not.toContain("gets through it");
});

/** A backend that looks at data itself: `reply` once the data shows a bare CR or LF. */
async function watchful(reply: string, then: string, hangsUp: boolean): Promise<ScriptedBackend> {
  return await ScriptedBackend.raw((wire) => {
    let text = "";
    let data = false;
    const say = (line: string) => void wire.write(new TextEncoder().encode(line));
    say("220 backend.example ESMTP\r\n");
    return {
      drain() {},
      end: () => wire.close(),
      close() {},
      data(bytes) {
        text += new TextDecoder("latin1").decode(bytes);
        for (let end = text.indexOf("\r\n"); !data && end !== -1; end = text.indexOf("\r\n")) {
          const line = text.slice(0, end);
          text = text.slice(end + 2);
          data = line === "DATA";
          const known = /^(EHLO|MAIL|RSET|NOOP|QUIT|RCPT TO:<t@b\.example>)/.test(line);
          say(data ? "354 go\r\n" : known ? "250 ok\r\n" : "500 not known\r\n");
        }
        if (!data) return;
        if (/\r\n\.\r\n/.test(text)) {
          data = false;
          text = "";
          say("250 taken\r\n");
        } else if (/smuggled/.test(text)) {
          say(reply + then);
          if (hangsUp) wire.close();
          data = false;
          text = "";
        }
      },
    };
  });
}

test("a refusal and a closed connection are as it should be", async () => {
  const found = await examined(await watchful("521 5.5.2 bare LF\r\n", "", true), { to: TO });
  expect(found.level("ends-refused")).toBe("good");
  expect(found.dangers).toEqual([]);
});

test("a connection closed without a word is a refusal too", async () => {
  const found = await examined(await watchful("", "", true), { to: TO });
  expect(found.level("ends-refused")).toBe("good");
});

test("a refusal after which the smuggled commands are obeyed is not", async () => {
  const found = await examined(await watchful("554 5.7.1 spam\r\n", "250 ok\r\n250 ok\r\n", false), {
    to: TO,
  });
  expect(found.dangers).toEqual(["smuggling"]);
});

test("an address that is refused leaves it open, and says so", async () => {
  const found = await examined(await ScriptedBackend.start(), { to: "t@other.example" });
  expect(found.find("ends-untried")).toMatchObject({
    level: "unknown",
    seen: ["RCPT TO:<t@other.example>: 554 5.7.1 Relay access denied"],
    advice:
      "it does not take mail for t@other.example from here: have it do so, or give --to another recipient",
  });
});

test("a server that ends at a form and refuses only the haste of what follows is found out", async () => {
  const backend = await ScriptedBackend.start({
    ends: /\n\.\r?\n/,
    hasty: "500 5.5.1 Pipelining not supported",
  });
  const found = await examined(backend, { to: TO });
  expect(found.dangers).toEqual(["smuggling"]);
  expect(found.find("smuggling")!.seen[0]).toMatch(/^\\n\.\\n: 250 2\.0\.0 taken \| nothing within /);
});
