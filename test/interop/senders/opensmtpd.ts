/** OpenSMTPD as a sender: a letter is given to its own listener, and its relay delivers it; one listener for each way out. */
import { Buffer } from "node:buffer";
import { mkdirSync, readFileSync } from "node:fs";
import { stuff } from "../../support/blackbox_bytes.ts";
import { RawClient } from "../../support/blackbox_client.ts";
import { greets } from "../../support/blackbox_proxy.ts";
import { eventually } from "../../support/blackbox_wait.ts";
import { Daemon, serverPort } from "../../support/live_children.ts";
import type { Letter } from "../../support/live_letters.ts";
import type { Report, Sender, Target } from "../../support/live_senders.ts";
import { Namespaced } from "../namespaced.ts";
import { OPENSMTPD } from "../peers/opensmtpd.ts";
import { unpackedMissing } from "../unpacked.ts";

/** An OpenSMTPD that sends to these targets. */
export class OpensmtpdSender implements Sender {
  readonly name = "OpenSMTPD";
  readonly missing = unpackedMissing("opensmtpd");
  readonly can = new Set(["eight", "exact", "partial", "starttls", "implicit"] as const);
  readonly #daemon: Daemon;
  readonly #ways: ReadonlyMap<string, number>;

  private constructor(daemon: Daemon, ways: ReadonlyMap<string, number>) {
    this.#daemon = daemon;
    this.#ways = ways;
  }

  static async start(folder: string, targets: readonly Target[]): Promise<OpensmtpdSender> {
    mkdirSync(folder, { recursive: true });
    const places = new Namespaced("opensmtpd", folder);
    const ways = new Map<string, number>();
    for (const target of targets) ways.set(wayOf(target), await serverPort());
    const ca = targets.find((target) => target.ca !== undefined)?.ca;
    if (ca !== undefined) places.write("/etc/ssl/certs/ca-certificates.crt", readFileSync(ca, "utf8"));
    places.write("/etc/smtpd.conf", configuration(targets, ways));
    const daemon = new Daemon(places.command(OPENSMTPD), folder);
    await daemon.up("OpenSMTPD", () => greets([...ways.values()][0]!));
    return new OpensmtpdSender(daemon, ways);
  }

  async send(letter: Letter, target: Target): Promise<Report> {
    const id = await submit(this.#ways.get(wayOf(target))!, letter);
    let said: string[] = [];
    const all = await eventually(() => {
      const log = this.#daemon.stdout + this.#daemon.stderr;
      said = [...log.matchAll(new RegExp(`mta delivery evpid=${id}.*`, "g"))].map(([line]) => line);
      return said.length >= letter.to.length;
    }, 15_000);
    if (!all) throw new Error(`OpenSMTPD did not deliver ${id}\n${this.#daemon.log}`);
    return { ok: said.every((line) => line.includes('result="Ok"')), said: said.join("\n") };
  }

  stop(): Promise<void> {
    return this.#daemon.stop();
  }
}

const wayOf = ({ port, security }: Target) => `${security} ${port}`;

const SCHEMES = { plain: "smtp+notls", starttls: "smtp+tls", implicit: "smtps" } as const;

/** Seconds that it waits between two connections to one host, and between two messages. */
const PAUSES = [
  "conn-delay-host",
  "conn-delay-source",
  "conn-delay-connector",
  "conn-delay-relay",
  "conn-delay-domain",
  "reconn-delay-route",
  "session-transaction-delay",
];

function configuration(targets: readonly Target[], ways: ReadonlyMap<string, number>): string {
  const lines = PAUSES.map((pause) => `mta limit ${pause} 0`);
  lines.push(
    ...[...ways.values()].map((port, i) =>
      `listen on 127.0.0.1 port ${port} tag way${i} hostname client.example`
    ),
  );
  const host = ({ security }: Target) => security === "plain" ? "127.0.0.1" : "localhost";
  targets.forEach((target, i) =>
    lines.push(
      `action way${i} relay helo client.example host ${SCHEMES[target.security]}://${
        host(target)
      }:${target.port}`,
    )
  );
  // Bounces are the sender's to read; nobody does.
  lines.push(
    "table all { client.example }",
    'table nobody { "@client.example" = you }',
    'action drop mda "cat >/dev/null" virtual <nobody>',
    "match from any for domain <all> action drop",
    ...targets.map((_, i) => `match tag way${i} from any for any action way${i}`),
    "",
  );
  return lines.join("\n");
}

/** Gives a letter to it; the message's id. */
async function submit(port: number, letter: Letter): Promise<string> {
  const client = await RawClient.greeted(port);
  const wire = (text: string) => Buffer.from(text).toString("latin1");
  await client.command(wire(`MAIL FROM:<${letter.from}> BODY=8BITMIME`), "250");
  for (const to of letter.to) await client.command(wire(`RCPT TO:<${to}>`), "250");
  await client.command("DATA", "354");
  await client.write(stuff(letter.content));
  const taken = await client.expect("250", 10_000);
  await client.quit();
  return /2\.0\.0 ([0-9a-f]{8}) /.exec(taken.raw)![1]!;
}
