// bun only: starts real servers
// What docs/from-postscreen.md says of the Postfix behind the proxy comes true: its services, its trap, its policy.
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { folderOf, readPage } from "../docs/blocks.ts";
import { RawClient } from "../support/blackbox_client.ts";
import { type Daemon, serverPort } from "../support/live_children.ts";
import { Postfix, postfixMissing } from "../support/live_postfix.ts";
import { startLiveProxy } from "../support/live_proxy.ts";

const page = readPage("from-postscreen.md");
/** The services of master.cf that the page shows: a plain one, one for XCLIENT, one for PROXY. */
const SERVICES = page.blocks.map(({ text }) => text).filter((text) => / inet .* smtpd\n/.test(text));

const OURS = "you@example.org";
const ELSEWHERE = "you@elsewhere.example";

const missing = postfixMissing();
describe.skipIf(missing !== undefined)(missing ? `Postfix (skipped: ${missing})` : "Postfix", () => {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-postscreen-"));
  chmodSync(folder, 0o755);
  const ports = { trap: 0, plain: 0, xclient: 0, proxy: 0 };
  let postfix: Postfix;
  let proxy: Daemon | undefined;

  beforeAll(async () => {
    expect(SERVICES.length).toBe(3);
    for (const name of Object.keys(ports) as (keyof typeof ports)[]) ports[name] = await serverPort();
    const service = (i: number, port: number) =>
      SERVICES[i]!.replace(/^#.*\n/, "").replace("10025", `${port}`)
        // Without a chroot: its files are not there in a test.
        .replace(" inet n - y ", " inet n - n ").trimEnd();
    postfix = await Postfix.start({
      folder,
      port: ports.trap,
      main: [
        "myhostname = mx.example.org",
        "mynetworks = 127.0.0.0/8",
        "smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination",
        "smtpd_client_connection_count_limit = 2",
        "relay_domains = example.org, example.net",
        "default_transport = discard",
        "relay_transport = discard",
      ],
      listeners: [
        `127.0.0.1:${ports.trap} inet n - n - - smtpd`,
        service(0, ports.plain),
        service(1, ports.xclient),
        service(2, ports.proxy),
      ],
    });
  }, 60_000);

  afterAll(async () => {
    await proxy?.stop("SIGTERM");
    await postfix?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  async function rcpt(port: number, to: string): Promise<string> {
    const client = await RawClient.greeted(port);
    await client.command("MAIL FROM:<a@client.example>", "250");
    const { code } = await client.command(`RCPT TO:<${to}>`);
    await client.quit();
    return code;
  }

  test("the trap is one: as it comes, Postfix relays for whoever connects from the proxy's address", async () => {
    expect(await rcpt(ports.trap, ELSEWHERE)).toBe("250");
  });

  test("the page's service takes our mail, and relays for nobody", async () => {
    expect(await rcpt(ports.plain, OURS)).toBe("250");
    expect(await rcpt(ports.plain, ELSEWHERE)).toBe("554");
  });

  test("the page's service does not count all clients as one", async () => {
    const clients: RawClient[] = [];
    for (let i = 0; i < 4; i++) clients.push(await RawClient.greeted(ports.plain));
    expect(clients.length).toBe(4);
    await Promise.all(clients.map((client) => client.quit()));
  });

  test("with XCLIENT the service knows the client, and does not relay for it", async () => {
    const client = await RawClient.greeted(ports.xclient);
    await client.command("XCLIENT NAME=[UNAVAILABLE] ADDR=198.51.100.7", "220");
    await client.command("EHLO client.example", "250");
    await client.command("MAIL FROM:<a@client.example>", "250");
    expect((await client.command(`RCPT TO:<${ELSEWHERE}>`)).code).toBe("554");
    expect((await client.command(`RCPT TO:<${OURS}>`)).code).toBe("250");
    await client.quit();
  });

  test("with PROXY the service knows the client, and does not relay for it", async () => {
    const client = await RawClient.connect(ports.proxy);
    await client.write("PROXY TCP4 198.51.100.7 192.0.2.25 4711 25\r\n");
    await client.expect("220");
    await client.command("EHLO client.example", "250");
    await client.command("MAIL FROM:<a@client.example>", "250");
    expect((await client.command(`RCPT TO:<${ELSEWHERE}>`)).code).toBe("554");
    await client.quit();
  });

  test("behind the page's policy our mail is taken, and other mail is not", async () => {
    const block = page.blocks.find(({ name }) => name === "policy.ts")!;
    const port = await serverPort();
    const text = block.text
      .replace('["0.0.0.0:25", "[::]:25"]', `["127.0.0.1:${port}"]`)
      .replace("127.0.0.1:10025", `127.0.0.1:${ports.plain}`)
      .replace("wait: 6_000", "wait: 100");
    const policies = folderOf([{ ...block, text }], { "friends.txt": "", "denied.txt": "" });
    ({ process: proxy } = await startLiveProxy({
      policy: `${policies}/policy.ts` as `/${string}`,
      cwd: folder,
      port,
    }));
    expect(await rcpt(port, OURS)).toBe("250");
    expect(await rcpt(port, ELSEWHERE)).toBe("550");
  });
});
