/**
 * STARTTLS of the backend (RFC 3207): does it work, whose certificate is it, and does it forget what came in plain.
 */
import type { Door } from "./door.ts";
import { finder, type Finding } from "./finding.ts";
import { isYes } from "./heard.ts";
import type { Meeting } from "./meeting.ts";
import { OutOfTime } from "./patience.ts";
import { shown } from "./shown.ts";
import type { Certificate, TlsSeen } from "./stream.ts";

const finding = finder("tls");
const DAY = 86_400_000;
/** Days before its end from which on a certificate is told of. */
const SOON = 14;

export async function examineTls(door: Door, { extensions }: Meeting, now: number): Promise<Finding[]> {
  if (door.place.implicitTls) return implicit(door, now);
  if (!extensions.has("STARTTLS")) {
    return [finding("note", "no-starttls", "It offers no STARTTLS: mail goes to it in plain", {
      advice: "give it a certificate, unless proxy and backend share a machine or a private network",
    })];
  }
  return [...await upgraded(door, now), ...await injected(door)];
}

async function implicit(door: Door, now: number): Promise<Finding[]> {
  const conversation = await door.connectPlain();
  try {
    return seenFindings(door, await door.secure(conversation), now);
  } catch (cause) {
    if (cause instanceof OutOfTime) throw cause;
    return [failed((cause as Error).message)];
  } finally {
    conversation.hangUp();
  }
}

async function upgraded(door: Door, now: number): Promise<Finding[]> {
  const { conversation } = await door.enterPlain();
  try {
    const ready = await conversation.ask("STARTTLS");
    if (!isYes(ready)) return [failed(ready.text)];
    const seen = seenFindings(door, await door.secure(conversation), now);
    const ehlo = await conversation.ask(`EHLO ${door.place.helo}`);
    return isYes(ehlo) ? seen : [...seen, failed(`EHLO after the handshake: ${ehlo.text}`)];
  } catch (cause) {
    if (cause instanceof OutOfTime) throw cause;
    return [failed((cause as Error).message)];
  } finally {
    conversation.hangUp();
  }
}

function failed(why: string): Finding {
  return finding(
    "warning",
    "tls-fails",
    "It offers TLS that does not work: where the proxy requires it, no mail gets there",
    {
      seen: [shown(why)],
      advice: "look at its certificate and key files and at its log",
    },
  );
}

/** What came in plain behind STARTTLS must not be obeyed after it: whoever is on the way could have put it there. */
async function injected(door: Door): Promise<Finding[]> {
  const { conversation } = await door.enterPlain();
  try {
    conversation.send("STARTTLS\r\nNOOP injected\r\n");
    const ready = await conversation.hear();
    if (!isYes(ready)) return [];
    await door.secure(conversation);
    const heard = await conversation.hear(door.patience.quiet);
    if (heard.kind !== "reply") return [];
    return [finding("warning", "starttls-injection", "It obeys what was sent in plain before the handshake", {
      seen: [`NOOP behind STARTTLS: ${heard.text}`],
      advice: "update it: this is CVE-2011-0411",
    })];
  } catch {
    // It ends the connection rather: as it should.
    return [];
  } finally {
    conversation.hangUp();
  }
}

function seenFindings(door: Door, seen: TlsSeen, now: number): Finding[] {
  const { certificate, version, cipher } = seen;
  const works = finding("good", "tls-works", `TLS works: ${shown(version)}, ${shown(cipher)}`);
  return [works, identity(certificate), ...dates(certificate, now), ...trust(door, seen)];
}

function identity({ subject, issuer, names, to }: Certificate): Finding {
  const seen = [`names: ${shown(names) || "none"}`, `issuer: ${shown(issuer)}`, `until ${day(to)}`];
  return finding("note", "certificate", `Its certificate is that of ${shown(subject) || "nobody"}`, { seen });
}

function dates({ from, to }: Certificate, now: number): Finding[] {
  const renew = { advice: "renew it, and see why that did not happen by itself" };
  if (to <= now) {
    return [finding("warning", "certificate-expired", `Its certificate ended on ${day(to)}`, renew)];
  }
  if (from > now) {
    return [finding("warning", "certificate-early", `Its certificate begins on ${day(from)} only`, renew)];
  }
  const left = Math.floor((to - now) / DAY);
  if (left >= SOON) return [];
  return [
    finding("warning", "certificate-ends", `Its certificate ends in ${left} days, on ${day(to)}`, renew),
  ];
}

function day(ms: number): string {
  return Number.isFinite(ms) ? new Date(ms).toISOString().slice(0, 10) : "a date that cannot be read";
}

function trust(door: Door, { untrusted, misnamed }: TlsSeen): Finding[] {
  const { name } = door.place;
  if (untrusted === undefined && misnamed === undefined) {
    return [finding("good", "certificate-verifies", `Its certificate verifies for ${name}`)];
  }
  const what = `Its certificate does not verify for ${name}: TLS to it is encrypted, not authenticated`;
  const seen = [untrusted, misnamed].filter((each) => each !== undefined).map((each) => shown(each));
  const advice =
    "give the name it is for with --name, or its authority with --ca FILE; to verify it at the " +
    "proxy it needs a certificate for the name that the proxy dials";
  return [finding("warning", "certificate-unverified", what, { seen, advice })];
}
