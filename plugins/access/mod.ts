/**
 * Who is let through and who is refused by lists: client networks, reverse names, HELO names, senders, recipients. The
 * lists stand in the policy or in files, which are read again when they change.
 */
import {
  ALLOWED,
  definePlugin,
  finding,
  type FindingKey,
  found,
  type Handlers,
  type Io,
  note,
  type OnError,
  type PluginFactory,
  reject,
  REVERSE,
} from "sallyport";
import { options, z } from "sallyport/schema";
import { addLine } from "./lines.ts";
import { type AccessFile, eachKind, type Found, type List, Lists } from "./lists.ts";
import { type Kind, KINDS, type Table, tableOf } from "./tables.ts";

export type { AccessFile } from "./lists.ts";

/**
 * Entries, by what they are about; none unless given. In `deny`, what the client is told may follow an entry:
 * `"192.0.2.0/24 Your network sends nothing but spam"`.
 */
export interface AccessLists {
  /** Addresses and networks: `192.0.2.7`, `192.0.2.0/24`, `2001:db8::/32`. */
  readonly clients?: readonly string[] | undefined;
  /** Reverse names: `mail.example.org`, or `.example.org` for all names below it. Only a confirmed one allows anything. */
  readonly reverse?: readonly string[] | undefined;
  /** HELO names, as above, and address literals: `[192.0.2.1]`. Anyone can claim any of them. */
  readonly helo?: readonly string[] | undefined;
  /** `a@example.org`, `a@` in any domain, `example.org`, `.example.org` for all domains below it, `<>`. Anyone can claim any. */
  readonly senders?: readonly string[] | undefined;
  /** As senders, without `<>`. */
  readonly recipients?: readonly string[] | undefined;
}

export interface AccessOptions {
  /** Whom it finds ALLOWED; at the same stage that outdoes a denial. */
  readonly allow?: AccessLists | undefined;
  /** Whom it refuses, at the greeting with 554, else with 550. */
  readonly deny?: AccessLists | undefined;
  /** More entries. None unless given. */
  readonly files?: readonly AccessFile[] | undefined;
  /** What a failure does; `"defer"` unless given: only a fault of its own can fail here. */
  readonly onError?: OnError | undefined;
}

/** Allows and denies by lists: `access({ deny: { clients: ["192.0.2.0/24"] } })`. */
export const access: PluginFactory<AccessOptions> = definePlugin(
  "access",
  options({
    allow: listsOf("allow"),
    deny: listsOf("deny"),
    files: z.array(options({
      path: z.string().min(1, "allowed is the path of a file"),
      list: z.enum(["allow", "deny"], "allowed are allow, deny"),
      of: z.enum(KINDS, `allowed are ${KINDS.join(", ")}`),
    })).readonly().default([]),
    onError: z.custom<OnError>().default("defer"),
  }),
  ({ allow, deny, files, onError }) => {
    const lists = new Lists({ allow: tables("allow", allow), deny: tables("deny", deny) });
    const has = (kind: Kind) =>
      allow?.[kind] !== undefined || deny?.[kind] !== undefined || files.some(({ of }) => of === kind);
    const setup = files.length === 0 ? undefined : { setup: lists.read.bind(lists, files) };
    return { onError, ...setup, ...handlers(lists, has) };
  },
);

function listsOf(list: List) {
  const entries = (kind: Kind) =>
    z.array(
      z.string().superRefine((line, check) => {
        const message = addLine(tableOf(kind), line, kind, list === "deny");
        if (message !== undefined) check.addIssue({ code: "custom", message });
      }),
    ).readonly().optional();
  return options({
    clients: entries("clients"),
    reverse: entries("reverse"),
    helo: entries("helo"),
    senders: entries("senders"),
    recipients: entries("recipients"),
  }).optional();
}

function tables(list: List, given: AccessLists | undefined): Record<Kind, Table> {
  return eachKind((kind) => {
    const table = tableOf(kind);
    for (const line of given?.[kind] ?? []) addLine(table, line, kind, list === "deny");
    return table;
  });
}

/** Handlers for the stages that have lists. */
function handlers(lists: Lists, has: (kind: Kind) => boolean): Handlers {
  const judged: FindingKey<boolean> = finding("access-reverse");
  let warned = false;
  const connect: Handlers["connect"] = ({ client, findings }, io) => {
    const reverse = has("reverse") ? findings.get(REVERSE) : undefined;
    if (reverse === undefined) return opinion(io, 554, lists.client(client));
    return [...opinion(io, 554, lists.client(client), lists.reverse(reverse)), found(judged, true)];
  };
  // The reverse name may be known by now only.
  const helo: Handlers["helo"] = ({ helo, findings }, io) => {
    const reverse = has("reverse") ? findings.get(REVERSE) : undefined;
    if (has("reverse") && reverse === undefined && !warned) {
      warned = true;
      io.log.warn("No plugin before this one looks up reverse names, so their lists say nothing");
    }
    if (reverse === undefined || findings.get(judged)) return opinion(io, 550, lists.helo(helo));
    return opinion(io, 550, lists.helo(helo), lists.reverse(reverse));
  };
  return {
    ...((has("clients") || has("reverse")) && { connect }),
    ...((has("helo") || has("reverse")) && { helo }),
    ...(has("senders") && { mail: ({ reversePath }, io) => opinion(io, 550, lists.sender(reversePath)) }),
    ...(has("recipients") && {
      rcpt: ({ forwardPath }, io) => opinion(io, 550, lists.recipient(forwardPath)),
    }),
  };
}

const REPLIES: Readonly<Record<Kind, string>> = {
  clients: "Mail from your network is not accepted here",
  reverse: "Mail from your host is not accepted here",
  helo: "Mail from a host of that name is not accepted here",
  senders: "Mail from this sender is not accepted here",
  recipients: "Mail to this recipient is not accepted here",
};

/** At one stage an allowance outdoes a denial. */
function opinion(io: Io, code: number, ...given: readonly (Found | undefined)[]) {
  const decisive = given.find((each) => each?.list === "allow") ?? given.find((each) => each !== undefined);
  if (decisive === undefined) return [];
  const { list, of, entry } = decisive;
  io.count("access_matches", { list, of });
  const what = `${of} ${entry.written}`;
  if (list === "allow") return [found(ALLOWED, `access: ${what}`), note(list, what)];
  return [reject("5.7.1", entry.reply ?? REPLIES[of], code), note(list, what)];
}
