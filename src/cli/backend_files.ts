/**
 * The files that backends' addresses name: CA certificates, and our own certificate with its key.
 */
import { readFileSync } from "node:fs";
import { checkAuthorities, checkIdentity } from "../net/tls.ts";
import type { BackendAddress } from "../policy/settings.ts";

/** Their contents by name, and what is wrong with them. */
export function readBackendFiles(backends: readonly BackendAddress[]): {
  readonly files: ReadonlyMap<string, string>;
  readonly mistakes: readonly string[];
} {
  const files = new Map<string, string>();
  const mistakes: string[] = [];
  for (const { ca, cert, key } of backends) {
    for (const path of [ca, cert, key]) {
      if (path === undefined || files.has(path)) continue;
      try {
        files.set(path, readFileSync(path, "utf8"));
      } catch (cause) {
        mistakes.push(`Cannot read the file ${path} of a backend: ${(cause as Error).message}`);
      }
    }
  }
  if (mistakes.length === 0) {
    mistakes.push(...backends.flatMap((backend) => identityMistakes(backend, files)));
  }
  return { files, mistakes };
}

function identityMistakes(
  { name, ca, cert, key }: BackendAddress,
  files: ReadonlyMap<string, string>,
): string[] {
  const mistakes: string[] = [];
  const wrong = ca === undefined ? undefined : checkAuthorities(files.get(ca)!);
  if (wrong !== undefined) mistakes.push(`Cannot use the file ${ca} of backend ${name}: ${wrong}`);
  if (cert === undefined || key === undefined) return mistakes;
  const fault = checkIdentity({ cert: files.get(cert)!, key: files.get(key)! });
  if (fault !== undefined) mistakes.push(`Cannot use ${cert} with ${key} of backend ${name}: ${fault}`);
  return mistakes;
}
