/**
 * The first contact: does it greet, whom does it greet, what is it and what does it offer.
 */
import type { Address } from "../net/wire.ts";
import type { Extensions } from "../smtp/extensions.ts";
import type { Door, Entered } from "./door.ts";
import { NoEntry } from "./door.ts";
import { finder, type Finding } from "./finding.ts";
import { codeOf, type Heard, isYes } from "./heard.ts";
import { inWords } from "./keywords.ts";
import { shown } from "./shown.ts";
import { type Server, SERVER_NAMES, serverOf } from "./software.ts";
import type { ProxyVersion } from "./visitor.ts";

/** What all further examinations build upon. */
export interface Meeting {
  readonly local: Address;
  readonly remote: Address;
  readonly greeting: Heard;
  readonly ehlo: Heard;
  readonly extensions: Extensions;
  readonly server: Server | undefined;
  /** The name it gives itself; undefined where that is no name. */
  readonly hostname: string | undefined;
  readonly findings: readonly Finding[];
}

/** The backend cannot be examined at all. */
export class CannotExamine extends Error {}

const finding = finder("server");

/** @throws CannotExamine */
export async function meet(door: Door): Promise<Meeting> {
  const refusals: string[] = [];
  for (const version of [undefined, 1, 2] as const) {
    const met = await attempt(door, version);
    if (typeof met !== "string") return meetingOf(door, met);
    refusals.push(
      `${version === undefined ? "as it is" : `with a PROXY header of version ${version}`}: ${met}`,
    );
  }
  throw new CannotExamine(
    `Cannot examine ${door.place.shown}: it let nobody in; it was tried ${refusals.join("; ")}`,
  );
}

/**
 * Inside, or why not. A refusal at the greeting says nothing yet: Postfix says 421 to who owes it a header.
 * @throws CannotExamine where there is no connection
 */
async function attempt(door: Door, version: ProxyVersion | undefined): Promise<Entered | string> {
  door.demanded = version;
  try {
    return await door.enter();
  } catch (cause) {
    if (!(cause instanceof NoEntry)) throw unreachable(door, cause as Error);
    return cause.message;
  }
}

function unreachable(door: Door, { message }: Error): CannotExamine {
  return new CannotExamine(`Cannot examine ${door.place.shown}: ${shown(message)}`);
}

async function meetingOf(door: Door, entered: Entered): Promise<Meeting> {
  const { conversation, greeting, extensions } = entered;
  const unknown = await conversation.ask("XDOCTOR");
  const mail = await conversation.ask("MAIL FROM:<>");
  await conversation.quit();
  door.startTls = codeOf(mail) === 530 && extensions.has("STARTTLS") && !door.place.implicitTls;
  const inside = door.startTls ? await again(door) : entered;
  const said = [greeting, inside.ehlo, unknown, mail].flatMap((heard) =>
    heard.kind === "reply" ? heard.lines : []
  );
  const server = serverOf(said.join("\n"));
  return {
    local: conversation.local,
    remote: conversation.remote,
    greeting,
    ehlo: inside.ehlo,
    extensions: door.startTls ? new Map([...inside.extensions, ["STARTTLS", ""]]) : extensions,
    server,
    hostname: hostnameOf(greeting),
    findings: [
      ...greetingFindings(door, greeting, server),
      ...mailFindings(door, mail),
      ...offerFindings(inside),
    ],
  };
}

/** Once more, through TLS. @throws CannotExamine */
async function again(door: Door): Promise<Entered> {
  try {
    const entered = await door.enter();
    await entered.conversation.quit();
    return entered;
  } catch (cause) {
    throw new CannotExamine(
      `Cannot examine ${door.place.shown}: it wants STARTTLS, and that fails: ${
        shown((cause as Error).message)
      }`,
    );
  }
}

function hostnameOf(greeting: Heard): string | undefined {
  const [hostname = ""] = greeting.kind === "reply" ? greeting.lines[0]!.split(" ") : [];
  return /^(?=.{1,255}$)[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$/.test(hostname) ? hostname : undefined;
}

function mailFindings(door: Door, mail: Heard): Finding[] {
  if (door.startTls) return [finding("note", "tls-demanded", "It takes no mail without STARTTLS")];
  if (isYes(mail)) return [];
  return [finding("warning", "mail-refused", "It does not take MAIL FROM:<> from us", {
    seen: [mail.text],
    advice: "reports of delivery come with that sender; most of what follows could not be tried either",
  })];
}

function greetingFindings(door: Door, greeting: Heard, server: Server | undefined): Finding[] {
  const who = server === undefined ? "a server that is not known here" : SERVER_NAMES[server];
  const findings = [finding("good", "greets", `It greets, and looks like ${who}`, { seen: [greeting.text] })];
  if (door.demanded === undefined) return findings;
  const what = `It greets nobody who does not begin with a PROXY header (version ${door.demanded} was sent)`;
  const advice = "have the proxy send one on every connection to this backend, health checks included";
  return [...findings, finding("note", "proxy-demanded", what, { advice })];
}

function offerFindings({ ehlo, extensions }: Entered): Finding[] {
  if (extensions.size === 0) {
    return [finding("warning", "no-extensions", "It offers no extensions", { seen: [ehlo.text] })];
  }
  const seen = [...extensions].map(([keyword, parameters]) => shown(inWords(keyword, parameters)));
  return [finding("note", "offers", `It offers ${extensions.size} extensions`, { seen })];
}
