import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { OnnxModel, openSource, selectModel, TRANSACTION_SCHEMA, windowSpec } from "lib";
import { replay } from "replay";
import { COUNTS, readScoredRows, type Sweep, sweep } from "../../lab/mod.ts";
import {
  type EngineRun,
  model,
  plainRow,
  type Row,
  runEngine,
  SCHEMA,
  THRESHOLD,
} from "./engine.ts";
import { sourceOf, topics } from "./topics.ts";

/** All that one delay does, in one form for the sweep and for the engine. */
interface Outcome {
  readonly late: number;
  readonly batches: number;
  readonly openMax: number;
  readonly openMean: number;
  /** The event-time wait of each final window, in ms, and the medians and the greatest of them. */
  readonly wait: number | null;
  readonly waitMax: number | null;
  readonly alerts: number;
  readonly precision: number | null;
  readonly recall: number | null;
  readonly windows: readonly unknown[];
}

function swept({ delays, windows, table }: Sweep, d: number): Outcome {
  const row = plainRow(table.toRecords()[d]!) as Record<string, number>;
  const rows = Array.from(windows.start, (start, w) => {
    const at = w * delays.length + d;
    const counts = COUNTS.map((name) => windows.all[name][w]! - windows.lost[name][at]!);
    return [start, windows.finalBatch[at]!, ...counts];
  }).filter(([, , n]) => n! > 0);
  return {
    late: row.rows_lost!,
    batches: row.batches!,
    openMax: row.open_max!,
    openMean: row.open_mean!,
    wait: row.wait_s!,
    waitMax: row.wait_max_s!,
    alerts: windows.all.n_alert.reduce((sum, n) => sum + n, 0) - row.alerts_lost!,
    precision: row.precision!,
    recall: row.recall!,
    windows: rows,
  };
}

function ran({ sink, open, progress }: EngineRun): Outcome {
  const states = progress.map(({ stateOperators }) => stateOperators[0]!.numRowsTotal);
  const peaks = progress.map(({ stateOperators: [state] }) =>
    state!.numRowsTotal + state!.numRowsRemoved
  );
  const counts = (row: Record<string, unknown>, batch: number) => {
    const plain = plainRow(row);
    return [plain.window_start, batch, ...COUNTS.map((name) => plain[name])];
  };
  let newest = 0;
  const waits: number[] = [];
  const emitted = progress.flatMap(({ batchId, eventTime }) => {
    newest = Math.max(newest, Date.parse(eventTime.max ?? "") || 0);
    return sink.batch(batchId)!.toRecords().map((row) => {
      waits.push((newest - Number(row.window_end)) / 1000);
      return counts(row, batchId);
    });
  });
  waits.sort((a, b) => a - b);
  const windows = [...emitted, ...open.toRecords().map((row) => counts(row, -1))] as number[][];
  const sum = (name: typeof COUNTS[number]) =>
    windows.reduce((total, row) => total + row[2 + COUNTS.indexOf(name)]!, 0);
  const ratio = (part: number, whole: number) => whole > 0 ? part / whole : null;
  return {
    late: progress.at(-1)?.rows.total.late ?? 0,
    batches: progress.length,
    openMax: Math.max(...peaks),
    openMean: states.reduce((a, b) => a + b, 0) / states.length,
    wait: waits.length > 0
      ? (waits[Math.floor((waits.length - 1) / 2)]! + waits[Math.ceil((waits.length - 1) / 2)]!) / 2
      : null,
    waitMax: waits.at(-1) ?? null,
    alerts: sum("n_alert"),
    precision: ratio(sum("tp"), sum("n_alert")),
    recall: ratio(sum("tp"), sum("n_fraud_true")),
    windows: windows.sort(([a], [b]) => a! - b!),
  };
}

async function check(blocks: readonly (readonly Row[])[], window: string, slide?: string) {
  const source = sourceOf(blocks);
  const rows = await readScoredRows(source, { model, schema: SCHEMA, maxOffsetsPerTrigger: 1 });
  const spec = windowSpec(window, { ...slide !== undefined && { slide } });
  const delays = Float64Array.of(0, 12_500, 30_000, 60_000, 240_000);
  const result = sweep(rows, { window: spec, threshold: THRESHOLD, delays });
  const all: Outcome[] = [];
  for (const [d, delay] of delays.entries()) {
    const run = await runEngine(source, {
      delay: `${delay} milliseconds`,
      window,
      ...slide !== undefined && { slide },
    });
    const outcome = ran(run);
    deepEqual(swept(result, d), outcome);
    all.push(outcome);
  }
  return all;
}

for (const [window, slide] of [["1 minute"], ["30 seconds", "20 seconds"]] as const) {
  Deno.test(`the sweep equals a run of the engine at each delay, window ${window}, slide ${slide ?? window}`, async () => {
    let [late, final, open] = [0, 0, 0];
    await fc.assert(
      fc.asyncProperty(topics, async (all) => {
        for (const outcome of await check(all, window, slide)) {
          late += outcome.late;
          for (const [, batch] of outcome.windows as number[][]) batch! < 0 ? open++ : final++;
        }
      }),
      { seed: 20240101, numRuns: 20 },
    );
    for (const [what, n] of Object.entries({ late, final, open })) ok(n > 100, `only ${n} ${what}`);
  });
}

Deno.test("a row is lost at the very delay that puts the watermark on its window's end", async () => {
  // [00:00--------)[01:00
  //  c           b     ^ a at 1:30, one row a batch; delay 30 s: the watermark is 1:00 in batch 2
  const row = (time: number): Row => ({ time, risk: 1, label: 1 });
  const [without, half, boundary, minute] = await check(
    [[row(90_000)], [row(59_999)], [row(0)]],
    "1 minute",
  );
  deepEqual([without, half, boundary, minute].map((outcome) => outcome!.late), [1, 1, 1, 0]);
});

Deno.test("a topic without rows is swept to nothing lost", async () => {
  const [outcome] = await check([[]], "1 minute");
  equal(outcome!.late, 0);
  deepEqual(outcome!.windows, []);
});

Deno.test("the sweep equals runs over the recording, replayed into three partitions", async () => {
  const dir = await Deno.makeTempDir({ prefix: "sweep-" });
  try {
    const from = new URL("../../data/transactions_60k.parquet", import.meta.url).pathname;
    await replay({ from, to: `log:${dir}`, topic: "t", limit: 12_000 });
    const source = await openSource(`log:${dir}`, "t");
    const { path, threshold } = await selectModel("models");
    const model = await OnnxModel.load(path);
    const scored = { schema: TRANSACTION_SCHEMA, model, threshold };
    const rows = await readScoredRows(source, { model, maxOffsetsPerTrigger: 500 });
    const result = sweep(rows, { window: windowSpec("1 minute"), threshold });
    for (const d of [0, 17, 60]) {
      const settings = { delay: `${d} seconds`, window: "1 minute", maxOffsetsPerTrigger: 500 };
      const outcome = ran(await runEngine(source, { ...settings, scored }));
      deepEqual(swept(result, d), outcome);
      // What could be lost: the rows of final windows, lost or counted.
      const counted = (outcome.windows as number[][]).filter(([, batch]) => batch! >= 0)
        .reduce((sum, [, , n]) => sum + n!, 0);
      equal(result.table.getColumn("loss").get(d), outcome.late / (counted + outcome.late));
      ok(outcome.late > 0 && outcome.alerts > 0);
    }
    await model.close();
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
