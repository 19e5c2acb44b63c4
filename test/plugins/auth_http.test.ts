/**
 * The auth-http plugin in a session: who is asked when, what the client hears, and that nothing gets through where the
 * service does not say so.
 */
import { describe, expect, test } from "bun:test";
import { authHttp, type AuthHttpOptions } from "../../plugins/auth_http/mod.ts";
import { REVERSE, type ReverseFinding, route, type Stages } from "../../src/mod.ts";
import {
  ask,
  factsAt,
  type FetchAnswer,
  fetchOf,
  findingsOf,
  GREETED,
  transcript,
} from "../../src/testing.ts";

const URL = "http://auth.example/smtp";
const GIVEN: AuthHttpOptions = { url: URL, servers: ["192.0.2.0/24", "2001:db8::/32"] };
const AUTHORISE: AuthHttpOptions = { url: URL, route: false };

const OK: FetchAnswer = {
  headers: { "Auth-Status": "OK", "Auth-Server": "192.0.2.1", "Auth-Port": "2525" },
};
const says = (headers: Record<string, string>): FetchAnswer => ({ headers });

/** A service that gives these answers in turn, the last one for ever, and remembers what it was asked. */
function service(...answers: readonly FetchAnswer[]) {
  const left = [...answers];
  const asked: Headers[] = [];
  const fetch = fetchOf({
    [URL]: (request) => {
      asked.push(request.headers);
      return left.length > 1 ? left.shift()! : left[0]!;
    },
  });
  return { fetch, asked };
}

async function rcpt(answer: FetchAnswer, options: AuthHttpOptions = GIVEN, facts = factsAt("rcpt")) {
  const { fetch, asked } = service(answer);
  return { ...await ask(authHttp(options), "rcpt", facts, { effects: { fetch } }), asked };
}

describe("an answer of OK", () => {
  test("routes the mail to the server that it names", async () => {
    const { verdict, actions, failed } = await rcpt(OK);
    expect([verdict, failed]).toEqual([undefined, false]);
    expect(actions).toEqual([route({ host: "192.0.2.1", port: 2525 })]);
  });

  test("only authorises where route is false", async () => {
    const { verdict, actions } = await rcpt(says({ "Auth-Status": "OK" }), AUTHORISE);
    expect([verdict, actions]).toEqual([undefined, []]);
  });

  for (const server of ["127.0.0.1", "198.51.100.1", "2001:db9::1", "::ffff:127.0.0.1"]) {
    test(`does not send mail to ${server}, which is none of the servers`, async () => {
      const headers = { "Auth-Status": "OK", "Auth-Server": server, "Auth-Port": "25" };
      const { verdict, actions, log } = await rcpt(says(headers));
      expect(verdict).toMatchObject({ kind: "defer", code: 451, enhanced: "3.2" });
      expect(actions).toEqual([]);
      expect(log.join()).toContain(
        `Auth-Server ${server} was given; allowed are 192.0.2.0/24, 2001:db8::/32`,
      );
    });
  }
});

describe("a refusal", () => {
  test("is told in the service's words", async () => {
    await transcript(
      authHttp(AUTHORISE),
      { fetch: { [URL]: says({ "Auth-Status": "No such user" }) } },
      `${GREETED}
      C: MAIL FROM:<a@client.example>
      S: 250 2.1.0 Ok
      C: RCPT TO:<b@mx.example>
      S: 550 5.7.0 No such user
      C: NOOP
      S: 250 …`,
    );
  });

  const rows: readonly (readonly [string, Record<string, string>, object])[] = [
    ["with 4yz defers", { "Auth-Error-Code": "451 4.7.1" }, { kind: "defer", code: 451, enhanced: "7.1" }],
    ["with 5yz rejects", { "Auth-Error-Code": "554 5.7.1" }, { kind: "reject", code: 554, enhanced: "7.1" }],
    ["with nginx's usual code says that", { "Auth-Error-Code": "535 5.7.0" }, { kind: "reject", code: 535 }],
    ["with a code of success defers", { "Auth-Error-Code": "250 2.0.0" }, { kind: "defer", code: 451 }],
  ];
  for (const [name, more, verdict] of rows) {
    test(name, async () => {
      expect((await rcpt(says({ "Auth-Status": "No", ...more }))).verdict).toMatchObject(verdict);
    });
  }

  test("that has time is told later, and no later than longestWait", async () => {
    const told = async (wait: string) => {
      const fetch = fetchOf({ [URL]: says({ "Auth-Status": "No", "Auth-Wait": wait }) });
      const plugin = authHttp({ ...GIVEN, longestWait: 5_000 });
      const opinion = await plugin.rcpt!(factsAt("rcpt"), ioOf(fetch) as never);
      return (opinion as { kind: string; ms?: number }[])[0];
    };
    expect(await told("3")).toEqual({ kind: "delay", ms: 3_000 });
    expect(await told("999999999")).toEqual({ kind: "delay", ms: 5_000 });
  });
});

/** An io that waits for nobody. */
function ioOf(fetch: unknown, after = (_ms: number, _callback: () => void) => () => {}) {
  const log = { info() {}, warn() {} };
  return { fetch, after, log, count() {}, signal: new AbortController().signal };
}

describe("where the service cannot be asked, the client hears 451 4.3.2 and the log why:", () => {
  const rows: readonly (readonly [string, FetchAnswer, string])[] = [
    ["nobody listens", "refused", "Cannot connect"],
    ["it is in trouble", { status: 502, text: "<html>" }, "its status is 502"],
    ["it says nothing", { status: 200 }, "it has no Auth-Status"],
    ["it redirects", { status: 302, headers: { location: "http://127.0.0.1/" } }, "its status is 302"],
    ["it says OK with 403", { ...OK as object, status: 403 }, "its status is 403"],
    ["it names no server", says({ "Auth-Status": "OK" }), "Auth-Server nothing was given"],
    ["it answers at length", says({ "Auth-Status": "OK", x: "x".repeat(1024) }), "longer than 1024"],
    ["it says WAIT for ever", says({ "Auth-Status": "WAIT" }), "WAIT more than 10 times"],
    ["it asks for an hour", says({ "Auth-Status": "WAIT", "Auth-Wait": "3600" }), "more than 10000 ms"],
  ];
  for (const [name, answer, why] of rows) {
    test(name, async () => {
      const { verdict, actions, failed, log } = await rcpt(answer);
      expect(verdict).toEqual({
        kind: "defer",
        code: 451,
        enhanced: "3.2",
        text: "Internal server error, try again later",
      });
      expect([actions, failed]).toEqual([[], false]);
      expect(log.join()).toContain(why);
    });
  }

  test("it does not answer in time, and its connection is given up", async () => {
    let aborted = false;
    const fetch = (_url: string, { signal }: RequestInit) =>
      new Promise<Response>((_, reject) =>
        signal!.addEventListener("abort", () => (aborted = true, reject(signal!.reason)))
      );
    const effects = { fetch: fetch as never };
    const { verdict, log } = await ask(authHttp({ ...GIVEN, timeout: 1 }), "rcpt", factsAt("rcpt"), {
      effects,
    });
    expect(verdict).toMatchObject({ code: 451, enhanced: "3.2" });
    expect(log.join()).toContain("does not answer within 1 ms");
    expect(aborted).toBe(true);
  });

  test("the stage's time is over: 451 by the plugin's onError", async () => {
    const played = await transcript(
      authHttp({ ...GIVEN, timeout: 60_000 }),
      { fetch: { [URL]: "never" } },
      `${GREETED}
      C: MAIL FROM:<a@client.example>
      S: 250 2.1.0 Ok
      C: RCPT TO:<b@mx.example>
      (5 seconds pass)
      S: 451 4.3.0 …`,
    );
    expect(played.metric("sallyport_plugin_failures_total", { plugin: "auth-http", kind: "timeout" })).toBe(
      1,
    );
  });
});

describe("WAIT", () => {
  test("has the service asked again after its time, as the same attempt", async () => {
    const waited: number[] = [];
    const { fetch, asked } = service(says({ "Auth-Status": "WAIT", "Auth-Wait": "2" }), OK);
    const io = ioOf(fetch, (ms, callback) => {
      waited.push(ms);
      if (ms === 2_000) callback();
      return () => {};
    });
    const opinion = await authHttp(GIVEN).rcpt!(factsAt("rcpt"), io as never);
    expect(opinion).toEqual(route({ host: "192.0.2.1", port: 2525 }));
    expect(waited).toEqual([4_000, 2_000, 4_000]);
    expect(asked.map((headers) => headers.get("Auth-Login-Attempt"))).toEqual(["1", "1"]);
  });

  test("may take longestWait, all of them together", async () => {
    const { fetch } = service(
      says({ "Auth-Status": "WAIT", "Auth-Wait": "3" }),
      says({ "Auth-Status": "WAIT", "Auth-Wait": "3" }),
      OK,
    );
    const io = ioOf(fetch, (ms, callback) => (ms === 3_000 && callback(), () => {}));
    const opinion = await authHttp({ ...GIVEN, longestWait: 5_000 }).rcpt!(factsAt("rcpt"), io as never);
    expect(opinion).toMatchObject({ kind: "defer", code: 451 });
  });
});

describe("what the service is told", () => {
  test("the envelope's lines as the client wrote them, and where it comes from", async () => {
    const facts = factsAt("rcpt", {
      helo: "[192.0.2.7]",
      mailLine: "mail FROM: <a@client.example> SIZE=5",
      rcptLine: "RCPT TO:<B@mx.example> NOTIFY=NEVER",
    });
    const { asked: [headers] } = await rcpt(OK, { ...GIVEN, headers: { "X-Key": "s3cret" } }, facts);
    expect(Object.fromEntries(headers!)).toEqual({
      "auth-method": "none",
      "auth-user": "",
      "auth-pass": "",
      "auth-protocol": "smtp",
      "auth-login-attempt": "1",
      "client-ip": "203.0.113.7",
      "client-host": "[UNAVAILABLE]",
      "auth-smtp-helo": "[192.0.2.7]",
      "auth-smtp-from": "mail FROM: <a@client.example> SIZE=5",
      "auth-smtp-to": "RCPT TO:<B@mx.example> NOTIFY=NEVER",
      "x-key": "s3cret",
      connection: "close",
    });
  });

  test("who has authenticated, and recipients refused so far as attempts", async () => {
    const { conduct } = factsAt("rcpt");
    const facts = factsAt("rcpt", { user: "joe smith", conduct: { ...conduct, refusedRecipients: 4 } });
    const { asked: [headers] } = await rcpt(OK, GIVEN, facts);
    expect([headers!.get("Auth-User"), headers!.get("Auth-Login-Attempt")]).toEqual(["joe%20smith", "5"]);
  });

  const names: readonly (readonly [ReverseFinding["status"], string | undefined, string])[] = [
    ["pass", "mail.client.example", "mail.client.example"],
    ["fail", undefined, "[UNAVAILABLE]"],
    ["fail", "mail.client.example", "[UNAVAILABLE]"],
    ["none", undefined, "[UNAVAILABLE]"],
    ["temperror", undefined, "[TEMPUNAVAIL]"],
    ["pass", "a\r\nb", "[UNAVAILABLE]"],
  ];
  for (const [status, name, told] of names) {
    test(`reverse DNS ${status} ${JSON.stringify(name)}: ${told}`, async () => {
      const facts = factsAt("rcpt", { findings: findingsOf([REVERSE, { status, name, names: [] }]) });
      const { asked: [headers] } = await rcpt(OK, GIVEN, facts);
      expect(headers!.get("Client-Host")).toBe(told);
    });
  }

  const TLS = { version: "TLSv1.3", cipher: "TLS_AES_128_GCM_SHA256", serverName: undefined };
  const HANDSHAKE = {
    "auth-ssl": "on",
    "auth-ssl-protocol": "TLSv1.3",
    "auth-ssl-cipher": "TLS_AES_128_GCM_SHA256",
  };
  const PEER = {
    verified: true,
    subject: "CN=a",
    issuer: "CN=Bücher CA\\, Köln",
    serial: "0ABC",
    fingerprint: "ab".repeat(32),
    sha1: "cd".repeat(20),
    pem: "-----BEGIN X",
  };
  const CERTIFICATE = {
    "auth-ssl-verify": "SUCCESS",
    "auth-ssl-subject": "CN=a",
    "auth-ssl-issuer": "CN=B\\C3\\BCcher CA\\, K\\C3\\B6ln",
    "auth-ssl-serial": "0ABC",
    "auth-ssl-fingerprint": "cd".repeat(20),
  };
  /** The fields that begin so, for these facts. */
  const told = async (begin: string, given: Partial<Stages["rcpt"]>, options: AuthHttpOptions = GIVEN) => {
    const { asked: [headers] } = await rcpt(OK, options, factsAt("rcpt", given));
    return Object.fromEntries([...headers!].filter(([name]) => name.startsWith(begin)));
  };

  test("TLS, and the client's certificate as nginx tells it, which leaves the letters outside ASCII to escapes", async () => {
    expect(await told("auth-ssl", { tls: TLS })).toEqual(HANDSHAKE);
    const tls = { ...TLS, peer: PEER, peerAsked: true as const };
    expect(await told("auth-ssl", { tls })).toEqual({ ...HANDSHAKE, ...CERTIFICATE });
    expect(await told("auth-ssl", { tls }, { ...GIVEN, passClientCertificate: true })).toEqual({
      ...HANDSHAKE,
      ...CERTIFICATE,
      "auth-ssl-cert": "-----BEGIN%20X",
    });
  });

  test("a certificate that nobody vouches for, and none where one was asked for", async () => {
    const peer = { ...PEER, verified: false, error: "its certificate expired" };
    expect(await told("auth-ssl-verify", { tls: { ...TLS, peer } })).toEqual({
      "auth-ssl-verify": "FAILED:its certificate expired",
    });
    expect(await told("auth-ssl", { tls: { ...TLS, peerAsked: true } })).toEqual({
      ...HANDSHAKE,
      "auth-ssl-verify": "NONE",
    });
  });

  test("the PEM is not made unless it goes along", async () => {
    const peer = {
      ...PEER,
      get pem(): string {
        throw new Error("made");
      },
    };
    expect(await told("auth-ssl-serial", { tls: { ...TLS, peer } })).toEqual({ "auth-ssl-serial": "0ABC" });
  });

  test("whom a trusted host named, and where that client went", async () => {
    const given = { via: "10.0.0.1", local: { host: "2001:db8::25", port: 25 } };
    expect(await told("proxy-protocol", given)).toEqual({
      "proxy-protocol-addr": "203.0.113.7",
      "proxy-protocol-port": "50000",
      "proxy-protocol-server-addr": "2001:db8::25",
      "proxy-protocol-server-port": "25",
    });
  });

  test.each([
    ["speaks for itself", { via: undefined }],
    ["has told a name and no address", { via: "10.0.0.1", client: { host: "10.0.0.1", port: 4711 } }],
    ["does not know for whom it speaks", { via: "10.0.0.1", client: { host: "unknown", port: 0 } }],
  ])("… and nothing of it where the host %s", async (_, given) => {
    expect(await told("proxy-protocol", given)).toEqual({});
  });
});

describe("when the service is asked", () => {
  const TWO = `${GREETED}
    C: MAIL FROM:<a@client.example>
    S: 250 2.1.0 Ok
    C: RCPT TO:<b@mx.example>
    S: 250 …
    C: RCPT TO:<c@mx.example>
    S: 250 …
    C: RSET
    S: 250 …
    C: MAIL FROM:<a@client.example>
    S: 250 2.1.0 Ok
    C: RCPT TO:<d@mx.example>
    S: 250 …`;
  const answers = { fetch: { [URL]: says({ "Auth-Status": "OK" }) } };

  test("about each recipient, unless told otherwise", async () => {
    expect((await transcript(authHttp(AUTHORISE), answers, TWO)).requests.length).toBe(3);
  });

  test("once a transaction, where it is told so", async () => {
    expect((await transcript(authHttp({ ...AUTHORISE, ask: "transaction" }), answers, TWO)).requests.length)
      .toBe(2);
  });

  test("once a transaction: further recipients go to the same server", async () => {
    const plugin = authHttp({ ...GIVEN, ask: "transaction" });
    const { fetch, asked } = service(OK, says({ "Auth-Status": "No" }));
    const facts = factsAt("rcpt");
    const again = { ...facts, rcptLine: "RCPT TO:<c@mx.example>" };
    for (const each of [facts, again]) {
      const { actions } = await ask(plugin, "rcpt", each, { effects: { fetch } });
      expect(actions).toEqual([route({ host: "192.0.2.1", port: 2525 })]);
    }
    expect(asked.length).toBe(1);
    const next = await ask(plugin, "rcpt", factsAt("rcpt"), { effects: { fetch } });
    expect(next.verdict).toMatchObject({ kind: "reject" });
  });

  test("once a transaction: a refusal does not stand for the next recipient", async () => {
    const plugin = authHttp({ ...GIVEN, ask: "transaction" });
    const { fetch } = service(says({ "Auth-Status": "No" }), OK);
    const facts = factsAt("rcpt");
    expect((await ask(plugin, "rcpt", facts, { effects: { fetch } })).verdict).toMatchObject({
      kind: "reject",
    });
    expect((await ask(plugin, "rcpt", facts, { effects: { fetch } })).verdict).toBeUndefined();
  });
});

test("what it came to is counted", async () => {
  const played = await transcript(
    authHttp(AUTHORISE),
    { fetch: { [URL]: says({ "Auth-Status": "No" }) } },
    `${GREETED}
    C: MAIL FROM:<a@client.example>
    S: 250 2.1.0 Ok
    C: RCPT TO:<b@mx.example>
    S: 550 …`,
  );
  expect(
    played.metric("sallyport_plugin_auth_http_answers_total", { plugin: "auth-http", result: "refused" }),
  ).toBe(1);
});

describe("options", () => {
  const rows: readonly (readonly [string, object, string])[] = [
    ["no URL", { servers: ["192.0.2.1"] }, "options.url: nothing was given; allowed is a URL"],
    ["a unix socket", { ...GIVEN, url: "unix:/run/auth.sock:/auth" }, "unix sockets cannot be asked"],
    ["another scheme", { ...GIVEN, url: "ftp://auth.example/" }, "options.url"],
    ["a password in the URL", { ...GIVEN, url: "http://a:b@auth.example/" }, "use headers"],
    ["no servers", { url: URL }, "options.servers: nothing was given; the networks of your mail servers"],
    ["servers that are names", { url: URL, servers: ["mx.example"] }, "options.servers[0]"],
    ["a field of the request", { ...GIVEN, headers: { "client-ip": "192.0.2.1" } }, "options.headers"],
    ["a field of the connection", { ...GIVEN, headers: { Host: "x" } }, "options.headers"],
    ["a value with a line end", { ...GIVEN, headers: { "X-Key": "a\r\nb: c" } }, "options.headers"],
    ["an unknown option", { ...GIVEN, secure: true }, "there is no option secure"],
    ["a time of 0", { ...GIVEN, timeout: 0 }, "options.timeout"],
  ];
  for (const [name, given, mistake] of rows) {
    test(`${name}: a mistake`, () => {
      expect(authHttp(given as AuthHttpOptions).mistakes?.join("\n")).toContain(mistake);
    });
  }

  test("Auth-Port may be an operator's field: services are told the client's port that way", () => {
    expect(authHttp({ ...GIVEN, headers: { "Auth-Port": "25" } }).mistakes).toBeUndefined();
  });

  test("header fields are shown by name only", () => {
    const { options } = authHttp({ ...GIVEN, headers: { "X-Key": "s3cret" } });
    expect(options).toMatchObject({ headers: ["X-Key"], timeout: 4_000 });
    expect(JSON.stringify(options)).not.toContain("s3cret");
  });
});
