/**
 * The options of `relay-gate`, checked by hand: `policies/pass.ts` has no other plugin, and a schema library would cost it
 * 8 MB.
 */
import { NETWORK_FORMS, type OptionsSchema, readNetwork } from "sallyport";
import { DOMAIN_FORMS, isDomain } from "./domains.ts";

/** Whose mail is taken, and from whom mail for others. */
export interface RelayGateOptions {
  /**
   * Our domains, whose mail everybody may bring: `example.org` is that name alone, `.example.org` all names below it,
   * `[192.0.2.25]` an address literal. None unless given.
   */
  readonly domains?: readonly string[] | undefined;
  /** Files with more of them, one a line, "#" begins a comment; read again when they change. None unless given. */
  readonly files?: readonly string[] | undefined;
  /** Networks whose clients may send to every domain. None unless given. */
  readonly networks?: readonly string[] | undefined;
  /** Whether users who have authenticated may send to every domain; true unless given. */
  readonly authenticated?: boolean | undefined;
  /**
   * Whether all others are refused at MAIL, whatever the recipient, as a submission service does (RFC 6409 §4.3); false
   * unless given.
   */
  readonly requireAuthentication?: boolean | undefined;
}

/** The same with its defaults. */
export type Terms = {
  readonly [Name in keyof RelayGateOptions]-?: Exclude<RelayGateOptions[Name], undefined>;
};

const DEFAULTS: Terms = {
  domains: [],
  files: [],
  networks: [],
  authenticated: true,
  requireAuthentication: false,
};

interface Mistake {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

export const schema: OptionsSchema<RelayGateOptions, Terms> = {
  "~standard": {
    version: 1,
    vendor: "sallyport",
    validate(given) {
      if (typeof given !== "object" || given === null) {
        return { issues: [{ path: [], message: "allowed is an object with options" }] };
      }
      const set = Object.entries(given).filter(([, value]) => value !== undefined);
      const value = { ...DEFAULTS, ...Object.fromEntries(set) } as Terms;
      const issues = mistakes(value);
      return issues.length > 0 ? { issues } : { value };
    },
  },
};

function mistakes(terms: Terms): Mistake[] {
  const { domains, files, authenticated, requireAuthentication } = terms;
  const single = [
    ...strangers(terms),
    ...listMistakes("domains", domains, domainMistake),
    ...listMistakes("files", files, () => undefined),
    ...listMistakes("networks", terms.networks, networkMistake),
    ...switchMistakes("authenticated", authenticated),
    ...switchMistakes("requireAuthentication", requireAuthentication),
  ];
  if (single.length > 0) return single;
  if (requireAuthentication && !authenticated) {
    return [{ path: ["authenticated"], message: "with requireAuthentication allowed is true" }];
  }
  if (requireAuthentication || domains.length + files.length > 0) return [];
  const message = "none is allowed only with requireAuthentication; otherwise a domain or a file is needed";
  return [{ path: ["domains"], message }];
}

function strangers(terms: Terms): Mistake[] {
  const known = Object.keys(DEFAULTS);
  return Object.keys(terms).filter((name) => !known.includes(name)).map((name) => ({
    path: [],
    message: `there is no option ${name}; allowed are ${known.join(", ")}`,
  }));
}

function listMistakes(
  name: string,
  given: unknown,
  mistake: (text: string) => string | undefined,
): Mistake[] {
  if (!Array.isArray(given)) return [{ path: [name], message: "allowed is a list" }];
  return given.flatMap((each: unknown, i) => {
    const message = typeof each === "string" ? mistake(each) : "allowed is text";
    return message === undefined ? [] : [{ path: [name, i], message }];
  });
}

function domainMistake(text: string): string | undefined {
  return isDomain(text) ? undefined : `allowed is ${DOMAIN_FORMS}`;
}

function networkMistake(text: string): string | undefined {
  const network = readNetwork(text);
  if (network === undefined) return `allowed is ${NETWORK_FORMS}`;
  return network.bits === 0 ? "the whole world may not send everywhere: that is an open relay" : undefined;
}

function switchMistakes(name: string, given: unknown): Mistake[] {
  return typeof given === "boolean" ? [] : [{ path: [name], message: "allowed is true or false" }];
}
