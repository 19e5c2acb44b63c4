/**
 * Sallyport for authors of policies and plugins.
 * @module
 */
export { type Environment, environment } from "./policy/environment.ts";
export { definePlugin } from "./policy/plugin.ts";
export type {
  Addressed,
  Complete,
  Connected,
  ErrorPolicy,
  Greeted,
  Handlers,
  Opinion,
  Plugin,
  Read,
  Sending,
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
export { accept, defer, disconnect, reject, type Verdict } from "./policy/verdict.ts";
export type { Address, Endpoint, TlsFacts } from "./net/wire.ts";
export type { Limits } from "./smtp/limits.ts";
export type { Parameter } from "./smtp/parameters.ts";
export type { Path } from "./smtp/path.ts";
