/**
 * The files behind `tls`: found, read, and put to the question whether a client could be served with them. A folder
 * may be laid out as certbot, Kubernetes and most people do it.
 */
import { createHash } from "node:crypto";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { checkIdentity, identityWarning } from "../net/tls.ts";
import { serverTls } from "../net/tls_server.ts";
import type { TlsIdentity, TlsServerOptions } from "../net/wire.ts";
import type { TlsFiles, TlsSettings } from "../policy/tls_settings.ts";

/** What the files hold. `service` is missing where there is a mistake. */
export interface TlsRead {
  readonly service: TlsServerOptions | undefined;
  readonly mistakes: readonly string[];
  /** What an operator should look at though it works. */
  readonly warnings: readonly string[];
}

/** Reads all of them. */
export async function readTls(settings: TlsSettings, now = new Date()): Promise<TlsRead> {
  const mistakes: string[] = [];
  const pairs = await pairsOf(settings, mistakes);
  const identities = await Promise.all(pairs.map((pair) => readPair(pair, mistakes)));
  const clientCa = settings.clientCa === undefined
    ? undefined
    : await readText("client CA", settings.clientCa, mistakes);
  if (clientCa !== undefined && mistakes.length === 0 && !clientCa.includes("-----BEGIN CERTIFICATE-----")) {
    mistakes.push(`Cannot use the client CA ${settings.clientCa}: no PEM block CERTIFICATE`);
  }
  if (mistakes.length > 0) return { service: undefined, mistakes, warnings: [] };
  const service = { certificates: identities, clientCertificates: settings.clientCertificates, clientCa };
  try {
    serverTls(service);
  } catch (cause) {
    return { service: undefined, mistakes: [`Cannot serve TLS: ${(cause as Error).message}`], warnings: [] };
  }
  const warnings = identities.flatMap((identity, i) => {
    const warning = identityWarning(identity, now);
    return warning === undefined ? [] : [`${warning} (${pairs[i]!.cert})`];
  });
  return { service, mistakes, warnings };
}

/**
 * Differs whenever what one of the files holds does. Times and sizes would not tell: the system's clock for files moves a
 * few times in a hundredth of a second, and a new key may be as long as the old one. The files are small.
 */
export async function tlsMark(settings: TlsSettings): Promise<string> {
  const pairs = await pairsOf(settings, []);
  const paths = pairs.flatMap(({ cert, key }) => [cert, key]).concat(settings.clientCa ?? []);
  const marks = await Promise.all(paths.map(async (path) => {
    try {
      return `${path} ${createHash("sha256").update(await readFile(path)).digest("base64")}`;
    } catch (cause) {
      return `${path} ${(cause as { code?: string }).code}`;
    }
  }));
  return marks.join("\n");
}

async function readPair({ cert, key }: TlsFiles, mistakes: string[]): Promise<TlsIdentity> {
  const unread: string[] = [];
  const identity = {
    cert: await readText("certificate", cert, unread),
    key: await readText("key", key, unread),
  };
  mistakes.push(...unread);
  const fault = unread.length === 0 ? checkIdentity(identity) : undefined;
  if (fault !== undefined) mistakes.push(`Cannot use the certificate ${cert} with the key ${key}: ${fault}`);
  return identity;
}

async function readText(what: string, path: string, mistakes: string[]): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    mistakes.push(`Cannot read the ${what} ${path}: ${(cause as Error).message.split("\n")[0]}`);
    return "";
  }
}

function pairsOf({ certificates }: TlsSettings, mistakes: string[]): Promise<readonly TlsFiles[]> {
  return typeof certificates === "string" ? pairsIn(certificates, mistakes) : Promise.resolve(certificates);
}

/** The pairs in a folder and in the folders in it, by name; what begins with a dot is not looked at. */
async function pairsIn(folder: string, mistakes: string[]): Promise<TlsFiles[]> {
  const found: TlsFiles[] = [];
  try {
    const names = await visible(folder);
    found.push(...pairUp(folder, names, mistakes));
    for (const name of names) {
      const inner = join(folder, name);
      if (!(await isFolder(inner))) continue;
      found.push(...pairUp(inner, await visible(inner), mistakes));
    }
  } catch (cause) {
    mistakes.push(`Cannot read the folder ${folder}: ${(cause as Error).message.split("\n")[0]}`);
    return found;
  }
  if (found.length === 0 && mistakes.length === 0) {
    mistakes.push(
      `Cannot find a certificate in the folder ${folder}: allowed are ${LAYOUTS}, there or one folder down`,
    );
  }
  return found;
}

const LAYOUTS = "NAME.crt or NAME.pem with NAME.key, and fullchain.pem with privkey.pem";

/** A certificate's file → its key's. */
function keyOf(name: string): string | undefined {
  if (name === "fullchain.pem") return "privkey.pem";
  return /\.(crt|pem|cert|cer)$/.test(name) ? name.replace(/\.[a-z]+$/, ".key") : undefined;
}

function pairUp(folder: string, names: readonly string[], mistakes: string[]): TlsFiles[] {
  // certbot's folders hold the chain in parts as well, Kubernetes' the CA: these have no key, and need none.
  const PARTS = /^(privkey|cert|chain|ca)\.(pem|crt)$/;
  const certs = names.filter((name) => keyOf(name) !== undefined && !PARTS.test(name));
  const pairs = certs.flatMap((name) => {
    const key = keyOf(name)!;
    if (names.includes(key)) return [{ cert: join(folder, name), key: join(folder, key) }];
    mistakes.push(`Cannot use the certificate ${join(folder, name)}: there is no ${key} beside it`);
    return [];
  });
  for (const key of names.filter((name) => name.endsWith(".key"))) {
    if (certs.some((cert) => keyOf(cert) === key)) continue;
    mistakes.push(`Cannot use the key ${join(folder, key)}: there is no certificate of that name beside it`);
  }
  return pairs;
}

async function visible(folder: string): Promise<string[]> {
  return (await readdir(folder)).filter((name) => !name.startsWith(".")).sort();
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    return false;
  }
}
