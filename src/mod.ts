/**
 * Sallyport for authors of policies and plugins.
 *
 * Strings that come from the client (HELO name, paths, parameters) hold one character per byte; `utf8Text` decodes them.
 * @module
 */
export { type Environment, environment } from "./policy/environment.ts";
export {
  type Action,
  addHeader,
  afterwards,
  commit,
  type Effect,
  found,
  note,
  type Opinion,
  rollback,
  route,
  score,
} from "./policy/action.ts";
export {
  type ConnectIo,
  type Dns,
  type DnsAnswer,
  DnsError,
  type DnsErrorCode,
  type DnsRecords,
  type GreylistAnswer,
  type GreylistTriplet,
  type Io,
  type LeaseAnswer,
  ListError,
  type Live,
  type LogFields,
  type MxRecord,
  type PluginLog,
  type Rate,
  type RateAnswer,
  type RecordType,
  type Setup,
  type SoaRecord,
  type SrvRecord,
  type Store,
  StoreError,
  type TlsaRecord,
} from "./policy/effects.ts";
export { type ErrorPolicy, type FailureKind, type OnError, Unavailable } from "./policy/failure.ts";
export { finding, type FindingKey, type Findings, type ScorePart } from "./policy/finding.ts";
export {
  clientPrefix,
  isPrivateAddress,
  NETWORK_FORMS,
  NetworkSet,
  readNetwork,
  reversedAddress,
} from "./policy/networks.ts";
export type { Observation, Outcome } from "./policy/observation.ts";
export type { OptionsSchema } from "./policy/options.ts";
export { definePlugin } from "./policy/plugin.ts";
export type { Handlers, NoStranger, Plugin, PluginBody, PluginFactory, StageIo } from "./policy/plugin.ts";
export { Remembered, TimedDns } from "./policy/remembered.ts";
export type { AnyOf, PoolChoice, Route, RouteAddress, RouteTarget } from "./policy/route.ts";
export {
  atRcpt,
  type Group,
  named,
  parallel,
  type Rule,
  sample,
  shadow,
  unless,
  when,
} from "./policy/rule.ts";
export type {
  Conduct,
  ConnectFacts,
  DataFacts,
  HeloFacts,
  Known,
  MailFacts,
  MessageFacts,
  RcptFacts,
  Stage,
  Stages,
} from "./policy/stages.ts";
export { threshold, type ThresholdOptions } from "./policy/threshold.ts";
export type { BackendGiven, BackendOptions } from "./policy/backend_address.ts";
export { definePolicy, type Policy, type PolicyOptions, SettingsError } from "./policy/policy.ts";
export type {
  AdminAddress,
  BackendAddress,
  BackendTimes,
  DnsServer,
  Health,
  ListenAddress,
  Reuse,
  Settings,
} from "./policy/settings.ts";
export type { TlsFiles, TlsGiven, TlsSettings } from "./policy/tls_settings.ts";
export type { ListenGiven } from "./policy/address.ts";
export {
  ALLOWED,
  DNSBL,
  type DnsblFinding,
  GEO,
  type GeoFinding,
  isAllowed,
  isPostmaster,
  REVERSE,
  type ReverseFinding,
  SPF,
  SPF_HELO,
  type SpfFinding,
  type SpfResult,
} from "./policy/well_known.ts";
export { utf8Text } from "./policy/utf8_text.ts";
export { within } from "./policy/within.ts";
export { accept, defer, delay, disconnect, type Refusal, reject, type Verdict } from "./policy/verdict.ts";
export type { Address, Endpoint, TlsFacts, TlsPeer } from "./net/wire.ts";
export type { Limits } from "./smtp/limits.ts";
export type { Parameter } from "./smtp/parameters.ts";
export type { Path } from "./smtp/path.ts";
