// Certificates for the black-box suite: two self-signed P-256 pairs for mx.example (made with openssl,
// valid for a hundred years, worth nothing), written to a directory of the run's own.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";

const dir = mkdtempSync(join(tmpdir(), "sallyport-blackbox-"));
process.on("exit", () => rmSync(dir, { recursive: true, force: true }));

/** Writes a file into the run's own directory and tells its path. */
export function tempFile(name: string, text: string): string {
  const path = join(dir, name);
  writeFileSync(path, text);
  return path;
}

const CERT = `-----BEGIN CERTIFICATE-----
MIIBmDCCAT6gAwIBAgIULlDBHaN0myLfeas3wNDUQU9qeagwCgYIKoZIzj0EAwIw
FTETMBEGA1UEAwwKbXguZXhhbXBsZTAgFw0yNjExMjIyMjM3MTFaGA8yMTI2MTAy
OTIyMzcxMVowFTETMBEGA1UEAwwKbXguZXhhbXBsZTBZMBMGByqGSM49AgEGCCqG
SM49AwEHA0IABL9hr0awWWDYnTL6IVGfPKD/utA3de3DiMxLViVgBghsq1M6dxcO
2XdNo5U7iE769r1ZhWPEJ0AlyvEQp9MNv9CjajBoMB0GA1UdDgQWBBRQzPc81Wdi
DguTHx7GNGOH+1HjtzAfBgNVHSMEGDAWgBRQzPc81WdiDguTHx7GNGOH+1HjtzAP
BgNVHRMBAf8EBTADAQH/MBUGA1UdEQQOMAyCCm14LmV4YW1wbGUwCgYIKoZIzj0E
AwIDSAAwRQIhAKp4Bqn8CuRpQJyX30gdJBxUHFWGw2jFvV7RChx+kDZhAiAtUB8p
DuSIKmwRdhv0MhllmswkeAAh5HIjubrSJX63hA==
-----END CERTIFICATE-----
`;
const KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgvBfayehT0sPBrvce
GkJCO5TBWNFeZND90juYt6wKZjGhRANCAAS/Ya9GsFlg2J0y+iFRnzyg/7rQN3Xt
w4jMS1YlYAYIbKtTOncXDtl3TaOVO4hO+va9WYVjxCdAJcrxEKfTDb/Q
-----END PRIVATE KEY-----
`;
const OTHER_KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgloCGJMxhFtswfy+5
LitIH5SjIngjVH7AcIH4MBIUvLyhRANCAAQVI4OhuFRnu1TjN3qPsMB1v+FcggmN
qNFKXKVuMA1Zkycb/X4DDdgRgW0I2dKCb2l3qs64+MEb81PQ0CTzbn5G
-----END PRIVATE KEY-----
`;

/** A certificate, its key, and a key that is not its own. */
export const CERT_FILE = tempFile("cert.pem", CERT);
export const KEY_FILE = tempFile("key.pem", KEY);
export const OTHER_KEY_FILE = tempFile("other-key.pem", OTHER_KEY);

/** The environment that turns STARTTLS on. */
export const TLS_ENV = { SALLYPORT_TLS_CERT: CERT_FILE, SALLYPORT_TLS_KEY: KEY_FILE };
