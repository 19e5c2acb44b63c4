/**
 * What plugins do before any session: files that are read again when they change, jobs, and mistakes by name.
 */
import { describe, expect, test } from "bun:test";
import { ListError, type Live } from "../../src/policy/effects.ts";
import { Engine } from "../../src/policy/engine.ts";
import { definePlugin, type Plugin } from "../../src/policy/plugin.ts";
import { type Files, setUp } from "../../src/policy/set_up.ts";
import { FakeTimers, promisesSettle } from "../support/fake_timers.ts";

/** Files as a map; `change` is what a change on the disk would bring. */
class FakeFiles implements Files {
  readonly #content: Map<string, string>;
  readonly #watching = new Map<string, (content: Uint8Array | Error) => void>();

  constructor(content: Readonly<Record<string, string>>) {
    this.#content = new Map(Object.entries(content));
  }

  read(path: string): Promise<Uint8Array> {
    const text = this.#content.get(path);
    return text === undefined
      ? Promise.reject(new Error("ENOENT: no such file"))
      : Promise.resolve(new TextEncoder().encode(text));
  }

  watch(path: string, changed: (content: Uint8Array | Error) => void): void {
    this.#watching.set(path, changed);
  }

  get watched(): readonly string[] {
    return [...this.#watching.keys()];
  }

  change(path: string, content: string | Error): void {
    this.#watching.get(path)!(typeof content === "string" ? new TextEncoder().encode(content) : content);
  }
}

/** Lists with a number a line. */
function lists(paths: readonly string[], seen: Live<number[]>[]): Plugin {
  const read = (bytes: Uint8Array, path: string) => {
    const lines = new TextDecoder().decode(bytes).split("\n");
    const bad = lines.flatMap((line, i) =>
      Number.isNaN(Number(line))
        ? [`${path}:${i + 1}: ${JSON.stringify(line)} was given; allowed is a number`]
        : []
    );
    if (bad.length > 0) throw new ListError(bad);
    return lines.map(Number);
  };
  return definePlugin("lists", () => ({
    onError: "pass",
    async setup(setup) {
      for (const path of paths) seen.push(await setup.file(path, read));
    },
  }))();
}

function engine() {
  const lines: string[] = [];
  const timers = new FakeTimers();
  const made = new Engine({
    log: (level, _event, { plugin, text, ...rest }) =>
      lines.push([level, plugin, text, ...Object.values(rest)].join(" | ")),
    after: (ms, callback) => {
      const id = timers.set(callback, ms);
      return () => timers.clear(id);
    },
  });
  return { engine: made, lines, timers };
}

describe("a file", () => {
  test("is read at the start, and again when it has changed", async () => {
    const seen: Live<number[]>[] = [];
    const files = new FakeFiles({ "/a": "1\n2" });
    const { engine: made, lines } = engine();
    const { mistakes } = await setUp([lists(["/a"], seen)], made, files, true);
    expect([mistakes, seen[0]?.value]).toEqual([[], [1, 2]]);
    files.change("/a", "3");
    expect(seen[0]?.value).toEqual([3]);
    expect(lines).toEqual(["info | lists | file taken | /a"]);
  });

  test("whose change cannot be read leaves the old one in place, and the log says what is wrong where", async () => {
    const seen: Live<number[]>[] = [];
    const files = new FakeFiles({ "/a": "1\n2" });
    const { engine: made, lines } = engine();
    await setUp([lists(["/a"], seen)], made, files, true);
    files.change("/a", `${"1\n".repeat(811)}bad\n3`);
    files.change("/a", new Error("EACCES"));
    expect(seen[0]?.value).toEqual([1, 2]);
    expect(lines).toEqual([
      'warn | lists | file not taken, the last one stays | /a | /a:812: "bad" was given; allowed is a number',
      "warn | lists | file not taken, the last one stays | /a | EACCES",
    ]);
    expect(made.metrics.text()).toContain('sallyport_plugin_file_refused_total{plugin="lists"} 2');
  });

  test("that cannot be used at the start is a mistake for every line of it", async () => {
    const files = new FakeFiles({ "/a": "x\n1\ny" });
    const { mistakes } = await setUp([lists(["/a"], [])], engine().engine, files, false);
    expect(mistakes).toEqual([
      'lists: /a:1: "x" was given; allowed is a number',
      'lists: /a:3: "y" was given; allowed is a number',
    ]);
  });

  test("that is not there is a mistake", async () => {
    const { mistakes } = await setUp([lists(["/b"], [])], engine().engine, new FakeFiles({}), false);
    expect(mistakes).toEqual(["lists: Cannot read /b: ENOENT: no such file"]);
  });

  test("is named with all others of the plugin that cannot be used, where it asks for them together", async () => {
    const together = definePlugin("together", () => ({
      onError: "pass",
      async setup({ file }) {
        const read = (bytes: Uint8Array, path: string) => {
          if (bytes.length > 0) throw new ListError([`${path}:1: no`, `${path}:2: no`]);
        };
        await Promise.all(["/a", "/good", "/b", "/c"].map((path) => file(path, read)));
      },
    }))();
    const files = new FakeFiles({ "/a": "x", "/good": "", "/c": "y" });
    const { mistakes } = await setUp([together], engine().engine, files, false);
    expect(mistakes).toEqual([
      "together: /a:1: no",
      "together: /a:2: no",
      "together: Cannot read /b: ENOENT: no such file",
      "together: /c:1: no",
      "together: /c:2: no",
    ]);
  });

  test("is read before any session, and a mistake where it cannot be, also of a plugin that does not wait for it", async () => {
    let lines: Live<number> | undefined;
    const careless = definePlugin("careless", () => ({
      onError: "pass",
      setup({ file }) {
        void file("/a", (bytes) => bytes.length).then((live) => (lines = live));
        void file("/b", (bytes) => bytes.length);
      },
    }))();
    const { mistakes } = await setUp([careless], engine().engine, new FakeFiles({ "/a": "abc" }), false);
    expect([mistakes, lines?.value]).toEqual([["careless: Cannot read /b: ENOENT: no such file"], 3]);
  });

  test("is not watched under check", async () => {
    const files = new FakeFiles({ "/a": "1" });
    await setUp([lists(["/a"], [])], engine().engine, files, false);
    expect(files.watched).toEqual([]);
  });
});

describe("a job", () => {
  const works = (work: () => Promise<void> | void) =>
    definePlugin("works", () => ({ onError: "pass", setup: (setup) => setup.every(1000, work) }))();

  test("runs at once and every so often, until it is stopped", async () => {
    let runs = 0;
    const { engine: made, timers } = engine();
    const { stop } = await setUp([works(() => void runs++)], made, new FakeFiles({}), true);
    const seen = [runs];
    for (let i = 0; i < 3; i++) {
      await promisesSettle();
      timers.advance(1000);
      seen.push(runs);
    }
    stop();
    await promisesSettle();
    timers.advance(5000);
    expect([...seen, runs]).toEqual([1, 2, 3, 4, 4]);
  });

  test("that takes longer is not run twice at a time", async () => {
    let runs = 0;
    const { engine: made, timers } = engine();
    await setUp([works(() => (runs++, new Promise(() => {})))], made, new FakeFiles({}), true);
    timers.advance(10_000);
    await promisesSettle();
    expect(runs).toBe(1);
  });

  test("that fails is told of, and runs again", async () => {
    let runs = 0;
    const { engine: made, lines, timers } = engine();
    await setUp([works(() => (runs++, Promise.reject(new Error("no"))))], made, new FakeFiles({}), true);
    await promisesSettle();
    timers.advance(1000);
    await promisesSettle();
    expect([runs, lines]).toEqual([2, ["warn | works | job failed | no", "warn | works | job failed | no"]]);
  });

  test("does not run under check", async () => {
    let runs = 0;
    await setUp([works(() => void runs++)], engine().engine, new FakeFiles({}), false);
    expect(runs).toBe(0);
  });
});

test("a setup that throws what is no Error is told in words", async () => {
  const odd = definePlugin(
    "odd",
    () => ({ onError: "pass", setup: () => Promise.reject({ status: 500 }) }),
  )();
  const { mistakes } = await setUp([odd], engine().engine, new FakeFiles({}), true);
  expect(mistakes).toEqual(['odd: {"status":500} was thrown; allowed is an Error']);
});

test("a setup that throws is a mistake, and so are those of all plugins", async () => {
  const broken = definePlugin("broken", () => ({
    onError: "pass",
    setup() {
      throw new TypeError("no such thing");
    },
  }))();
  const { mistakes } = await setUp([broken, lists(["/b"], [])], engine().engine, new FakeFiles({}), true);
  expect(mistakes).toEqual(["broken: no such thing", "lists: Cannot read /b: ENOENT: no such file"]);
});
