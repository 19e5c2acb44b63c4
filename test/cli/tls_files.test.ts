/** The files behind `tls`: what is found in a folder, every mistake by name, and what happens when they change. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname } from "node:path";
import { readTls, tlsMark } from "../../src/cli/tls_files.ts";
import { ServedTls } from "../../src/cli/tls_reload.ts";
import type { TlsIdentity } from "../../src/net/wire.ts";
import type { TlsSettings } from "../../src/policy/tls_settings.ts";
import { makeIdentity } from "../support/certificate.ts";

const one = makeIdentity({ names: ["one.example"] });
const two = makeIdentity({ names: ["two.example"] });
const expired = makeIdentity({ names: ["late.example"], notAfter: new Date("2020-05-06") });

let folder = "";
beforeEach(() => folder = mkdtempSync(`${tmpdir()}/sallyport-tls-`));
afterEach(() => rmSync(folder, { recursive: true }));

function put(files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(`${folder}/${name}`), { recursive: true });
    writeFileSync(`${folder}/${name}`, text);
  }
}

function inFolder(more: Partial<TlsSettings> = {}): TlsSettings {
  return { certificates: folder, clientCertificates: "off", clientCa: undefined, ...more };
}

/** What is wrong, with the folder's name left out. */
async function mistakes(settings = inFolder()): Promise<string[]> {
  const { service, mistakes } = await readTls(settings);
  expect(service === undefined).toBe(mistakes.length > 0);
  return mistakes.map((line) => line.replaceAll(folder, "FOLDER"));
}

describe("a folder", () => {
  test("pairs by name, as most people lay them out, as certbot does, and as Kubernetes does", async () => {
    put({
      "a.crt": one.cert,
      "a.key": one.key,
      "b.pem": two.cert,
      "b.key": two.key,
      ".hidden.crt": "no",
      "README": "hello",
      "live/README": "hello",
      "mx/fullchain.pem": two.cert,
      "mx/privkey.pem": two.key,
      "mx/cert.pem": two.cert,
      "mx/chain.pem": two.cert,
      "..2026/tls.crt": one.cert,
      "..2026/tls.key": one.key,
      "..2026/ca.crt": two.cert,
    });
    symlinkSync("..2026", `${folder}/k8s`);
    const { service, mistakes } = await readTls(inFolder());
    expect(mistakes).toEqual([]);
    expect(service?.certificates.map(({ cert }) => cert)).toEqual([one.cert, two.cert, one.cert, two.cert]);
  });

  test("empty, missing, a certificate without its key, a key without its certificate", async () => {
    expect(await mistakes()).toEqual([
      "Cannot find a certificate in the folder FOLDER: allowed are NAME.crt or NAME.pem with NAME.key, and fullchain.pem with privkey.pem, there or one folder down",
    ]);
    expect((await mistakes(inFolder({ certificates: `${folder}/no` })))[0]).toContain(
      "Cannot read the folder FOLDER/no: ENOENT",
    );
    put({ "a.crt": one.cert, "b.key": two.key });
    expect(await mistakes()).toEqual([
      "Cannot use the certificate FOLDER/a.crt: there is no a.key beside it",
      "Cannot use the key FOLDER/b.key: there is no certificate of that name beside it",
    ]);
  });
});

describe("the files", () => {
  test("every one that cannot be read or used is named", async () => {
    put({ "a.crt": one.cert, "a.key": two.key, "b.crt": "rubbish", "b.key": two.key });
    const certificates = [...["a", "b", "c"].map((name) => ({
      cert: `${folder}/${name}.crt`,
      key: `${folder}/${name}.key`,
    }))];
    const found = await mistakes(inFolder({ certificates, clientCa: `${folder}/ca.pem` }));
    expect(found.map((line) => line.replace(/ENOENT.*/, "ENOENT")).sort()).toEqual([
      "Cannot read the certificate FOLDER/c.crt: ENOENT",
      "Cannot read the client CA FOLDER/ca.pem: ENOENT",
      "Cannot read the key FOLDER/c.key: ENOENT",
      "Cannot use the certificate FOLDER/a.crt with the key FOLDER/a.key: Cannot use the private key: it does not belong to the certificate of CN=one.example",
      "Cannot use the certificate FOLDER/b.crt with the key FOLDER/b.key: Cannot read the certificate: no PEM block CERTIFICATE",
    ]);
    put({ "ca.pem": "rubbish", "a.key": one.key });
    expect(await mistakes(inFolder({ certificates: [certificates[0]!], clientCa: `${folder}/ca.pem` })))
      .toEqual([
        "Cannot use the client CA FOLDER/ca.pem: no PEM block CERTIFICATE",
      ]);
  });

  test("an expired certificate works and is told of", async () => {
    put({ "late.crt": expired.cert, "late.key": expired.key, "one.crt": one.cert, "one.key": one.key });
    const { warnings, mistakes } = await readTls(inFolder());
    expect(mistakes).toEqual([]);
    expect(warnings).toEqual([
      `The certificate of CN=late.example expired on 2020-05-06 (${folder}/late.crt)`,
    ]);
  });
});

describe("when they change", () => {
  interface Seen {
    readonly served: ServedTls;
    readonly lines: string[];
    cert(): string;
  }

  async function serve(settings: TlsSettings): Promise<Seen> {
    const mark = await tlsMark(settings);
    const { service } = await readTls(settings);
    const lines: string[] = [];
    const note = (_event: string, { text, mistakes }: Readonly<Record<string, unknown>>) =>
      void lines.push([text, mistakes].flat().filter((part) => part !== undefined).join(" | "));
    const served = new ServedTls(settings, service!, mark, { info: note, warn: note });
    return { served, lines, cert: () => served.current().certificates[0]!.cert };
  }

  function pair(name: string, { cert, key }: TlsIdentity): Record<string, string> {
    return { [`${name}.crt`]: cert, [`${name}.key`]: key };
  }

  test("nothing changes while nothing has", async () => {
    put(pair("a", one));
    const { served, lines } = await serve(inFolder());
    const before = served.current();
    await served.look();
    await served.look(true);
    put(pair("a", one)); // written over with the same
    await served.look();
    expect(served.current()).toBe(before);
    expect(lines).toEqual([]);
  });

  test("a good pair is taken, also one that came in two steps", async () => {
    put(pair("a", one));
    const { served, lines, cert } = await serve(inFolder());
    put({ "a.crt": two.cert });
    await served.look();
    expect(cert()).toBe(one.cert);
    put({ "a.key": two.key });
    await served.look();
    expect(cert()).toBe(two.cert);
    expect(lines).toEqual(["read anew, for handshakes from now on"]);
  });

  test("a bad pair keeps the old one and says why: once it stays bad, or when somebody asks", async () => {
    put(pair("a", one));
    const { served, lines, cert } = await serve(inFolder());
    put({ "a.key": two.key });
    await served.look();
    expect(lines).toEqual([]);
    await served.look();
    await served.look();
    expect(lines.length).toBe(1);
    expect(lines[0]).toContain("the old ones are served on | Cannot use the certificate");
    expect(lines[0]).toContain("it does not belong to the certificate of CN=one.example");
    await served.look(true);
    expect(lines.length).toBe(2);
    rmSync(`${folder}/a.key`);
    await served.look(true);
    expect(lines[2]).toContain("there is no a.key beside it");
    expect(cert()).toBe(one.cert);
    put(pair("a", two));
    await served.look();
    expect(cert()).toBe(two.cert);
  });

  test("a file of the same size, written in the same place at the same moment", async () => {
    put({ "a.crt": "one", "a.key": "key" });
    for (let round = 0; round < 50; round++) {
      const before = await tlsMark(inFolder());
      put({ "a.crt": round % 2 === 0 ? "two" : "one" });
      expect(await tlsMark(inFolder())).not.toBe(before);
    }
  });

  test("a symbolic link that leads elsewhere, to the file or to its folder", async () => {
    put({ ...pair("old/a", one), ...pair("new/a", two) });
    symlinkSync("old", `${folder}/now`);
    const { served, cert } = await serve(inFolder({
      certificates: [{ cert: `${folder}/now/a.crt`, key: `${folder}/now/a.key` }],
    }));
    symlinkSync("new", `${folder}/next`);
    renameSync(`${folder}/next`, `${folder}/now`);
    await served.look();
    expect(cert()).toBe(two.cert);
  });

  test("a pair that joins the folder, and one that leaves it", async () => {
    put(pair("b", one));
    const { served } = await serve(inFolder());
    put(pair("a", two));
    await served.look();
    expect(served.current().certificates.map(({ cert }) => cert)).toEqual([two.cert, one.cert]);
    rmSync(`${folder}/b.crt`);
    rmSync(`${folder}/b.key`);
    await served.look();
    expect(served.current().certificates.map(({ cert }) => cert)).toEqual([two.cert]);
  });

  test("they are watched until that is over", async () => {
    put(pair("a", one));
    const { served, cert } = await serve(inFolder());
    served.watch(10);
    put(pair("a", two));
    for (let i = 0; i < 200 && cert() !== two.cert; i++) await new Promise((done) => setTimeout(done, 10));
    expect(cert()).toBe(two.cert);
    served.close();
  });
});
