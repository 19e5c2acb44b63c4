/**
 * The octets of a message as they come in: after DATA up to the end of data, or by BDAT chunk after chunk
 * (RFC 3030), or the octets of a chunk that was refused, which are read and dropped.
 */
import { type Framing, type MessageChecks, type MessageFault, MessageReader } from "./data.ts";
import type { Limits } from "./limits.ts";
import type { LineReader } from "./lines.ts";
import type { Reply } from "./reply.ts";

/** What a message brings forth. */
export type IntakeEvent =
  /** Octets of the message, views that are void once the owner returns from `receive`'s caller. */
  | { readonly kind: "body"; readonly content: readonly Uint8Array[] }
  /** The message has turned bad; told once. Its rest is read to the end, which then asks for the refusal. */
  | { readonly kind: "fault"; readonly fault: MessageFault }
  /** A chunk that is not the last is complete. */
  | { readonly kind: "chunk end"; readonly size: number; readonly fault: MessageFault | undefined }
  /** The message is complete. */
  | { readonly kind: "end"; readonly size: number; readonly fault: MessageFault | undefined }
  /** The refused chunk is over, and its refusal due. */
  | { readonly kind: "swallowed"; readonly reply: Reply };

/** By what messages are measured. */
export interface IntakeOptions {
  readonly limits: Limits;
  /** What bare CR and LF in a message do. */
  readonly bareLineFeeds: "reject" | "normalize";
}

export class Intake {
  /** Octets read since the message began, whether they were taken or not. */
  octets = 0;
  readonly #options: IntakeOptions;
  #message: MessageReader | undefined;
  #faultTold = false;
  #framing: Framing = "dots";
  /** The current chunk: octets still to come, its size, whether it is the last. */
  #left = 0;
  #size = 0;
  #last = false;
  /** What a refused chunk is answered once its octets are in. */
  #refusal: Reply | undefined;

  constructor(options: IntakeOptions) {
    this.#options = options;
  }

  /** Too much has come of a message, or of a chunk, that cannot be taken any more. */
  get excessive(): boolean {
    const wasted = this.#message === undefined || this.#message.fault !== undefined;
    return wasted && this.octets > 2 * this.#options.limits.messageSize;
  }

  /** The chunk that came last has no octets. */
  get emptyChunk(): boolean {
    return this.#size === 0;
  }

  /** A message starts after DATA. */
  data(): void {
    this.#begin("dots");
  }

  /** A chunk starts; the first one starts the message. */
  chunk({ size, last }: { readonly size: number; readonly last: boolean }, binary: boolean): void {
    if (this.#message === undefined) this.#begin(binary ? "binary" : "text");
    this.#left = this.#size = size;
    this.#last = last;
  }

  /** A refused chunk's octets are on their way: they are read and dropped before the refusal is due. */
  swallow(size: number, refusal: Reply): void {
    this.drop();
    this.octets = 0;
    this.#left = size;
    this.#refusal = refusal;
  }

  /** Forgets the message. */
  drop(): void {
    this.#message = undefined;
  }

  /** Reads on; undefined when more bytes are needed. */
  read(input: LineReader): IntakeEvent | undefined {
    const message = this.#message;
    if (message === undefined) return this.#readRefused(input);
    return this.#framing === "dots" ? this.#readData(message, input) : this.#readChunk(message, input);
  }

  #begin(framing: Framing): void {
    this.#framing = framing;
    this.#faultTold = false;
    this.octets = 0;
    this.#message = new MessageReader(framing, this.#checks(framing));
  }

  #checks(framing: Framing): MessageChecks {
    const { limits, bareLineFeeds } = this.#options;
    return {
      headerBlock: limits.headerBlock,
      messageLine: limits.messageLine,
      messageSize: limits.messageSize,
      // What is no line end in a binary message is not to be made one.
      normalize: bareLineFeeds === "normalize" && framing !== "binary",
    };
  }

  #readData(message: MessageReader, input: LineReader): IntakeEvent | undefined {
    while (!message.ended) {
      const { bytes, at } = input;
      if (at === bytes.length) return undefined;
      const end = message.read(bytes, at, bytes.length);
      this.octets += end - at;
      input.skipTo(end);
      const event = this.#found(message);
      if (event !== undefined) return event;
    }
    return this.#end(message);
  }

  #readChunk(message: MessageReader, input: LineReader): IntakeEvent | undefined {
    while (this.#left > 0) {
      const { bytes, at } = input;
      if (at === bytes.length) return undefined;
      const end = Math.min(bytes.length, at + this.#left);
      message.read(bytes, at, end);
      this.#left -= end - at;
      this.octets += end - at;
      input.skipTo(end);
      const event = this.#found(message);
      if (event !== undefined) return event;
    }
    if (this.#last) {
      message.finish();
      return this.#found(message) ?? this.#end(message);
    }
    return { kind: "chunk end", size: this.#size, fault: message.fault };
  }

  #readRefused(input: LineReader): IntakeEvent | undefined {
    const taken = Math.min(this.#left, input.length);
    this.#left -= taken;
    this.octets += taken;
    input.skipTo(input.at + taken);
    if (this.#left > 0) return undefined;
    return { kind: "swallowed", reply: this.#refusal! };
  }

  /** What a read of the message has brought, if anything. */
  #found(message: MessageReader): IntakeEvent | undefined {
    if (message.fault !== undefined && !this.#faultTold) {
      this.#faultTold = true;
      return { kind: "fault", fault: message.fault };
    }
    return message.content.length > 0 ? { kind: "body", content: message.content } : undefined;
  }

  #end(message: MessageReader): IntakeEvent {
    return { kind: "end", size: message.size, fault: message.fault };
  }
}
