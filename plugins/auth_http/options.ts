/**
 * The options of `auth-http`.
 */
import { NETWORK_FORMS, readNetwork } from "sallyport";
import { options, z } from "sallyport/schema";
import { REQUEST_FIELDS } from "./request.ts";

/** What `auth-http` can be told. */
export interface AuthHttpOptions {
  /** The service, `http://127.0.0.1:9000/auth` or `https://…`. */
  readonly url: string;
  /** Networks of the mail servers that the service may name. Needed unless `route` is false. */
  readonly servers?: readonly string[] | undefined;
  /** False: the service only says whether, not where to; true unless given. */
  readonly route?: boolean | undefined;
  /** What the service is asked about: each recipient, or the first of a transaction; `"recipient"`. */
  readonly ask?: "recipient" | "transaction" | undefined;
  /** Header fields that go along, such as a secret that the service knows the proxy by. None unless given. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Whether the client's certificate goes along as a whole; false unless given. */
  readonly passClientCertificate?: boolean | undefined;
  /** Milliseconds for one answer; 4,000, since the plugins of a stage have 5 s together. */
  readonly timeout?: number | undefined;
  /** Milliseconds that the service may let a client wait, all its WAITs together; 10,000. */
  readonly longestWait?: number | undefined;
}

const HTTP = 'allowed is a URL, as in "http://127.0.0.1:9000/auth" or "https://auth.example/smtp"';

/** What is wrong with a URL. */
function urlMistake(given: string): string | undefined {
  if (given.startsWith("unix:")) return `unix sockets cannot be asked: ${HTTP}`;
  const url = URL.canParse(given) ? new URL(given) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) return HTTP;
  if (url.username + url.password !== "") return `a URL with a password is shown in logs: use headers`;
  return url.hash === "" ? undefined : HTTP;
}

const url = z.string(HTTP).superRefine((given, { addIssue }) => {
  const message = urlMistake(given);
  if (message !== undefined) addIssue({ code: "custom", message });
});

const network = z.string(`allowed is ${NETWORK_FORMS}`).refine(
  (given) => readNetwork(given) !== undefined,
  `allowed is ${NETWORK_FORMS}`,
);

const NAME = "allowed are header names that neither the request nor the connection has already";
/** Others that begin with Auth- are free: services are told their port or a key that way. */
const TAKEN: ReadonlySet<string> = new Set([
  ...REQUEST_FIELDS.map((field) => field.toLowerCase()),
  "host",
  "connection",
  "keep-alive",
  "content-length",
  "transfer-encoding",
  "te",
  "upgrade",
]);
const name = z.string().regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$/, NAME)
  .refine((given) => !TAKEN.has(given.toLowerCase()), NAME);
const VALUE = "allowed are 1 to 1000 printable ASCII characters";
const value = z.string(VALUE).regex(/^[!-~](?:[ -~]{0,998}[!-~])?$/, VALUE);

const milliseconds = (from: number, to: number) => {
  const allowed = `allowed is a whole number of milliseconds from ${from} to ${to}`;
  return z.int(allowed).min(from, allowed).max(to, allowed);
};
const yesOrNo = z.boolean("allowed is true or false");

export const SCHEMA = options({
  url,
  servers: z.array(network, "allowed is a list of networks").readonly().default([]),
  route: yesOrNo.default(true),
  ask: z.enum(["recipient", "transaction"], "allowed are recipient, transaction").default("recipient"),
  headers: z.record(name, value).default({}),
  passClientCertificate: yesOrNo.default(false),
  timeout: milliseconds(1, 60_000).default(4_000),
  longestWait: milliseconds(0, 120_000).default(10_000),
}).refine(({ route, servers }) => !route || servers.length > 0, {
  path: ["servers"],
  message: "the networks of your mail servers are needed, so that the service cannot send mail anywhere; " +
    'allowed is a list as in ["192.0.2.0/24"], or route: false',
});

/** The options with their defaults. */
export type Given = z.output<typeof SCHEMA>;
