/**
 * Makes certificates for tests, self-signed or by an issuer: X.509 v3 (RFC 5280), EC P-256 or RSA, written as
 * DER by hand because node:crypto signs but does not build certificates, and a test should need no openssl.
 */

import { createPrivateKey, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import type { TlsIdentity } from "../../src/net/wire.ts";

const DAY = 86_400_000;

/** What a test may want to be different. */
export interface CertificateOptions {
  /** DNS names; the first is also the common name. Default `mx.example`. */
  readonly names?: readonly string[];
  /** Default yesterday. */
  readonly notBefore?: Date;
  /** Default in ten days. */
  readonly notAfter?: Date;
  /** Who signs it, made with `authority`; default itself. */
  readonly issuer?: TlsIdentity & { readonly name: string };
  /** It may sign others. */
  readonly authority?: boolean;
  /** Default `ec`. */
  readonly key?: "ec" | "rsa";
  /** IPv4 addresses it is for as well. */
  readonly addresses?: readonly string[];
}

/** A fresh key and its certificate, both PEM; `name` is the subject's common name. */
export function makeIdentity(options: CertificateOptions = {}): TlsIdentity & { readonly name: string } {
  const names = options.names ?? ["mx.example"];
  const now = Date.now();
  const { publicKey, privateKey } = newKeys(options.key);
  const name = names[0]!;
  const signer = createPrivateKey(options.issuer?.key ?? privateKey);
  const algorithm = algorithmOf(signer);
  const body = sequence(
    tagged(0xa0, integer(2)), // v3
    integer(1 + Math.floor(Math.random() * 0x7fff_fffe)),
    algorithm,
    commonName(options.issuer?.name ?? name),
    sequence(
      time(options.notBefore ?? new Date(now - DAY)),
      time(options.notAfter ?? new Date(now + 10 * DAY)),
    ),
    commonName(name),
    publicKey,
    tagged(
      0xa3,
      sequence(
        ...(options.authority ? [basicConstraints()] : []),
        alternativeNames(names, options.addresses ?? []),
      ),
    ),
  );
  const signature = sign("sha256", body, signer);
  const certificate = sequence(body, algorithm, tagged(0x03, Buffer.from([0]), signature));
  return { cert: pem("CERTIFICATE", certificate), key: privateKey, name };
}

function newKeys(kind: "ec" | "rsa" = "ec"): { publicKey: Buffer; privateKey: string } {
  const encodings = {
    publicKeyEncoding: { type: "spki", format: "der" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
  } as const;
  const { publicKey, privateKey } = kind === "ec"
    ? generateKeyPairSync("ec", { namedCurve: "P-256", ...encodings })
    : generateKeyPairSync("rsa", { modulusLength: 2048, ...encodings });
  return { publicKey: Buffer.from(publicKey), privateKey };
}

/** ecdsa-with-SHA256 or sha256WithRSAEncryption. */
function algorithmOf(signer: KeyObject): Buffer {
  return signer.asymmetricKeyType === "ec"
    ? sequence(objectId("1.2.840.10045.4.3.2"))
    : sequence(objectId("1.2.840.113549.1.1.11"), tagged(0x05));
}

function commonName(name: string): Buffer {
  return sequence(tagged(0x31, sequence(objectId("2.5.4.3"), utf8(name))));
}

function basicConstraints(): Buffer {
  const content = sequence(tagged(0x01, Buffer.from([0xff])));
  return sequence(objectId("2.5.29.19"), tagged(0x01, Buffer.from([0xff])), tagged(0x04, content));
}

function alternativeNames(names: readonly string[], addresses: readonly string[]): Buffer {
  const list = sequence(
    ...names.map((name) => tagged(0x82, Buffer.from(name, "latin1"))),
    ...addresses.map((address) => tagged(0x87, Buffer.from(address.split(".").map(Number)))),
  );
  return sequence(objectId("2.5.29.17"), tagged(0x04, list));
}

/** One DER value: tag, length, content. */
function tagged(tag: number, ...parts: Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const size = content.length;
  const length = size < 0x80 ? [size] : size < 0x100 ? [0x81, size] : [0x82, size >> 8, size & 0xff];
  return Buffer.concat([Buffer.from([tag, ...length]), content]);
}

function sequence(...parts: Buffer[]): Buffer {
  return tagged(0x30, ...parts);
}

function utf8(text: string): Buffer {
  return tagged(0x0c, Buffer.from(text));
}

function integer(value: number): Buffer {
  const bytes = Buffer.alloc(5);
  bytes.writeUInt32BE(value, 1);
  let start = 0;
  while (start < 4 && bytes[start] === 0 && bytes[start + 1]! < 0x80) start++;
  return tagged(0x02, bytes.subarray(start));
}

function objectId(dotted: string): Buffer {
  const [first, second, ...rest] = dotted.split(".").map(Number);
  return tagged(0x06, Buffer.from([first! * 40 + second!, ...rest.flatMap(base128)]));
}

function base128(value: number): number[] {
  const digits = [value & 0x7f];
  for (let left = value >> 7; left > 0; left >>= 7) digits.unshift(0x80 | (left & 0x7f));
  return digits;
}

/** GeneralizedTime; RFC 5280 wants UTCTime before 2050, every reader takes both. */
function time(date: Date): Buffer {
  return tagged(0x18, Buffer.from(date.toISOString().replace(/[-:T]|\.\d+/g, "")));
}

function pem(label: string, der: Buffer): string {
  const lines = der.toString("base64").match(/.{1,64}/g)!;
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}
