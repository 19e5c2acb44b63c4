/** The programs that these tests send with. */
import { exim } from "../support/live_exim.ts";
import { nodemailer } from "../support/live_nodemailer.ts";
import { postfixMissing } from "../support/live_postfix.ts";
import { PostfixSender } from "../support/live_postfix_sender.ts";
import {
  type Ability,
  curl,
  msmtp,
  netSmtp,
  type Sender,
  smtplib,
  snail,
  swaks,
  type Target,
} from "../support/live_senders.ts";
import { byHand, byHandChunks } from "./senders/by_hand.ts";
import { dma } from "./senders/dma.ts";
import { OpensmtpdSender } from "./senders/opensmtpd.ts";
import { sendmailSender } from "./senders/sendmail.ts";
import { unpackedMissing } from "./unpacked.ts";

/** Senders that are servers themselves: each is told at its start where it will send to. */
export class Relays {
  readonly #postfix: PostfixSender | undefined;
  readonly #opensmtpd: ReadonlyMap<number, OpensmtpdSender>;

  private constructor(postfix: PostfixSender | undefined, opensmtpd: ReadonlyMap<number, OpensmtpdSender>) {
    this.#postfix = postfix;
    this.#opensmtpd = opensmtpd;
  }

  /** @param lanes the targets that lead to one server, for each server: OpenSMTPD pauses between any two connections */
  static async start(
    folder: (name: string) => string,
    lanes: readonly (readonly Target[])[],
  ): Promise<Relays> {
    const opensmtpd = new Map<number, OpensmtpdSender>();
    const postfix = postfixMissing() === undefined
      ? PostfixSender.start(folder("sender-postfix"), lanes.flat())
      : undefined;
    await Promise.all(lanes.map(async (targets, i) => {
      if (unpackedMissing("opensmtpd") !== undefined) return;
      const sender = await OpensmtpdSender.start(folder(`sender-opensmtpd-${i}`), targets);
      for (const { port } of targets) opensmtpd.set(port, sender);
    }));
    return new Relays(await postfix, opensmtpd);
  }

  /** The running one that stands in `SENDERS` by its name, or the sender itself. */
  of(sender: Sender, { port }: Target): Sender {
    if (sender === POSTFIX) return this.#postfix!;
    return sender === OPENSMTPD ? this.#opensmtpd.get(port)! : sender;
  }

  async stop(): Promise<void> {
    await Promise.all([this.#postfix, ...new Set(this.#opensmtpd.values())].map((each) => each?.stop()));
  }
}

function relay(name: string, missing: string | undefined, can: readonly Ability[]): Sender {
  const send = () => Promise.reject(new Error(`${name} is asked by Relays.of`));
  return { name, missing, can: new Set(can), send };
}

const POSTFIX = relay("Postfix", postfixMissing(), [
  "eight",
  "exact",
  "utf8",
  "partial",
  "starttls",
  "implicit",
]);
const OPENSMTPD = relay("OpenSMTPD", unpackedMissing("opensmtpd"), [
  "eight",
  "exact",
  "partial",
  "starttls",
  "implicit",
]);

export const SENDERS: readonly Sender[] = [
  swaks,
  curl,
  msmtp,
  snail,
  smtplib,
  nodemailer,
  netSmtp,
  POSTFIX,
  exim,
  sendmailSender,
  OPENSMTPD,
  dma,
  byHand,
  byHandChunks,
];
