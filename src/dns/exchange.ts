/**
 * One name server: a question is asked over UDP, over TCP where the answer was cut short (RFC 7766 §5), and without
 * EDNS where the server does not know it (RFC 6891 §7).
 */

import { decodeReply, encodeQuery, type Message, mixedCase, type Question } from "./packet.ts";
import { type Failure, failure, type Query } from "./query.ts";
import { type DnsServer, serverName } from "./servers.ts";
import { Tcp } from "./tcp.ts";
import { Udp } from "./udp.ts";

/** What every server is asked with. */
export interface ExchangeOptions {
  readonly now: () => number;
  readonly random: () => number;
  /** Letters of the name are sent in random case, which the answer must repeat; a few servers do not. */
  readonly mixedCase: boolean;
}

/** Milliseconds for which a server that does not know EDNS is asked without it. */
const WITHOUT_EDNS = 60 * 60_000;

const FORMERR = 1;
const NOTIMP = 4;

export class NameServer {
  /** For people. */
  readonly name: string;
  /** When it last answered anything. */
  heard = -Infinity;
  readonly #options: ExchangeOptions;
  readonly #udp: Udp;
  readonly #tcp: Tcp;
  #withoutEdns = -Infinity;
  #closed: Failure | undefined = undefined;

  constructor(server: DnsServer, options: ExchangeOptions) {
    this.name = serverName(server);
    this.#options = options;
    this.#udp = new Udp(server, options.random, options.now);
    this.#tcp = new Tcp(server, options.random);
  }

  /**
   * Asks it once.
   * @param patience milliseconds that may yet be waited for an answer
   */
  async ask(question: Question, patience: () => number): Promise<Message | Failure> {
    const edns = this.#withoutEdns <= this.#options.now();
    const reply = await this.#exchange(question, edns, patience);
    if (!edns || "says" in reply || (reply.rcode !== FORMERR && reply.rcode !== NOTIMP)) return reply;
    const plain = await this.#exchange(question, false, patience);
    if ("says" in plain || plain.rcode === reply.rcode) return plain;
    this.#withoutEdns = this.#options.now() + WITHOUT_EDNS;
    return plain;
  }

  /** Ends what is going on, and answers no more. */
  close(): void {
    this.#closed = failure("ECONNREFUSED", "the resolver is closed");
    this.#udp.close(this.#closed);
    this.#tcp.close(this.#closed);
  }

  async #exchange(question: Question, edns: boolean, patience: () => number): Promise<Message | Failure> {
    const query = this.#query(question, edns, patience());
    const reply = await this.#over(this.#udp, query);
    if ("says" in reply || !reply.truncated) return reply;
    const whole = await this.#over(this.#tcp, { ...query, timeout: patience() });
    return !("says" in whole) && whole.truncated
      ? failure("EBADRESP", "its answer is cut short over TCP")
      : whole;
  }

  async #over(transport: Udp | Tcp, query: Query<Message>): Promise<Message | Failure> {
    if (this.#closed !== undefined) return this.#closed;
    const reply = await transport.ask(query);
    if (!("says" in reply)) this.heard = this.#options.now();
    return reply;
  }

  #query({ name, type }: Question, edns: boolean, timeout: number): Query<Message> {
    const exact = this.#options.mixedCase;
    const asked = exact ? mixedCase(name, this.#options.random) : name;
    return { bytes: encodeQuery({ name: asked, type }, edns), exact, timeout, read: decodeReply };
  }
}
