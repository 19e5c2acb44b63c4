/**
 * What follows from what an address is called: findings, words for the trail, points, a refusal.
 */
import {
  type Action,
  defer,
  finding,
  type FindingKey,
  found,
  note,
  type Opinion,
  reject,
  REVERSE,
  type ReverseFinding,
  score,
  type Verdict,
} from "sallyport";

/** The client's name looks like one that a provider gives to thousands; the value says why. */
export const GENERIC_NAME: FindingKey<string> = finding("generic-name");

/** What an outcome brings about: nothing, points for `threshold`, 5yz, 4yz. */
export type ReverseAction = "off" | "reject" | "defer" | { readonly score: number };

/** What each outcome brings about. */
export type ReverseActions = Readonly<Record<keyof typeof TEXTS, ReverseAction>>;

/** What an address is called. */
export interface Names {
  readonly reverse: ReverseFinding;
  /** Why its name looks like one of many, if it does. */
  readonly generic: string | undefined;
}

/** @param spared nothing comes of it but the findings */
export function opinionOf({ reverse, generic }: Names, actions: ReverseActions, spared: boolean): Opinion {
  const { status, names, name = names[0] } = reverse;
  const parts: (Action | Verdict | undefined)[] = [
    found(REVERSE, reverse),
    note("reverse", name === undefined ? status : `${status} ${name}`),
    spared || status === "permerror" ? undefined : doing(actions[status], TEXTS[status]),
  ];
  if (generic !== undefined) {
    parts.push(
      found(GENERIC_NAME, generic),
      note("generic", generic),
      spared ? undefined : doing(actions.generic, TEXTS.generic),
    );
  }
  return parts;
}

/** What a refused client is told (RFC 7372 §3.3), and what a score is for. */
interface Words {
  readonly code: "7.25" | "7.1";
  readonly text: string;
}

const TEXTS = {
  pass: { code: "7.25", text: "The name of your address points back to it" },
  fail: { code: "7.25", text: "No name of your address points back to it" },
  none: { code: "7.25", text: "Your address has no name in the DNS" },
  temperror: { code: "7.25", text: "The name of your address cannot be looked up now" },
  generic: {
    code: "7.1",
    text: "The name of your address looks like that of a dynamic one: use your provider's relay",
  },
} as const;

function doing(action: ReverseAction, { code, text }: Words): Verdict | Action | undefined {
  if (action === "off") return undefined;
  if (action === "reject") return reject(`5.${code}`, text);
  if (action === "defer") return defer(`4.${code}`, text);
  return score(action.score, text);
}
