// The stage of the live tests: each receiver behind a proxy of its own, with a tap on either side of the
// proxy and one straight to the receiver; and a Postfix that can send to all of them.
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeIdentity } from "./certificate.ts";
import { findProgram } from "./live_children.ts";
import { postfixMissing } from "./live_postfix.ts";
import { PostfixSender } from "./live_postfix_sender.ts";
import { HOSTNAME, type LiveProxy, type Runtime, startLiveProxy } from "./live_proxy.ts";
import {
  demoReceiver,
  postfixReceiver,
  type Receiver,
  type ReceiverName,
  sinkReceiver,
} from "./live_receivers.ts";
import type { Security, Target } from "./live_senders.ts";
import { Tap } from "./live_tap.ts";

/** One receiver with the ways to it. */
export interface Lane {
  readonly name: ReceiverName;
  readonly receiver: Receiver;
  readonly proxy: LiveProxy;
  /** Before the proxy: its port for plain SMTP and STARTTLS, and its port for implicit TLS. */
  readonly front: Tap;
  readonly implicit: Tap;
  /** Between proxy and receiver; not to be had with the demo backend, which nobody else can reach either. */
  readonly back: Tap | undefined;
  readonly direct: Tap | undefined;
}

export const RECEIVERS: readonly ReceiverName[] = ["Postfix", "smtp-sink", "the demo backend"];

/** Why this receiver cannot run here. */
export function receiverMissing(name: ReceiverName): string | undefined {
  if (name === "Postfix") return postfixMissing();
  if (name === "the demo backend" || findProgram("smtp-sink") !== undefined) return undefined;
  return "Debian package postfix, which brings smtp-sink, is not installed";
}

export interface StageOptions {
  readonly runtime: Runtime;
  /** Also set up Postfix as a sender, where it is installed. */
  readonly postfixSender: boolean;
}

export class LiveStage {
  readonly #folder: string;
  readonly #lanes = new Map<ReceiverName, Lane>();
  readonly #ca: string;
  #postfix: PostfixSender | undefined;

  private constructor(folder: string) {
    this.#folder = folder;
    this.#ca = join(folder, "cert.pem");
  }

  static async open(options: StageOptions): Promise<LiveStage> {
    const folder = mkdtempSync(join(tmpdir(), "sallyport-live-"));
    chmodSync(folder, 0o755);
    const identity = makeIdentity({ names: ["localhost", HOSTNAME] });
    writeFileSync(join(folder, "cert.pem"), identity.cert);
    writeFileSync(join(folder, "key.pem"), identity.key);
    const stage = new LiveStage(folder);
    try {
      await stage.#fill(options);
    } catch (fault) {
      await stage.close();
      throw fault;
    }
    return stage;
  }

  lane(name: ReceiverName): Lane {
    return this.#lanes.get(name)!;
  }

  get postfixSender(): PostfixSender {
    return this.#postfix!;
  }

  /** The way to a receiver through the proxy. */
  through(name: ReceiverName, security: Security = "plain"): Target {
    return this.#target(this.lane(name), security);
  }

  /** The way past the proxy. */
  direct(name: ReceiverName): Target {
    return { port: this.lane(name).direct!.port, security: "plain" };
  }

  async close(): Promise<void> {
    const lanes = [...this.#lanes.values()];
    const taps = lanes.flatMap(({ front, implicit, back, direct }) => [front, implicit, back, direct]);
    await Promise.all([
      this.#postfix?.stop(),
      ...lanes.flatMap(({ proxy, receiver }) => [proxy.process.stop(), receiver.stop()]),
    ]);
    await Promise.all(taps.map((tap) => tap?.close()));
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #fill({ runtime, postfixSender }: StageOptions): Promise<void> {
    const names = RECEIVERS.filter((name) => receiverMissing(name) === undefined);
    // All taps first: Postfix must be told at its start where it will send to.
    const taps = new Map<ReceiverName, { front: Tap; implicit: Tap; back: Tap; direct: Tap }>();
    for (const name of names) {
      const [front, implicit, back, direct] = await Promise.all([
        Tap.open(),
        Tap.open(),
        Tap.open(),
        Tap.open(),
      ]);
      taps.set(name, { front, implicit, back, direct });
    }
    const targets = [...taps.values()].flatMap(({ front, implicit, direct }): Target[] => [
      { port: front.port, security: "plain" },
      { port: front.port, security: "starttls", ca: this.#ca },
      { port: implicit.port, security: "implicit", ca: this.#ca },
      { port: direct.port, security: "plain" },
    ]);
    const wanted = postfixSender && postfixMissing() === undefined;
    await Promise.all([
      wanted &&
      PostfixSender.start(this.#subfolder("sender"), targets).then((sender) => this.#postfix = sender),
      ...names.map(async (name) => this.#lanes.set(name, await this.#lane(name, runtime, taps.get(name)!))),
    ]);
  }

  async #lane(
    name: ReceiverName,
    runtime: Runtime,
    taps: Record<"front" | "implicit" | "back" | "direct", Tap>,
  ): Promise<Lane> {
    const cwd = this.#subfolder(name.replaceAll(" ", "-"));
    const hidden = name === "the demo backend";
    const receiver = await this.#receiver(name, cwd);
    taps.back.target = taps.direct.target = receiver.port;
    const proxy = await startLiveProxy({
      runtime,
      cwd,
      tls: { cert: this.#ca, key: join(this.#folder, "key.pem") },
      ...(hidden ? { policy: "quickstart" } : { backend: `127.0.0.1:${taps.back.port}` }),
    });
    taps.front.target = proxy.port;
    taps.implicit.target = proxy.tlsPort;
    const { front, implicit, back, direct } = taps;
    return {
      name,
      receiver,
      proxy,
      front,
      implicit,
      back: hidden ? undefined : back,
      direct: hidden ? undefined : direct,
    };
  }

  #receiver(name: ReceiverName, folder: string): Promise<Receiver> {
    switch (name) {
      case "Postfix":
        return postfixReceiver(folder);
      case "smtp-sink":
        return sinkReceiver(folder);
      case "the demo backend":
        return Promise.resolve(demoReceiver(folder));
    }
  }

  #subfolder(name: string): string {
    const path = join(this.#folder, name);
    mkdirSync(path);
    return path;
  }

  #target({ front, implicit }: Lane, security: Security): Target {
    const { port } = security === "implicit" ? implicit : front;
    return { port, security, ...(security === "plain" ? {} : { ca: this.#ca }) };
  }
}
