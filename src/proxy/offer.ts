/**
 * What EHLO offers a client: what the proxy can carry, cut down to what the backends offer, so that no client uses
 * what would be refused behind it (RFC 5321 §4.1.1.1).
 */
import { smallerLimits, smallerSize } from "../smtp/common_extensions.ts";
import type { Extensions } from "../smtp/extensions.ts";
import { NO_EXTENSIONS } from "../smtp/extensions.ts";
import { type Reply, reply } from "../smtp/reply.ts";
import { XCLIENT_ATTRIBUTES } from "../smtp/xclient.ts";

/** Extensions that are carried as they are, with the backend's own parameters. */
const CARRIED = [
  "8BITMIME",
  "SMTPUTF8",
  "ENHANCEDSTATUSCODES",
  "DSN",
  "DELIVERBY",
  "FUTURERELEASE",
  "MT-PRIORITY",
  "RRVS",
];

/** An offer and the reply that makes it. */
export interface Offer {
  readonly extensions: Extensions;
  readonly ehlo: Reply;
}

export interface OfferSettings {
  readonly hostname: string;
  readonly messageSize: number;
  readonly recipients: number;
  readonly messages: number;
  /** VRFY, EXPN and ETRN where they are put to the backend. */
  readonly relay: ReadonlySet<string>;
}

/** What is offered to some clients only. */
export interface Occasion {
  /** STARTTLS can be offered to this client now. */
  readonly starttls: boolean;
  /** The client is under TLS. */
  readonly secured: boolean;
  /** The client may say whose session this is. */
  readonly xclient: boolean;
}

/** Makes offers, and remembers them: backends seldom change what they offer. */
export class Offers {
  readonly #settings: OfferSettings;
  readonly #known = new WeakMap<Extensions, Map<number, Offer>>();

  constructor(settings: OfferSettings) {
    this.#settings = settings;
  }

  /** @param backend what the backends have in common; undefined while none was seen */
  for(backend: Extensions | undefined, occasion: Occasion): Offer {
    const offered = backend ?? NO_EXTENSIONS;
    let offers = this.#known.get(offered);
    if (offers === undefined) this.#known.set(offered, offers = new Map());
    const key = (occasion.starttls ? 1 : 0) | (occasion.secured ? 2 : 0) | (occasion.xclient ? 4 : 0);
    let offer = offers.get(key);
    if (offer === undefined) offers.set(key, offer = this.#make(offered, occasion));
    return offer;
  }

  #make(backend: Extensions, { starttls, secured, xclient }: Occasion): Offer {
    const { hostname, messageSize, relay } = this.#settings;
    // These two the proxy does by itself: a chunk becomes DATA where the backend has no CHUNKING.
    const extensions = new Map([["PIPELINING", ""], ["CHUNKING", ""]]);
    for (const keyword of CARRIED) {
      const parameters = backend.get(keyword);
      if (parameters !== undefined) extensions.set(keyword, parameters);
    }
    const size = backend.get("SIZE");
    if (size !== undefined) extensions.set("SIZE", smallerSize(size, String(messageSize)));
    if (backend.has("BINARYMIME") && backend.has("CHUNKING")) extensions.set("BINARYMIME", "");
    const limits = backend.get("LIMITS");
    if (limits !== undefined) extensions.set("LIMITS", smallerLimits(limits, ownLimits(this.#settings)));
    for (const keyword of relay) if (backend.has(keyword)) extensions.set(keyword, "");
    // A backend is only ever known to have it over a connection that keeps the promise (`Connection.secured`).
    if (secured && backend.has("REQUIRETLS")) extensions.set("REQUIRETLS", "");
    if (starttls) extensions.set("STARTTLS", "");
    if (xclient) extensions.set("XCLIENT", XCLIENT_ATTRIBUTES.join(" "));
    const lines = [...extensions].map((
      [keyword, parameters],
    ) => (parameters === "" ? keyword : `${keyword} ${parameters}`));
    return { extensions, ehlo: reply(250, "", [hostname, ...lines]) };
  }
}

function ownLimits({ recipients, messages }: OfferSettings): string {
  const limits = { RCPTMAX: recipients, MAILMAX: messages };
  return Object.entries(limits).filter(([, most]) => most !== Infinity).map(([name, most]) =>
    `${name}=${most}`
  ).join(" ");
}
