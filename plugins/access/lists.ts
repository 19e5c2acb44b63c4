/**
 * Both lists as they are now, from the policy and from files that may change, and which of them has the nearest entry.
 */
import { type Address, type Live, type Path, type ReverseFinding, type Setup, utf8Text } from "sallyport";
import { readLines } from "./lines.ts";
import { clientOctets, plainMailbox, plainName } from "./subjects.ts";
import { type Entry, type Kind, KINDS, type Match, type Table } from "./tables.ts";

export type List = "allow" | "deny";

/** A file with one entry a line. */
export interface AccessFile {
  /** Where it is; it is read again when it changes. */
  readonly path: string;
  readonly list: List;
  /** What its entries are about. */
  readonly of: Kind;
}

/** What the lists say of one fact. */
export interface Found {
  readonly list: List;
  readonly of: Kind;
  readonly entry: Entry;
}

type Tables = Readonly<Record<List, Readonly<Record<Kind, readonly Live<Table>[]>>>>;

export class Lists {
  readonly #inline: Tables;
  #all: Tables;

  /** @param inline the entries that stand in the policy */
  constructor(inline: Readonly<Record<List, Readonly<Record<Kind, Table>>>>) {
    const tables = (list: List) => eachKind((kind) => [{ value: inline[list][kind] }]);
    this.#inline = this.#all = { allow: tables("allow"), deny: tables("deny") };
  }

  /** Reads the files, now and whenever they change. */
  async read(files: readonly AccessFile[], setup: Setup): Promise<void> {
    const read = await Promise.all(files.map(async ({ path, list, of }) => {
      const table = await setup.file(path, (bytes, path) => readLines(bytes, path, of, list === "deny"));
      return { list, of, table };
    }));
    const tables = (list: List) =>
      eachKind((kind) => [
        ...this.#inline[list][kind],
        ...read.filter((file) => file.list === list && file.of === kind).map(({ table }) => table),
      ]);
    this.#all = { allow: tables("allow"), deny: tables("deny") };
  }

  client({ host }: Address): Found | undefined {
    const octets = clientOctets(host);
    return octets === undefined ? undefined : this.#nearest("clients", [octets]);
  }

  /** Whoever owns an address can name it as they like: only a name that points back may allow something. */
  reverse({ name, names }: ReverseFinding): Found | undefined {
    return this.#nearest("reverse", names.map(plainName), name === undefined ? [] : [plainName(name)]);
  }

  helo(name: string): Found | undefined {
    return this.#nearest("helo", [plainName(utf8Text(name))]);
  }

  sender(path: Path): Found | undefined {
    return this.#nearest("senders", [plainMailbox(path)]);
  }

  recipient(path: Path): Found | undefined {
    return this.#nearest("recipients", [plainMailbox(path)]);
  }

  /**
   * The nearest entry decides; where both lists have one that is equally near, the client is allowed.
   * @param proven those of the subjects that may allow something
   */
  #nearest(of: Kind, subjects: readonly string[], proven = subjects): Found | undefined {
    const allowed = best(this.#all.allow[of], proven);
    const denied = best(this.#all.deny[of], subjects);
    if (denied !== undefined && denied.weight > (allowed?.weight ?? -1)) {
      return { list: "deny", of, entry: denied.entry };
    }
    return allowed && { list: "allow", of, entry: allowed.entry };
  }
}

/** Something for each kind. */
export function eachKind<T>(make: (kind: Kind) => T): Record<Kind, T> {
  return Object.fromEntries(KINDS.map((kind) => [kind, make(kind)])) as Record<Kind, T>;
}

function best(tables: readonly Live<Table>[], subjects: readonly string[]): Match | undefined {
  let nearest: Match | undefined;
  for (const { value } of tables) {
    for (const subject of subjects) {
      const match = value.find(subject);
      if (match !== undefined && match.weight > (nearest?.weight ?? -1)) nearest = match;
    }
  }
  return nearest;
}
