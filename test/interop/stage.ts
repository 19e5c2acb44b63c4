/** Every server behind a proxy process of its own, with a tap on either side of the proxy. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeIdentity } from "../support/certificate.ts";
import { HOSTNAME, type LiveProxy, startLiveProxy } from "../support/live_proxy.ts";
import type { Security, Target } from "../support/live_senders.ts";
import { Tap } from "../support/live_tap.ts";
import type { Peer, RunningPeer } from "./peer.ts";

/** One server with the way to it. */
export interface Lane {
  readonly peer: Peer;
  readonly running: RunningPeer;
  readonly proxy: LiveProxy;
  /** Before the proxy: its port for plain SMTP and STARTTLS, and its port for implicit TLS. */
  readonly front: Tap;
  readonly implicit: Tap;
  /** Between the proxy and the server. */
  readonly back: Tap;
}

export class Stage {
  readonly folder: string;
  readonly ca: string;
  readonly #lanes = new Map<Peer, Promise<Lane>>();
  readonly #key: string;

  private constructor(folder: string) {
    this.folder = folder;
    this.ca = join(folder, "cert.pem");
    this.#key = join(folder, "key.pem");
  }

  /** Makes a folder and a certificate, and starts these servers; one that does not start fails those who want it only. */
  static async open(peers: readonly Peer[]): Promise<Stage> {
    const stage = new Stage(mkdtempSync(join(tmpdir(), "sallyport-interop-")));
    chmodSync(stage.folder, 0o755);
    const identity = makeIdentity({ names: ["localhost", HOSTNAME] });
    writeFileSync(stage.ca, identity.cert);
    writeFileSync(stage.#key, identity.key);
    for (const peer of peers) stage.#lanes.set(peer, stage.#lane(peer));
    await Promise.allSettled(stage.#lanes.values());
    return stage;
  }

  lane(peer: Peer): Promise<Lane> {
    return this.#lanes.get(peer)!;
  }

  /** Those that are up. */
  async lanes(): Promise<Lane[]> {
    const all = await Promise.allSettled(this.#lanes.values());
    return all.flatMap((each) => each.status === "fulfilled" ? [each.value] : []);
  }

  /** The way to a server through the proxy. */
  through({ front, implicit }: Lane, security: Security): Target {
    const { port } = security === "implicit" ? implicit : front;
    return { port, security, ...(security === "plain" ? {} : { ca: this.ca }) };
  }

  subfolder(name: string): string {
    const path = join(this.folder, name.replaceAll(" ", "-"));
    mkdirSync(path);
    return path;
  }

  async close(): Promise<void> {
    const lanes = await this.lanes();
    await Promise.all(lanes.flatMap(({ proxy, running }) => [proxy.process.stop(), running.stop()]));
    await Promise.all(
      lanes.flatMap(({ front, implicit, back }) => [front, implicit, back].map((tap) => tap.close())),
    );
    rmSync(this.folder, { recursive: true, force: true });
  }

  async #lane(peer: Peer): Promise<Lane> {
    const folder = this.subfolder(peer.name);
    const running = await peer.start({ folder });
    const back = await Tap.open(running.port);
    const proxy = await startLiveProxy({
      cwd: folder,
      tls: { cert: this.ca, key: this.#key },
      backend: `${peer.scheme ?? ""}127.0.0.1:${back.port}`,
    });
    const [front, implicit] = await Promise.all([Tap.open(proxy.port), Tap.open(proxy.tlsPort)]);
    return { peer, running, proxy, front, implicit, back };
  }
}
