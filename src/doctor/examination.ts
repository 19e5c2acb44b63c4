/**
 * The whole examination, one part after another. A part that cannot be made is a finding, and the next one is tried.
 */
import { examineDelivery } from "./delivery.ts";
import { Door, type Place } from "./door.ts";
import { examineEndOfData } from "./end_of_data.ts";
import { examineExtensions } from "./extensions_examination.ts";
import { finder, type Finding, type Topic } from "./finding.ts";
import { examineIdentity } from "./identity.ts";
import { meet, type Meeting } from "./meeting.ts";
import { examinePace } from "./pace.ts";
import { Patience, type PatienceOptions } from "./patience.ts";
import { examineRecipients } from "./recipients.ts";
import { examineRelay } from "./relay.ts";
import { shown } from "./shown.ts";
import type { Server } from "./software.ts";
import type { Dial } from "./stream.ts";
import { examineTls } from "./tls_examination.ts";
import type { Visitor } from "./visitor.ts";

export interface ExaminationOptions {
  readonly place: Place;
  /** A domain that the backend has nothing to do with; nothing is ever sent there. */
  readonly foreign: string;
  /** Whose mailbox gets the messages with false ends of data; undefined: none are sent. */
  readonly to: string | undefined;
  /** Whose mailbox gets messages whose Received field is then looked at; undefined: none are sent. */
  readonly deliver: string | undefined;
  /** Where that is: a Maildir or an mbox file. */
  readonly mailbox: string | undefined;
  readonly patience: PatienceOptions;
  /** What is being examined now, for who waits. */
  readonly onTopic?: (topic: Topic) => void;
}

/** What came of it. */
export interface Diagnosis {
  readonly target: string;
  /** The address that the backend sees us by. */
  readonly seenFrom: string;
  readonly server: Server | undefined;
  readonly findings: readonly Finding[];
}

/** @throws CannotExamine where nobody can get in */
export async function examine(options: ExaminationOptions, dial: Dial): Promise<Diagnosis> {
  const door = new Door(options.place, new Patience(options.patience), dial);
  const meeting = await meet(door);
  const findings = [...meeting.findings, ...await examineAll(door, meeting, options)];
  return { target: options.place.shown, seenFrom: meeting.local.host, server: meeting.server, findings };
}

async function examineAll(door: Door, meeting: Meeting, options: ExaminationOptions): Promise<Finding[]> {
  const { foreign, to, deliver, mailbox, onTopic } = options;
  const findings: Finding[] = [];
  let ways: readonly Visitor[] = [];
  const part = async (topic: Topic, job: () => Promise<readonly Finding[]>) => {
    onTopic?.(topic);
    findings.push(...await orUnexamined(topic, job));
  };
  await part("tls", () => examineTls(door, meeting, Date.now()));
  await part("identity", async () => {
    const found = await examineIdentity(door, meeting);
    ways = found.ways;
    return found.findings;
  });
  await part("relay", () => examineRelay(door, meeting, ways, foreign));
  await part("recipients", () => examineRecipients(door, to ?? deliver));
  await part("end of data", () => examineEndOfData(door, to, Date.now()));
  await part("extensions", () => examineExtensions(door, meeting, to !== undefined));
  await part("pace", () => examinePace(door, meeting.hostname));
  await part("delivery", () => examineDelivery(door, ways, deliver, mailbox, Date.now()));
  return findings;
}

async function orUnexamined(
  topic: Topic,
  job: () => Promise<readonly Finding[]>,
): Promise<readonly Finding[]> {
  try {
    return await job();
  } catch (cause) {
    const id = `${topic.replaceAll(" ", "-")}-unexamined`;
    const seen = [shown((cause as Error).message)];
    return [finder(topic)("unknown", id, `This could not be examined (${topic})`, { seen })];
  }
}

/** 0: nothing endangers mail. 1: something does. 2: that could not be told. */
export function exitCodeOf(findings: readonly Finding[]): 0 | 1 | 2 {
  if (findings.some(({ level }) => level === "danger")) return 1;
  return findings.some(({ level }) => level === "unknown") ? 2 : 0;
}
