/**
 * SPF: whether the owner of the sender's domain permits the client to use its name (RFC 7208).
 */
import {
  addHeader,
  type ConnectFacts,
  definePlugin,
  finding,
  found,
  type HeloFacts,
  type Io,
  isAllowed,
  isPrivateAddress,
  type MailFacts,
  NETWORK_FORMS,
  NetworkSet,
  type OnError,
  type PluginFactory,
  readNetwork,
  Remembered,
  SPF,
  SPF_HELO,
  type SpfResult,
} from "sallyport";
import { options, z } from "sallyport/schema";
import type { SpfDecision } from "./mailauth.ts";
import { receivedSpf } from "./received_spf.ts";
import { heloIdentity, mailIdentity } from "./spf_identity.ts";
import { judgement, type SpfAction } from "./spf_judgement.ts";
import { Reports } from "./spf_report.ts";
import { SpfVerifier } from "./spf_verifier.ts";

export type { SpfAction };

/** What is asked, of whom, and what the results do. `neutral` and `none` never do anything (RFC 7208 §8.2). */
export interface SpfOptions {
  /** At `fail`: the domain says that this client may not use it; `"reject"` unless given. */
  readonly fail?: SpfAction | undefined;
  /** At `softfail`: it says so, but is not sure; `"off"` unless given (RFC 7208 §8.5). */
  readonly softfail?: SpfAction | undefined;
  /** At `permerror`: the domain's records are broken; `"off"` unless given. */
  readonly permerror?: SpfAction | undefined;
  /** At `temperror`: the DNS could not be asked; `"off"` unless given. Never `"reject"`: no mail is lost to that. */
  readonly temperror?: Exclude<SpfAction, "reject"> | undefined;
  /** Whether the HELO name is checked too (RFC 7208 §2.3); true unless given. */
  readonly helo?: boolean | undefined;
  /**
   * At `fail` of the HELO name, which is judged at MAIL, when it is known whether the client has authenticated; `"off"`
   * unless given: a host that greets with a made-up name below a domain that sends no mail is common, and is no forger.
   */
  readonly heloFail?: SpfAction | undefined;
  /** Clients that are not checked, such as own relays and forwarders: addresses and networks; none unless given. */
  readonly networks?: readonly string[] | undefined;
  /** Clients with private addresses, which no public record can name; `"skip"` unless given. */
  readonly privateAddresses?: "skip" | "check" | undefined;
  /** Whether messages get a `Received-SPF` field; true unless given. */
  readonly header?: boolean | undefined;
  /** Milliseconds for all look-ups of one identity, then it is `temperror`; 4,000 unless given. */
  readonly timeout?: number | undefined;
  /** What a failure of the plugin itself does; `"pass"` unless given. */
  readonly onError?: OnError | undefined;
}

const ACTIONS = 'allowed are "off", "defer", "reject" and { score: number }';
const GENTLE = 'allowed are "off", "defer" and { score: number }';
const TIMEOUT = "allowed is a whole number of milliseconds, 100 to 60000";
const ERRORS = "allowed are pass, defer, reject, or one each for timeout, temporary, crash";

const points = z.strictObject({ score: z.number() });
const action = z.union([z.enum(["off", "defer", "reject"]), points], ACTIONS);
const network = z.string().refine((text) => readNetwork(text) !== undefined, `allowed is ${NETWORK_FORMS}`);
const errorPolicy = z.enum(["pass", "defer", "reject"]);

const schema = options({
  fail: action.default("reject"),
  softfail: action.default("off"),
  permerror: action.default("off"),
  temperror: z.union([z.enum(["off", "defer"]), points], GENTLE).default("off"),
  helo: z.boolean("allowed is true or false").default(true),
  heloFail: action.default("off"),
  networks: z.array(network, "allowed is a list of networks").readonly().default([]),
  privateAddresses: z.enum(["skip", "check"], "allowed are skip and check").default("skip"),
  header: z.boolean("allowed is true or false").default(true),
  timeout: z.int(TIMEOUT).min(100, TIMEOUT).max(60_000, TIMEOUT).default(4000),
  onError: z.union([
    errorPolicy,
    z.strictObject({ timeout: errorPolicy, temporary: errorPolicy, crash: errorPolicy }),
  ], ERRORS).default("pass"),
});

/**
 * Checks who may use the sender's domain, at HELO and at MAIL. Leaves `SPF` and `SPF_HELO`. Whoever has authenticated
 * or is on an allow list is not checked.
 */
export const spf: PluginFactory<SpfOptions> = definePlugin("spf", schema, (given) => {
  /** What was decided at HELO, for MAIL. */
  const DECIDED = finding<SpfDecision>("spf-decided");
  const networks = new NetworkSet(given.networks);
  const skipped = new Remembered<boolean>();
  /** Who comes by a unix socket has a path for an address. */
  const isSkipped = ({ client: { host } }: ConnectFacts, now: number): boolean =>
    skipped.of(
      host,
      now,
      () =>
        /[^0-9a-f:.]/i.test(host) || (given.privateAddresses === "skip" && isPrivateAddress(host)) ||
        networks.has(host),
    );
  const verifier = new SpfVerifier(given.timeout);
  const atHelo = new Reports(SPF_HELO, (_, decision) => [found(DECIDED, decision)]);
  const atMail = new Reports(SPF, (identity, decision) => [
    given.header ? addHeader("Received-SPF", receivedSpf(identity, decision)) : undefined,
    judgement(identity, decision, actionOf(decision.result)),
  ]);
  const actionOf = (result: SpfResult): SpfAction =>
    result === "pass" || result === "neutral" || result === "none" ? "off" : given[result];

  const helo = (session: HeloFacts, io: Io) => {
    const now = io.now();
    if (isAllowed(session) || isSkipped(session, now)) return undefined;
    const subject = atHelo.subject(nameOf(session), now, () => heloIdentity(session));
    return after(verifier.verify(subject.identity, io), (decision) => atHelo.of(subject, decision, io));
  };

  const mail = (session: MailFacts, io: Io) => {
    if (session.user !== undefined || isAllowed(session)) return undefined;
    const now = io.now();
    const greeting = session.findings.get(DECIDED);
    // Whoever was checked at HELO is on none of the networks.
    if (greeting === undefined && isSkipped(session, now)) return undefined;
    const name = `${nameOf(session)}\n${session.reversePath.mailbox}`;
    const subject = atMail.subject(name, now, () => mailIdentity(session));
    const { identity } = subject;
    if (identity.scope === "helo") {
      return after(
        greeting ?? verifier.verify(identity, io),
        (decision) => atMail.of(subject, decision, io),
      );
    }
    const named = greeting?.result === "fail"
      ? judgement(heloIdentity(session), greeting, given.heloFail)
      : undefined;
    // Who may not use its own name need not be asked for another (RFC 7208 §2.4).
    if (named !== undefined && named.kind !== "score") return named;
    return after(verifier.verify(identity, io), (decision) => {
      const parts = atMail.of(subject, decision, io);
      return named === undefined ? parts : [named, ...parts];
    });
  };

  return { onError: given.onError, judges: "client", mail, ...given.helo ? { helo } : {} };
});

/** Of whoever greets; none of the parts can hold a line end. */
function nameOf({ client, hostname, helo }: HeloFacts): string {
  return `${client.host}\n${hostname}\n${helo}`;
}

/** What was decided at once makes no promise. */
function after<T>(
  decision: SpfDecision | Promise<SpfDecision>,
  then: (decision: SpfDecision) => T,
): T | Promise<T> {
  return decision instanceof Promise ? decision.then(then) : then(decision);
}
