// A scripted mail server on a real socket, for the black-box suite: every reply, delay, tear and
// loss can be set per step, and every byte that arrives is kept. It reads strictly (RFC 5321 §4.1.1.4):
// only CRLF ends a line, only CRLF.CRLF ends data. What a lax server would read is judged from the raw bytes.
import { Buffer } from "node:buffer";
import { createServer, type Server, type Socket } from "node:net";
import { BackendConnection } from "./blackbox_backend_connection.ts";

/** The moments at which a script may speak; `dot` is the end of data, by CRLF.CRLF or by BDAT LAST. */
export type Step =
  | "greeting"
  | "EHLO"
  | "HELO"
  | "MAIL"
  | "RCPT"
  | "DATA"
  | "body"
  | "BDAT"
  | "dot"
  | "RSET"
  | "NOOP"
  | "QUIT"
  | "other";

/** What the backend does at a step; without `reply`, `raw` or `then` it does what a healthy server does. */
export interface Action {
  /** One reply; inner lines are parted by CRLF, the last CRLF is added. */
  readonly reply?: string;
  /** Bytes as they are, instead of a reply. */
  readonly raw?: string | Uint8Array;
  /** Milliseconds, or something to wait for, before acting. */
  readonly after?: number | Promise<unknown>;
  /** Send every byte in a segment of its own. */
  readonly bytewise?: boolean;
  /** `close` sends FIN, `reset` RST, `stall` goes on reading and never answers again. */
  readonly then?: "close" | "reset" | "stall";
}

/** What a script is told. */
export interface Moment {
  readonly step: Step;
  readonly line: string;
  readonly connection: BackendConnection;
  /** Bytes of the present message so far. */
  readonly bodyBytes: number;
}

export type Script = (moment: Moment) => Action | undefined;
export type ScriptTable = Partial<Record<Step, Action | Script>>;

/** A message that the backend took: it said (or tried to say) a whole 2yz to the end of data. */
export interface Delivery {
  readonly connection: BackendConnection;
  readonly via: "DATA" | "BDAT";
  readonly mail: string;
  readonly recipients: readonly string[];
  /** The message as a mail server would store it: dots unstuffed, terminator gone. */
  readonly bytes: Buffer;
  readonly at: number;
}

/** A script from a table of steps. */
export function on(table: ScriptTable): Script {
  return (moment) => {
    const entry = table[moment.step];
    return typeof entry === "function" ? entry(moment) : entry;
  };
}

/** Acts so for the first `count` times, then behaves. */
export function times(count: number, action: Action): Script {
  let left = count;
  return () => (left-- > 0 ? action : undefined);
}

/** Everything a modern backend offers in the clear. */
export const ALL_KEYWORDS: readonly string[] = [
  "PIPELINING",
  "SIZE 500000000",
  "8BITMIME",
  "SMTPUTF8",
  "ENHANCEDSTATUSCODES",
  "CHUNKING",
  "BINARYMIME",
  "DSN",
  "DELIVERBY 240",
  "FUTURERELEASE 864000 2030-01-01T00:00:00Z",
  "MT-PRIORITY MIXER",
  "RRVS",
];

export const NO_CHUNKING: readonly string[] = ALL_KEYWORDS.filter((k) =>
  k !== "CHUNKING" && k !== "BINARYMIME"
);

export class ScriptedBackend {
  readonly connections: BackendConnection[] = [];
  readonly deliveries: Delivery[] = [];
  keywords: readonly string[];
  script: Script | undefined;
  port = 0;
  #server: Server | undefined;

  private constructor(keywords: readonly string[]) {
    this.keywords = keywords;
  }

  static async start(keywords: readonly string[] = ALL_KEYWORDS): Promise<ScriptedBackend> {
    const backend = new ScriptedBackend(keywords);
    await backend.listen();
    return backend;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** Connections that are still up. */
  get open(): BackendConnection[] {
    return this.connections.filter((c) => c.open);
  }

  /** Binds; after `stop` on the same port again. */
  listen(): Promise<void> {
    const server = createServer({ allowHalfOpen: true }, (socket) => this.#accept(socket));
    this.#server = server;
    return new Promise((resolve, fail) => {
      server.once("error", fail);
      server.listen(this.port, "127.0.0.1", () => {
        const address = server.address();
        if (address !== null && typeof address === "object") this.port = address.port;
        resolve();
      });
    });
  }

  /** Stops listening and resets every connection, as a killed process does. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    this.dropAll("reset");
    if (server !== undefined) await new Promise((resolve) => server.close(resolve));
    this.dropAll("reset");
  }

  /** Ends every open connection. */
  dropAll(how: "close" | "reset"): void {
    for (const connection of this.open) connection.drop(how);
  }

  /** Behaves again; stalled connections are reset. */
  heal(): void {
    this.script = undefined;
    for (const connection of this.open) if (connection.stalled) connection.drop("reset");
  }

  /** The deliveries whose bytes hold this text. */
  delivered(text: string): Delivery[] {
    const wanted = Buffer.from(text, "latin1");
    return this.deliveries.filter((d) => d.bytes.includes(wanted));
  }

  /** What no correct peer sends: bare CR, LF or NUL in commands, unknown verbs, commands out of order. */
  get anomalies(): string[] {
    return this.connections.flatMap((c) => c.anomalies.map((a) => `#${c.id}: ${a}`));
  }

  #accept(socket: Socket): void {
    this.connections.push(new BackendConnection(this, socket, this.connections.length + 1));
  }
}
