/**
 * The ways in which mail for a foreign domain is asked to be relayed. RCPT only: no message ever follows.
 */

export interface RelayProbe {
  readonly from: string;
  readonly to: string;
  /**
   * `foreign`: the domain of the recipient is a foreign one, so that its acceptance is a relay. `hidden`: the foreign
   * domain stands in a local part, so that a server which knows all its users refuses it, and one which accepts it
   * may mean a mailbox of that name.
   */
  readonly kind: "foreign" | "hidden";
}

export interface RelayWords {
  /** A domain that is not the backend's. */
  readonly foreign: string;
  /** The backend's own name; undefined where it is not known. */
  readonly hostname: string | undefined;
  /** The backend's address, as in a literal: `192.0.2.1`, `IPv6:2001:db8::1`. */
  readonly literal: string | undefined;
}

const USER = "sallyport-doctor";

/** The three plain ones: a null sender, a foreign one, one of the backend's own. */
export function plainProbes({ foreign, hostname }: RelayWords): RelayProbe[] {
  const to = `${USER}@${foreign}`;
  const senders = ["", `${USER}@${foreign}`, ...(hostname === undefined ? [] : [`${USER}@${hostname}`])];
  return senders.map((from) => ({ from, to, kind: "foreign" }));
}

/** Source routes, percent signs, bangs and quotes, which servers of old took for a way onward. */
export function oddProbes({ foreign, hostname, literal }: RelayWords): RelayProbe[] {
  const homes = [hostname, literal === undefined ? undefined : `[${literal}]`].filter((home) =>
    home !== undefined
  );
  const hidden = homes.flatMap((home) => [
    `${USER}%${foreign}@${home}`,
    `"${USER}@${foreign}"@${home}`,
    `${foreign}!${USER}@${home}`,
  ]);
  const routes = homes.map((home) => `@${home}:${USER}@${foreign}`);
  return [
    ...routes.map((to): RelayProbe => ({ from: "", to, kind: "foreign" })),
    ...[`"${USER}@${foreign}"`, `${foreign}!${USER}`, ...hidden].map((to): RelayProbe => ({
      from: "",
      to,
      kind: "hidden",
    })),
  ];
}
