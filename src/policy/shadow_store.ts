/**
 * The store as shadowed plugins see it: what they write is kept apart from what counts.
 */
import type { Store } from "./effects.ts";

const PREFIX = "shadow:";

/** The same store with keys and groups of its own. */
export function shadowed(store: Store): Store {
  const own = (key: string) => PREFIX + key;
  return {
    get: (key) => store.get(own(key)),
    set: (key, value, ttl) => store.set(own(key), value, ttl),
    delete: (key) => store.delete(own(key)),
    count: (key, by, ttl, sliding) => store.count(own(key), by, ttl, sliding),
    draw: (group, rates) => store.draw(own(group), rates),
    refund: (group, rates) => store.refund(own(group), rates),
    greylist: (group, triplet) => store.greylist(own(group), triplet),
    greylistPass: (group, triplet) => store.greylistPass(own(group), triplet),
    lease: (key, holder, limit, ttl) => store.lease(own(key), holder, limit, ttl),
    release: (key, holder) => store.release(own(key), holder),
    close: () => Promise.resolve(),
  };
}
