import { ownColumns, readMessages } from "../json/from_json.ts";
import { linesInBlocks } from "../json/rows.ts";
import type {
  FileRange,
  Messages,
  NumberColumn,
  ParsedBatch,
  Schema,
  StringColumn,
} from "../core/types.ts";
import type { Scorer, Scores } from "../model/scorer.ts";
import type { Place } from "../windows/aside.ts";

/** Messages of one partition, at hand or in a file. */
export type Slice = Messages | FileRange;

/** What is to be made of messages. */
export interface ChunkPlan {
  readonly schema: Schema;
  /** Names of the columns wanted; all of them if absent. */
  readonly columns?: readonly string[];
  readonly model?: Scorer;
}

/** Messages read against the schema, and scored if there is a model. */
export interface Chunk {
  readonly parsed: ParsedBatch;
  readonly scores?: Scores;
  /** What was read; bytes that were given away have moved there and back. */
  readonly slices: readonly Slice[];
}

/** Returns how many messages a slice has. */
export function lengthOf(slice: Slice): number {
  return "file" in slice ? slice.stop - slice.start : slice.starts.length;
}

/** Returns where a row of slices is, by its index over all of them. */
export function placeOf(slices: readonly Slice[], row: number): Place {
  let index = row;
  for (let i = 0; i < slices.length; i++) {
    const slice = slices[i]!;
    if (index < lengthOf(slice)) {
      const offset = "file" in slice ? slice.start + index : slice.offsets[index]!;
      return { partition: slice.partition, offset, slice: i, index };
    }
    index -= lengthOf(slice);
  }
  throw new RangeError(`There is no row ${row} in these slices`);
}

/** Returns about how many bytes a slice has: of a file, its share of those around its messages. */
export function byteLengthOf(slice: Slice): number {
  if (!("file" in slice)) return slice.bytes.length;
  return lengthOf(slice) === 0 ? 0 : (slice.to - slice.from) * (lengthOf(slice) / slice.lines);
}

/**
 * Reads and scores slices in this thread: all of one source, so all or none in files. Throws what
 * `loadLines` throws.
 */
export async function readChunk(
  slices: readonly Slice[],
  { schema, columns, model }: ChunkPlan,
): Promise<Chunk> {
  const ranges = slices.filter((slice) => "file" in slice);
  const values = slices.filter((slice): slice is Messages => !("file" in slice));
  const isNumber = (name: string) =>
    schema.some((field) => field.name === name && /double|integer/.test(field.type));
  const features = columns && model?.scoreMatrix && model.features?.every(isNumber)
    ? model.features
    : [];
  const messages = ranges.length > 0 ? linesInBlocks(ranges, schema, features) : values;
  const length = slices.reduce((sum, slice) => sum + lengthOf(slice), 0);
  const read = readMessages(messages, {
    length,
    schema,
    features,
    ...columns && { wanted: columns },
  });
  const scoring = features.length > 0 // before anything is read here again
    ? model!.scoreMatrix!(read.matrix!, read.unscored!, read.length)
    : model?.score(read.columns, read.length);
  const parsed = ownColumns(read, columns);
  const scores = await scoring;
  return { parsed, slices, ...scores && { scores } };
}

/** Returns chunks that follow one another as one. */
export function joinChunks(chunks: readonly Chunk[]): Chunk {
  const [first] = chunks;
  if (first && chunks.length === 1) return first;
  const batches = chunks.map(({ parsed }) => parsed);
  const ends = batches.map(((end) => ({ length }) => end += length)(0));
  const length = ends.at(-1) ?? 0;
  const columns = Object.keys(first?.parsed.columns ?? {}).map((name) => [
    name,
    joinColumns(batches.map(({ columns }) => columns[name]!), length),
  ]);
  const problems = batches.flatMap(({ problems }, i) =>
    problems.map((problem) => ({ ...problem, row: problem.row + (ends[i - 1] ?? 0) }))
  );
  const scores = chunks.flatMap(({ scores }) => scores ?? []);
  const probabilities = scores.map(({ probabilities }) => probabilities);
  return {
    parsed: { length, columns: Object.fromEntries(columns), problems },
    slices: chunks.flatMap(({ slices }) => slices),
    ...scores.length > 0 && {
      scores: {
        probabilities: joinInto(new Float64Array(length), probabilities),
        unscored: scores.reduce((sum, { unscored }) => sum + unscored, 0),
      },
    },
  };
}

/** Returns the parts of a column, all of one type, as one column of `length` rows. */
function joinColumns(
  parts: readonly (NumberColumn | StringColumn)[],
  length: number,
): NumberColumn | StringColumn {
  const nullCount = parts.reduce((sum, { nullCount }) => sum + nullCount, 0);
  const numbers = parts.filter((part) => "nulls" in part);
  const strings = parts.filter((part): part is StringColumn => !("nulls" in part));
  if (strings.length > 0) return { values: strings.flatMap(({ values }) => values), nullCount };
  return {
    values: joinInto(new Float64Array(length), numbers.map(({ values }) => values)),
    nulls: joinInto(new Uint8Array(length), numbers.map(({ nulls }) => nulls)),
    nullCount,
  };
}

function joinInto<T extends Float64Array | Uint8Array>(target: T, parts: readonly T[]): T {
  let at = 0;
  for (const part of parts) {
    target.set(part, at);
    at += part.length;
  }
  return target;
}
