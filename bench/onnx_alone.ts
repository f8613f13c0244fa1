/**
 * Scores float32 rows of 29 features from a file with ONNX Runtime and nothing else, on all cores, and prints the
 * seconds from the first row to the last and the number of alerts:
 * `deno run -A bench/onnx_alone.ts FEATURES MODEL THRESHOLD`
 *
 * A session with one thread a core is the fastest that the runtime does here; a session with as many threads is slower.
 */
import { availableParallelism } from "node:os";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import "../lib/model/no_telemetry.ts";
import ort from "onnxruntime-node";

const COLUMNS = 29;
const CHUNK = 8_000;

interface Part {
  readonly matrix: SharedArrayBuffer;
  readonly model: string;
  readonly threshold: number;
  /** Rows, from the first to before the last. */
  readonly from: number;
  readonly to: number;
}

if (isMainThread) {
  const [features, model, threshold] = Deno.args as [string, string, string];
  const bytes = await Deno.readFile(features);
  const matrix = new SharedArrayBuffer(bytes.length);
  new Uint8Array(matrix).set(bytes);
  const rows = bytes.length / Float32Array.BYTES_PER_ELEMENT / COLUMNS;
  const cores = availableParallelism();
  const workers = Array.from({ length: cores }, (_, i) => {
    const [from, to] = [i, i + 1].map((n) => Math.round(n * rows / cores));
    const part: Part = { matrix, model, threshold: Number(threshold), from: from!, to: to! };
    return new Worker(new URL(import.meta.url), { workerData: part });
  });
  const answer = (worker: Worker) =>
    new Promise<number>((resolve, reject) => worker.once("message", resolve).once("error", reject));
  await Promise.all(workers.map(answer)); // each says that its model is loaded
  const began = performance.now();
  const alerts = await Promise.all(workers.map((worker) => {
    worker.postMessage("start");
    return answer(worker);
  }));
  console.log(JSON.stringify({
    querySeconds: (performance.now() - began) / 1000,
    alerts: alerts.reduce((sum, count) => sum + count, 0),
    version: `onnxruntime-node ${ort.env.versions.node}`,
  }));
  Deno.exit(0);
} else {
  const { matrix, model, threshold, from, to } = workerData as Part;
  const session = await ort.InferenceSession.create(model, {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
  });
  parentPort!.once("message", async () => {
    let alerts = 0;
    for (let row = from; row < to; row += CHUNK) {
      const rows = Math.min(CHUNK, to - row);
      const values = new Float32Array(matrix, row * COLUMNS * 4, rows * COLUMNS).slice();
      const features = new ort.Tensor("float32", values, [rows, COLUMNS]);
      const { probabilities } = await session.run({ features }, ["probabilities"]);
      const pairs = probabilities!.data as Float32Array;
      for (let i = 1; i < pairs.length; i += 2) if (pairs[i]! >= threshold) alerts++;
    }
    parentPort!.postMessage(alerts);
  });
  parentPort!.postMessage("ready");
}
