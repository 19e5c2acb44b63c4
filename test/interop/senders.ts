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
  readonly #opensmtpd: OpensmtpdSender | undefined;

  private constructor(postfix: PostfixSender | undefined, opensmtpd: OpensmtpdSender | undefined) {
    this.#postfix = postfix;
    this.#opensmtpd = opensmtpd;
  }

  static async start(folder: (name: string) => string, targets: readonly Target[]): Promise<Relays> {
    const [postfix, opensmtpd] = await Promise.all([
      postfixMissing() === undefined ? PostfixSender.start(folder("sender-postfix"), targets) : undefined,
      unpackedMissing("opensmtpd") === undefined
        ? OpensmtpdSender.start(folder("sender-opensmtpd"), targets)
        : undefined,
    ]);
    return new Relays(postfix, opensmtpd);
  }

  /** The running one that stands in `SENDERS` by its name, or the sender itself. */
  of(sender: Sender): Sender {
    if (sender === POSTFIX) return this.#postfix!;
    return sender === OPENSMTPD ? this.#opensmtpd! : sender;
  }

  async stop(): Promise<void> {
    await Promise.all([this.#postfix?.stop(), this.#opensmtpd?.stop()]);
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
