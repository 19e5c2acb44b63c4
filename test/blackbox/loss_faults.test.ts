// bun only: drives the program as a process
// Rules 1, 2 and 10 as a matrix: every step of the backend's conversation × every way it can go wrong.
// The client never hears 2yz to its end of data unless the backend said so, hears the right refusal
// otherwise, and its own session goes on.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { on, type Script, type Step } from "../support/blackbox_backend.ts";
import { type Sent, told } from "../support/blackbox_client.ts";
import { begin, faults, goesOn, STEPS, wrongAnswer } from "../support/blackbox_faults.ts";
import { ending, healthy, letter, type Stage, stage, taken, unharmed } from "../support/blackbox_stage.ts";

let at: Stage;
beforeAll(async () => {
  at = await stage();
});
afterAll(() => at.close());

async function tryFault(
  step: Step,
  script: Script | undefined,
  verdict: (sent: Sent, delivered: number) => string,
): Promise<string> {
  const client = await begin(at, step === "greeting" || step === "EHLO");
  if (script === undefined) await at.backend.stop();
  else at.backend.script = script;
  const { id, bytes } = letter();
  const sent = await client.send(bytes);
  const problems = [verdict(sent, at.backend.delivered(id).length)];
  if (script === undefined) await at.backend.listen();
  at.backend.heal();
  if (!taken(sent)) problems.push(await goesOn(at, client, sent.step !== "dot"));
  if (at.backend.delivered(id).length > (taken(sent) ? 1 : 0)) {
    problems.push(`${at.backend.delivered(id).length} delivered in the end`);
  }
  await client.quit();
  return problems.filter((p) => p !== "").join("; ");
}

describe("rule 10: connect refused", () => {
  test("gives 451, and the session goes on when the backend is back", async () => {
    const problem = await tryFault(
      "greeting",
      undefined,
      (sent) => /^451[ -]4\./.test(told(sent.heard)) ? "" : ending(sent),
    );
    expect(problem).toBe("");
  }, 30_000);
});

for (const step of STEPS) {
  describe(`rules 1 and 10: at the backend's ${step}`, () => {
    for (const fault of faults(step)) {
      // 334 instead of 354 is a 3yz where a 3yz was due: a client may go by the first digit.
      if (step === "DATA" && fault.name === "334") continue;
      test(`${fault.name} is no 250`, async () => {
        const problem = await tryFault(step, on({ [step]: fault.action }), (sent, delivered) => {
          // After a refused EHLO the proxy may fall back to HELO and deliver: then all is well.
          if (taken(sent)) {
            const fallback = step === "EHLO" && /^[45]/.test(fault.action.reply ?? "") &&
              !fault.action.reply?.startsWith("421");
            return fallback && delivered === 1 ? "" : `taken: ${ending(sent)}, ${delivered} delivered`;
          }
          if (delivered > 0) return `refused with ${ending(sent)}, yet delivered`;
          return wrongAnswer(fault.answer, fault.action, sent, step === "greeting" || step === "EHLO");
        });
        expect(problem).toBe("");
      }, 30_000);
    }

    test("stall: no 250 while it lasts, and nothing delivered when the client gives up", async () => {
      const client = await begin(at, step === "greeting" || step === "EHLO");
      at.backend.script = on({ [step]: { then: "stall" } });
      const { id, bytes } = letter();
      const sent = await client.send(bytes, { limit: 500 });
      expect(told(sent.heard)).toMatch(/^silent$|^4/);
      client.reset();
      at.backend.heal();
      expect(at.backend.delivered(id)).toEqual([]);
      expect(await healthy(() => at.proxy.client())).toBe(true);
    }, 30_000);
  });
}

test("afterwards the proxy serves and the backend saw clean SMTP only", async () => {
  await unharmed(at.proxy, at.backend);
}, 20_000);
