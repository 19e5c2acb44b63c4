/** Which certificate serves which name. */

import { expect, test } from "bun:test";
import { X509Certificate } from "node:crypto";
import { CertificateNames, namesOf } from "../../src/net/tls_names.ts";
import { makeIdentity } from "../support/certificate.ts";

const one = makeIdentity({ names: ["mx1.example", "MX.example"] });
const oneRsa = makeIdentity({ names: ["mx.example"], key: "rsa" });
const wild = makeIdentity({ names: ["*.example"] });
const wildRsa = makeIdentity({ names: ["*.example"], key: "rsa" });
const again = makeIdentity({ names: ["mx.example"] });

test("names are found whatever their case, and nothing is found for another", () => {
  const names = new CertificateNames([one, wild]);
  expect(names.find("MX1.Example")).toEqual([one]);
  expect(names.find("mx.example")).toEqual([one]);
  expect(names.find("example")).toBe(undefined);
  expect(names.find("")).toBe(undefined);
  expect(names.fallback).toEqual([one]);
});

test("a wildcard stands for one label, behind what names the host itself", () => {
  const names = new CertificateNames([wild, one]);
  expect(names.find("imap.example")).toEqual([wild]);
  expect(names.find("mx.example")).toEqual([one]);
  expect(names.find("a.imap.example")).toBe(undefined);
  expect(names.find("*.example")).toEqual([wild]);
  expect(names.fallback).toEqual([wild]);
});

test("an ECDSA and an RSA certificate serve a name together, ECDSA first, whatever their order", () => {
  expect(new CertificateNames([oneRsa, one]).find("mx.example")).toEqual([one, oneRsa]);
  expect(new CertificateNames([oneRsa, one]).fallback).toEqual([one, oneRsa]);
  expect(new CertificateNames([one, oneRsa]).find("mx1.example")).toEqual([one]);
  expect(new CertificateNames([one, wildRsa]).find("mx.example")).toEqual([one, wildRsa]);
});

test("of two for the same name and kind of key the first counts", () => {
  expect(new CertificateNames([again, one]).find("mx.example")).toEqual([again]);
  expect(new CertificateNames([one, again]).find("mx.example")).toEqual([one]);
});

test("names are the certificate's DNS names, in lower case", () => {
  expect(namesOf(new X509Certificate(one.cert))).toEqual(["mx1.example", "mx.example"]);
});
