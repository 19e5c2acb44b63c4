/**
 * What can be set about TLS towards clients: certificates as pairs of files or a folder of them, and what is asked of
 * clients. It is given in the shortest form that says it, and kept in the full one.
 */

/** Certificate chain and private key, as files in PEM. */
export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
}

/** TLS towards clients. */
export interface TlsSettings {
  /** Pairs of files, or the name of a folder that holds them. The first is for clients that ask for no other's name. */
  readonly certificates: readonly TlsFiles[] | string;
  /** Whether clients are asked for a certificate; `required` lets nobody in without one that `clientCa` stands behind. */
  readonly clientCertificates: "off" | "optional" | "required";
  /** A file with the CA certificates of clients, PEM. */
  readonly clientCa: string | undefined;
}

/** As a policy gives it. */
export type TlsGiven = TlsFiles | readonly TlsFiles[] | {
  readonly certificates: TlsFiles | readonly TlsFiles[] | string;
  readonly clientCertificates?: TlsSettings["clientCertificates"] | undefined;
  readonly clientCa?: string | undefined;
};

/** What `tls` may be, in words. */
export const TLS_FORMS = "{ cert, key }, the names of two files in PEM, an array of such pairs, or " +
  '{ certificates: pairs or a folder, clientCertificates: "off", "optional" or "required", clientCa: a file }';

const NAMES = ["certificates", "clientCertificates", "clientCa"];
const ASKED = ["off", "optional", "required"];

/** The full form of what was given; what has no form stays as it is, for `tlsMistakes` to name. */
export function tlsSettings(given: TlsGiven | undefined): TlsSettings | undefined {
  if (typeof given !== "object" || given === null) return given;
  if (!("certificates" in given) && !Array.isArray(given) && !isTlsFiles(given)) {
    return given as unknown as TlsSettings;
  }
  const full = "certificates" in given ? given : { certificates: given as TlsFiles | readonly TlsFiles[] };
  const { certificates } = full;
  return {
    ...full,
    certificates: isTlsFiles(certificates) ? [certificates] : certificates as readonly TlsFiles[] | string,
    clientCertificates: full.clientCertificates ?? "off",
    clientCa: full.clientCa,
  };
}

/** What is wrong with `tls`, a line a mistake. */
export function tlsMistakes(path: string, given: unknown): string[] {
  const allowed = `allowed is ${TLS_FORMS}`;
  if (typeof given !== "object" || given === null || !("certificates" in given)) {
    return [`${path}: ${JSON.stringify(given) ?? String(given)} was given; ${allowed}`];
  }
  const settings = given as Record<string, unknown>;
  const strangers = Object.keys(settings).filter((name) => !NAMES.includes(name)).map((name) =>
    `${path}.${name}: there is no such setting; allowed are ${NAMES.join(", ")}`
  );
  return [
    ...strangers,
    ...certificateMistakes(`${path}.certificates`, settings["certificates"]),
    ...clientMistakes(path, settings["clientCertificates"], settings["clientCa"]),
  ];
}

function certificateMistakes(path: string, given: unknown): string[] {
  if (typeof given === "string" && given !== "") return [];
  const pairs = Array.isArray(given) ? given : [];
  if (pairs.length === 0) {
    return [`${path}: ${JSON.stringify(given) ?? "nothing"} was given; allowed is ${TLS_FORMS}`];
  }
  return pairs.flatMap((pair, i) =>
    isTlsFiles(pair) ? [] : [
      `${path}[${i}]: ${
        JSON.stringify(pair)
      } was given; allowed is { cert, key }, the names of two files in PEM`,
    ]
  );
}

function clientMistakes(path: string, asked: unknown, ca: unknown): string[] {
  const mistakes: string[] = [];
  if (!ASKED.includes(asked as string)) {
    mistakes.push(
      `${path}.clientCertificates: ${JSON.stringify(asked)} was given; allowed is one of ${ASKED.join(", ")}`,
    );
  }
  if (ca !== undefined && (typeof ca !== "string" || ca === "")) {
    mistakes.push(`${path}.clientCa: ${JSON.stringify(ca)} was given; allowed is the name of a file in PEM`);
  }
  if (asked === "required" && ca === undefined) {
    mistakes.push(`${path}.clientCertificates: "required" was given without clientCa; nobody could come in`);
  }
  return mistakes;
}

/** Whether these are two names of files. */
export function isTlsFiles(given: unknown): given is TlsFiles {
  const { cert, key } = (given ?? {}) as Record<string, unknown>;
  return typeof cert === "string" && cert !== "" && typeof key === "string" && key !== "";
}

/** Whether these settings are such that their files can be looked at. */
export function isTlsSettings(given: unknown): given is TlsSettings {
  return tlsMistakes("tls", given).length === 0;
}
