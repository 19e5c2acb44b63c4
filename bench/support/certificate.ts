/** Self-signed ECDSA P-256 certificates for one run, made by openssl. */
import { chmodSync } from "node:fs";
import { lastLines, runChild } from "./child.ts";
import { type Certificate, program } from "./peer.ts";

export async function certificate(directory: string, name = "proxy.example"): Promise<Certificate> {
  const files = { cert: `${directory}/${name}.cert.pem`, key: `${directory}/${name}.key.pem` };
  const { code, stderr } = await runChild([
    program("openssl"),
    ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"],
    ...["-days", "2", "-subj", `/CN=${name}`],
    ...["-addext", `subjectAltName=DNS:${name},IP:127.0.0.1`],
    ...["-keyout", files.key, "-out", files.cert],
  ], { seconds: 20 });
  if (code !== 0) throw new Error(`openssl made no certificate: ${lastLines(stderr)}`);
  // Worth nothing outside this run, and read by proxies that run as other users.
  chmodSync(files.key, 0o644);
  return files;
}
