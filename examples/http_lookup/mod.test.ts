import { expect, test } from "bun:test";
import { threshold } from "sallyport";
import { type FetchAnswer, transcript } from "sallyport/testing";
import { httpLookup, REPUTATION } from "./mod.ts";

const URL = "https://reputation.example/v1";
const lookup = httpLookup({ url: URL });

/** A session that comes and goes. */
const VISIT = `
  S: 220 …
  C: QUIT
  S: 221 …
  S: <close>
`;
const AGAIN = `(a client connects)${VISIT}`;

function answering(...answers: readonly FetchAnswer[]) {
  const left = [...answers];
  return { fetch: { [URL]: () => left.length > 1 ? left.shift()! : left[0]! } };
}

test("a client is asked for by its address, and its score is left for others to judge", async () => {
  const played = await transcript(
    [lookup, threshold({ reject: 5, stages: ["connect"] })],
    answering({ json: { score: 7 } }),
    `
    S: 554 5.7.1 Refused: score 7
    S: <close>`,
  );
  expect(played.requests).toEqual([`GET ${URL}?ip=203.0.113.7`]);
  expect(played.finding(REPUTATION)).toBe(7);
});

test("an answer is good for an hour", async () => {
  const { requests, scores } = await transcript(
    lookup,
    answering({ json: { score: 1 } }),
    `${VISIT}
    (59 minutes pass)
    ${AGAIN}`,
  );
  expect(requests.length).toBe(1);
  expect(scores.map(({ points }) => points)).toEqual([1, 1]);
});

test("an old answer is taken, and renewed behind the client's back", async () => {
  const { requests, scores } = await transcript(
    lookup,
    answering({ json: { score: 1 } }, { json: { score: 2 } }),
    `${VISIT}
    (2 hours pass)
    ${AGAIN}${AGAIN}`,
  );
  expect(requests.length).toBe(2);
  expect(scores.map(({ points }) => points)).toEqual([1, 1, 2]);
});

const TROUBLE: readonly (readonly [string, FetchAnswer])[] = [
  ["is not there", "refused"],
  ["says 500", { status: 500 }],
  ["says nonsense", { text: "<html>" }],
  ["says no score", { json: { points: 3 } }],
];
for (const [trouble, answer] of TROUBLE) {
  test(`while the service ${trouble}, an old answer is taken, and it is asked once a minute`, async () => {
    const { requests, scores } = await transcript(
      lookup,
      answering({ json: { score: 1 } }, answer),
      `${VISIT}
      (2 hours pass)
      ${AGAIN}${AGAIN}
      (1 minute passes)
      ${AGAIN}`,
    );
    expect(scores.map(({ points }) => points)).toEqual([1, 1, 1, 1]);
    expect(requests.length).toBe(3);
  });

  test(`while the service ${trouble}, a client that nobody knows is let in`, async () => {
    const { metric, scores } = await transcript(lookup, answering(answer), VISIT);
    expect(scores).toEqual([]);
    expect(metric("sallyport_plugin_failures_total", { plugin: "http-lookup", kind: "temporary" })).toBe(1);
  });
}

test("a service that does not answer costs a client that nobody knows the deadline, and no more", async () => {
  const { scores, metric } = await transcript(
    lookup,
    answering("never", { json: { score: 1 } }),
    `(5 seconds pass)
    ${VISIT}${AGAIN}${AGAIN}`,
  );
  expect(metric("sallyport_plugin_failures_total", { kind: "timeout" })).toBe(1);
  expect(scores.map(({ points }) => points)).toEqual([1, 1]);
});
