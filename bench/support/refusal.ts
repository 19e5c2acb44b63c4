/** Asks an SMTP server whether it refuses an envelope: one session, one command after the other, no message. */
import { connect } from "node:net";
import type { Envelope } from "./smtp_load.ts";

/**
 * Says EHLO, MAIL and RCPT until one is refused.
 * @returns the refusing reply (4yz or 5yz), or undefined where the recipient was taken
 */
export function refusal(port: number, envelope: Envelope): Promise<string | undefined> {
  const commands = [`EHLO ${envelope.hello}`, `MAIL FROM:<${envelope.from}>`, `RCPT TO:<${envelope.to}>`];
  return new Promise((resolve, reject) => {
    const from = envelope.client === undefined ? {} : { localAddress: envelope.client };
    const socket = connect({ port, host: "127.0.0.1", ...from });
    let input = "";
    socket.setTimeout(30_000, () => socket.destroy(new Error("no reply within 30 s")));
    socket.once("error", reject);
    socket.once("close", () => reject(new Error("closed without a word of refusal")));
    socket.on("data", (bytes) => {
      input += String(bytes);
      const reply = /(?:^|\n)(\d{3} [^\r\n]*)\r?\n$/.exec(input)?.[1];
      if (reply === undefined) return;
      input = "";
      const refused = /^[45]/.test(reply);
      const command = refused ? undefined : commands.shift();
      if (command !== undefined) return void socket.write(`${command}\r\n`);
      socket.end("QUIT\r\n");
      resolve(refused ? reply : undefined);
    });
  });
}
