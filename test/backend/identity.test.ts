/** Whom a backend is told of, octet for octet: PROXY headers (haproxy.org), XCLIENT and XFORWARD lines. */
import { describe, expect, test } from "bun:test";
import { forwardLines, type Identity, namingLines, proxyHeader } from "../../src/backend/identity.ts";
import { type ProxyHeader, ProxyReader } from "../../src/net/proxy_protocol.ts";
import { readExtensions } from "../../src/smtp/extensions.ts";
import { latin1, latin1Text } from "../../src/smtp/reply.ts";

const WIRE = { local: { host: "10.0.0.2", port: 40_000 }, remote: { host: "10.0.0.1", port: 25 } };
const CLIENT: Identity = {
  remote: { host: "203.0.113.7", port: 50_000 },
  local: { host: "192.0.2.25", port: 25 },
  unknown: false,
  name: null,
  helo: "helo.example",
  verb: "EHLO",
  user: undefined,
  tls: undefined,
};

function read(octets: Uint8Array | undefined): ProxyHeader {
  const outcome = new ProxyReader().push(octets!);
  if (outcome === undefined || "fault" in outcome) throw new Error(outcome?.fault ?? "not complete");
  return outcome.header;
}

function text(client: Identity | undefined): string {
  return latin1Text(proxyHeader(1, client, WIRE)!);
}

describe("PROXY:", () => {
  test("both ends of the client's connection", () => {
    expect(text(CLIENT)).toBe("PROXY TCP4 203.0.113.7 192.0.2.25 50000 25\r\n");
    expect(read(proxyHeader(2, CLIENT, WIRE))).toMatchObject({
      command: "proxy",
      source: CLIENT.remote,
      destination: CLIENT.local,
    });
  });

  test("a look tells of no client: its own addresses, or LOCAL", () => {
    expect(text(undefined)).toBe("PROXY TCP4 10.0.0.2 10.0.0.1 40000 25\r\n");
    expect(read(proxyHeader(2, undefined, WIRE)).command).toBe("local");
  });

  const nobody: readonly (readonly [name: string, client: Identity])[] = [
    ["whose address a trusted host does not tell", {
      ...CLIENT,
      remote: { host: "unknown", port: 0 },
      unknown: true,
    }],
    ["known by address, but not as its own", { ...CLIENT, unknown: true }],
    ["on a unix socket", { ...CLIENT, remote: { host: "/run/in.sock", port: 0 } }],
  ];
  for (const [name, client] of nobody) {
    test(`a client ${name} cannot be told of, and is not told of as ourselves`, () => {
      expect([1, 2].map((version) => proxyHeader(version as 1 | 2, client, WIRE))).toEqual([
        undefined,
        undefined,
      ]);
    });
  }

  const mixed: readonly (readonly [remote: string, local: string, line: string])[] = [
    ["203.0.113.7", "2001:db8::25", "PROXY TCP4 203.0.113.7 0.0.0.0 50000 25\r\n"],
    ["2001:db8::7", "192.0.2.25", "PROXY TCP6 2001:db8::7 :: 50000 25\r\n"],
    ["203.0.113.7", "/run/in.sock", "PROXY TCP4 203.0.113.7 0.0.0.0 50000 25\r\n"],
    ["::ffff:203.0.113.7", "192.0.2.25", "PROXY TCP4 203.0.113.7 192.0.2.25 50000 25\r\n"],
  ];
  for (const [remote, local, line] of mixed) {
    test(`${remote} at ${local} is told as what it is`, () => {
      const client = { ...CLIENT, remote: { host: remote, port: 50_000 }, local: { host: local, port: 25 } };
      expect(text(client)).toBe(line);
      const header = read(proxyHeader(2, client, WIRE));
      expect(header).toMatchObject({ command: "proxy", source: { host: remote.replace("::ffff:", "") } });
    });
  }

  test("version 2 tells of the client's TLS and the name that it asked for", () => {
    const tls = { version: "TLSv1.3", cipher: "TLS_AES_128_GCM_SHA256", serverName: "mx.example" };
    expect(read(proxyHeader(2, { ...CLIENT, tls }, WIRE))).toMatchObject({
      authority: "mx.example",
      tls: { version: "TLSv1.3", cipher: "TLS_AES_128_GCM_SHA256" },
    });
  });

  for (const serverName of ["a\x01b", "a\r\nb", "x".repeat(256), "é".repeat(128)]) {
    test(`a server name that cannot be written is left out: ${JSON.stringify(serverName.slice(0, 5))}`, () => {
      const tls = { version: "TLS\n", cipher: "é", serverName };
      const header = read(proxyHeader(2, { ...CLIENT, tls }, WIRE));
      expect(header).toMatchObject({ command: "proxy", source: CLIENT.remote });
      expect("authority" in header && header.authority).toBeFalsy();
    });
  }
});

const offered = (line: string) => readExtensions({ code: 250, bytes: latin1(`250-x\r\n250 ${line}\r\n`) });

describe("XCLIENT:", () => {
  test("a client without an address is told of as one", () => {
    const client = { ...CLIENT, remote: { host: "unknown", port: 0 }, unknown: true };
    expect(namingLines(client, offered("XCLIENT ADDR PORT NAME"))).toEqual([
      "XCLIENT NAME=[UNAVAILABLE] PORT=[UNAVAILABLE] ADDR=[UNAVAILABLE]",
    ]);
  });
  test("and so is one on a unix socket", () => {
    const client = { ...CLIENT, remote: { host: "/run/in.sock", port: 0 } };
    expect(namingLines(client, offered("XCLIENT ADDR"))).toEqual(["XCLIENT ADDR=[UNAVAILABLE]"]);
  });
  test("keywords and attributes in any case; IPv6; the user", () => {
    const client = { ...CLIENT, remote: { host: "2001:db8::7", port: 1 }, user: "a+b@x.example" };
    expect(namingLines(client, offered("xclient addr Login"))).toEqual([
      "XCLIENT LOGIN=a+2Bb@x.example ADDR=IPV6:2001:db8::7",
    ]);
  });
  test("a name that nobody looked for is not known now", () => {
    const client: Identity = { ...CLIENT, name: { failed: "temporary" } };
    expect(namingLines(client, offered("XCLIENT NAME"))).toEqual(["XCLIENT NAME=[TEMPUNAVAIL]"]);
  });
});

test("XFORWARD: what it asks for, and never as one of the backend's own", () => {
  expect(forwardLines(CLIENT, "7Q2M-1", offered("XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE"))).toEqual([
    "XFORWARD NAME=[UNAVAILABLE] ADDR=203.0.113.7 PORT=50000 PROTO=ESMTP HELO=helo.example IDENT=7Q2M-1 SOURCE=REMOTE",
  ]);
  expect(forwardLines(CLIENT, "7Q2M-1", offered("XFORWARD"))).toEqual([]);
  expect(forwardLines(CLIENT, "7Q2M-1", offered("SIZE"))).toEqual([]);
});
