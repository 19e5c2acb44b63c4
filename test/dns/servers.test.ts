/**
 * Which name servers are asked: SALLYPORT_DNS and resolv.conf.
 */
import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readResolvConf, readServers, serverName, systemServers } from "../../src/dns/servers.ts";

describe("a server given as text", () => {
  test.each([
    ["192.0.2.53", "192.0.2.53", 53],
    ["192.0.2.53:5353", "192.0.2.53", 5353],
    ["2001:db8::53", "2001:db8::53", 53],
    ["[2001:db8::53]", "2001:db8::53", 53],
    ["[2001:db8::53]:5353", "2001:db8::53", 5353],
    ["fe80::1%eth0", "fe80::1%eth0", 53],
    ["[fe80::1%eth0]:5353", "fe80::1%eth0", 5353],
  ])("%s is %s, port %d", (text, host, port) => {
    expect(readServers(text)).toEqual({ servers: [{ host, port }], mistakes: [] });
  });

  test.each([
    ["", "nothing was given; allowed is an IP address"],
    ["dns.example", "dns.example was given; allowed is an IP address"],
    ["localhost:53", "localhost:53 was given; allowed is an IP address"],
    ["192.0.2", "192.0.2 was given; allowed is an IP address"],
    ["010.0.0.1", "010.0.0.1 was given; allowed is an IP address"],
    ["[192.0.2.53]:53", "[192.0.2.53]:53 was given; allowed is an IP address"],
    ["2001:db8::53:99999", "2001:db8::53:99999 was given; allowed is an IP address"],
    ["[2001:db8::53", "[2001:db8::53 was given; allowed is an IP address"],
    ["udp://192.0.2.53", "udp://192.0.2.53 was given; allowed is an IP address"],
    ["192.0.2.53 192.0.2.54", "192.0.2.53 192.0.2.54 was given; allowed is an IP address"],
    ["192.0.2.53:0", "192.0.2.53:0 was given; allowed is a port from 1 to 65535"],
    ["192.0.2.53:", "192.0.2.53: was given; allowed is a port from 1 to 65535"],
    ["[::1]:65536", "[::1]:65536 was given; allowed is a port from 1 to 65535"],
  ])("%s is a mistake that says what is allowed", (text, mistake) => {
    const { servers, mistakes } = readServers(text);
    expect(servers).toEqual([]);
    expect(mistakes).toHaveLength(1);
    expect(mistakes[0]!.slice(0, mistake.length)).toBe(mistake);
  });
});

test("every mistake of a list is told, and the servers stay in their order", () => {
  const { servers, mistakes } = readServers(" 192.0.2.2:54 , one,[::1]:55,,192.0.2.1");
  expect(servers.map(serverName)).toEqual(["192.0.2.2:54", "[::1]:55", "192.0.2.1:53"]);
  expect(mistakes.map((each) => each.split(" was")[0])).toEqual(["one", "nothing"]);
});

describe("resolv.conf", () => {
  const hosts = (text: string) => readResolvConf(text).map(serverName);

  test("names its servers in order, among other lines and comments", () => {
    expect(hosts(
      "# nameserver 192.0.2.9\n; nameserver 192.0.2.8\ndomain example.org\nnameserver 192.0.2.1\r\n" +
        "search a.example\nnameserver\t2001:db8::1 # the second\noptions ndots:2\nnameserver fe80::1%eth0;third\n",
    )).toEqual(["192.0.2.1:53", "[2001:db8::1]:53", "[fe80::1%eth0]:53"]);
  });

  test.each([
    ["nothing", ""],
    ["no server", "search example.org\n"],
    ["a server that is no address", "nameserver dns.example\n"],
    ["a word that only begins like it", "nameservers 192.0.2.1\n"],
  ])("with %s means the server on this machine", (_, text) => {
    expect(hosts(text)).toEqual(["127.0.0.1:53"]);
  });

  test("is read from its file; without one the server on this machine is asked", () => {
    const folder = mkdtempSync(join(tmpdir(), "sallyport-dns-"));
    const path = join(folder, "resolv.conf");
    try {
      expect(systemServers(path).map(serverName)).toEqual(["127.0.0.1:53"]);
      writeFileSync(path, "nameserver 192.0.2.7\n");
      expect(systemServers(path).map(serverName)).toEqual(["192.0.2.7:53"]);
      expect(() => systemServers(folder)).toThrow();
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
