/** The files that backends name are read and looked at before anything begins, and no secret of theirs is shown. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "bun:test";
import { readBackendFiles } from "../../src/cli/backend_files.ts";
import { completeBackend } from "../../src/policy/backend_address.ts";
import { makeIdentity } from "../support/certificate.ts";

const folder = mkdtempSync(join(tmpdir(), "sallyport-files-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const [one, two] = [makeIdentity(), makeIdentity()];
const FILES: Readonly<Record<string, string>> = {
  "cert.pem": one.cert,
  "key.pem": one.key,
  "other.pem": two.key,
  "bundle.pem": `comment\n${one.cert}\n${two.cert}`,
  "text.pem": "no certificate",
  "broken.pem": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
  "half.pem": `${one.cert}\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n`,
};
for (const [name, text] of Object.entries(FILES)) writeFileSync(join(folder, name), text);

function read(option: string) {
  return readBackendFiles([completeBackend(`10.0.0.1:25?${option.replaceAll("@", `${folder}/`)}`)]);
}

test("what is named is read, by its name", () => {
  const { files, mistakes } = read("ca=@bundle.pem&cert=@cert.pem&key=@key.pem");
  expect(mistakes).toEqual([]);
  expect([...files.keys()].map((name) => name.slice(folder.length + 1))).toEqual([
    "bundle.pem",
    "cert.pem",
    "key.pem",
  ]);
});

describe("a mistake:", () => {
  const wrong: readonly (readonly [option: string, told: RegExp])[] = [
    ["ca=@none.pem", /^Cannot read the file .*none\.pem of a backend: ENOENT|No such file/],
    ["ca=@text.pem", /text\.pem of backend 10\.0\.0\.1:25: it holds no certificate in PEM/],
    ["ca=@broken.pem", /broken\.pem of backend .*: a certificate in it cannot be read/],
    ["ca=@half.pem", /half\.pem of backend .*: a certificate in it cannot be read/],
    ["ca=@key.pem", /it holds no certificate in PEM/],
    ["cert=@cert.pem&key=@other.pem", /it does not belong to the certificate/],
    ["cert=@text.pem&key=@key.pem", /Cannot read the certificate/],
  ];
  for (const [option, told] of wrong) {
    test(option, () => {
      const { mistakes } = read(option);
      expect(mistakes.length).toBe(1);
      expect(mistakes[0]).toMatch(told);
      expect(mistakes[0]).not.toContain("PRIVATE");
    });
  }
});
