/**
 * A backend that takes mail and answers as the mailboxes say.
 */
import { type Mail, Receiver, STRICT } from "../../src/testing/receiver.ts";
import type { Scene } from "../../src/testing/scene.ts";

export { STRICT } from "../../src/testing/receiver.ts";
/**
 * All line ends that any server is known to have taken for one. Servers that drop NULs are not reckoned with: exact
 * octets go before them.
 */
export const LAX = /(?:\r\n|\n|\r)\.(?:\r\n|\n|\r)/;

/** A message that was taken. Octets are one character per byte, without dot-stuffing where it came with DATA. */
export type Taken = Omit<Mail, "added">;

/** How it answers a mailbox: its local part begins with the word. */
const ANSWERS: readonly (readonly [string, string])[] = [
  ["bad", "550 5.1.1 no"],
  ["later", "450 4.2.0 later"],
];

function answer(command: string): string | undefined {
  const [, mailbox] = /^(?:MAIL|RCPT).*?<(.*)>/.exec(command) ?? [];
  return ANSWERS.find(([word]) => mailbox?.startsWith(word))?.[1];
}

/** Answers all dials of a scene, and keeps what comes. */
export class FakeReceiver extends Receiver {
  constructor(scene: Scene, extensions: readonly string[], ends: RegExp = STRICT) {
    super({ extensions, ends, answer });
    scene.network.onDial = (dial) => this.meet(dial);
  }

  get taken(): Taken[] {
    return this.mails.map(({ from, to, message }) => ({ from, to, message }));
  }
}
