/**
 * What all sessions of a proxy share.
 */
import type { Pool } from "../backend/pool.ts";
import type { TlsService } from "../net/wire.ts";
import type { Chain } from "../policy/chain.ts";
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
  readonly pool: Pool;
  readonly chain: Chain;
  readonly offers: Offers;
  readonly log: Log;
  readonly counters: Counters;
  readonly greeting: Reply;
  /** Whom every client is taken for; only `explain` and tests say so. */
  readonly user: string | undefined;
  /** True: sessions end as soon as they carry no transaction. */
  draining(): boolean;
  /** Milliseconds that only ever grow, in steps of a tick: for deadlines. */
  now(): number;
}
