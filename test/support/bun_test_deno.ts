/**
 * `bun:test` on Deno: the part of it that portable tests use, over `Deno.test` and the package `expect`.
 *
 * deno.json maps "bun:test" to this file. Each test is one flat `Deno.test` named "file > group > test".
 * `Deno.test` and not node:test, because Deno's node:test passes a test whose error is thrown late, in
 * a timer or a promise nobody awaits. There are no snapshots, fake timers, `only` or module mocks.
 */
import { expect } from "expect";
import { fn as mock, spyOn } from "jest-mock";

export { expect, mock, spyOn };

type Body = () => unknown;
type Limit = number | { readonly timeout?: number };
type Define = (name: string, body: Body, limit?: Limit) => void;

const TIME_LIMIT = 30_000;

/** A `describe`, or the file itself. */
class Group {
  readonly beforeAll: Body[] = [];
  readonly beforeEach: Body[] = [];
  readonly afterEach: Body[] = [];
  readonly afterAll: Body[] = [];
  /** Tests that have not ended yet, those of inner groups too. */
  left = 0;
  #begun: Promise<void> | undefined;

  constructor(readonly name: string, readonly skipped: boolean, readonly parent?: Group) {}

  /** From the file inwards to this group. */
  get path(): Group[] {
    return this.parent ? [...this.parent.path, this] : [this];
  }

  /** Runs `beforeAll` once; where that failed, every test of the group fails with its error. */
  begin(): Promise<void> {
    return this.#begun ??= all(this.beforeAll);
  }
}

let current = new Group(Deno.mainModule.replace(/^.*\/(?=(?:test|examples)\/)/, ""), false);

async function all(hooks: readonly Body[]): Promise<void> {
  for (const hook of hooks) await within(TIME_LIMIT, hook);
}

async function within(milliseconds: number, body: Body): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`timed out after ${milliseconds} ms`)), milliseconds);
  });
  try {
    await Promise.race([body(), late]);
  } finally {
    clearTimeout(timer);
  }
}

async function play(group: Group, body: Body, milliseconds: number): Promise<void> {
  const inwards = group.path;
  const outwards = inwards.toReversed();
  try {
    for (const each of inwards) await each.begin();
    for (const each of inwards) await all(each.beforeEach);
    try {
      await within(milliseconds, body);
    } finally {
      for (const each of outwards) await all(each.afterEach);
    }
  } finally {
    for (const each of outwards) if (--each.left === 0) await all(each.afterAll);
  }
}

const define: Define = (name, body, limit = TIME_LIMIT) => {
  const group = current;
  const milliseconds = typeof limit === "number" ? limit : limit.timeout ?? TIME_LIMIT;
  if (group.path.some((each) => each.skipped)) return skip(name);
  for (const each of group.path) each.left++;
  Deno.test({
    name: fullName(name),
    sanitizeOps: false,
    sanitizeResources: false,
    fn: () => play(group, body, milliseconds),
  });
};

/** Takes what `define` takes: a test is switched off by one word. */
function skip(name: string, _body?: Body, _limit?: Limit): void {
  Deno.test({ name: fullName(name), ignore: true, fn() {} });
}

function fullName(name: string): string {
  return [...current.path.map((each) => each.name), name].join(" > ");
}

function group(name: string, body: Body, skipped: boolean): void {
  const outer = current;
  current = new Group(name, skipped, outer);
  try {
    body();
  } finally {
    current = outer;
  }
}

/** One call per row; an array is spread into arguments. `%s` and the like, and `%#`, are filled in. */
interface Each {
  <Row extends readonly [unknown, ...unknown[]]>(
    rows: readonly Row[],
  ): (name: string, body: (...row: [...Row]) => unknown, limit?: Limit) => void;
  <Row extends readonly unknown[]>(
    rows: readonly Row[],
  ): (name: string, body: (...row: Row) => unknown, limit?: Limit) => void;
  <Row>(rows: readonly Row[]): (name: string, body: (row: Row) => unknown, limit?: Limit) => void;
}

function eachOf(define: Define): Each {
  return (rows: readonly unknown[]) => (name: string, body: (...row: never[]) => unknown, limit?: Limit) => {
    for (const [index, row] of rows.entries()) {
      const values = (Array.isArray(row) ? row : [row]) as never[];
      define(rowName(name, index, values), () => body(...values), limit);
    }
  };
}

function rowName(name: string, index: number, values: readonly unknown[]): string {
  let used = 0;
  return name.replace(/%([sdifjop#%])/g, (whole, kind) => {
    if (kind === "%") return "%";
    if (kind === "#") return String(index);
    if (used === values.length) return whole;
    const value = values[used++];
    return "sdif".includes(kind) ? String(value) : Deno.inspect(value);
  });
}

const describeSkip: Define = (name, body) => group(name, body, true);
const describeRun: Define = (name, body) => group(name, body, false);

export const test = Object.assign(define, {
  skip,
  todo: skip,
  skipIf: (skipped: boolean): Define => skipped ? skip : define,
  if: (wanted: boolean): Define => wanted ? define : skip,
  each: eachOf(define),
});
export const it = test;

export const describe = Object.assign(describeRun, {
  skip: describeSkip,
  skipIf: (skipped: boolean): Define => skipped ? describeSkip : describeRun,
  if: (wanted: boolean): Define => wanted ? describeRun : describeSkip,
  each: eachOf(describeRun),
});

export function beforeAll(hook: Body): void {
  current.beforeAll.push(hook);
}
export function beforeEach(hook: Body): void {
  current.beforeEach.push(hook);
}
export function afterEach(hook: Body): void {
  current.afterEach.push(hook);
}
export function afterAll(hook: Body): void {
  current.afterAll.push(hook);
}
