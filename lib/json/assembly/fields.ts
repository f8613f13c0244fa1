// What JavaScript says of the fields to read, and how their names are found.

/** What there is to know of a field; JavaScript writes it, see layout.ts. The first eight are u32. */
// @ts-ignore: a decorator of AssemblyScript
@unmanaged
export class Field {
  /** Where `,"name":` stands, and how long it is. */
  key: usize;
  keyLength: usize;
  type: u32;
  /** Where its columns of values and of nulls begin. */
  values: usize;
  nulls: usize;
  /** What came after it last time: a guess. */
  next: Field;
  /** Its place in the first row of the matrix; 0 if the model does not read it. */
  feature: usize;
  unused: u32;
  /** A bit that no other field has. */
  bit: u64;
  /** The first 8 bytes of the key, and a mask for as many of them as it has. */
  keyStart: u64;
  keyMask: u64;
}

export const DOUBLE: u32 = 0;
export const INTEGER: u32 = 1;
export const TIMESTAMP: u32 = 2;
/** A double that only the model reads, as a float32. */
export const FEATURE: u32 = 4;

/** Returns the field whose name stands here. */
export function findField(at: usize, fields: usize, last: usize): Field | null {
  for (let field = fields; field <= last; field += offsetof<Field>()) {
    if (skipKey(at, changetype<Field>(field), 1) !== 0) return changetype<Field>(field);
  }
  return null;
}

/** Moves over a key, `,"name":`, without its first and its last `less` bytes. */
// @ts-ignore: a decorator of AssemblyScript
@inline
export function skipKey(at: usize, field: Field, less: usize): usize {
  const key = field.key + less;
  const length = field.keyLength - 2 * less;
  const rest = length & 7;
  let i: usize = 0;
  for (; i + 8 <= length; i += 8) if (load<u64>(at + i) !== load<u64>(key + i)) return 0;
  if (rest !== 0) {
    const different = load<u64>(at + i) ^ load<u64>(key + i);
    if (different << (64 - (<u64> rest << 3)) !== 0) return 0;
  }
  return at + length;
}

/** Moves over a key, `,"name":`. */
// @ts-ignore: a decorator of AssemblyScript
@inline
export function skipWholeKey(at: usize, field: Field): usize {
  if (((load<u64>(at) ^ field.keyStart) & field.keyMask) !== 0) return 0;
  if (field.keyLength > 8 && skipKey(at, field, 0) === 0) return 0;
  return at + field.keyLength;
}
