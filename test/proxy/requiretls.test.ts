/** REQUIRETLS (RFC 8689): offered and carried only where both legs keep its promise. */
import { describe, expect, test } from "bun:test";
import { fits, type MailCommand } from "../../src/proxy/envelope.ts";
import { dialogue } from "../support/dialogue.ts";
import { CONNECTED } from "../support/dialogue_parts.ts";
import { Scene } from "../../src/testing/scene.ts";
import { readCommand } from "../../src/smtp/commands.ts";
import { NO_EXTENSIONS, offeredUnsecured } from "../../src/smtp/extensions.ts";

/** What a client is offered whose backends are known to have REQUIRETLS over a secured connection. */
function scene(extensions: readonly string[] = ["REQUIRETLS", "SIZE 1000"]): Scene {
  const scene = new Scene({ tls: true, extensions });
  scene.send("EHLO x\r\n");
  return scene;
}

async function secured(scene: Scene): Promise<string> {
  scene.take();
  scene.send("STARTTLS\r\n");
  scene.handshake();
  await scene.rest();
  scene.take();
  scene.send("EHLO x\r\n");
  return scene.take();
}

describe("the offer", () => {
  test("is made to a client under TLS, and to no other", async () => {
    const offering = scene();
    expect(offering.take()).not.toContain("REQUIRETLS");
    expect(await secured(offering)).toContain("REQUIRETLS\r\n");
  });

  test("is not made where the backend does not have it", async () => {
    expect(await secured(scene(["SIZE 1000"]))).not.toContain("REQUIRETLS");
  });

  test("of a backend in the clear is worth nothing", () => {
    const offered = new Map([["SIZE", "1"], ["REQUIRETLS", ""]]);
    expect([...offeredUnsecured(offered)]).toEqual([["SIZE", "1"]]);
    expect(offeredUnsecured(NO_EXTENSIONS)).toBe(NO_EXTENSIONS);
  });
});

describe("the parameter", () => {
  const offered = new Map([["REQUIRETLS", ""]]);

  function mail(line: string): MailCommand {
    const standing = {
      offered,
      utf8: false,
      binary: false,
      messageSize: 1000,
      tlsMissing: false,
      xclient: false,
    };
    const read = readCommand(line, "ready", standing);
    if (!("command" in read)) throw new Error(read.refusal.join(" "));
    return read.command as MailCommand;
  }

  test("goes to a secured backend that offers it, and to no other", () => {
    const asking = mail("MAIL FROM:<a@x.example> requiretls");
    expect(fits(asking, [], undefined, offered, true)).toBe(true);
    expect(fits(asking, [], undefined, offered, false)).toBe(false);
    expect(fits(asking, [], undefined, NO_EXTENSIONS, true)).toBe(false);
    expect(fits(mail("MAIL FROM:<a@x.example>"), [], undefined, offered, false)).toBe(true);
  });

  dialogue(
    "that was offered and can then not be kept defers the mail, and the backend hears nothing of it",
    { tls: true, extensions: ["REQUIRETLS"] },
    `${CONNECTED}
    C: EHLO client.example
    S: 250-mx.example …
    C: STARTTLS
    S: 220 2.0.0 Go ahead
    C: <handshake>
    C: EHLO client.example
    S: 250-mx.example …
    C: MAIL FROM:<a@client.example> REQUIRETLS
    S: 451 4.3.0 The mail server behind this one failed, try again later [ref]
    C: QUIT
    S: 221 2.0.0 Bye
    S: <close>`,
  );
});
