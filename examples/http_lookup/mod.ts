/**
 * What a web service says of a client: a number that adds to its score. Answers are kept for a while, and an old one is
 * better than none: a client that is known never waits for the service, whatever becomes of it.
 */
import {
  afterwards,
  definePlugin,
  finding,
  type FindingKey,
  found,
  type Io,
  type PluginFactory,
  score,
  Unavailable,
} from "sallyport";
import { options, z } from "sallyport/schema";

/** Whom to ask, and for how long an answer holds. */
export interface HttpLookupOptions {
  /** Is asked `GET url?ip=192.0.2.1`, and answers `{"score": 3}`. */
  readonly url: string;
  /** Milliseconds for which an answer is taken as it is; an hour unless given. */
  readonly fresh?: number;
  /** Milliseconds from then on for which it is taken and asked for again; a day unless given. */
  readonly stale?: number;
}

/** What the service says. */
export const REPUTATION: FindingKey<number> = finding("reputation");

const HOUR = 3_600_000;
/** How soon the service is asked again for a client whose answer could not be renewed. */
const AGAIN = 60_000;
const RESPONSE = z.object({ score: z.number() });

interface Answer {
  readonly score: number;
  /** Milliseconds since 1970. */
  readonly freshUntil: number;
}

/** Adds what a web service says of the client to its score, for `threshold` to judge. */
export const httpLookup: PluginFactory<HttpLookupOptions> = definePlugin(
  "http-lookup",
  options({
    url: z.url({ protocol: /^https?$/, error: "allowed is a URL, as in https://reputation.example/v1" }),
    fresh: z.int().min(1).default(HOUR),
    stale: z.int().min(1).default(24 * HOUR),
  }),
  ({ url, fresh, stale }) => {
    const keep = async (io: Io, ip: string, answer: Answer) =>
      await io.local.set(`http-lookup ${ip}`, JSON.stringify(answer), fresh + stale);
    const look = async (io: Io, ip: string): Promise<Answer> => {
      const answer = { score: await fetchScore(io, url, ip), freshUntil: io.now() + fresh };
      await keep(io, ip, answer);
      return answer;
    };
    return {
      onError: "pass",
      async connect({ client }, io) {
        const ip = client.host;
        const kept = await io.local.get(`http-lookup ${ip}`);
        const answer: Answer = kept === undefined ? await look(io, ip) : JSON.parse(kept);
        const said = [found(REPUTATION, answer.score), score(answer.score, "reputation")];
        if (answer.freshUntil > io.now()) return said;
        io.count("http_lookup_renewals");
        // One session asks for all that come meanwhile; the old answer stays until a new one is there.
        await keep(io, ip, { ...answer, freshUntil: io.now() + AGAIN });
        return [...said, afterwards((io) => look(io, ip))];
      },
    };
  },
);

/** @throws Unavailable where there is no answer, or none that can be read */
async function fetchScore(io: Io, url: string, ip: string): Promise<number> {
  const asked = new URL(url);
  asked.searchParams.set("ip", ip);
  const response = await io.fetch(asked);
  if (!response.ok) throw new Unavailable(`Cannot look ${ip} up: ${asked.host} says ${response.status}`);
  const read = RESPONSE.safeParse(await response.json().catch(() => undefined));
  if (!read.success) throw new Unavailable(`Cannot look ${ip} up: ${asked.host} does not say a score`);
  return read.data.score;
}
