// How JavaScript lays out the memory of the fast path in assembly/.
import { heap, memory, powers } from "./rows.wasm";
import type { FieldType, Schema } from "../core/types.ts";

/** Where the parts for some rows begin, one behind the other; addresses in bytes. */
export interface Layout {
  readonly fields: number;
  /** 8 bytes a row, field after field. */
  readonly values: number;
  /** 1 byte a row, field after field. */
  readonly nulls: number;
  /** 1 byte a row. */
  readonly done: number;
  readonly unscored: number;
  /** 4 bytes a feature, row after row. */
  readonly matrix: number;
  /** What is read: where its rows start and end, then its text. */
  readonly block: number;
}

/** What is read of a field. */
export interface FieldPlan {
  readonly name: string;
  readonly type: FieldType;
  /** The column of the matrix that it fills. */
  readonly feature: number | undefined;
  /** Whether it is wanted as a column too. */
  readonly isColumn: boolean;
}

/** Types as assembly/fields.ts numbers them; "feature" is a double that only the model reads. */
const TYPES: readonly string[] = ["double", "integer", "timestamp", "string", "feature"];
/** Size of a `Field` in assembly/fields.ts. */
const FIELD_BYTES = 56;
/** Where in it the start of its key stands, then the mask. */
const KEY_START = 40;
const encoder = new TextEncoder();
const keys = new Map<string, Uint8Array>();

/** Zeros behind the text, which end every token. */
export const PADDING = 64;
/** Where the memory is free. */
export const FREE: number = align(heap());
fillPowers();

/** Says where the parts for `length` rows are. */
export function layoutOf(schema: Schema, length: number, features: number): Layout {
  const width = schema.length;
  const keyBytes = schema.reduce((sum, { name }) => sum + keyOf(name).length, 0);
  const values = align(FREE + FIELD_BYTES * width + keyBytes + 8);
  const nulls = values + 8 * length * width;
  const done = nulls + length * width;
  const unscored = done + length;
  const matrix = align(unscored + length);
  const block = align(matrix + 4 * length * features);
  return { fields: FREE, values, nulls, done, unscored, matrix, block };
}

/** Writes what is to be read of each row, a `Field` of assembly/rows.ts each, and their keys behind them. */
export function writeFields(plans: readonly FieldPlan[], length: number, layout: Layout): void {
  const { fields, values, nulls, matrix } = layout;
  const addressOf = (i: number) => fields + FIELD_BYTES * i;
  let keyAt = addressOf(plans.length);
  for (const [i, { name, type, feature, isColumn }] of plans.entries()) {
    const key = keyOf(name);
    new Uint8Array(memory.buffer).set(key, keyAt);
    const isOnlyFeature = feature !== undefined && type === "double" && !isColumn;
    new Uint32Array(memory.buffer, addressOf(i)).set([
      keyAt,
      key.length,
      TYPES.indexOf(isOnlyFeature ? "feature" : type),
      values + 8 * length * i,
      nulls + length * i,
      addressOf((i + 1) % plans.length),
      feature === undefined ? 0 : matrix + 4 * feature,
      0,
      i < 32 ? 1 << i : 0,
      i < 32 ? 0 : 1 << (i - 32),
    ]);
    const start = key.subarray(0, 8);
    const words = new Uint8Array(memory.buffer, addressOf(i) + KEY_START, 16).fill(0);
    words.set(start);
    words.fill(255, 8, 8 + start.length);
    keyAt += key.length;
  }
}

/** Grows the memory to `bytes`, which ends all views of it. */
export function reserve(bytes: number): void {
  const more = bytes - memory.buffer.byteLength;
  if (more > 0) memory.grow(Math.ceil(more / 65_536));
}

/** Writes 5^-27 … 5^22, each cut to 128 bits (rounded up if it is a fraction). */
function fillPowers(): void {
  const words = new BigUint64Array(memory.buffer, powers(), 100);
  for (let q = -27; q <= 22; q++) {
    const power = 5n ** BigInt(Math.abs(q));
    const bits = power.toString(2).length;
    const entry = q >= 0 ? power << BigInt(128 - bits) : (1n << BigInt(127 + bits)) / power + 1n;
    words.set([entry >> 64n, entry & 0xffff_ffff_ffff_ffffn], 2 * (q + 27));
  }
}

/** Returns a name as it stands in a row; kept, since every chunk asks for it. */
function keyOf(name: string): Uint8Array {
  return keys.getOrInsertComputed(name, () => encoder.encode(`,${JSON.stringify(name)}:`));
}

function align(address: number): number {
  return Math.ceil(address / 8) * 8;
}
