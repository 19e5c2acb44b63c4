/**
 * What a client's greeting says of it: whether the HELO name is one, is ours, is an address that is not the client's, or
 * is known to the DNS (RFC 5321 §4.1.1.1, §4.1.4).
 */
import {
  definePlugin,
  type Handlers,
  type HeloFacts,
  type Io,
  NETWORK_FORMS,
  type OnError,
  type PluginFactory,
  readNetwork,
  Remembered,
  REVERSE,
  TimedDns,
} from "sallyport";
import { options, z } from "sallyport/schema";
import { Checks, HELO, type HeloFinding } from "./checks.ts";
import { costs, type HeloAction } from "./faults.ts";
import { type Report, Reports, told } from "./report.ts";

export { HELO, type HeloFinding } from "./checks.ts";
export type { HeloAction, HeloFault } from "./faults.ts";

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
    const reports = new Reports((faults) => judge === "helo" ? costs(faults, actions) : []);
    /** By all that the checks look at. */
    const known = new Remembered<Report>();
    const look = (key: string, session: HeloFacts, io: Io) => {
      const began = io.now();
      const dns = new TimedDns(io.dns);
      const tell = (finding: HeloFinding) => {
        const report = reports.of(finding);
        known.keep(key, report, dns.ttl, began);
        return told(report, io);
      };
      const finding = checks.see(session, dns);
      return finding instanceof Promise ? finding.then(tell) : tell(finding);
    };
    const atMail: Handlers["mail"] = ({ user, findings }) => {
      const faults = findings.get(HELO)?.faults ?? [];
      return user === undefined && faults.length > 0 ? costs(faults, actions) : undefined;
    };
    return {
      onError,
      judges: "client",
      helo(session, io) {
        const key = keyOf(session);
        const report = known.get(key, io.now());
        return report === undefined ? look(key, session, io) : told(report, io);
      },
      ...(judge === "mail" && { mail: atMail }),
    };
  },
);

/** A greeting holds no line end, and the rest is ours. */
function keyOf({ client, local, hostname, helo, findings }: HeloFacts): string {
  return `${client.host}\n${local.host}\n${hostname}\n${findings.get(REVERSE)?.name ?? ""}\n${helo}`;
}

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
