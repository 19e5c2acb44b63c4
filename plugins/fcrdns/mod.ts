/**
 * The client's reverse DNS: which of its names point back to it (RFC 8601 §2.7.3, iprev), and whether they look like
 * those of dynamic addresses. Finds, and judges as little as it is told to.
 */
import {
  type Action,
  type ConnectFacts,
  type ConnectIo,
  defer,
  definePlugin,
  finding,
  type FindingKey,
  found,
  isAllowed,
  isPrivateAddress,
  note,
  type OnError,
  type Opinion,
  type PluginFactory,
  readNetwork,
  reject,
  REVERSE,
  type ReverseFinding,
  score,
  type Verdict,
} from "sallyport";
import { options, z } from "sallyport/schema";
import { confirm } from "./confirm.ts";
import { genericName } from "./generic_name.ts";

/** The client's name looks like one that a provider gives to thousands; the value says why. */
export const GENERIC_NAME: FindingKey<string> = finding("generic-name");

/** What an outcome brings about: nothing, points for `threshold`, 5yz, 4yz. */
export type ReverseAction = "off" | "reject" | "defer" | { readonly score: number };

/** What `fcrdns` can be told. */
export interface FcrdnsOptions {
  /** A name points back to the address; `"off"`. */
  readonly pass?: Exclude<ReverseAction, "reject" | "defer"> | undefined;
  /** No name points back; 1 point. */
  readonly fail?: ReverseAction | undefined;
  /** There is no name; 2 points. */
  readonly none?: ReverseAction | undefined;
  /** The DNS could not say; `"off"`, and never a rejection. */
  readonly temperror?: Exclude<ReverseAction, "reject"> | undefined;
  /** The name looks like one of a dynamic address; 1 point. */
  readonly generic?: ReverseAction | undefined;
  /** Names that are asked for their addresses, 1 to 20; 5. */
  readonly names?: number | undefined;
  /** Milliseconds for all of it; 3,000, so that the stage's 5 s are not used up. */
  readonly timeout?: number | undefined;
  /** Whether addresses that mean another host everywhere (RFC 1918 and the like) are asked about; `"skip"`. */
  readonly privateAddresses?: "skip" | "check" | undefined;
  /** Default `"pass"`: what the DNS does is no failure of this plugin. */
  readonly onError?: OnError | undefined;
}

const NAMES = "allowed is a whole number from 1 to 20";
const TIMEOUT = "allowed is a whole number of milliseconds from 1 to 60000";
const points = z.strictObject({ score: z.number() });
const action = z.union(
  [z.enum(["off", "reject", "defer"]), points],
  'allowed are "off", "defer", "reject" and { score: number }',
);
const gentle = z.union(
  [z.enum(["off", "defer"]), points],
  'allowed are "off", "defer" and { score: number }',
);
const harmless = z.union([z.literal("off"), points], 'allowed are "off" and { score: number }');

const SCHEMA = options({
  pass: harmless.default("off"),
  fail: action.default({ score: 1 }),
  none: action.default({ score: 2 }),
  temperror: gentle.default("off"),
  generic: action.default({ score: 1 }),
  names: z.int(NAMES).min(1, NAMES).max(20, NAMES).default(5),
  timeout: z.int(TIMEOUT).min(1, TIMEOUT).max(60_000, TIMEOUT).default(3_000),
  privateAddresses: z.enum(["skip", "check"], "allowed are skip and check").default("skip"),
  onError: z.custom<OnError>().default("pass"),
});

/** Finds out what the client's address is called, and whether by right. */
export const fcrdns: PluginFactory<FcrdnsOptions> = definePlugin("fcrdns", SCHEMA, (given) => {
  const judged = (session: ConnectFacts, octets: Uint8Array, reverse: ReverseFinding, io: ConnectIo) => {
    const spared = isAllowed(session);
    const { status, names, name = names[0] } = reverse;
    const generic = name === undefined ? undefined : genericName(name, octets);
    io.count("fcrdns_results", { result: status });
    if (generic !== undefined) io.count("fcrdns_generic");
    return [
      found(REVERSE, reverse),
      note("reverse", name === undefined ? status : `${status} ${name}`),
      spared || status === "permerror" ? undefined : doing(given[status], TEXTS[status]),
      ...(generic === undefined ? [] : [
        found(GENERIC_NAME, generic),
        note("generic", generic),
        spared ? undefined : doing(given.generic, TEXTS.generic),
      ]),
    ];
  };
  return {
    onError: given.onError,
    connect(session: ConnectFacts, io: ConnectIo): Opinion | Promise<Opinion> {
      const { client } = session;
      const octets = given.privateAddresses === "check" || !isPrivateAddress(client.host)
        ? readNetwork(client.host)?.octets
        : undefined;
      if (octets === undefined) return undefined;
      return confirm(octets, io, given).then((reverse) => judged(session, octets, reverse, io));
    },
  };
});

/** What a refused client is told (RFC 7372 §3.3), and what a score is for. */
interface Words {
  readonly code: "7.25" | "7.1";
  readonly text: string;
}

const TEXTS: Readonly<Record<"pass" | "fail" | "none" | "temperror" | "generic", Words>> = {
  pass: { code: "7.25", text: "The name of your address points back to it" },
  fail: { code: "7.25", text: "No name of your address points back to it" },
  none: { code: "7.25", text: "Your address has no name in the DNS" },
  temperror: { code: "7.25", text: "The name of your address cannot be looked up now" },
  generic: {
    code: "7.1",
    text: "The name of your address looks like that of a dynamic one: use your provider's relay",
  },
};

function doing(action: ReverseAction, { code, text }: Words): Verdict | Action | undefined {
  if (action === "off") return undefined;
  if (action === "reject") return reject(`5.${code}`, text);
  if (action === "defer") return defer(`4.${code}`, text);
  return score(action.score, text);
}
