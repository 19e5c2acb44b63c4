/**
 * What all sessions of a proxy share.
 */
import type { Pools } from "../backend/pools.ts";
import type { TlsService } from "../net/wire.ts";
import type { Chain } from "../policy/chain.ts";
import type { NetworkSet } from "../policy/networks.ts";
import type { Limits } from "../smtp/limits.ts";
import type { Reply } from "../smtp/reply.ts";
import type { Counters, Log } from "./journal.ts";
import type { Offers } from "./offer.ts";
import type { TransactionOptions } from "./transaction.ts";

export interface Surroundings {
  readonly hostname: string;
  readonly limits: Limits;
  readonly bareLineFeeds: "reject" | "normalize";
  /** VRFY, EXPN and ETRN that are put to a backend. */
  readonly relay: ReadonlySet<string>;
  readonly transaction: TransactionOptions;
  /** What is served under TLS at the moment. */
  readonly tls: (() => TlsService) | undefined;
  readonly pools: Pools;
  readonly chain: Chain;
  readonly offers: Offers;
  /** Hosts that are believed when they say for whom they speak. */
  readonly trusted: NetworkSet;
  readonly log: Log;
  readonly counters: Counters;
  readonly greeting: Reply;
  /** Whom every client is taken for; only `explain` and tests say so. */
  readonly user: string | undefined;
  /** Told of each recipient's pool, and of who has chosen it; undefined: nothing has, so it is the default one. */
  readonly routed: ((pool: string, by: string | undefined) => void) | undefined;
  /** True: sessions end as soon as they carry no transaction. */
  draining(): boolean;
  /** Milliseconds that only ever grow, in steps of a tick: for deadlines. */
  now(): number;
}
