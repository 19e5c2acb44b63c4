/** What the demo backend asks of its wire while the disk is slower than the network. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Maildir } from "../../src/demo/maildir.ts";
import { Receiver } from "../../src/demo/receiver.ts";
import type { Wire } from "../../src/net/wire.ts";
import { bytesOf } from "../support/blackbox_bytes.ts";
import { eventually } from "../support/blackbox_wait.ts";

/** A wire that writes down what is asked of it. */
class Notes {
  readonly asked: string[] = [];
  readonly wire = {
    write: (bytes: Uint8Array) => {
      this.asked.push(String.fromCharCode(...bytes.subarray(0, 3)));
      return true;
    },
    pause: () => this.asked.push("pause"),
    resume: () => this.asked.push("resume"),
    close: () => this.asked.push("close"),
    abort: () => this.asked.push("abort"),
  } as unknown as Wire;
}

let path: string;
let notes: Notes;
let receiver: Receiver;

beforeEach(async () => {
  path = mkdtempSync(join(tmpdir(), "sallyport-demo-"));
  notes = new Notes();
  receiver = new Receiver(notes.wire, await Maildir.open(path), () => {});
  receiver.start();
  receiver.data(bytesOf("EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<a@b>\r\nDATA\r\n"));
});

afterEach(() => rmSync(path, { recursive: true }));

test("a disk that lags pauses the wire until it has caught up, and views may be overwritten at once", async () => {
  const line = "x".repeat(998) + "\r\n";
  const block = bytesOf(line.repeat(100));
  for (let i = 0; i < 3; i++) {
    const given = Uint8Array.from(block);
    receiver.data(given);
    given.fill(0);
    expect(notes.asked.includes("pause")).toBe(i === 2);
  }
  expect(await eventually(() => notes.asked.at(-1) === "resume")).toBe(true);
  receiver.data(bytesOf(".\r\n"));
  expect(await eventually(() => notes.asked.at(-1) === "250")).toBe(true);
  expect(notes.asked).toEqual(["220", "250", "pause", "resume", "250"]);
  const [name] = readdirSync(join(path, "new"));
  const file = readFileSync(join(path, "new", name!), "latin1");
  expect(file === `Return-Path: <>\r\nDelivered-To: a@b\r\n${line.repeat(300)}`).toBe(true);
});

test("a client that says nothing for ten minutes hears 421, and its message is dropped", async () => {
  receiver.tick(performance.now() + 599_000);
  expect(notes.asked).toEqual(["220", "250"]);
  receiver.tick(performance.now() + 600_000);
  expect(notes.asked).toEqual(["220", "250", "421", "close"]);
  receiver.close();
  expect(await eventually(() => readdirSync(join(path, "tmp")).length === 0)).toBe(true);
  expect(readdirSync(join(path, "new"))).toEqual([]);
});
