import { findLines, memory } from "./lines.wasm";

const size = 1 << 20;
/** What the search may look at behind the block. */
const padding = 16;
memory.grow(Math.ceil((5 * size + padding) / 65_536)); // every byte may end a line

/** A block to read text into, in WebAssembly's memory: `lineEnds` looks there without a copy. */
export const block: Uint8Array<ArrayBuffer> = new Uint8Array(memory.buffer as ArrayBuffer, 0, size);

/** Returns where "\n" stands in the first `length` bytes of the block; valid until the next call. */
export function lineEnds(length: number): Uint32Array<ArrayBuffer> {
  const at = size + padding;
  return new Uint32Array(memory.buffer as ArrayBuffer, at, findLines(0, length, at));
}
