/**
 * Sallyport for authors of policies and plugins.
 *
 * Strings that come from the client (HELO name, paths, parameters) hold one character per byte; `utf8Text` decodes them.
 * @module
 */
export { type Environment, environment } from "./policy/environment.ts";
export { definePlugin } from "./policy/plugin.ts";
export type {
  ConnectFacts,
  DataFacts,
  ErrorPolicy,
  Handlers,
  HeloFacts,
  MailFacts,
  MessageFacts,
  Opinion,
  Plugin,
  RcptFacts,
  Stage,
  Stages,
} from "./policy/plugin.ts";
export { definePolicy, type Policy, type PolicyOptions, SettingsError } from "./policy/policy.ts";
export type {
  BackendAddress,
  BackendTimes,
  ListenAddress,
  Reuse,
  Settings,
  TlsFiles,
} from "./policy/settings.ts";
export { utf8Text } from "./policy/utf8_text.ts";
export { accept, defer, disconnect, reject, type Verdict } from "./policy/verdict.ts";
export type { Address, Endpoint, TlsFacts } from "./net/wire.ts";
export type { Limits } from "./smtp/limits.ts";
export type { Parameter } from "./smtp/parameters.ts";
export type { Path } from "./smtp/path.ts";
