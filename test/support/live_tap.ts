// A wiretap: passes a TCP connection on, byte for byte and half-close for half-close, and keeps what each
// side said. Put before the proxy it hears what a sender says; put behind, what the receiver gets.
import { Buffer } from "node:buffer";
import { connect, createServer, type Server, type Socket } from "node:net";
import { type Transaction, transactions } from "./live_conversation.ts";

/** Both directions of one connection. */
export interface Recording {
  readonly client: Buffer[];
  readonly server: Buffer[];
}

export class Tap {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly recordings: Recording[] = [];
  /** The port that connections are passed to. */
  target = 0;

  private constructor(server: Server) {
    this.#server = server;
  }

  static open(target = 0): Promise<Tap> {
    const server = createServer({ allowHalfOpen: true });
    const tap = new Tap(server);
    tap.target = target;
    server.on("connection", (socket) => tap.#pass(socket));
    return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(tap)));
  }

  get port(): number {
    const address = this.#server.address();
    return address !== null && typeof address === "object" ? address.port : 0;
  }

  /** All transactions whose sender, recipients or message name the token, in order. */
  heard(token: string): Transaction[] {
    return this.recordings.flatMap((recording) => transactions(recording)).filter((each) =>
      each.names(token)
    );
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #pass(client: Socket): void {
    const server = connect({ port: this.target, host: "127.0.0.1", allowHalfOpen: true });
    const recording: Recording = { client: [], server: [] };
    this.recordings.push(recording);
    this.#join(client, server, recording.client);
    this.#join(server, client, recording.server);
  }

  #join(from: Socket, to: Socket, kept: Buffer[]): void {
    this.#sockets.add(from);
    from.setNoDelay(true);
    from.on("data", (bytes: Buffer) => {
      kept.push(bytes);
      if (!to.write(bytes)) from.pause();
    });
    to.on("drain", () => from.resume());
    from.on("end", () => to.end());
    from.on("error", () => to.destroy());
    from.on("close", () => {
      this.#sockets.delete(from);
      if (from.errored ?? !from.readableEnded) to.destroy();
    });
  }
}
