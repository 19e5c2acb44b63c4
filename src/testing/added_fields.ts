/**
 * The fields that the proxy puts before a message: those of plugins, then its trace field (RFC 5321 §4.4) and nothing
 * else. One character per byte.
 */

const FIELD = "[!-9;-~]+:[^\\r\\n]*\\r\\n(?:[\\t ][^\\r\\n]*\\r\\n)*";
const TRACE = "Received: from [^\\r\\n]+\\r\\n(?:\\t\\(TLS[^\\r\\n]*\\)\\r\\n)?" +
  "\\tby [A-Za-z0-9.-]+ \\(Sallyport\\) with (?:UTF8SMTP|ESMTP|SMTP)S?A? id [0-9A-Z]{10}-\\d+" +
  "(?:\\r\\n\\tfor <[^<>\\r\\n]+>)?;\\r\\n\\t[A-Z][a-z]{2}, \\d{1,2} [A-Z][a-z]{2} \\d{4} \\d\\d:\\d\\d:\\d\\d \\+0000\\r\\n";
const ADDED = new RegExp(`^((?:${FIELD})*?)(${TRACE})`);

/** What the proxy added: the plugins' fields, and the trace field. */
export interface AddedFields {
  readonly added: string;
  readonly trace: string;
}

/** The fields at the start of a message; undefined where no whole trace field is there. */
export function addedFields(octets: string): AddedFields | undefined {
  const [, added, trace] = ADDED.exec(octets) ?? [];
  return trace === undefined ? undefined : { added: added!, trace };
}
