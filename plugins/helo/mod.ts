/**
 * What a client's greeting says of it: whether the HELO name is one, is ours, is an address that is not the client's, or
 * is known to the DNS (RFC 5321 §4.1.1.1, §4.1.4).
 */
import {
  definePlugin,
  finding,
  type FindingKey,
  found,
  type Handlers,
  type Io,
  NETWORK_FORMS,
  note,
  type OnError,
  type PluginFactory,
  readNetwork,
} from "sallyport";
import { options, z } from "sallyport/schema";
import { Checks, type HeloFinding } from "./checks.ts";
import { costs, type HeloAction } from "./faults.ts";

export type { HeloFinding } from "./checks.ts";
export type { HeloAction, HeloFault } from "./faults.ts";

/** Left at `helo`. */
export const HELO: FindingKey<HeloFinding> = finding("helo");

/** Each check says what a greeting that fails it costs. */
export interface HeloOptions {
  /** Neither a host name nor an address literal. `"reject"`: no mail server greets so. */
  readonly syntax?: HeloAction | undefined;
  /** An address without brackets. `"reject"`: no mail server greets so. */
  readonly bareAddress?: HeloAction | undefined;
  /** Our own name, said by another host. `"reject"`: it is a lie. */
  readonly ownName?: HeloAction | undefined;
  /** Our own address, said by another host. `"reject"`: it is a lie. */
  readonly ownLiteral?: HeloAction | undefined;
  /** An address literal that is not the client's address. `"score"` (2): so greets whoever is behind a NAT. */
  readonly foreignLiteral?: HeloAction | undefined;
  /** A name without a dot. `"score"` (2): so greet bots, and small servers whose name was never set. */
  readonly singleLabel?: HeloAction | undefined;
  /** A name below `local`, `lan` and the like. `"score"` (1): so greet many an Exchange server. */
  readonly reservedName?: HeloAction | undefined;
  /** A name without A, AAAA and MX. `"score"` (2): real servers have such names, bots more often. */
  readonly unresolvable?: HeloAction | undefined;
  /** A name that is not the client's; never refused (RFC 5321 §4.1.4). `"off"`: it is left as a finding. */
  readonly mismatch?: "off" | "score" | { readonly score: number } | undefined;
  /** Names that are ours besides the policy's hostname. None unless given. */
  readonly ownNames?: readonly string[] | undefined;
  /** Addresses that are ours besides the one the client has reached, behind a NAT for one. None unless given. */
  readonly ownAddresses?: readonly string[] | undefined;
  /** Where it judges. `"mail"` unless given: it is known then who has authenticated, and they may greet as they like. */
  readonly judge?: "helo" | "mail" | undefined;
  /** What a failure does; `"pass"` unless given. A DNS that cannot be asked is no failure. */
  readonly onError?: OnError | undefined;
}

/** Judges clients by what they greet with. */
export const helo: PluginFactory<HeloOptions> = definePlugin(
  "helo",
  options({
    syntax: action("reject"),
    bareAddress: action("reject"),
    ownName: action("reject"),
    ownLiteral: action("reject"),
    foreignLiteral: action("score"),
    singleLabel: action("score"),
    reservedName: action("score"),
    unresolvable: action("score"),
    mismatch: z.union([z.enum(["off", "score"]), points()], 'allowed are "off", "score", { score: points }')
      .default("off"),
    ownNames: z.array(z.string()).readonly().default([]),
    ownAddresses: z.array(z.string().refine(isNetwork, `allowed is ${NETWORK_FORMS}`)).readonly().default([]),
    judge: z.enum(["helo", "mail"], "allowed are helo, mail").default("mail"),
    onError: z.custom<OnError>().default("pass"),
  }),
  ({ ownNames, ownAddresses, judge, onError, ...actions }) => {
    const checks = new Checks(actions, ownNames, ownAddresses);
    const tell = (seen: HeloFinding, io: Io) => {
      for (const fault of seen.faults) io.count("faults", { fault });
      return [
        found(HELO, seen),
        seen.faults.length > 0 ? note("faults", seen.faults.join(" ")) : undefined,
        ...(judge === "helo" ? costs(seen.faults, actions) : []),
      ];
    };
    const atMail: Handlers["mail"] = ({ user, findings }) =>
      user === undefined ? costs(findings.get(HELO)?.faults ?? [], actions) : undefined;
    return {
      onError,
      helo(session, io) {
        const seen = checks.see(session, io);
        return seen instanceof Promise ? seen.then((late) => tell(late, io)) : tell(seen, io);
      },
      ...(judge === "mail" && { mail: atMail }),
    };
  },
);

function action(byDefault: HeloAction) {
  return z.union(
    [z.enum(["off", "score", "reject", "defer"]), points()],
    'allowed are "off", "score", "reject", "defer", { score: points }',
  ).default(byDefault);
}

function isNetwork(text: string): boolean {
  return readNetwork(text) !== undefined;
}

function points() {
  return z.strictObject({ score: z.number() });
}
