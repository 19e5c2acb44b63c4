// bun only: starts real servers
// Whom Postfix takes for the client behind the proxy: by XCLIENT and by PROXY headers, behind one Sallyport and behind two in
// a row, on both runtimes. Postfix lets 127.0.0.1 relay, so whoever is taken for the proxy itself is found out.
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readStore, storeScript } from "../interop/peer.ts";
import { RawClient } from "../support/blackbox_client.ts";
import { eventually } from "../support/blackbox_wait.ts";
import { makeIdentity } from "../support/certificate.ts";
import { Daemon, serverPort } from "../support/live_children.ts";
import { Postfix, postfixMissing } from "../support/live_postfix.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const OWN_DENO = join(ROOT, "node_modules/deno/deno");
const DENO = [existsSync(OWN_DENO) ? OWN_DENO : "deno", "run", "-A"];
const missing = postfixMissing();

/** A client that is not the proxy, and one that Postfix refuses at once. */
const CLIENT = "127.0.0.5";
const REFUSED = "127.0.0.66";

describe.skipIf(missing !== undefined)(
  `who the client is, to Postfix${missing ? ` [skipped: ${missing}]` : ""}`,
  () => {
    const folder = mkdtempSync(join(tmpdir(), "sallyport-identity-"));
    const proxies: Daemon[] = [];
    const port: Record<string, number> = {};
    let postfix: Postfix;
    let mail: string;
    let number = 0;

    async function sallyport(
      name: string,
      backend: string,
      { runtime = [process.execPath], scheme = "", env = {} }: {
        runtime?: readonly string[];
        scheme?: string;
        env?: Readonly<Record<string, string>>;
      } = {},
    ): Promise<void> {
      port[name] = await serverPort();
      const daemon = new Daemon(
        [...runtime, join(ROOT, "src/main.ts"), "serve", join(ROOT, "policies/pass.ts")],
        ROOT,
        {
          SALLYPORT_ADMIN: "off",
          SALLYPORT_HOSTNAME: `${name}.live.example`,
          SALLYPORT_LISTEN: `${scheme}127.0.0.1:${port[name]}`,
          SALLYPORT_BACKEND: backend,
          SALLYPORT_TLS_CERT: join(folder, "cert.pem"),
          SALLYPORT_TLS_KEY: join(folder, "key.pem"),
          ...env,
        },
      );
      proxies.push(daemon);
      await daemon.up(name, () => Promise.resolve(daemon.stdout.includes('"event":"started"')));
    }

    beforeAll(async () => {
      chmodSync(folder, 0o755);
      const identity = makeIdentity({ names: ["mx.example", "localhost"] });
      writeFileSync(join(folder, "cert.pem"), identity.cert);
      writeFileSync(join(folder, "key.pem"), identity.key);
      writeFileSync(
        join(folder, "refused.cidr"),
        `${REFUSED} REJECT 5.7.1 not you, see https://live.example/\n`,
      );
      const [open, xclient, haproxy, xclientAtOnce, haproxyAtOnce] = [
        await serverPort(),
        await serverPort(),
        await serverPort(),
        await serverPort(),
        await serverPort(),
      ];
      const store = storeScript(folder);
      mail = store.mail;
      const named = "-o smtpd_authorized_xclient_hosts=127.0.0.1";
      const proxied = "-o smtpd_upstream_proxy_protocol=haproxy";
      const refusing =
        `-o smtpd_client_restrictions=check_client_access,cidr:${folder}/refused.cidr -o smtpd_delay_reject=no`;
      mkdirSync(join(folder, "instance"));
      postfix = await Postfix.start({
        folder: join(folder, "instance"),
        port: open,
        main: [
          "myhostname = postfix.example",
          "inet_protocols = all",
          // As so many are: the proxy's address may relay.
          "mynetworks = 127.0.0.1/32",
          "virtual_mailbox_domains = live.example",
          "virtual_mailbox_maps = inline:{ { you@live.example = box/ } }",
          "virtual_transport = store",
          "store_destination_recipient_limit = 1",
          "smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination",
          "default_transport = discard",
          "smtpd_tls_security_level = may",
          `smtpd_tls_cert_file = ${folder}/cert.pem`,
          `smtpd_tls_key_file = ${folder}/key.pem`,
          "smtpd_tls_received_header = yes",
          "smtpd_sasl_authenticated_header = yes",
        ],
        listeners: [
          `127.0.0.1:${open} inet n - n - - smtpd`,
          `127.0.0.1:${xclient} inet n - n - - smtpd ${named}`,
          `127.0.0.1:${haproxy} inet n - n - - smtpd ${proxied}`,
          `127.0.0.1:${xclientAtOnce} inet n - n - - smtpd ${named} ${refusing}`,
          `127.0.0.1:${haproxyAtOnce} inet n - n - - smtpd ${proxied} ${refusing}`,
        ],
        services: [
          `store unix - n n - - pipe user=nobody argv=${store.script} ${mail} $\{sender} $\{recipient}`,
        ],
      });
      const at = (where: number | undefined, option: string) => `127.0.0.1:${where}?${option}`;
      const trusted = { env: { SALLYPORT_TRUSTED: "127.0.0.1" } };
      await Promise.all([
        sallyport("xclient", at(xclient, "identity=xclient"), trusted),
        sallyport("tls", at(xclient, `identity=xclient&ca=${folder}/cert.pem&serverName=mx.example`)),
        sallyport("auto", at(xclient, "identity=auto")),
        sallyport("one", at(haproxy, "identity=proxy-v1")),
        sallyport("two", at(haproxy, "identity=proxy-v2&tls=opportunistic"), {
          env: { SALLYPORT_TRUSTED: CLIENT },
        }),
        sallyport("deno", at(haproxy, "identity=proxy-v2&tls=opportunistic"), { runtime: DENO }),
        sallyport("denotls", at(xclient, `identity=xclient&ca=${folder}/cert.pem&serverName=mx.example`), {
          runtime: DENO,
        }),
        sallyport("xclientatonce", at(xclientAtOnce, "identity=xclient&tls=opportunistic")),
        sallyport("proxyatonce", at(haproxyAtOnce, "identity=proxy-v2")),
        sallyport("innerproxy", at(haproxy, "identity=proxy-v2"), { ...trusted, scheme: "proxy://" }),
      ]);
      await Promise.all([
        sallyport("outerxclient", at(port["xclient"], "identity=xclient"), trusted),
        sallyport("outerproxy", at(port["innerproxy"], "identity=proxy-v2")),
        sallyport("wanting", at(open, "identity=xclient")),
      ]);
    }, 60_000);
    afterAll(async () => {
      await Promise.all(proxies.map((proxy) => proxy.stop("SIGTERM")));
      await postfix?.stop();
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    });

    async function greeted(name: string, from: string): Promise<RawClient> {
      const client = await RawClient.connect(port[name]!, from);
      await client.expect("220", 10_000);
      await client.command("EHLO helo.example", "250");
      return client;
    }

    /** Sends one message; its Received fields as stored, the last one first. */
    async function deliver(client: RawClient): Promise<string[]> {
      const token = `t${process.pid}n${++number}x`;
      await client.command(`MAIL FROM:<${token}@sender.example>`, "250");
      await client.command("RCPT TO:<you@live.example>", "250");
      await client.command("DATA", "354");
      await client.write(`Subject: ${token}\r\n\r\nhello\r\n.\r\n`);
      await client.expect("250");
      const stored = () => readStore(mail, token)[0];
      expect(await eventually(() => Promise.resolve(stored() !== undefined), 10_000)).toBe(true);
      return String(stored()!.content).split(/\r\n(?![\t ])/).filter((field) => field.startsWith("Received:"))
        .map((field) => field.replaceAll(/\s+/g, " "));
    }

    for (
      const name of ["xclient", "tls", "auto", "one", "two", "deno", "denotls", "outerxclient", "outerproxy"]
    ) {
      test(`${name}: Postfix writes the client's address and greeting, and gives it no right of the proxy's`, async () => {
        const client = await greeted(name, CLIENT);
        const [top] = await deliver(client);
        expect(top).toStartWith("Received: from helo.example (");
        expect(top).toContain(`[${CLIENT}])`);
        expect(top!.includes("using TLSv1.3")).toBe(/tls|two|deno/.test(name));
        await client.command("MAIL FROM:<a@sender.example>", "250");
        expect((await client.command("RCPT TO:<b@elsewhere.example>")).raw).toContain("Relay access denied");
        // The same client again: on the connection that is its own.
        await client.command("RSET", "250");
        expect((await deliver(client))[0]).toContain(`[${CLIENT}])`);
        const another = await greeted(name, "127.0.0.7");
        expect((await deliver(another))[0]).toContain("[127.0.0.7])");
        expect((await deliver(client))[0]).toContain(`[${CLIENT}])`);
        await Promise.all([client.quit(), another.quit()]);
      });
    }

    for (const name of ["outerxclient", "outerproxy"]) {
      test(`${name}: the client's TLS is told at the entrance, and further in as far as the way can tell it`, async () => {
        const client = await greeted(name, CLIENT);
        await client.command("STARTTLS", "220");
        await client.startTls();
        await client.command("EHLO helo.example", "250");
        const [top, inner, outer] = await deliver(client);
        expect(top).toContain(`[${CLIENT}])`);
        expect(outer).toContain(`by ${name}.live.example (Sallyport) with ESMTPS`);
        expect(inner).toContain(`[${CLIENT}]`);
        expect(inner).toContain(`(Sallyport) with ${name === "outerproxy" ? "ESMTPS" : "ESMTP "}`);
        await client.quit();
      });
    }

    test("a user whom a trusted host names is named to the end", async () => {
      const client = await greeted("outerxclient", "127.0.0.1");
      await client.command("XCLIENT ADDR=203.0.113.9 LOGIN=me@live.example", "220");
      await client.command("EHLO laptop.example", "250");
      const fields = await deliver(client);
      expect(fields[0]).toContain("[203.0.113.9]) (Authenticated sender: me@live.example)");
      expect(fields.slice(1).map((field) => / with (\S+)/.exec(field)?.[1])).toEqual(["ESMTPA", "ESMTPA"]);
      await client.quit();
    });

    test("an IPv6 client whom a trusted host names over IPv4 is told as what it is", async () => {
      for (const [name, from] of [["xclient", "127.0.0.1"], ["two", CLIENT]] as const) {
        const client = await greeted(name, from);
        await client.command("XCLIENT ADDR=IPV6:2001:db8::9 PORT=4711", "220");
        await client.command("EHLO six.example", "250");
        expect((await deliver(client))[0]).toContain("[IPv6:2001:db8::9])");
        await client.quit();
      }
    });

    test("a client without an address has none of the proxy's rights: XCLIENT says so, and PROXY cannot", async () => {
      const client = await greeted("xclient", "127.0.0.1");
      await client.command("XCLIENT ADDR=[UNAVAILABLE]", "220");
      await client.command("EHLO nobody.example", "250");
      expect((await deliver(client))[0]).toContain("(unknown [unknown])");
      await client.command("MAIL FROM:<a@sender.example>", "250");
      await client.command("RCPT TO:<b@elsewhere.example>", "554");
      await client.quit();
      const other = await greeted("two", CLIENT);
      await other.command("XCLIENT ADDR=[UNAVAILABLE]", "220");
      await other.command("EHLO nobody.example", "250");
      await other.command("MAIL FROM:<a@sender.example>", "250");
      await other.command("RCPT TO:<you@live.example>", "451");
      await other.quit();
    });

    for (const name of ["xclientatonce", "proxyatonce"]) {
      test(`${name}: a refusal at the connection is the client's, word for word, and others are served`, async () => {
        for (let i = 0; i < 4; i++) {
          const client = await greeted(name, REFUSED);
          const heard = (await client.command("MAIL FROM:<a@sender.example>")).raw;
          expect(heard).toMatch(
            /^554 5\.7\.1 <(unknown|localhost)\[127\.0\.0\.66\]>: Client host rejected: not you, see https:\/\/live\.example\/\r\n$/,
          );
          await client.quit();
        }
        const other = await greeted(name, CLIENT);
        expect((await deliver(other))[0]).toContain(`[${CLIENT}])`);
        await other.quit();
        expect(proxies.some(({ stdout }) => stdout.includes("backend circuit open"))).toBe(false);
      });
    }

    test("XCLIENT by name where it is not offered: 451, and the log says why", async () => {
      const client = await greeted("wanting", CLIENT);
      await client.command("MAIL FROM:<a@sender.example>", "250");
      await client.command("RCPT TO:<you@live.example>", "451");
      await client.quit();
      const why = "offers no XCLIENT to us, and identity is xclient";
      const told = () => proxies.some(({ stdout, stderr }) => (stdout + stderr).includes(why));
      expect(await eventually(() => Promise.resolve(told()), 5_000)).toBe(true);
    });
  },
);
