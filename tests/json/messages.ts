import type { Messages } from "../../lib/core/types.ts";

const encoder = new TextEncoder();

/** Puts texts one behind the other, as the messages of one partition. */
export function messagesOf(
  texts: readonly (string | Uint8Array)[],
  tombstones?: Uint8Array,
): Messages {
  const values = texts.map((text) => typeof text === "string" ? encoder.encode(text) : text);
  const bytes = new Uint8Array(values.reduce((sum, { length }) => sum + length, 0));
  const starts = new Uint32Array(values.length);
  const ends = new Uint32Array(values.length);
  let end = 0;
  values.forEach((value, i) => {
    bytes.set(value, starts[i] = end);
    ends[i] = end += value.length;
  });
  const offsets = Float64Array.from(values.keys());
  return { partition: "0", offsets, bytes, starts, ends, ...(tombstones && { tombstones }) };
}
