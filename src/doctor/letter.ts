/**
 * The messages that the doctor sends, where it was allowed to: marked as what they are, from nobody, answered by nobody
 * (RFC 3834 §5).
 */

/** Stands in the subject of each. */
export const MARK = "Sallyport doctor test";

export interface LetterWords {
  readonly helo: string;
  readonly to: string;
  /** What it is there to try. */
  readonly about: string;
  /** Stands in this message alone. */
  readonly token: string;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** Header and body with CRLF, to the end of the body's last line but without its line end. */
export function letter({ helo, to, about, token, now }: LetterWords): string {
  const date = new Date(now).toUTCString().replace("GMT", "+0000");
  const host = helo.startsWith("[") ? "sallyport.invalid" : helo;
  return [
    `From: ${MARK} <postmaster@${host}>`,
    `To: <${to}>`,
    `Subject: ${MARK}: ${about}`,
    `Date: ${date}`,
    `Message-ID: <${token}@${host}>`,
    "Auto-Submitted: auto-generated",
    `X-Sallyport-Doctor: ${token}`,
    "",
    "This message was sent by `sallyport doctor`, which examines how a mail server",
    "behaves behind a proxy. It can be deleted.",
    "",
    `Token: ${token}`,
  ].join("\r\n");
}

/** Letters and digits that are in no other message. */
export function newToken(): string {
  return `doctor-${crypto.randomUUID().replaceAll("-", "").slice(0, 20)}`;
}
