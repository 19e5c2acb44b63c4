/**
 * Coming in: connect, PROXY header where it is wanted, greeting, TLS where it is wanted, EHLO, XCLIENT.
 */
import { type Extensions, NO_EXTENSIONS, readExtensions } from "../smtp/extensions.ts";
import { latin1 } from "../smtp/reply.ts";
import { xclientLines } from "../smtp/xclient_lines.ts";
import type { Endpoint } from "../net/wire.ts";
import { Conversation } from "./conversation.ts";
import { type Heard, isYes } from "./heard.ts";
import type { Patience } from "./patience.ts";
import type { Dial, TlsSeen } from "./stream.ts";
import {
  OWN,
  proxyHeader,
  type ProxyVersion,
  STRANGER_NAME,
  strangerFacts,
  type Visitor,
} from "./visitor.ts";

/** Where the backend is, and how it is spoken to. */
export interface Place {
  readonly endpoint: Endpoint;
  /** As the operator wrote it. */
  readonly shown: string;
  /** The name its certificate has to have. */
  readonly name: string;
  /** What we say EHLO with. */
  readonly helo: string;
  readonly implicitTls: boolean;
  /** Certificate authorities, PEM. */
  readonly ca: string | undefined;
}

/** Inside: EHLO was answered. */
export interface Entered {
  readonly conversation: Conversation;
  readonly greeting: Heard;
  readonly ehlo: Heard;
  readonly extensions: Extensions;
  /** The replies to XCLIENT. */
  readonly xclient: readonly Heard[];
}

/** It could not be entered: `heard` says what came instead. */
export class NoEntry extends Error {
  readonly heard: Heard;

  constructor(step: string, heard: Heard) {
    super(`${step}: ${heard.text}`);
    this.heard = heard;
  }
}

export class Door {
  readonly place: Place;
  readonly patience: Patience;
  readonly #dial: Dial;
  /** Set once it is known that the backend greets nobody without a PROXY header. */
  demanded: ProxyVersion | undefined;
  /** Set once it is known that it takes no mail without STARTTLS. */
  startTls = false;

  constructor(place: Place, patience: Patience, dial: Dial) {
    this.place = place;
    this.patience = patience;
    this.#dial = dial;
  }

  /** Connected, and nothing heard yet. @throws Error where nobody answers, or TLS does not come about */
  async connect(visitor: Visitor = OWN): Promise<Conversation> {
    const conversation = await this.connectPlain(visitor);
    if (this.place.implicitTls) await this.secure(conversation);
    return conversation;
  }

  /** The same before TLS. */
  async connectPlain(visitor: Visitor = OWN): Promise<Conversation> {
    const stream = await this.#dial(this.place.endpoint, this.patience.within());
    const conversation = new Conversation(stream, this.patience);
    const version = this.#version(visitor);
    if (version !== undefined) conversation.sendBytes(proxyHeader(version, visitor, conversation));
    return conversation;
  }

  secure(conversation: Conversation): Promise<TlsSeen> {
    return conversation.secure({ name: this.place.name, ca: this.place.ca });
  }

  /** @throws NoEntry */
  enter(visitor: Visitor = OWN): Promise<Entered> {
    return this.#enter(visitor, this.startTls);
  }

  /** The same without STARTTLS. @throws NoEntry */
  enterPlain(): Promise<Entered> {
    return this.#enter(OWN, false);
  }

  async #enter(visitor: Visitor, startTls: boolean): Promise<Entered> {
    const conversation = await this.connect(visitor);
    try {
      return await this.#introduce(conversation, visitor, startTls);
    } catch (cause) {
      conversation.hangUp();
      throw cause;
    }
  }

  async #introduce(conversation: Conversation, visitor: Visitor, startTls: boolean): Promise<Entered> {
    const greeting = await conversation.hear();
    if (!isYes(greeting)) throw new NoEntry("at the greeting", greeting);
    if (startTls) await this.#startTls(conversation);
    const named = visitor.kind === "stranger" && visitor.by !== "XCLIENT";
    // A refusal may be the answer to a header that was taken for a command: no HELO then, whose reply would be another's.
    const withHeader = this.#version(visitor) !== undefined;
    const entered = await greet(conversation, named ? STRANGER_NAME : this.place.helo, withHeader);
    const first: Entered = { conversation, greeting, xclient: [], ...entered };
    if (visitor.kind === "own" || named) return first;
    const xclient = await tellStranger(first);
    return { ...first, xclient, ...await greet(conversation, STRANGER_NAME) };
  }

  async #startTls(conversation: Conversation): Promise<void> {
    await greet(conversation, this.place.helo);
    const ready = await conversation.ask("STARTTLS");
    if (!isYes(ready)) throw new NoEntry("to STARTTLS", ready);
    await this.secure(conversation);
  }

  #version(visitor: Visitor): ProxyVersion | undefined {
    if (visitor.kind === "own" || visitor.by === "XCLIENT") return this.demanded;
    return visitor.by === "PROXY v1" ? 1 : 2;
  }
}

/** EHLO, and HELO where that is not known. @throws NoEntry */
async function greet(
  conversation: Conversation,
  name: string,
  ehloOnly = false,
): Promise<{ readonly ehlo: Heard; readonly extensions: Extensions }> {
  const ehlo = await conversation.ask(`EHLO ${name}`);
  if (isYes(ehlo)) return { ehlo, extensions: extensionsOf(ehlo) };
  if (ehlo.kind !== "reply" || ehloOnly) throw new NoEntry("to EHLO", ehlo);
  const helo = await conversation.ask(`HELO ${name}`);
  if (!isYes(helo)) throw new NoEntry("to EHLO and HELO", ehlo);
  return { ehlo: helo, extensions: NO_EXTENSIONS };
}

/** What an EHLO reply offers. */
export function extensionsOf(ehlo: Heard): Extensions {
  if (ehlo.kind !== "reply") return NO_EXTENSIONS;
  const whole = ehlo.lines.map((line, at) => `250${at === ehlo.lines.length - 1 ? " " : "-"}${line}\r\n`);
  return readExtensions({ code: ehlo.code, bytes: latin1(whole.join("")) });
}

/** The attributes that are offered behind XCLIENT or XFORWARD. */
export function attributesOf(extensions: Extensions, keyword: "XCLIENT" | "XFORWARD"): ReadonlySet<string> {
  return new Set((extensions.get(keyword) ?? "").toUpperCase().split(" ").filter((name) => name !== ""));
}

/** @throws NoEntry where it is not taken */
async function tellStranger({ conversation, extensions }: Entered): Promise<Heard[]> {
  const lines = xclientLines(strangerFacts(conversation.remote), attributesOf(extensions, "XCLIENT"));
  const replies: Heard[] = [];
  for (const line of lines) {
    const heard = await conversation.ask(line);
    if (!isYes(heard)) throw new NoEntry("to XCLIENT", heard);
    replies.push(heard);
  }
  return replies;
}
