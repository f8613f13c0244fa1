// Runs the report's notebook on the first minutes of the recording, twice, and computes its tables anew.
import { deepEqual, equal, ok } from "node:assert/strict";
import { join } from "node:path";
import { InferenceSession, Tensor } from "onnxruntime-node";
import pl, { type DataFrame } from "polars";
import { FEATURES, readParquetFolder } from "lib";
import { ensureEnvironment, type Environment, ROOT } from "../tools/jupyter/env.ts";
import { writeReport } from "../tools/jupyter/report.ts";
import { jupyterDisplay } from "../view/display.ts";
import { table, type TableOptions, totals } from "../view/mod.ts";

const NOTEBOOK = join(ROOT, "notebooks", "task_d.ipynb");
const ROWS = 18_000; // six minutes: windows that are final under both watermarks, and late rows
const MINUTE = 60_000;

/** Cells that show wall time or ids: the panels, lastProgress, checkpoint files, the restart. */
const NEVER_THE_SAME = ["topic", "experiment-1", "experiment-2", "phase-2", "restart-timeline"];

interface Output {
  readonly data?: Readonly<Record<string, string | readonly string[]>>;
  readonly text?: string | readonly string[];
}

type Outputs = ReadonlyMap<string, readonly Output[]>;

/** Returns an environment in which the notebook has its files in `folder` and plays `recording`. */
async function environment(folder: string, recording: string): Promise<Environment> {
  const env = await ensureEnvironment();
  const parameters = { folder, recording, source: "log", pace: "recorded", topic: "transactions" };
  return {
    ...env,
    variables: { ...env.variables, TASK_D_PARAMETERS: JSON.stringify(parameters) },
  };
}

/** Runs the notebook from a fresh kernel; returns the outputs of each code cell. */
async function run(folder: string, env: Environment): Promise<Outputs> {
  await writeReport(NOTEBOOK, { env, folder: join(folder, "report") });
  const executed = await Deno.readTextFile(join(folder, "report", "task_d.ipynb"));
  const { cells } = JSON.parse(executed) as {
    cells: { cell_type: string; id: string; outputs: Output[] }[];
  };
  const code = cells.filter((cell) => cell.cell_type === "code");
  return new Map(code.map(({ id, outputs }) => [id, outputs]));
}

/** Returns what a cell shows as plain text. */
function shown(outputs: Outputs, id: string): string {
  const text = outputs.get(id)?.[0]?.data?.["text/plain"] ?? "";
  return typeof text === "string" ? text : text.join("");
}

interface Message {
  readonly event_time: string;
  readonly Class: number;
  readonly [feature: string]: number | string;
}

/** Counts every message of the topic by minute, but for the late ones: Polars and ONNX Runtime alone. */
async function countAnew(
  folder: string,
  { label, watermark }: { label: string; watermark: string },
) {
  const aside = await readParquetFolder(join(folder, "data", "kpi_results", `${label}_aside`));
  const late = new Set(
    aside.filter(pl.col("kind").eq(pl.lit("late"))).toRecords()
      .map(({ partition, offset }) => `${partition}:${offset}`),
  );
  ok(late.size > 0, "a run without late rows proves nothing");
  const messages: Message[] = [];
  for (const partition of ["0", "1", "2"]) {
    const log = join(folder, "data", "topics", "transactions", `partition-${partition}.jsonl`);
    const lines = (await Deno.readTextFile(log)).trimEnd().split("\n");
    const kept = lines.filter((_, offset) => !late.has(`${partition}:${offset}`));
    messages.push(...kept.map((line) => JSON.parse(line)));
  }
  equal(messages.length + late.size, ROWS);

  const summary = JSON.parse(
    await Deno.readTextFile(join(ROOT, "models", "model_selection_summary.json")),
  ) as { selected_model: string; recommended_threshold: number };
  const file = summary.selected_model.includes("Logistic") ? "fraud_lr_model" : "fraud_rf_model";
  const session = await InferenceSession.create(join(ROOT, "models", `${file}.onnx`));
  const values = messages.flatMap((row) => FEATURES.map((name) => Number(row[name])));
  const features = new Tensor("float32", Float32Array.from(values), [messages.length, 29]);
  const { probabilities } = await session.run({ features }, ["probabilities"]);
  await session.release();
  const fraudProb = messages.map((_, i) => Number(probabilities!.data[2 * i + 1]));

  const time = (name: string, shift: number) => {
    const starts = messages.map((row) => Math.floor(Date.parse(row.event_time) / MINUTE) * MINUTE);
    return pl.Series(name, starts.map((start) => new Date(start + shift)), pl.Datetime("ms"));
  };
  const sum = (name: string) => pl.col(name).sum().cast(pl.Int64).alias(name);
  const share = (part: string, whole: string, name: string) =>
    pl.when(pl.col(whole).gt(0)).then(pl.col(part).cast(pl.Float64).div(pl.col(whole)))
      .otherwise(pl.lit(null)).alias(name);
  const flag = (name: string, isSet: (alert: boolean, fraud: boolean) => boolean) => {
    const alerts = fraudProb.map((p) => p >= summary.recommended_threshold);
    return pl.Series(name, messages.map((row, i) => Number(isSet(alerts[i]!, row.Class === 1))));
  };
  return pl.DataFrame([
    time("window_start", 0),
    time("window_end", MINUTE),
    flag("n_txn", () => true),
    flag("n_alert", (alert) => alert),
    flag("n_fraud_true", (_, fraud) => fraud),
    flag("tp", (alert, fraud) => alert && fraud),
    flag("fp", (alert, fraud) => alert && !fraud),
    flag("fn", (alert, fraud) => !alert && fraud),
  ]).groupBy("window_start", "window_end")
    .agg(...["n_txn", "n_alert", "n_fraud_true", "tp", "fp", "fn"].map(sum))
    .sort("window_start")
    .withColumns(
      share("tp", "n_alert", "precision"),
      share("tp", "n_fraud_true", "recall"),
      pl.lit(watermark).alias("watermark"),
    )
    .select(
      ...["window_start", "window_end", "watermark", "n_txn", "n_alert", "n_fraud_true"],
      ...["tp", "fp", "fn", "precision", "recall"],
    );
}

/** A table of windows as text; their watermark stands in the caption. */
function text(rows: DataFrame, watermark: string, options: TableOptions = {}) {
  return table(rows, { caption: `watermark ${watermark}`, ...options })
    [jupyterDisplay]()["text/plain"];
}

/** Drops the first line of a table's text, its caption. */
function withoutCaption(shownTable: string): string {
  return shownTable.slice(shownTable.indexOf("\n"));
}

Deno.test("the notebook gives what Polars computes from the topic, and the same in every run", async (t) => {
  const folder = await Deno.makeTempDir();
  try {
    const recording = join(folder, "recording.parquet");
    const rows = pl.readParquet(join(ROOT, "data", "transactions_60k.parquet")).head(ROWS);
    await Deno.writeFile(recording, rows.writeParquet());
    const env = await environment(folder, recording);
    const first = await run(folder, env);

    for (
      const { label, watermark } of [
        { label: "watermark_30s", watermark: "30 seconds" },
        { label: "watermark_2min", watermark: "2 minutes" },
      ]
    ) {
      await t.step(`final and open windows under ${watermark} hold every row in time`, async () => {
        const windows = await countAnew(folder, { label, watermark });
        const isFinal =
          (await readParquetFolder(join(folder, "data", "kpi_results", label))).height;
        ok(isFinal > 0 && isFinal < windows.height);
        const [closed, rest] = [
          windows.head(isFinal),
          windows.slice({ offset: isFinal, length: windows.height }),
        ];
        const expected = text(closed, watermark, { totals: totals(closed) });
        ok(shown(first, "kpi-tables").includes(withoutCaption(expected)));
        ok(shown(first, "kpi-tables").includes(withoutCaption(text(rest, watermark))));
      });
    }

    await t.step("a second run shows the same tables, charts and texts", async () => {
      const second = await run(folder, env);
      let compared = 0;
      for (const [id, outputs] of first) {
        if (NEVER_THE_SAME.includes(id)) continue;
        deepEqual(second.get(id), outputs, id);
        compared += outputs.filter(({ data }) => data?.["text/html"]).length;
      }
      ok(compared > 15, `only ${compared} tables, charts and texts were compared`);
    });

    await t.step("every cell can be run again, in any order", async () => {
      const { stdout, stderr, code } = await new Deno.Command(env.python, {
        args: [join(ROOT, "tests", "rerun_cells.py"), NOTEBOOK, "1"],
        env: env.variables,
      }).output();
      const decoder = new TextDecoder();
      equal(decoder.decode(stdout), "");
      equal(code, 0, decoder.decode(stderr));
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
