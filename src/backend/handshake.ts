/**
 * What is said on a connection to a backend before a transaction can begin: EHLO, STARTTLS, whom we speak for, our own
 * credentials. A table of what follows what; no socket and no clock.
 *
 * The order is fixed: TLS before XCLIENT (Postfix offers STARTTLS no more after it), XCLIENT before AUTH (it begins the
 * session anew), and after each that changes what is offered a new EHLO.
 */
import { isLocal, tlsMode } from "../policy/backend_security.ts";
import type { BackendAddress } from "../policy/settings.ts";
import type { Step } from "../smtp/client.ts";
import { smallerLimits } from "../smtp/common_extensions.ts";
import { isGreeting } from "../smtp/client_facts.ts";
import { type Extensions, NO_EXTENSIONS, readExtensions } from "../smtp/extensions.ts";
import { type Reply, severity, textOf } from "../smtp/reply.ts";
import { Credentials } from "./credentials.ts";
import { type Identity, namingLines, takesAddresses, takesNames } from "./identity.ts";

/** What is to be done next. */
export type Move =
  | { readonly kind: "send"; readonly step: Step; readonly line: string }
  /** Nothing to send: a reply to this is owed. */
  | { readonly kind: "await"; readonly step: Step }
  | { readonly kind: "secure" }
  | { readonly kind: "ready"; readonly extensions: Extensions }
  /** The backend will not have the client: this is what it says to it. */
  | { readonly kind: "refused"; readonly reply: Reply }
  /** The backend cannot be used, or not safely: why, for the log. */
  | { readonly kind: "fault"; readonly detail: string };

/** What a handshake is about. */
export interface HandshakeOptions {
  readonly address: BackendAddress;
  /** Our own name. */
  readonly hostname: string;
  /** Whom the connection will speak for; undefined for ourselves. */
  readonly client: Identity | undefined;
  /** Opportunistic TLS has failed there lately. */
  readonly plain: boolean;
  /** How our login was refused there lately: it is not said again yet. */
  refusedLogin?(): string | undefined;
}

/** Replies to XCLIENT that find fault with the command, not with the client (RFC 5321 §4.2.2). */
const OUR_FAULT = [500, 501, 502, 503, 504];
/** 550 says either that we may not say XCLIENT (Postfix 5.7.0, Dovecot 5.7.14) or that the client is not wanted. */
const NOT_AUTHORISED = /^5\.7\.(0|14) |^(?!\d\.).*(authori[sz]|trusted)/i;
/** The server speaks of itself (RFC 3463 §3.4), whoever the client is. */
const OF_ITSELF = /^[45]\.3\./;

export class Handshake {
  readonly #options: HandshakeOptions;
  #secured = false;
  /** Commands of XCLIENT still to be sent; undefined until it is known which. */
  #naming: string[] | undefined;
  /** The backend knows the client: what it refuses from now on, it refuses the client. */
  #named: boolean;
  /** XCLIENT has been sent. */
  #telling = false;
  /** A kept connection is introduced anew: our credentials were taken already. */
  #kept = false;
  #inTheClear: string | undefined;
  /** XCLIENT has said whom the client authenticated as. */
  #vouched = false;
  #credentials: Credentials | undefined;
  #extensions = NO_EXTENSIONS;

  constructor(options: HandshakeOptions) {
    this.#options = options;
    this.#named = options.client !== undefined && isProxied(options.address);
  }

  /** The connection is open, and a PROXY header has been sent where one is due. */
  begin(): Move {
    return this.#tls === "implicit" ? { kind: "secure" } : GREETING;
  }

  /** The backend has been told of the client: what goes wrong may be about the client, not the backend. */
  get named(): boolean {
    return this.#named || this.#telling;
  }

  /** Why there is no TLS, where it was offered and wanted. */
  get inTheClear(): string | undefined {
    return this.#inTheClear;
  }

  /** TLS is on. */
  secured(): Move {
    this.#secured = true;
    return this.#tls === "implicit" ? GREETING : this.#hello();
  }

  /** A connection that has served somebody else, and was told so by XCLIENT, is to speak for another client. */
  rename(offered: Extensions, secured: boolean): Move {
    this.#secured = secured;
    this.#kept = true;
    return this.#offered(offered);
  }

  /** The reply to a step of this handshake. */
  reply(step: Step, reply: Reply): Move {
    const positive = severity(reply) === 2;
    switch (step) {
      case "greeting":
        return positive ? this.#hello() : this.#refusal(reply, "greeted with");
      case "ehlo":
        if (positive) return this.#offered(readExtensions(reply));
        if (this.#options.address.lmtp) return this.#refusal(reply, "answered LHLO with");
        return { kind: "send", step: "helo", line: `HELO ${this.#name}` };
      case "helo":
        return positive ? this.#offered(NO_EXTENSIONS) : this.#refusal(reply, "answered HELO with");
      case "starttls":
        return this.#startTls(positive, reply);
      case "xclient":
        return this.#renamed(positive, reply);
      default:
        return this.#authenticating(reply);
    }
  }

  get #tls(): Exclude<BackendAddress["tls"], "auto"> {
    return tlsMode(this.#options.address);
  }

  /** What we greet with: as the client, once the backend knows that it is the client's session. */
  get #name(): string {
    const { client, hostname } = this.#options;
    return this.#named && isGreeting(client!.helo) ? client!.helo : hostname;
  }

  #hello(): Move {
    const verb = this.#options.address.lmtp ? "LHLO" : "EHLO";
    return { kind: "send", step: "ehlo", line: `${verb} ${this.#name}` };
  }

  #offered(extensions: Extensions): Move {
    this.#extensions = extensions;
    const tls = this.#tls;
    const plain = tls === "off" || (tls === "opportunistic" && this.#options.plain);
    if (!this.#secured && !plain) {
      if (extensions.has("STARTTLS")) return { kind: "send", step: "starttls", line: "STARTTLS" };
      if (tls === "required") return fault("offers no STARTTLS, and tls is required");
    }
    return this.#introduce();
  }

  #startTls(positive: boolean, reply: Reply): Move {
    if (positive) return { kind: "secure" };
    if (this.#tls === "required") {
      return fault(`answered STARTTLS with ${shown(reply)}, and tls is required`);
    }
    this.#inTheClear = `answered STARTTLS with ${shown(reply)}`;
    return this.#introduce();
  }

  #introduce(): Move {
    const { client, address } = this.#options;
    if (this.#naming === undefined && client !== undefined && mayName(address)) {
      if (address.identity === "xclient" && !takesAddresses(this.#extensions)) {
        const what = this.#extensions.has("XCLIENT") ? "XCLIENT without ADDR" : "no XCLIENT to us";
        return fault(`offers ${what}, and identity is xclient`);
      }
      const lines = takesNames(this.#extensions) ? namingLines(client, this.#extensions) : [];
      this.#naming = lines;
      this.#telling = lines.length > 0;
      // Named as its own user, it is authenticated; our credentials would make it us.
      this.#vouched = client.user !== undefined && lines.some((line) => / LOGIN=(?!\[)/.test(line));
      if (this.#kept && !this.#telling) return this.#ready();
    }
    const line = this.#naming?.shift();
    if (line !== undefined) return { kind: "send", step: "xclient", line };
    return this.#authenticate();
  }

  #renamed(positive: boolean, reply: Reply): Move {
    if (!positive) {
      return isOurs(reply) ? fault(`answered XCLIENT with ${shown(reply)}`) : { kind: "refused", reply };
    }
    const line = this.#naming!.shift();
    if (line !== undefined) return { kind: "send", step: "xclient", line };
    this.#named = true;
    return this.#hello();
  }

  #authenticate(): Move {
    const { login } = this.#options.address;
    if (login === undefined || this.#vouched || this.#credentials !== undefined) return this.#ready();
    if (!this.#secured && !isLocal(this.#options.address)) {
      return fault("is not reached by TLS, and a password is not sent in the clear; set tls=required");
    }
    const refused = this.#options.refusedLogin?.();
    if (refused !== undefined) return fault(`${refused}, and is not told our login again yet`);
    const credentials = Credentials.for(login, this.#extensions);
    if (typeof credentials === "string") return fault(credentials);
    this.#credentials = credentials;
    return { kind: "send", step: "auth", line: credentials.begin() };
  }

  #authenticating(reply: Reply): Move {
    if (severity(reply) === 2) return this.#ready();
    const line = reply.code === 334 ? this.#credentials!.next() : undefined;
    if (line === undefined) return fault(`answered AUTH with ${this.#credentials!.shown(reply)}`);
    return { kind: "send", step: "auth", line };
  }

  #ready(): Move {
    const extensions = this.#options.address.lmtp ? withOneRecipient(this.#extensions) : this.#extensions;
    return { kind: "ready", extensions };
  }

  #refusal(reply: Reply, deed: string): Move {
    const personal = this.#named && !OF_ITSELF.test(textOf(reply)[0] ?? "");
    return personal ? { kind: "refused", reply } : fault(`${deed} ${shown(reply)}`);
  }
}

const GREETING: Move = { kind: "await", step: "greeting" };

/** LMTP answers the end of data once for each recipient: with one, there is one answer (RFC 2033 §4.2). */
function withOneRecipient(extensions: Extensions): Extensions {
  return new Map(extensions).set("LIMITS", smallerLimits(extensions.get("LIMITS") ?? "", "RCPTMAX=1"));
}

function fault(detail: string): Move {
  return { kind: "fault", detail };
}

/** Whether XCLIENT was refused, and not the client. */
function isOurs(reply: Reply): boolean {
  const [text = ""] = textOf(reply);
  return OUR_FAULT.includes(reply.code) || (reply.code === 550 && NOT_AUTHORISED.test(text)) ||
    OF_ITSELF.test(text);
}

function shown(reply: Reply): string {
  return `${textOf(reply).join(" ")} (${reply.code})`;
}

/** Whether a PROXY header is sent there. */
export function isProxied({ identity }: BackendAddress): boolean {
  return identity === "proxy-v1" || identity === "proxy-v2";
}

/** Whether XCLIENT is sent there, if it is offered. */
export function mayName({ identity }: BackendAddress): boolean {
  return identity === "auto" || identity === "xclient";
}

/** Whether a backend may be told who the client is at all: a connection is then one client's. */
export function isTold(address: BackendAddress): boolean {
  return isProxied(address) || mayName(address);
}

/** Whether a connection that was not told of a client speaks for ourselves there: no client may have it. */
export function mustTell(address: BackendAddress): boolean {
  return isProxied(address) || address.identity === "xclient";
}

/** Whether XFORWARD is sent there, if it is offered. */
export function isForwarded({ identity }: BackendAddress): boolean {
  return identity === "auto" || identity === "xforward";
}
