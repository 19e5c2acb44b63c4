/**
 * A mail server on loopback that behaves as a test says: whom it believes, for whom it relays, what it takes for an end of
 * data. It keeps what was delivered to it.
 */
import { afterAll } from "bun:test";
import { type ExaminationOptions, examine } from "../../src/doctor/examination.ts";
import type { Finding } from "../../src/doctor/finding.ts";
import { wireDial } from "../../src/doctor/wire_stream.ts";
import { network } from "../../src/net/mod.ts";
import { ProxyReader } from "../../src/net/proxy_protocol.ts";
import type { TlsIdentity, Wire, WireOwner } from "../../src/net/wire.ts";
import { latin1, latin1Text } from "../../src/smtp/reply.ts";

/** What a session knows. */
export interface Session {
  /** The client's, as the backend believes it. */
  address: string;
  tls: boolean;
}

export interface Script {
  readonly greeting?: string;
  /** EHLO lines behind the first. */
  readonly offers?: (session: Session) => readonly string[];
  /** The text of EHLO's first line. */
  readonly hello?: (session: Session) => string;
  /** Whether it takes mail for foreign domains. */
  readonly relays?: (session: Session, line: string) => boolean;
  /** A reply of its own to a line, without its line end; `""` for none; undefined: the ordinary one. */
  readonly answer?: (line: string, session: Session) => string | undefined;
  /** `demanded`: no greeting without a PROXY header. `taken`: read where one is there. */
  readonly proxy?: "demanded" | "taken";
  /** The address in a PROXY header or XCLIENT is not believed. */
  readonly incredulous?: boolean;
  /** What it says, before it hangs up, to commands that come with the end of a message. */
  readonly hasty?: string;
  /** What ends a message. */
  readonly ends?: RegExp;
  readonly tls?: TlsIdentity;
  /** TLS from the first octet on. */
  readonly implicitTls?: TlsIdentity;
  readonly onDelivered?: (message: string) => void;
  /** Obeys what came in plain behind STARTTLS. */
  readonly obeysInjection?: boolean;
}

const DOMAIN = /@b\.example>/i;

export class ScriptedBackend {
  readonly port: number;
  /** Messages, from DATA on. */
  readonly delivered: string[] = [];
  /** All command lines of all sessions. */
  readonly commands: string[] = [];

  constructor(port: number) {
    this.port = port;
  }

  static async start(script: Script = {}): Promise<ScriptedBackend> {
    return await listening((wire, backend) => new Conduct(wire, script, backend), script.implicitTls);
  }

  /** One whose connections are wholly the test's. */
  static async raw(owner: (wire: Wire) => WireOwner): Promise<ScriptedBackend> {
    return await listening((wire) => owner(wire));
  }
}

async function listening(
  accept: (wire: Wire, backend: ScriptedBackend) => WireOwner,
  tls?: TlsIdentity,
): Promise<ScriptedBackend> {
  const wires = new Set<Wire>();
  const listener = await (await network()).listen({
    endpoint: { host: "127.0.0.1", port: 0 },
    tls,
    accept(wire) {
      wires.add(wire);
      return accept(wire, backend);
    },
  });
  const backend = new ScriptedBackend(listener.address.port);
  afterAll(() => {
    listener.close();
    for (const wire of wires) wire.abort();
  });
  return backend;
}

class Conduct implements WireOwner {
  readonly #wire: Wire;
  readonly #script: Script;
  readonly #backend: ScriptedBackend;
  readonly #session: Session;
  #proxy: ProxyReader | undefined;
  #unread = "";
  #message: string | undefined;

  constructor(wire: Wire, script: Script, backend: ScriptedBackend) {
    this.#wire = wire;
    this.#script = script;
    this.#backend = backend;
    this.#session = { address: wire.remote.host, tls: false };
    if (script.proxy === "demanded") this.#proxy = new ProxyReader();
    else this.#greet();
  }

  data(bytes: Uint8Array): void {
    if (
      this.#proxy === undefined && this.#script.proxy === "taken" &&
      /^(PROXY |\r\n\r\n\0)/.test(latin1Text(bytes))
    ) {
      this.#proxy = new ProxyReader();
    }
    if (this.#proxy === undefined) this.#unread += latin1Text(bytes);
    else if (!this.#header(bytes)) return;
    while (this.#read());
  }

  drain(): void {}
  end(): void {
    this.#wire.close();
  }
  close(): void {}

  /** False while the header is not complete. */
  #header(bytes: Uint8Array): boolean {
    const read = this.#proxy!.push(bytes);
    if (read === undefined) return false;
    if ("fault" in read) {
      this.#wire.close();
      return false;
    }
    this.#proxy = undefined;
    const { header } = read;
    if (header.command === "proxy" && "host" in header.source && !this.#script.incredulous) {
      this.#session.address = header.source.host;
    }
    if (this.#script.proxy === "demanded") this.#greet();
    this.#unread += latin1Text(read.rest);
    return true;
  }

  #greet(): void {
    this.#say(this.#script.greeting ?? "220 backend.example ESMTP Scripted");
  }

  #say(reply: string): void {
    if (reply !== "") this.#wire.write(latin1(`${reply}\r\n`));
  }

  #read(): boolean {
    if (this.#message !== undefined) return this.#data();
    const end = this.#unread.indexOf("\n");
    if (end === -1) return false;
    const line = this.#unread.slice(0, end).replace(/\r$/, "");
    this.#unread = this.#unread.slice(end + 1);
    this.#command(line);
    return true;
  }

  #data(): boolean {
    const found = (this.#script.ends ?? /\r\n\.\r\n/).exec(this.#unread);
    if (found === null) return false;
    const message = this.#unread.slice(0, found.index);
    if (this.#script.hasty !== undefined && this.#unread.length > found.index + found[0].length) {
      this.#say(this.#script.hasty);
      this.#wire.close();
      return false;
    }
    this.#backend.delivered.push(message);
    this.#script.onDelivered?.(message);
    this.#unread = this.#unread.slice(found.index + found[0].length);
    this.#message = undefined;
    this.#say("250 2.0.0 taken");
    return true;
  }

  #command(line: string): void {
    this.#backend.commands.push(line);
    const own = this.#script.answer?.(line, this.#session);
    if (own !== undefined) return this.#say(own);
    const verb = line.split(" ")[0]!.toUpperCase();
    if (verb === "STARTTLS" && this.#script.tls !== undefined) return this.#startTls(this.#script.tls);
    if (verb === "XCLIENT" && this.#offers().some((offer) => offer.startsWith("XCLIENT"))) {
      return this.#xclient(line);
    }
    this.#say(this.#reply(verb, line));
    if (verb === "DATA") this.#message = "";
    if (verb === "QUIT") this.#wire.close();
  }

  #reply(verb: string, line: string): string {
    switch (verb) {
      case "EHLO":
        return this.#ehlo();
      case "MAIL":
      case "RSET":
      case "NOOP":
        return /[\0]/.test(line) ? "501 5.5.2 no NUL" : "250 2.0.0 ok";
      case "RCPT": {
        const taken = DOMAIN.test(line) || this.#script.relays?.(this.#session, line) === true;
        return taken ? "250 2.1.5 ok" : "554 5.7.1 Relay access denied";
      }
      case "DATA":
        return "354 go on";
      case "BDAT":
        return "503 5.5.1 no transaction";
      case "QUIT":
        return "221 2.0.0 bye";
      default:
        return "500 5.5.1 not known";
    }
  }

  #offers(): readonly string[] {
    const offers = this.#script.offers?.(this.#session) ?? ["PIPELINING", "8BITMIME", "SIZE 1000000"];
    return this.#script.tls !== undefined && !this.#session.tls ? [...offers, "STARTTLS"] : offers;
  }

  #ehlo(): string {
    const lines = [this.#script.hello?.(this.#session) ?? "backend.example", ...this.#offers()];
    return lines.map((line, at) => `250${at === lines.length - 1 ? " " : "-"}${line}`).join("\r\n");
  }

  #xclient(line: string): void {
    const address = / ADDR=(\S+)/.exec(line)?.[1]?.replace(/^IPV6:/, "");
    if (address !== undefined && !this.#script.incredulous) this.#session.address = address;
    this.#greet();
  }

  #startTls(identity: TlsIdentity): void {
    this.#say("220 go");
    const kept = this.#script.obeysInjection ? this.#unread : "";
    this.#unread = "";
    this.#wire.secure(identity, () => {
      this.#session.tls = true;
      this.#unread = kept;
      while (this.#read());
    });
  }
}

/** What an examination of the backend finds. */
export async function examined(
  { port }: { readonly port: number },
  options: Partial<ExaminationOptions> & {
    readonly name?: string;
    readonly ca?: string;
    readonly implicitTls?: boolean;
  } = {},
): Promise<Found> {
  const { name = "127.0.0.1", ca, implicitTls = false, ...rest } = options;
  const { findings, server } = await examine({
    place: {
      endpoint: { host: "127.0.0.1", port },
      shown: `127.0.0.1:${port}`,
      name,
      helo: "proxy.example",
      implicitTls,
      ca,
    },
    foreign: "elsewhere.example",
    to: undefined,
    deliver: undefined,
    mailbox: undefined,
    patience: { reply: 2000, total: 25_000, quiet: 250 },
    ...rest,
  }, wireDial(await network()));
  return new Found(findings, server);
}

export class Found {
  readonly findings: readonly Finding[];
  readonly server: string | undefined;

  constructor(findings: readonly Finding[], server: string | undefined) {
    this.findings = findings;
    this.server = server;
  }

  /** `level` of the finding with this id; undefined where it is not there. */
  level(id: string): string | undefined {
    return this.find(id)?.level;
  }

  find(id: string): Finding | undefined {
    return this.findings.find((each) => each.id === id);
  }

  get dangers(): readonly string[] {
    return this.findings.filter(({ level }) => level === "danger").map(({ id }) => id);
  }
}
