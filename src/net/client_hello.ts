/**
 * What a ClientHello (RFC 8446 §4.1.2, RFC 5246 §7.4.1.2) says of the certificates its sender can take. Needed only where the
 * runtime shows one certificate however many it was given.
 */

/** TLS 1.2's suites for ECDSA (RFC 8422, RFC 5289, RFC 7905). */
const ECDSA_SUITES = new Set([0xc009, 0xc00a, 0xc023, 0xc024, 0xc02b, 0xc02c, 0xcca9]);
/** ecdsa_sha1 and those of the three NIST curves (RFC 8446 §4.2.3). */
const ECDSA_SCHEMES = new Set([0x0203, 0x0403, 0x0503, 0x0603]);
const SIGNATURE_ALGORITHMS = 13;
const SUITES_OF_TLS13 = 0x13;

/**
 * Whether the sender can take an ECDSA certificate. What cannot be read can: the library will say what is wrong.
 * @param records the beginning of what a client sent, TLS records
 */
export function takesEcdsa(records: Uint8Array): boolean {
  try {
    return readHello(new Reader(handshakeOf(records)));
  } catch {
    return true;
  }
}

/** The handshake messages in records that are there as a whole; a ClientHello may be spread over several. */
function handshakeOf(records: Uint8Array): Uint8Array {
  const parts: number[] = [];
  for (let at = 0; at + 5 <= records.length && records[at] === 0x16;) {
    const end = at + 5 + records[at + 3]! * 256 + records[at + 4]!;
    parts.push(...records.subarray(at + 5, end));
    at = end;
  }
  return Uint8Array.from(parts);
}

function readHello(hello: Reader): boolean {
  if (hello.number(1) !== 1) return true;
  hello.skip(3 + 2 + 32); // length, version, random
  hello.skip(hello.number(1)); // session id
  const suites = hello.vector(2).numbers();
  hello.skip(hello.number(1)); // compression
  const schemes = signatureSchemes(hello.vector(2));
  const bySuite = suites.some((suite) => suite >> 8 === SUITES_OF_TLS13 || ECDSA_SUITES.has(suite));
  return bySuite && (schemes === undefined || schemes.some((scheme) => ECDSA_SCHEMES.has(scheme)));
}

function signatureSchemes(extensions: Reader): number[] | undefined {
  while (extensions.left > 0) {
    const type = extensions.number(2);
    const content = extensions.vector(2);
    if (type === SIGNATURE_ALGORITHMS) return content.vector(2).numbers();
  }
  return undefined;
}

/** Reads numbers and vectors (RFC 8446 §3.4). @throws RangeError past the end */
class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  number(octets: number): number {
    let value = 0;
    for (const octet of this.#take(octets)) value = value * 256 + octet;
    return value;
  }

  /** A vector whose length stands before it in so many octets. */
  vector(octets: number): Reader {
    return new Reader(this.#take(this.number(octets)));
  }

  /** The rest, as numbers of two octets. */
  numbers(): number[] {
    return Array.from({ length: this.left >> 1 }, () => this.number(2));
  }

  skip(octets: number): void {
    this.#take(octets);
  }

  #take(octets: number): Uint8Array {
    if (octets > this.left) throw new RangeError("the ClientHello ends early");
    return this.#bytes.subarray(this.#at, this.#at += octets);
  }
}
