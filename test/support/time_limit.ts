/** How long a test may take on Bun (preloaded by bunfig.toml); `bun_test_deno.ts` keeps the same limit on Deno. */
import { setDefaultTimeout } from "bun:test";

setDefaultTimeout(30_000);
