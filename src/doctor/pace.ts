/**
 * How long replies take, and whether a connection serves a second transaction: the proxy keeps connections and uses them
 * again.
 */
import type { Door } from "./door.ts";
import { finder, type Finding } from "./finding.ts";
import { isYes } from "./heard.ts";

const finding = finder("pace");
/** Milliseconds: a client of the proxy waits as long on top of everything else. */
const SLOW = 2000;

export async function examinePace(door: Door, hostname: string | undefined): Promise<Finding[]> {
  const began = performance.now();
  const { conversation, greeting, ehlo } = await door.enter();
  const whole = performance.now() - began;
  const times: [string, number][] = [["greeting", greeting.ms], ["EHLO", ehlo.ms]];
  const seen: string[] = [];
  let broken = false;
  const to = `sallyport-doctor@${hostname ?? "[127.0.0.1]"}`;
  for (const line of ["MAIL FROM:<>", `RCPT TO:<${to}>`, "RSET", "MAIL FROM:<>", "RSET"]) {
    const heard = await conversation.ask(line);
    times.push([line.split(" ")[0]!, heard.ms]);
    seen.push(`${line}: ${heard.text}`);
    broken ||= heard.kind !== "reply" || (!isYes(heard) && !line.startsWith("RCPT"));
  }
  await conversation.quit();
  return [reuse(broken, seen), ...paceFindings(times, whole)];
}

function reuse(broken: boolean, seen: readonly string[]): Finding {
  if (!broken) return finding("good", "reusable", "A connection serves one transaction after another");
  return finding("warning", "not-reusable", "A connection does not serve a second transaction after RSET", {
    seen,
    advice: "set reuse.uses to 1 at the proxy",
  });
}

function paceFindings(times: readonly (readonly [string, number])[], whole: number): Finding[] {
  const told = times.map(([step, ms]) => `${step} ${inWords(ms)}`).join(", ");
  const slow = times.filter(([, ms]) => ms > SLOW).map(([step]) => step);
  const what = `From the connection to the reply to EHLO it takes ${inWords(whole)}`;
  if (slow.length === 0) return [finding("note", "pace", what, { seen: [told] })];
  return [finding("warning", "slow", `It is slow at ${[...new Set(slow)].join(" and ")}`, {
    seen: [what, told],
    advice:
      "exempt the proxy from greeting delays and tarpits, and see whether it looks up the proxy's address in a " +
      "DNS that does not answer",
  })];
}

function inWords(ms: number): string {
  return ms < 1000 ? `${Math.max(1, Math.round(ms))} ms` : `${(ms / 1000).toFixed(1)} s`;
}
