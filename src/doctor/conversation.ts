/**
 * One connection to the backend under examination: what is said, and what is heard within its time.
 */
import type { Address } from "../net/wire.ts";
import { latin1 } from "../smtp/reply.ts";
import { type Heard, heardWord } from "./heard.ts";
import type { Patience } from "./patience.ts";
import { type BackendWord, ReplyReader } from "./reply_reader.ts";
import { shown } from "./shown.ts";
import type { Stream, TlsSeen, TlsWish } from "./stream.ts";

/** Milliseconds for the reply to QUIT: nothing depends on it. */
const GOODBYE = 500;

export class Conversation {
  readonly #stream: Stream;
  readonly #patience: Patience;
  #reader = new ReplyReader();
  readonly #words: BackendWord[] = [];
  #closed: string | undefined;
  #wake: () => void = () => {};

  constructor(stream: Stream, patience: Patience) {
    this.#stream = stream;
    this.#patience = patience;
    this.#own();
  }

  get local(): Address {
    return this.#stream.local;
  }

  get remote(): Address {
    return this.#stream.remote;
  }

  /** Sends octets, one a character. */
  send(octets: string): void {
    this.#stream.write(latin1(octets));
  }

  sendBytes(bytes: Uint8Array): void {
    this.#stream.write(bytes);
  }

  /** Sends a line and hears the reply. */
  ask(line: string, within?: number): Promise<Heard> {
    this.send(`${line}\r\n`);
    return this.hear(within);
  }

  /** The next reply, or what came instead. @throws OutOfTime */
  async hear(within?: number): Promise<Heard> {
    const began = performance.now();
    const limit = this.#patience.within(within);
    if (this.#words.length === 0 && this.#closed === undefined) await this.#something(limit);
    const ms = performance.now() - began;
    const word = this.#words.shift();
    if (word !== undefined) return heardWord(word, ms);
    if (this.#closed !== undefined) return { kind: "closed", text: this.#closed, ms };
    return { kind: "silence", text: `nothing within ${(limit / 1000).toFixed(1)} s`, ms };
  }

  /** All that comes until it is silent for so long, or the connection is over; at most `most`. */
  async hearAll(within: number, most = 10): Promise<Heard[]> {
    const all: Heard[] = [];
    while (all.length < most) {
      const heard = await this.hear(within);
      all.push(heard);
      if (heard.kind !== "reply") break;
    }
    return all;
  }

  /** TLS from here on. @throws Error when the handshake fails */
  async secure(wish: Omit<TlsWish, "within">): Promise<TlsSeen> {
    this.#stream.owner = { data() {}, close() {} };
    const seen = await this.#stream.secure({ ...wish, within: this.#patience.within() });
    this.#reader = new ReplyReader();
    this.#words.length = 0;
    this.#own();
    return seen;
  }

  /** Says QUIT, where there is time for it, and ends the connection. */
  async quit(): Promise<void> {
    if (this.#closed === undefined) {
      this.send("QUIT\r\n");
      await this.#something(GOODBYE);
    }
    this.hangUp();
  }

  /** Ends the connection at once: a message without its end is then not delivered. */
  hangUp(): void {
    this.#closed ??= "we closed the connection";
    this.#stream.abort();
  }

  #own(): void {
    this.#stream.owner = {
      data: (bytes) => {
        const words = this.#reader.push(bytes);
        this.#words.push(...words);
        if (words.some((word) => "fault" in word)) this.#end("it sent what is no reply", true);
        else if (words.length > 0) this.#wake();
      },
      close: (error) => {
        this.#end(
          error === undefined
            ? "the connection was closed"
            : `the connection broke: ${shown(error.message, 80)}`,
          false,
        );
      },
    };
  }

  #end(why: string, abort: boolean): void {
    this.#closed ??= why;
    if (abort) this.#stream.abort();
    this.#wake();
  }

  #something(within: number): Promise<void> {
    return new Promise((done) => {
      const timer = setTimeout(done, within);
      this.#wake = () => {
        clearTimeout(timer);
        done();
      };
    });
  }
}
