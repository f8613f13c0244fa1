import { join } from "node:path";
import { FEATURES, OnnxModel } from "lib";
import { sfc32 } from "./random.ts";

/** The models of the project, by the short names of the benchmark. */
export const MODELS = { lr: "fraud_lr_model.onnx", rf: "fraud_rf_model.onnx" } as const;
export type ModelName = keyof typeof MODELS;
/** The threshold of the original where no model selection stands. */
export const THRESHOLD = 0.5;

/** Counts of one window in the order of the KPI table: n_txn, n_alert, n_fraud_true, tp, fp, fn. */
export type Counts = readonly number[];

/** The counts by the start of their window, epoch ms. */
export type WindowTable = Readonly<Record<string, Counts>>;

/** How a topic is drawn. */
export interface TopicOptions {
  readonly rows: number;
  readonly partitions: number;
  readonly seed?: number;
  /** Rows in a file of `batches/`: the same rows in order of arrival, for readers of whole files. */
  readonly rowsPerFile?: number;
  /** The first rows, two each, lie in this many windows before all others. */
  readonly openWindows?: number;
  /** Write the features as `features.f32` too: rows of 29 float32, in order of arrival. */
  readonly features?: boolean;
}

/** A topic on disk. */
export interface GeneratedTopic extends TopicOptions {
  /** Holds the topic log `transactions/`, and `batches/` if asked for. */
  readonly dir: string;
  readonly bytes: number;
  /** The latest event time, epoch ms. */
  readonly maxEventTime: number;
  /** All windows, whether final or not, as counted while the rows were drawn. */
  readonly reference: Readonly<Record<ModelName, WindowTable>>;
}

const FRAUD = 0.005;
const ROWS_PER_SECOND = 100;
/** Rows are out of order, but by less than any watermark of the benchmark, so that none is late. */
const DISORDER_MS = 5_000;
/** All windows of the benchmark are a minute long. */
export const WINDOW_MS = 60_000;
const START = Date.UTC(2024, 0, 1, 10);
const BLOCK = 20_000;
/** Rows whose probability is closer to the threshold are drawn again: float32 and float64 agree. */
const UNSURE = 1e-5;

// The published shape of the card set: standard deviations of V1 to V28, and how frauds differ.
// deno-fmt-ignore
const DEVIATION = [1.96, 1.65, 1.52, 1.42, 1.38, 1.33, 1.24, 1.19, 1.10, 1.09, 1.02, 1.00, 0.995, 0.96,
  0.915, 0.876, 0.849, 0.838, 0.814, 0.771, 0.735, 0.726, 0.624, 0.606, 0.521, 0.482, 0.404, 0.330];
// deno-fmt-ignore
const SHIFT = [-4.8, 3.6, -7.0, 4.5, -3.2, -1.4, -5.6, 0.6, -2.6, -5.7, 3.8, -6.3, -0.1, -7.0, -0.1, -4.1,
  -6.7, -2.2, 0.7, 0.4, 0.7, 0.0, 0.0, -0.1, 0.0, 0.05, 0.17, 0.08];

/** The columns of a block of rows. */
interface Block {
  readonly features: readonly Float64Array[];
  readonly frauds: Uint8Array;
}

/**
 * Draws a topic of card transactions, as the same options always give it, byte for byte: JSON rows of
 * event_time, Time, V1 to V28, Amount and Class, about 780 bytes each.
 *
 * V1 to V28 are float32 values written as the doubles they are (15 to 17 digits): readers that score
 * in float32 and in float64 compare the same numbers. A finished topic is found again in `cache`.
 */
export async function generateTopic(
  options: TopicOptions,
  { cache, models }: { readonly cache: string; readonly models: string },
): Promise<GeneratedTopic> {
  const { rows, partitions, seed = 1, rowsPerFile, openWindows = 0, features: matrix } = options;
  const dir = join(
    cache,
    `rows-${rows}_partitions-${partitions}_seed-${seed}` +
      (rowsPerFile ? `_files-${rowsPerFile}` : "") + (openWindows ? `_open-${openWindows}` : "") +
      (matrix ? "_features" : ""),
  );
  const done = join(dir, "topic.json");
  try {
    return { ...JSON.parse(await Deno.readTextFile(done)), dir };
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  await Deno.remove(dir, { recursive: true }).catch(() => {}); // what an interrupted run left
  const log = Array.from(
    { length: partitions },
    (_, p) => join(dir, "transactions", `partition-${p}.jsonl`),
  );
  await Deno.mkdir(join(dir, "transactions"), { recursive: true });
  if (rowsPerFile) await Deno.mkdir(join(dir, "batches"));
  const out = new LineFiles();
  for (const path of log) out.add(path, "");
  const random = sfc32(seed);
  const scorers = await Promise.all(
    Object.values(MODELS).map((file) => OnnxModel.load(join(models, file))),
  );
  let maxEventTime = -Infinity;
  const tables = Object.keys(MODELS).map(() => new Map<number, number[]>());
  for (let row = 0; row < rows;) {
    const { features, frauds } = drawBlock(random, BLOCK);
    const scores = await Promise.all(scorers.map((model) => probabilities(model, features)));
    const kept: number[] = [];
    for (let i = 0; i < BLOCK && row < rows; i++) {
      if (scores.some((score) => Math.abs(score[i]! - THRESHOLD) < UNSURE)) continue;
      const time = eventTime(row, random, openWindows);
      maxEventTime = Math.max(maxEventTime, time);
      scores.forEach((score, m) => count(tables[m]!, time, score[i]! >= THRESHOLD, frauds[i]!));
      const line = message(row, time, features, { i, fraud: frauds[i]! });
      out.add(log[Math.floor(random() * partitions)]!, line);
      if (rowsPerFile) {
        const file = String(Math.floor(row / rowsPerFile)).padStart(6, "0");
        out.add(join(dir, "batches", `part-${file}.jsonl`), line);
      }
      kept.push(i);
      row++;
    }
    out.flush();
    if (matrix) {
      const block = Float32Array.from(kept.flatMap((i) => features.map((values) => values[i]!)));
      Deno.writeFileSync(join(dir, "features.f32"), new Uint8Array(block.buffer), { append: true });
    }
  }
  for (const model of scorers) await model.close();
  if (rowsPerFile) await setOrder(join(dir, "batches"));
  const bytes = log.reduce((sum, path) => sum + Deno.statSync(path).size, 0);
  const [lr, rf] = tables.map((table) => Object.fromEntries(table));
  const topic = { ...options, bytes, maxEventTime, reference: { lr, rf } };
  await Deno.writeTextFile(done, JSON.stringify(topic));
  return JSON.parse(JSON.stringify({ ...topic, dir }));
}

function drawBlock(random: () => number, length: number): Block {
  const features = Array.from({ length: 29 }, () => new Float64Array(length));
  const frauds = new Uint8Array(length);
  for (let i = 0; i < length; i++) {
    const fraud = random() < FRAUD;
    const u = random();
    // Six in ten frauds are clear, a quarter mild and the rest hidden; some other rows look mild too.
    const isClear = fraud && u < 0.6;
    const isMild = fraud ? u >= 0.6 && u < 0.85 : u < 0.0015;
    const strength = (isClear ? 1 : isMild ? 0.35 : 0) * (0.5 + random());
    const spread = isClear ? 1 + 0.6 * random() : 1;
    for (let v = 0; v < 28; v++) {
      const value = (normal(random) * DEVIATION[v]! + strength * SHIFT[v]!) * spread;
      features[v]![i] = Math.fround(value);
    }
    const amount = Math.exp(fraud ? 2.9 + 2 * normal(random) : 3.1 + 1.6 * normal(random));
    features[28]![i] = Math.round(amount * 100) / 100;
    frauds[i] = fraud ? 1 : 0;
  }
  return { features, frauds };
}

/** Draws from the standard normal distribution (Box and Muller). */
function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

async function probabilities(
  model: OnnxModel,
  features: readonly Float64Array[],
): Promise<Float64Array> {
  const length = features[0]!.length;
  const nulls = new Uint8Array(length);
  const columns = Object.fromEntries(
    features.map((values, i) => [FEATURES[i]!, { values, nulls, nullCount: 0 }]),
  );
  return (await model.score(columns, length)).probabilities;
}

function eventTime(row: number, random: () => number, openWindows: number): number {
  const disorder = Math.floor(random() * DISORDER_MS);
  if (row < 2 * openWindows) {
    return START - WINDOW_MS * (1 + row % openWindows) + disorder;
  }
  return START + DISORDER_MS + Math.floor(row * 1000 / ROWS_PER_SECOND) - disorder;
}

/** Adds one row to the counts of its window of a minute. */
export function count(
  table: Map<number, number[]>,
  time: number,
  isAlert: boolean,
  fraud: number,
): void {
  const start = Math.floor(time / WINDOW_MS) * WINDOW_MS;
  const counts = table.get(start) ?? [0, 0, 0, 0, 0, 0];
  table.set(start, counts);
  const isFraud = fraud === 1;
  const adds = [true, isAlert, isFraud, isAlert && isFraud, isAlert && !isFraud];
  [...adds, !isAlert && isFraud].forEach((hit, i) => counts[i]! += hit ? 1 : 0);
}

function message(
  row: number,
  time: number,
  features: readonly Float64Array[],
  { i, fraud }: { i: number; fraud: number },
): string {
  let text = `{"event_time":"${new Date(time).toISOString()}","Time":${
    Math.floor(row / ROWS_PER_SECOND)
  }`;
  for (let f = 0; f < features.length; f++) text += `,"${FEATURES[f]}":${features[f]![i]}`;
  return `${text},"Class":${fraud}}\n`;
}

/** Collects lines of many files, and appends them a block at a time. */
class LineFiles {
  #lines = new Map<string, string[]>();

  add(path: string, line: string): void {
    const lines = this.#lines.get(path);
    if (lines) lines.push(line);
    else this.#lines.set(path, [line]);
  }

  flush(): void {
    for (const [path, lines] of this.#lines) {
      Deno.writeTextFileSync(path, lines.join(""), { append: true });
    }
    this.#lines.clear();
  }
}

/** Gives the files ascending times: Spark reads a folder in that order. */
async function setOrder(folder: string): Promise<void> {
  const names = (await Array.fromAsync(Deno.readDir(folder), ({ name }) => name)).sort();
  const first = Date.now() - 1000 * names.length;
  for (const [i, name] of names.entries()) {
    const time = new Date(first + 1000 * i);
    await Deno.utime(join(folder, name), time, time);
  }
}
