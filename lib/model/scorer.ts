import type { ParsedBatch } from "../core/types.ts";

/** Fraud probabilities of a batch, row by row. */
export interface Scores {
  /** Shape [n], in [0, 1]; 0.0 where the row is unscored. */
  readonly probabilities: Float64Array;
  readonly unscored: number;
}

/** Gives each row of a batch a probability. */
export interface Scorer {
  /** The file it was loaded from. */
  readonly path?: string;
  /** Identifies the model in the checkpoint. */
  readonly sha256: string;
  /** The ONNX file, where threads can load it too and score themselves. */
  readonly bytes?: Uint8Array<SharedArrayBuffer>;
  /** The columns it reads, if it can take them as a matrix. */
  readonly features?: readonly string[];
  /** Scores as `score` does. */
  scoreMatrix?(matrix: Float32Array, unscored: Uint8Array, length: number): Promise<Scores>;
  /** Reads the columns before it first waits for something: after that they may be gone. */
  score(columns: ParsedBatch["columns"], length: number): Promise<Scores>;
}
