import type { DataFrame } from "polars";

/** The next offset to read, by partition: `{"0": 17, "1": 4}`. */
export type Offsets = Readonly<Record<string, number>>;

/**
 * Raw messages of one partition in offset order. Message `i` has the value
 * `bytes.subarray(starts[i], ends[i])`, so a batch travels as one buffer and not as an object a row.
 * All of it stays the source's own: it is read, and neither changed nor moved away. The source in turn
 * leaves it as it is until the batch is done.
 */
export interface Messages {
  readonly partition: string;
  /** Shape [n], strictly increasing; gaps are allowed (compaction, control records). */
  readonly offsets: Float64Array;
  readonly bytes: Uint8Array;
  /** Shape [n]. */
  readonly starts: Uint32Array;
  /** Shape [n], exclusive. */
  readonly ends: Uint32Array;
  /** Shape [n], 1 where the value is null (a Kafka tombstone); absent if there is none. */
  readonly tombstones?: Uint8Array;
  /** The source will not look at `bytes` again: if they alone fill their buffer, they may move to a thread. */
  readonly isGivenAway?: boolean;
}

/** Messages that are lines of a file, where a thread can read them for itself. */
export interface FileRange {
  readonly partition: string;
  readonly file: string;
  /** Bytes `[from, to)` hold the lines and may hold others around them. */
  readonly from: number;
  readonly to: number;
  /** Lines in these bytes. */
  readonly lines: number;
  /** Those of them before the first message. */
  readonly skip: number;
  /** The messages have the offsets `[start, stop)`. */
  readonly start: number;
  readonly stop: number;
}

/** What a query reads: a replayable, partitioned log. The engine owns the offsets. */
export interface Source {
  /** Names the source's offsets in the checkpoint. */
  readonly topic: string;
  /** What progress shows, such as `Kafka[transactions]`; never a secret. */
  readonly description: string;
  /**
   * Tells this log from another of the same name, such as a topic that was deleted and made anew; as of the
   * last call that returned offsets. Absent where the source cannot tell.
   */
  readonly identity?: string | undefined;
  /** The first offset of each partition that can still be read. */
  earliestOffsets(): Promise<Offsets>;
  /** The offset after the last message of each partition. */
  latestOffsets(): Promise<Offsets>;
  /** For each partition the first offset at or after `timestampMs` of message time, if the source keeps one. */
  offsetsForTime?(timestampMs: number): Promise<Offsets>;
  /**
   * Returns the messages with offsets in `[start, end)` of each partition of `end`, partitions in
   * ascending order, each as one `Messages` or several that follow one another. The same range always gives the same messages. Both name the same partitions.
   */
  getBatch(start: Offsets, end: Offsets): Promise<readonly Messages[]>;
  /** Says where `getBatch` would find them, if that is in files. */
  locate?(start: Offsets, end: Offsets): Promise<readonly FileRange[]>;
  /** Whether an offset stands for several messages, so that theirs are other numbers. */
  readonly countsBlocks?: boolean;
  /** How many bytes of messages it has not looked at yet, if it knows. */
  unreadBytes?(): number;
  /** Offsets that were gone when they were to be read, with `failOnDataLoss: false`. */
  readonly lostOffsets?: number;
  /** Ends calls that still wait, too. The last query that uses a source closes it when it ends or cannot start. */
  close(): Promise<void>;
}

export type OutputMode = "append" | "update" | "complete";

/** How a query goes on with a sink. */
export interface SinkStart {
  /** The batch to come: what is there of it and of later ones was left by a crash. */
  readonly batchId: number;
  /** Whether the query has never committed a batch with this sink. */
  readonly isNew: boolean;
}

/** What a query writes to. */
export interface Sink {
  readonly description: string;
  /** The output modes it can take; all if absent. */
  readonly outputModes?: readonly OutputMode[];
  /**
   * Prepares the sink for a query. Throws if it holds the output of another, or if what the query
   * wrote there is gone.
   */
  open?(queryId: string, start: SinkStart): Promise<void>;
  /** Adds the rows of a batch. A second call with the same id, after a crash, replaces the first. */
  addBatch(batchId: number, rows: DataFrame): Promise<void>;
  /** Called when the last query that uses it ends, and when that cannot start, opened or not. */
  close?(): Promise<void>;
}

/** Types of a message's fields, as Spark names them; a timestamp is held in epoch milliseconds. */
export type FieldType = "timestamp" | "double" | "integer" | "string";

export interface Field {
  readonly name: string;
  readonly type: FieldType;
}

export type Schema = readonly Field[];

/** A column of timestamps (epoch ms), doubles or integers; shape [n]. */
export interface NumberColumn {
  readonly values: Float64Array;
  /** 1 where the value is null; what `values` holds there is not meant to be read. */
  readonly nulls: Uint8Array;
  readonly nullCount: number;
}

/** A column of strings; shape [n]. */
export interface StringColumn {
  readonly values: readonly (string | null)[];
  readonly nullCount: number;
}

/** Why a row, or one field of it, could not be read. */
export interface Problem {
  /** Index of the row in its batch. */
  readonly row: number;
  /** The field that became null; absent if no field could be read, or text behind them all. */
  readonly field?: string;
  /** In words, without the row's own text: `not JSON`, `expected a timestamp`, `no value`. */
  readonly reason: string;
}

/** Messages read against a schema: columns in place of rows. */
export interface ParsedBatch {
  readonly length: number;
  readonly columns: Readonly<Record<string, NumberColumn | StringColumn>>;
  readonly problems: readonly Problem[];
  /** Shape [n, features], what the model reads, if it was asked for; NaN where a value is missing. */
  readonly matrix?: Float32Array;
  /** Shape [n], 1 where the matrix has a NaN. */
  readonly unscored?: Uint8Array;
}
