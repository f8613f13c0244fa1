import { createHash } from "node:crypto";
import { seededRandom } from "../../lab/random.ts";
import { readNumbers } from "./recording_file.ts";

/** The columns of a recording in the order of a message's fields, after `event_time`. */
export const COLUMNS: readonly string[] = [
  "Time",
  ...Array.from({ length: 28 }, (_, i) => `V${i + 1}`),
  "Amount",
  "Class",
];

/** How late messages arrive: each row draws one step by its share, then a delay in `[0, maxDelayMs)`. */
export type Disorder = readonly { readonly maxDelayMs: number; readonly share: number }[];

/** Transactions to play, in the order in which they happened. */
export interface Recording {
  readonly length: number;
  /** The JSON message of a row, with its event time in epoch ms. */
  message(row: number, eventTimeMs: number): string;
  /** The same for the same rows. */
  digest(): string;
}

/**
 * Reads a recording: a parquet file, or a CSV file with a header such as Kaggle's creditcard.csv.
 *
 * Columns may come in any order, others are ignored. Numbers of float32 columns are written as the
 * shortest decimal that reads back to the same float32, all others as JavaScript writes them; what
 * JSON cannot write (no value, NaN, infinity) becomes null. What is no number is refused, see
 * `readNumbers`.
 */
export function readRecording(file: string, limit = Infinity): Recording {
  const fields = readNumbers(file, COLUMNS, limit).map(({ values, isFloat32 }, i) => {
    return { key: `,"${COLUMNS[i]}":`, values, print: isFloat32 ? float32 : String };
  });
  return {
    length: fields[0]!.values.length,
    message(row, eventTimeMs) {
      let text = `{"event_time":"${new Date(eventTimeMs).toISOString()}"`;
      for (const { key, values, print } of fields) {
        const value = values[row]!;
        text += key + (Number.isFinite(value) ? print(value) : "null");
      }
      return text + "}";
    },
    digest() {
      const sha = createHash("sha256");
      for (const { values, print } of fields) {
        sha.update(Float64Array.from(values)).update(print.name);
      }
      return sha.digest("hex");
    },
  };
}

/** Prints a float32 as the shortest decimal that reads back to the same float32. */
export function float32(value: number): string {
  // Two decimals of 6 digits never share a float32, and 9 digits tell any two float32 apart.
  for (let digits = 6; digits < 9; digits++) {
    const decimal = Number(value.toPrecision(digits));
    if (Math.fround(decimal) === value) return String(decimal);
  }
  return String(Number(value.toPrecision(9)));
}

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/**
 * Reads a disorder such as `2s:0.90,40s:0.08,4m:0.02`: 90 % of the rows arrive up to 2 s after their
 * event time, 8 % up to 40 s, 2 % up to 4 minutes. `none` keeps the order. Throws a `SyntaxError`
 * for other text and a `RangeError` if the shares do not add up to 1.
 */
export function parseDisorder(spec: string): Disorder {
  if (spec === "none") return [{ maxDelayMs: 0, share: 1 }];
  const disorder = spec.split(",").map((step) => {
    const match = /^\s*(\d+(?:\.\d+)?)(ms|s|m|h):(\d*\.?\d+)\s*$/.exec(step);
    if (match === null) {
      throw new SyntaxError(
        `Cannot read the disorder "${spec}": write "none", or delays and shares such as "2s:0.9,4m:0.1"`,
      );
    }
    return { maxDelayMs: Number(match[1]) * UNITS[match[2]!]!, share: Number(match[3]) };
  });
  const sum = disorder.reduce((total, { share }) => total + share, 0);
  if (Math.abs(sum - 1) > 1e-6) {
    throw new RangeError(`The shares of the disorder "${spec}" should add up to 1, got ${sum}`);
  }
  return disorder;
}

/** When the rows of a recording happen and arrive, in epoch ms. */
export interface Timeline {
  readonly eventTimes: Float64Array;
  readonly arrivals: Float64Array;
  /** Row numbers in the order of arrival; rows that arrive together keep their order. */
  readonly order: Uint32Array;
}

export interface TimelineOptions {
  readonly startMs: number;
  /** Rows a second of event time. */
  readonly rate: number;
  readonly disorder: Disorder;
  readonly seed: number;
}

/** Places `length` rows in time: row `i` happens at start + i / rate and arrives a seeded delay later. */
export function timeline(length: number, options: TimelineOptions): Timeline {
  const { startMs, rate, disorder } = options;
  const random = seededRandom(options.seed);
  const eventTimes = Float64Array.from({ length }, (_, i) => startMs + Math.floor(i * 1000 / rate));
  const arrivals = eventTimes.map((time) => {
    let left = random();
    const step = disorder.find(({ share }) => (left -= share) < 0) ?? disorder.at(-1)!;
    return time + random() * step.maxDelayMs;
  });
  const order = Uint32Array.from({ length }, (_, i) => i);
  order.sort((a, b) => arrivals[a]! - arrivals[b]!);
  return { eventTimes, arrivals, order };
}

/** Picks the partition of a key as Kafka's default partitioner does, so a log and a broker agree. */
export function partitionOf(key: string, partitions: number): number {
  return (murmur2(new TextEncoder().encode(key)) & 0x7fffffff) % partitions;
}

/**
 * Hashes bytes with the variant of MurmurHash2 that Kafka's clients use; returns a signed int32. That of
 * kafkajs takes twice as long, and a replay into files would need leave to read what kafkajs looks up.
 */
export function murmur2(bytes: Uint8Array): number {
  const M = 0x5bd1e995;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const whole = bytes.length & ~3;
  let h = 0x9747b28c ^ bytes.length;
  for (let i = 0; i < whole; i += 4) {
    const k = Math.imul(view.getInt32(i, true), M);
    h = Math.imul(h, M) ^ Math.imul(k ^ (k >>> 24), M);
  }
  for (let i = bytes.length - 1; i >= whole; i--) h ^= bytes[i]! << (8 * (i - whole));
  if (bytes.length > whole) h = Math.imul(h, M);
  h = Math.imul(h ^ (h >>> 13), M);
  return h ^ (h >>> 15);
}
