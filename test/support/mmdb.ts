/**
 * Writes MaxMind databases (MaxMind DB File Format Specification 2.0) from networks and values, for tests.
 */
import { readNetwork } from "../../src/policy/networks.ts";

/** Whole numbers become uint32, others double, bigints uint64. */
export type MmdbValue = string | number | bigint | boolean | readonly MmdbValue[] | MmdbMap;

export interface MmdbMap {
  readonly [key: string]: MmdbValue;
}

export interface MmdbOptions {
  /** Of the tree; one of 6 holds IPv4 below ::/96. */
  readonly ipVersion?: 4 | 6;
  /** Bits of half a node. */
  readonly recordSize?: 24 | 28 | 32;
  /** ::ffff:0:0/96 shows what IPv4 shows, as in MaxMind's own files. */
  readonly mapped?: boolean;
}

/** Nothing, another node, or an offset in the data section. */
type Half = undefined | Node | number;
type Node = [left: Half, right: Half];

/** The file as bytes; of networks within one another the longer prefix counts. */
export function mmdb(
  networks: Readonly<Record<string, MmdbValue>>,
  { ipVersion = 6, recordSize = 24, mapped = false }: MmdbOptions = {},
): Uint8Array {
  const data: number[] = [];
  const root: Node = [undefined, undefined];
  const paths = Object.entries(networks).map(([network, value]) => ({
    path: bits(network, ipVersion),
    value,
  }));
  for (const { path, value } of paths.sort((a, b) => a.path.length - b.path.length)) {
    insert(root, path, data.length);
    data.push(...encoded(value));
  }
  if (mapped) insert(root, [...Array(80).fill(0), ...Array(16).fill(1)], below(root, 96));
  const nodes = numbered(root);
  const metadata = encoded({
    node_count: nodes.size,
    record_size: recordSize,
    ip_version: ipVersion,
    binary_format_major_version: 2,
    binary_format_minor_version: 0,
    build_epoch: 1_700_000_000n,
    database_type: "Test",
    languages: ["en"],
    description: { en: "Made for a test" },
  });
  const marker = [0xab, 0xcd, 0xef, ...new TextEncoder().encode("MaxMind.com")];
  return Uint8Array.from([...tree(nodes, recordSize), ...Array(16).fill(0), ...data, ...marker, ...metadata]);
}

// ---- the tree ----

function bits(network: string, ipVersion: 4 | 6): number[] {
  const { octets, bits } = readNetwork(network)!;
  const all = [...octets].flatMap((octet) => [7, 6, 5, 4, 3, 2, 1, 0].map((bit) => (octet >> bit) & 1));
  const before = ipVersion === 6 && octets.length === 4 ? Array(96).fill(0) : [];
  return [...before, ...all.slice(0, bits)];
}

function insert(root: Node, path: readonly number[], half: Half): void {
  let node = root;
  for (const bit of path.slice(0, -1)) {
    const next = node[bit]!;
    // A shorter network stays around the longer one.
    node = typeof next === "object" ? next : (node[bit] = [next, next]) as Node;
  }
  node[path.at(-1)!] = half;
}

function below(node: Half, zeros: number): Half {
  for (let i = 0; i < zeros && typeof node === "object"; i++) node = node[0];
  return node;
}

function numbered(root: Node): Map<Node, number> {
  const numbers = new Map<Node, number>([[root, 0]]);
  for (const [node] of numbers) {
    for (const half of node) {
      if (typeof half === "object" && !numbers.has(half)) numbers.set(half, numbers.size);
    }
  }
  return numbers;
}

function tree(nodes: ReadonlyMap<Node, number>, recordSize: 24 | 28 | 32): number[] {
  const record = (half: Half): number => {
    if (half === undefined) return nodes.size;
    return typeof half === "object" ? nodes.get(half)! : nodes.size + 16 + half;
  };
  return [...nodes.keys()].flatMap(([one, other]) => {
    const [left, right] = [record(one), record(other)];
    if (recordSize !== 28) return [...bytes(left, recordSize / 8), ...bytes(right, recordSize / 8)];
    const middle = (left >>> 24) << 4 | (right >>> 24);
    return [...bytes(left & 0xffffff, 3), middle, ...bytes(right & 0xffffff, 3)];
  });
}

function bytes(value: number, size: number): number[] {
  return Array.from({ length: size }, (_, i) => Math.floor(value / 256 ** (size - 1 - i)) % 256);
}

// ---- values ----

const [UTF8, DOUBLE, UINT32, MAP, UINT64, ARRAY, BOOLEAN] = [2, 3, 6, 7, 9, 11, 14] as const;

function encoded(value: MmdbValue): number[] {
  switch (typeof value) {
    case "string": {
      const text = new TextEncoder().encode(value);
      return [...control(UTF8, text.length), ...text];
    }
    case "number":
      if (Number.isInteger(value)) return [...control(UINT32, 4), ...bytes(value, 4)];
      return [...control(DOUBLE, 8), ...new Uint8Array(new Float64Array([value]).buffer).reverse()];
    case "bigint":
      return [...control(UINT64, 8), ...bytes(Number(value), 8)];
    case "boolean":
      return control(BOOLEAN, value ? 1 : 0);
  }
  if (isArray(value)) return [...control(ARRAY, value.length), ...value.flatMap(encoded)];
  const entries = Object.entries(value);
  return [
    ...control(MAP, entries.length),
    ...entries.flatMap(([key, each]) => [...encoded(key), ...encoded(each)]),
  ];
}

function isArray(value: readonly MmdbValue[] | MmdbMap): value is readonly MmdbValue[] {
  return Array.isArray(value);
}

/** Type and size; types past 7 stand in a byte of their own, sizes past 28 in one or two. */
function control(type: number, size: number): number[] {
  const [short, more] = size < 29 ? [size, []] : size < 285 ? [29, [size - 29]] : [30, bytes(size - 285, 2)];
  return type > 7 ? [short, type - 7, ...more] : [type << 5 | short, ...more];
}
