// bun only: starts real servers
// `sallyport doctor` and Postfix: as it is, with XCLIENT allowed, and with PROXY headers demanded while the proxy stands in
// its mynetworks; then once more with the lines that the doctor itself gives.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { configurationFor } from "../../src/doctor/configuration.ts";
import { exitCodeOf } from "../../src/doctor/examination.ts";
import { examined, type Found } from "../doctor/scripted_backend.ts";
import { makeIdentity } from "../support/certificate.ts";
import { serverPort } from "../support/live_children.ts";
import { Postfix, postfixMissing } from "../support/live_postfix.ts";

const missing = postfixMissing();
const title = missing === undefined ? "Postfix" : `Postfix (skipped: ${missing})`;
const TO = "t@b.example";
const KINDS = ["plain", "xclient", "trap", "advised"] as const;
type Kind = (typeof KINDS)[number];

describe.skipIf(missing !== undefined)(title, () => {
  const identity = makeIdentity({ names: ["mx.example"], notAfter: new Date(Date.now() + 1e10) });
  const ports = new Map<Kind, number>();
  let folder: string;
  let postfix: Postfix;

  /** What the doctor would write into master.cf, without the comments and the port. */
  function advised(): string {
    return configurationFor("postfix", "127.0.0.1").filter((line) => /^ +-o /.test(line)).join("");
  }

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "sallyport-postfix-"));
    writeFileSync(join(folder, "tls.pem"), identity.key + identity.cert);
    const greeted = await serverPort();
    for (const kind of KINDS) ports.set(kind, await serverPort());
    const listener = (kind: Kind, more: string) =>
      `127.0.0.1:${ports.get(kind)} inet n - n - - smtpd ${more}`;
    const loose = "-o smtpd_forbid_bare_newline=no";
    postfix = await Postfix.start({
      folder,
      port: greeted,
      main: [
        "myhostname = mx.example",
        "mynetworks =",
        "smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination",
        "virtual_mailbox_domains = b.example",
        `virtual_mailbox_base = ${folder}/mail`,
        "virtual_mailbox_maps = inline:{{t@b.example = t/}}",
        "virtual_uid_maps = static:65534",
        "virtual_gid_maps = static:65534",
        `smtpd_tls_chain_files = ${folder}/tls.pem`,
        "smtpd_tls_security_level = may",
      ],
      listeners: [
        `127.0.0.1:${greeted} inet n - n - - smtpd`,
        listener("plain", loose),
        listener(
          "xclient",
          "-o smtpd_authorized_xclient_hosts=127.0.0.1 -o smtpd_authorized_xforward_hosts=127.0.0.1",
        ),
        listener(
          "trap",
          "-o smtpd_upstream_proxy_protocol=haproxy -o smtpd_upstream_proxy_timeout=1s -o mynetworks=127.0.0.0/8",
        ),
        listener("advised", advised()),
      ],
    });
  });
  afterAll(async () => {
    await postfix?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  function examine(kind: Kind, more: { readonly to?: string } = {}): Promise<Found> {
    return examined({ port: ports.get(kind)! }, {
      name: "mx.example",
      ca: identity.cert,
      deliver: TO,
      mailbox: join(folder, "mail/t"),
      // The 1st is longer than Postfix waits for a header; the last is what it may need to store a message.
      patience: { reply: 10_000, total: 60_000, quiet: 1000 },
      ...more,
    });
  }

  test("as it is: sees the proxy, relays for nobody, can be smuggled through", async () => {
    const found = await examine("plain", { to: TO });
    expect(found.server).toBe("postfix");
    expect(found.level("certificate-verifies")).toBe("good");
    expect(found.level("xclient-untrusted")).toBe("note");
    expect(found.find("no-proxy-v1")!.what).toContain("took the header for a command");
    expect(found.find("no-proxy-v2")!.what).toContain("took the header for a command");
    expect(found.level("blind")).toBe("warning");
    expect(found.level("own-refused")).toBe("good");
    expect(found.level("odd-refused")).toBe("good");
    expect(found.level("offers-true")).toBe("good");
    expect(found.level("reusable")).toBe("good");
    expect(found.level("own-received")).toBe("good");
    expect(found.dangers).toEqual(["smuggling"]);
    const seen = found.find("smuggling")!.seen;
    for (const form of ["\\n.\\n", "\\n.\\r\\n", "\\r\\n.\\n"]) {
      expect(seen.find((each) => each.startsWith(`${form}: `))).toMatch(
        /: 250 2\.0\.0 Ok: queued as .* \| 250 2\.0\.0 Ok/,
      );
    }
  });

  test("with XCLIENT: believes it, in what it says and in what it writes", async () => {
    const found = await examine("xclient");
    expect(found.level("xclient-believed")).toBe("good");
    expect(found.level("xforward")).toBe("good");
    expect(found.level("stranger-by-xclient-refused")).toBe("good");
    expect(found.find("xclient-received")!.seen[0]).toMatch(
      /^Received: from stranger\.example \(unknown \[192\.0\.2\.99\]\)/,
    );
    expect(exitCodeOf(found.findings)).toBe(0);
  });

  test("with PROXY demanded and the proxy in mynetworks: the trap", async () => {
    const found = await examine("trap");
    expect(found.level("proxy-demanded")).toBe("note");
    expect(found.dangers).toEqual(["own-relays"]);
    expect(found.find("own-relays")!.advice).toContain("named by PROXY v1 or PROXY v2 is refused");
    expect(found.level("stranger-by-proxy-v1-refused")).toBe("good");
    expect(found.level("proxy-v1-received")).toBe("good");
    expect(found.level("proxy-v2-received")).toBe("good");
    expect(exitCodeOf(found.findings)).toBe(1);
  });

  test("with the lines that the doctor gives, nothing is left to find", async () => {
    const found = await examine("advised", { to: TO });
    expect(found.level("xclient-believed")).toBe("good");
    expect(found.level("ends-content")).toBe("good");
    expect(found.findings.filter(({ level }) => level !== "good" && level !== "note")).toEqual([]);
  });
});
