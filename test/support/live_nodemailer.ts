// nodemailer as a sender: in this process, with its own SMTP client.
import { readFileSync } from "node:fs";
import { createTransport } from "nodemailer";
import type { Letter } from "./live_letters.ts";
import type { Report, Sender, Target } from "./live_senders.ts";

/** What is used of its answer and of its error; the types know neither in full. */
interface Answer {
  readonly response?: string;
  readonly rejected?: readonly string[];
  readonly rejectedErrors?: readonly { readonly response?: string | undefined }[] | undefined;
  readonly message?: string;
}

export const nodemailer: Sender = {
  name: "nodemailer",
  can: new Set(["eight", "exact", "utf8", "partial", "dsn", "starttls", "implicit"]),
  send: (letter, target) => send(letter, target),
};

async function send(letter: Letter, { port, security, ca }: Target): Promise<Report> {
  const transport = createTransport({
    host: security === "plain" ? "127.0.0.1" : "localhost",
    port,
    name: "client.example",
    secure: security === "implicit",
    ignoreTLS: security === "plain",
    requireTLS: security === "starttls",
    ...(ca === undefined ? {} : { tls: { ca: readFileSync(ca, "utf8"), servername: "localhost" } }),
  });
  const { dsn } = letter;
  try {
    const answer: Answer = await transport.sendMail(
      {
        envelope: { from: letter.from, to: [...letter.to], use8BitMime: true },
        raw: letter.content,
        ...(dsn === undefined ? {} : {
          dsn: {
            id: fromXtext(dsn.envid),
            return: dsn.ret === "FULL" ? "full" : "headers",
            notify: [...dsn.notify],
            recipient: letter.to[0],
          },
        }),
      } as Parameters<typeof transport.sendMail>[0],
    );
    return { ok: (answer.rejected ?? []).length === 0, said: told(answer) };
  } catch (fault) {
    return { ok: false, said: told(fault as Answer) };
  } finally {
    transport.close();
  }
}

function told({ message, response, rejectedErrors }: Answer): string {
  return [message, response, ...(rejectedErrors ?? []).map((error) => error.response)].filter(Boolean).join(
    "\n",
  );
}

/** It writes xtext by itself. */
function fromXtext(text: string): string {
  return text.replace(/\+([0-9A-F]{2})/g, (_, octet: string) => String.fromCharCode(parseInt(octet, 16)));
}
