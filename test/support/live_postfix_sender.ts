// Postfix as a sender: a letter is given to its own smtpd, and its smtp(8) client delivers it. There is
// one smtpd port for each way out, since a content filter is a route that no table has to be made for.
import { Buffer } from "node:buffer";
import { stuff } from "./blackbox_bytes.ts";
import { RawClient } from "./blackbox_client.ts";
import { eventually } from "./blackbox_wait.ts";
import { serverPort } from "./live_children.ts";
import type { Letter } from "./live_letters.ts";
import { type Delivered, Postfix, postfixMissing } from "./live_postfix.ts";
import type { Report, Sender, Target } from "./live_senders.ts";

/** A Postfix that sends to these targets. */
export class PostfixSender implements Sender {
  readonly name = "Postfix";
  readonly missing = postfixMissing();
  readonly can = new Set(
    ["eight", "exact", "utf8", "partial", "dsn", "starttls", "implicit"] as const,
  );
  readonly #ways: ReadonlyMap<string, number>;
  readonly #postfix: Postfix;

  private constructor(postfix: Postfix, ways: ReadonlyMap<string, number>) {
    this.#postfix = postfix;
    this.#ways = ways;
  }

  static async start(folder: string, targets: readonly Target[]): Promise<PostfixSender> {
    const ways = new Map<string, number>();
    const listeners: string[] = [];
    for (const target of targets) {
      const port = await serverPort();
      ways.set(wayOf(target), port);
      const filter = `${target.security}:[127.0.0.1]:${target.port}`;
      listeners.push(`127.0.0.1:${port} inet n - n - - smtpd -o content_filter=${filter}`);
    }
    const ca = targets.find((target) => target.ca !== undefined)?.ca;
    const verified =
      `-o smtp_tls_security_level=secure -o smtp_tls_secure_cert_match=localhost -o smtp_tls_CAfile=${ca}`;
    const postfix = await Postfix.start({
      folder,
      main: [
        "myhostname = client.example",
        "message_size_limit = 0",
        "mynetworks = 127.0.0.0/8",
        "smtp_line_length_limit = 0",
        "smtp_connection_cache_on_demand = no",
        "default_destination_recipient_limit = 100",
        // Bounces are the sender's to read; nobody does.
        "transport_maps = inline:{ client.example=discard: }",
        "smtp_tls_loglevel = 1",
      ],
      listeners,
      services: [
        "plain unix - - n - - smtp",
        `starttls unix - - n - - smtp ${verified}`,
        `implicit unix - - n - - smtp ${verified} -o smtp_tls_wrappermode=yes`,
      ],
      port: [...ways.values()][0]!,
    });
    return new PostfixSender(postfix, ways);
  }

  get log(): string {
    return this.#postfix.log;
  }

  async send(letter: Letter, target: Target): Promise<Report> {
    const id = await submit(this.#ways.get(wayOf(target))!, letter);
    let done: readonly Delivered[] = [];
    const all = await eventually(
      () => (done = this.#postfix.deliveries(id)).length >= letter.to.length,
      15_000,
    );
    if (!all) throw new Error(`Postfix did not deliver ${id}\n${this.log.slice(-3000)}`);
    return {
      ok: done.every(({ status }) => status === "sent"),
      said: done.map(({ to, status, why }) => `${to} ${status} ${why}`).join("\n"),
    };
  }

  stop(): Promise<void> {
    return this.#postfix.stop();
  }
}

function wayOf({ port, security }: Target): string {
  return `${security} ${port}`;
}

/** Gives a letter to Postfix; the id of its queue file. */
async function submit(port: number, letter: Letter): Promise<string> {
  const client = await RawClient.greeted(port);
  const wire = (text: string) => Buffer.from(text).toString("latin1");
  const { dsn } = letter;
  const utf8 = /[^\0-\x7f]/.test(letter.from + letter.to.join("")) ? " SMTPUTF8" : "";
  const ret = dsn === undefined ? "" : ` RET=${dsn.ret} ENVID=${dsn.envid}`;
  await client.command(wire(`MAIL FROM:<${letter.from}> BODY=8BITMIME${utf8}${ret}`), "250");
  for (const to of letter.to) {
    const notify = dsn === undefined ? "" : ` NOTIFY=${dsn.notify.join(",")} ORCPT=rfc822;${to}`;
    await client.command(wire(`RCPT TO:<${to}>${notify}`), "250");
  }
  await client.command("DATA", "354");
  await client.write(stuff(letter.content));
  const taken = await client.expect("250", 10_000);
  await client.quit();
  return /queued as (\w+)/.exec(taken.raw)![1]!;
}
