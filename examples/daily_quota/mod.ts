/**
 * How many recipients one user may write to in a day. What has been used is kept in the policy's store, so all proxies
 * and workers that share a Redis count together.
 */
import { commit, defer, definePlugin, note, type PluginFactory, type RcptFacts, utf8Text } from "sallyport";
import { options, z } from "sallyport/schema";

/** How much a day has. */
export interface DailyQuotaOptions {
  /** Recipients that a user may write to from midnight to midnight, UTC; 500 unless given. */
  readonly recipients?: number;
}

const DAY = 86_400_000;

/** Defers recipients past the day's quota until tomorrow. */
export const dailyQuota: PluginFactory<DailyQuotaOptions> = definePlugin(
  "daily-quota",
  options({ recipients: z.int().min(1).default(500) }),
  ({ recipients: most }) => ({
    // Without its store the quota cannot be known, and mail matters more than the quota.
    onError: "pass",
    async rcpt(session, io) {
      const who = senderOf(session);
      if (who === undefined) return;
      const key = `daily-quota ${dateOf(io.now())} ${who}`;
      // Recipients of this message count when it is taken, so they are not in the store yet.
      const used = await io.store.count(key, 0, 2 * DAY) + session.accepted.length;
      if (used >= most) return defer("4.7.1", `Enough for today: ${most} recipients`, 452);
      return [
        note("used", used + 1),
        // Only a message that the backend has taken costs anything.
        commit((io) => io.store.count(key, 1, 2 * DAY)),
      ];
    },
  }),
);

/** The user, or the sender where nobody has authenticated; nobody for a bounce. */
function senderOf({ user, reversePath }: RcptFacts): string | undefined {
  if (user !== undefined) return `user ${user}`;
  return reversePath.mailbox === "" ? undefined : `sender ${utf8Text(reversePath.mailbox).toLowerCase()}`;
}

function dateOf(now: number): string {
  return new Date(now).toISOString().slice(0, 10);
}
