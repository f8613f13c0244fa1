import { createHash } from "node:crypto";
import "./no_telemetry.ts";
import { InferenceSession, Tensor } from "onnxruntime-node";
import type { NumberColumn, ParsedBatch } from "../core/types.ts";
import type { Scorer, Scores } from "./scorer.ts";
import { FEATURES } from "./features.ts";

/** Which rows a model could not score. */
export interface OnnxScores extends Scores {
  /** Shape [n], 1 where the row could not be scored; `unscored` counts them. */
  readonly unscoredRows: Uint8Array;
}

/** Rows of the matrix that stay in the cache while they are filled column by column. */
const BLOCK = 256;
const INPUT = `features: float32 [n,${FEATURES.length}]`;
const OUTPUT = "probabilities: float32 [n,2]";

/** Scores rows, on the CPU, with an ONNX classifier; column 1 of its output is the fraud probability. */
export class OnnxModel implements Scorer {
  readonly path: string;
  /** Digest of the file in hex, which tells one model from another over a restart. */
  readonly sha256: string;
  readonly bytes: Uint8Array<SharedArrayBuffer>;
  /**
   * The columns that are read, in the order the model must expect. ONNX Runtime does not show the
   * list in a model's own metadata to JavaScript, so only its width is checked.
   */
  readonly features: readonly string[] = FEATURES;
  readonly #session: InferenceSession;
  /** Kept from one run to the next, since a new one costs more than what is written to it. */
  #matrix: Float32Array = new Float32Array();
  #isRunning = false;

  private constructor(
    path: string,
    bytes: Uint8Array<SharedArrayBuffer>,
    session: InferenceSession,
  ) {
    this.path = path;
    this.sha256 = createHash("sha256").update(bytes).digest("hex");
    this.bytes = bytes;
    this.#session = session;
  }

  /**
   * Loads a model; `file` is what is in the file, if that has been read before. Throws an error that
   * names the file if it is missing, not ONNX or of another shape.
   */
  static async load(path: string, file?: Uint8Array<SharedArrayBuffer>): Promise<OnnxModel> {
    let bytes: Uint8Array<SharedArrayBuffer>, session: InferenceSession;
    try {
      bytes = file ?? shareable(await Deno.readFile(path));
      session = await InferenceSession.create(bytes.slice(), {
        executionProviders: ["cpu"],
        // With more, a forest's last bits depend on their number and on the other rows of the batch.
        intraOpNumThreads: 1,
        logSeverityLevel: 3, // errors only: warnings would stand in the reader's notebook
      });
    } catch (cause) {
      throw new Error(`Cannot load "${path}": ${cause}; run models/train.py to make it`, { cause });
    }
    const inputs = describe(session.inputMetadata);
    const outputs = describe(session.outputMetadata);
    if (inputs.join() !== INPUT || !outputs.includes(OUTPUT)) {
      await session.release();
      throw new TypeError(
        `Cannot use model "${path}": it must map ${INPUT} to ${OUTPUT}, ` +
          `but maps ${inputs.join("; ")} to ${
            outputs.join("; ")
          }; models/README.md says how to export one`,
      );
    }
    return new OnnxModel(path, bytes, session);
  }

  /**
   * Scores `length` rows in one run. A row with a null or NaN feature, or for which the model gives
   * NaN, is unscored (a random forest would give a NaN a probability all the same). Infinite features
   * go to the model as they are, as in Spark; a double beyond float32 becomes infinite.
   */
  async score(columns: ParsedBatch["columns"], length: number): Promise<OnnxScores> {
    const width = this.features.length;
    const matrix = new Float32Array(length * width);
    const unscoredRows = new Uint8Array(length);
    const inputs = this.features.map((name) => numbersOf(columns, name));
    for (let from = 0; from < length; from += BLOCK) {
      const to = Math.min(length, from + BLOCK);
      for (const [i, { values, nulls, nullCount }] of inputs.entries()) {
        for (let row = from; row < to; row++) {
          const value = nullCount > 0 && nulls[row] === 1 ? NaN : values[row]!;
          if (Number.isNaN(value)) unscoredRows[row] = 1;
          matrix[row * width + i] = value;
        }
      }
    }
    return await this.#run(matrix, unscoredRows, length);
  }

  /** Scores as `score` does; both arrays are copied at once. */
  async scoreMatrix(
    matrix: Float32Array,
    unscored: Uint8Array,
    length: number,
  ): Promise<OnnxScores> {
    const unscoredRows = unscored.slice();
    if (this.#isRunning) return await this.#run(matrix.slice(), unscoredRows, length);
    if (this.#matrix.length < matrix.length) this.#matrix = new Float32Array(matrix.length);
    const own = this.#matrix.subarray(0, matrix.length);
    own.set(matrix);
    this.#isRunning = true;
    try {
      return await this.#run(own, unscoredRows, length);
    } finally {
      this.#isRunning = false;
    }
  }

  async #run(
    matrix: Float32Array,
    unscoredRows: Uint8Array,
    length: number,
  ): Promise<OnnxScores> {
    const width = this.features.length;
    const probabilities = new Float64Array(length);
    if (length === 0) return { probabilities, unscored: 0, unscoredRows };
    const features = new Tensor("float32", matrix, [length, width]);
    const result = await this.#session.run({ features }, ["probabilities"]);
    const pairs = result.probabilities!.data as Float32Array; // load() has checked the type
    let unscored = 0;
    for (let row = 0; row < length; row++) {
      const fraud = pairs[2 * row + 1]!;
      if (Number.isNaN(fraud)) unscoredRows[row] = 1;
      if (unscoredRows[row]) unscored++;
      else probabilities[row] = fraud;
    }
    return { probabilities, unscored, unscoredRows };
  }

  /** Frees the session's memory; score() fails from then on. */
  async close(): Promise<void> {
    await this.#session.release();
  }
}

function numbersOf(columns: ParsedBatch["columns"], name: string): NumberColumn {
  const column = columns[name];
  if (column && "nulls" in column) return column;
  throw new TypeError(`Cannot score: the schema must have "${name}" as a double or integer`);
}

/** Returns bytes that can be in several threads. */
function shareable(bytes: Uint8Array): Uint8Array<SharedArrayBuffer> {
  const shared = new Uint8Array(new SharedArrayBuffer(bytes.length));
  shared.set(bytes);
  return shared;
}

function describe(values: readonly InferenceSession.ValueMetadata[]): string[] {
  return values.map((v) =>
    v.isTensor
      ? `${v.name}: ${v.type} [${v.shape.map((size) => typeof size === "string" ? "n" : size)}]`
      : v.name
  );
}
