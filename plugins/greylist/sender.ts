/**
 * A sender as the greylist knows it: without what changes from message to message, so that the next issue of a newsletter
 * or the next bounce address of the same mailbox is no stranger.
 */
import { type Path, utf8Text } from "sallyport";

/** Characters of an address that count; what goes on for longer is not told apart. */
const LONGEST = 160;

/** `<>` for the null reverse-path. */
export function senderOf({ localPart, domain }: Path): string {
  if (domain === "") return "<>";
  return `${mailboxOf(utf8Text(localPart).toLowerCase()).slice(0, LONGEST)}@${lower(domain)}`;
}

/** As the client wrote it, but for upper case. */
export function recipientOf({ mailbox }: Path): string {
  return lower(mailbox).slice(0, 2 * LONGEST);
}

function lower(wire: string): string {
  return utf8Text(wire).toLowerCase();
}

function mailboxOf(localPart: string): string {
  if (!/[0-9=+]/.test(localPart)) return localPart;
  const mailbox = withoutExtension(forwarded(localPart) ?? withoutTag(localPart));
  return withoutNumbers(mailbox);
}

/**
 * BATV signs the mailbox with a key that changes each day: `prvs=KDDDSSSSSS=user` (draft-levine-smtp-batv), and the older
 * order of the two; `btv1==SIGNATURE==user` is another maker's.
 */
function withoutTag(localPart: string): string {
  const [, tagged = ""] = /^prvs=(.+)$/.exec(localPart) ?? [];
  const [, after, before] = /^(?:[0-9a-f]{10}=(.+)|(.+)[=/][0-9a-f]{10})$/.exec(tagged) ?? [];
  return after ?? before ?? /^btv1==[^=]*==(.+)$/.exec(localPart)?.[1] ?? localPart;
}

/** SRS puts a hash and a day before the mailbox that is forwarded: `SRS0=HHHH=TT=domain=user`, `SRS1=HHHH=host==HHHH=TT=domain=user`. */
function forwarded(localPart: string): string | undefined {
  const [, , , domain, user] =
    /^srs([01])[=+-](?:[^=]+=[^=]+=[=+-])?([^=]+=[^=]+)=([^=]+)=(.+)$/.exec(localPart) ?? [];
  return domain === undefined ? undefined : `srs=${domain}=${user}`;
}

/** What stands behind "+" names a folder or, in VERP, the recipient, who is in the triplet anyway. */
function withoutExtension(localPart: string): string {
  const plus = localPart.indexOf("+");
  return plus > 0 ? localPart.slice(0, plus) : localPart;
}

const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;

function withoutNumbers(localPart: string): string {
  return localPart.replace(UUID, "#").replace(/[0-9a-z]+/g, withoutNumber).replace(/#(?:[-._=/]#)+/g, "#");
}

/** A word that looks drawn by lot is left out whole; of another one only its digits are. */
function withoutNumber(word: string): string {
  if (!/\d/.test(word)) return word;
  const drawn = word.length >= 8 && (/^[0-9a-f]+$/.test(word) || (word.length >= 12 && /\d\D+\d/.test(word)));
  return drawn ? "#" : word.replace(/\d+/g, "#");
}
