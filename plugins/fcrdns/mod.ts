/**
 * The client's reverse DNS: which of its names point back to it (RFC 8601 §2.7.3, iprev), and whether they look like
 * those of dynamic addresses. Finds, and judges as little as it is told to.
 */
import {
  type ConnectFacts,
  type ConnectIo,
  definePlugin,
  isAllowed,
  isPrivateAddress,
  type OnError,
  type Opinion,
  type PluginFactory,
  readNetwork,
  Remembered,
  TimedDns,
} from "sallyport";
import { options, z } from "sallyport/schema";
import { confirm } from "./confirm.ts";
import { genericName } from "./generic_name.ts";
import { type Names, opinionOf, type ReverseAction } from "./outcome.ts";

export { GENERIC_NAME, type ReverseAction } from "./outcome.ts";

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
  /** By address. */
  const known = new Remembered<Names>();
  const tell = (called: Names, session: ConnectFacts, io: ConnectIo) => {
    io.count("fcrdns_results", RESULTS[called.reverse.status]);
    if (called.generic !== undefined) io.count("fcrdns_generic");
    return opinionOf(called, given, isAllowed(session));
  };
  const ask = async (octets: Uint8Array, session: ConnectFacts, io: ConnectIo): Promise<Opinion> => {
    const began = io.now();
    const dns = new TimedDns(io.dns);
    const reverse = await confirm(octets, { dns, after: io.after }, given);
    const { names, name = names[0] } = reverse;
    const called = { reverse, generic: name === undefined ? undefined : genericName(name, octets) };
    known.keep(session.client.host, called, dns.ttl, began);
    return tell(called, session, io);
  };
  return {
    onError: given.onError,
    judges: "client",
    connect(session: ConnectFacts, io: ConnectIo): Opinion | Promise<Opinion> {
      const { host } = session.client;
      const called = known.get(host, io.now());
      if (called !== undefined) return tell(called, session, io);
      const octets = given.privateAddresses === "check" || !isPrivateAddress(host)
        ? readNetwork(host)?.octets
        : undefined;
      return octets && ask(octets, session, io);
    },
  };
});

/** Labels of the metric. */
const RESULTS = {
  pass: { result: "pass" },
  fail: { result: "fail" },
  none: { result: "none" },
  temperror: { result: "temperror" },
  permerror: { result: "permerror" },
} as const;
