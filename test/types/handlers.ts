/**
 * What is not known yet at a stage does not compile, nor what a handler may not return. `bun check` and `deno check`
 * read this; test/house/types.test.ts sees to it that each line is refused for the reason that it gives.
 */
import { accept, addHeader, commit, definePlugin, delay, note, reject, rollback, score } from "sallyport";

/** Everything that is known, stage by stage. */
export const known = definePlugin("known", () => ({
  onError: "pass",
  connect: ({ id, client, local, listener, hostname, findings }) =>
    note("known", [id, client.host, local.port, listener, hostname, findings.score].join()),
  helo: ({ client, helo, verb, tls, conduct }) =>
    note("known", [client.host, helo, verb, tls?.version, conduct.spokeEarly].join()),
  mail: ({ helo, user, reversePath, parameters }) =>
    note("known", [helo, user, reversePath.domain, parameters.length].join()),
  rcpt: ({ reversePath, forwardPath, accepted }) =>
    note("known", [reversePath.mailbox, forwardPath.localPart, accepted.length].join()),
  data: ({ reversePath, recipients }) => note("known", [reversePath.mailbox, recipients.length].join()),
  message: ({ recipients, size }) => note("known", [recipients.length, size].join()),
}));

export const tooEarly = definePlugin("too-early", () => ({
  onError: "pass",
  connect(session) {
    // @ts-expect-error 2339: the client has not greeted
    note("x", session.helo);
    // @ts-expect-error 2339: nor is TLS there
    note("x", session.tls !== undefined);
  },
  helo(session) {
    // @ts-expect-error 2339: there is no transaction
    note("x", session.reversePath.mailbox);
    // @ts-expect-error 2339: nobody has authenticated
    note("x", session.user !== undefined);
  },
  mail(session) {
    // @ts-expect-error 2339: no recipient is known
    note("x", session.forwardPath.mailbox);
    // @ts-expect-error 2339: nor all of them
    note("x", session.recipients.length);
  },
  rcpt(session) {
    // @ts-expect-error 2339: more recipients may come
    note("x", session.recipients.length);
  },
  data(session) {
    // @ts-expect-error 2339: which of them?
    note("x", session.forwardPath.mailbox);
    // @ts-expect-error 2339: the message has not come
    note("x", session.size);
  },
  message(session) {
    // @ts-expect-error 2339: the accepted ones are all there are
    note("x", session.accepted.length);
  },
}));

/** Only a client that has not been greeted can be listened to. */
export const silent = definePlugin("silent", () => ({
  onError: "pass",
  async connect(_session, io) {
    if (!await io.silence(6000, "mx.example")) return reject("5.7.1", "You spoke too soon");
  },
  async helo(_session, io) {
    // @ts-expect-error 2339: it has been greeted
    await io.silence(6000);
  },
  async mail(_session, io) {
    // @ts-expect-error 2339: it has been greeted
    await io.silence(6000);
  },
}));

export const changing = definePlugin("changing", () => ({
  onError: "pass",
  helo(session) {
    // @ts-expect-error 2540: what a plugin is told is not its own
    session.helo = "other.example";
  },
  data({ recipients }) {
    // @ts-expect-error 2339: nor are lists
    recipients.push(recipients[0]!);
  },
}));

/** Everything that may be returned. */
export const returning = definePlugin("returning", () => ({
  onError: "pass",
  connect: () => undefined,
  helo: () => Promise.resolve(accept()),
  mail: () => [reject("5.7.1", "No"), score(3, "x"), undefined],
  rcpt: async (_session, io) => [await io.store.get("x") === "y" ? delay(1000) : undefined],
  data: () => [commit((io) => io.store.count("x", 1, 1000)), rollback(() => {})],
  message: () => addHeader("X-Checked", "yes"),
}));

export const wrongReturns = definePlugin("wrong-returns", () => ({
  onError: "pass",
  // @ts-expect-error 2322: a reply is no verdict
  connect: () => "550 5.7.1 No",
  // @ts-expect-error 2322: nor is a boolean
  helo: ({ helo }) => helo !== "",
  // @ts-expect-error 2322: nor one that comes later
  mail: () => Promise.resolve(true),
  // @ts-expect-error 2322: a rejection has a code and a text
  rcpt: () => ({ kind: "reject" }),
  // @ts-expect-error 2322: there is no such verdict
  data: () => ({ kind: "quarantine", code: 250, enhanced: "7.1", text: "x" }),
  // @ts-expect-error 2322: null is no opinion
  message: () => null,
}));
