/**
 * A mail server behind the proxy, and what is known of it.
 */
import type { Endpoint } from "../net/wire.ts";
import type { Extensions } from "../smtp/extensions.ts";

/** One backend. */
export interface Backend {
  /** As the operator wrote it. */
  readonly name: string;
  readonly endpoint: Endpoint;
  /** What its last EHLO reply offered; undefined until one was seen. */
  extensions: Extensions | undefined;
  /** When it last could not be reached; it is then asked last for a while. */
  failedAt: number;
  /** It has once said what nobody had asked for: from then on it is told one command at a time. */
  outOfTurn: boolean;
}

export function backendAt(name: string, endpoint: Endpoint): Backend {
  return { name, endpoint, extensions: undefined, failedAt: -Infinity, outOfTurn: false };
}
