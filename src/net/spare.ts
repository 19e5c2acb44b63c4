/**
 * Buffers for what the kernel did not take. A large message to a slow peer fills one after another, and as garbage
 * they would pile up faster than they are collected; so they are used again.
 */

/** What Bun reads at a time. */
const SIZE = 512 * 1024;
/** Less than this is not worth it. */
const SMALL = 16 * 1024;
/** Buffers kept for later. */
const KEPT = 8;

const spare: Uint8Array[] = [];

/** A copy of `bytes[from, …)`; large ones should go to `giveBack` when they have been used. */
export function copyOf(bytes: Uint8Array, from: number): Uint8Array {
  const length = bytes.length - from;
  if (length < SMALL || length > SIZE) return bytes.slice(from);
  const buffer = spare.pop() ?? new Uint8Array(SIZE);
  buffer.set(from === 0 ? bytes : bytes.subarray(from));
  return buffer.subarray(0, length);
}

/** Takes back what `copyOf` gave, or a part of it; nobody may use it after that. */
export function giveBack(copy: Uint8Array): void {
  if (copy.buffer.byteLength === SIZE && spare.length < KEPT) {
    spare.push(new Uint8Array(copy.buffer as ArrayBuffer));
  }
}
