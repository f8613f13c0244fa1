/**
 * `deno task watermarks`: what every watermark from 0 to 10 minutes would lose and cost on a topic, from one pass over it,
 * and which one to choose.
 */
import { OnnxModel, openSource, selectModel, windowSpec } from "lib";
import { type Accepted, readScoredRows, recommend, sweep } from "lab";
import pl from "polars";
import { jupyterDisplay } from "../view/display.ts";
import { table } from "view";
import { countOf, numberOf, runCommand, UsageError, type Values } from "./command_line.ts";
import { placeOf } from "./kpi/kpi_options.ts";
import { showWhile } from "./status_line.ts";
import { WATERMARKS } from "./tasks.ts";

/** The delays of the table, in seconds. */
const SHOWN = [0, 5, 10, 20, 30, 60, 90, 120, 180, 240, 300, 600];

/** What the options ask for. */
function planOf(values: Values<typeof WATERMARKS.options>) {
  const atLeast0 = { rule: "a number >= 0", holds: (value: number) => value >= 0 };
  const probability = { rule: "a number from 0 to 1", holds: (p: number) => p >= 0 && p <= 1 };
  const number = (name: "frauds-per-day" | "threshold") =>
    values[name] === undefined
      ? undefined
      : numberOf(name, values[name], name === "threshold" ? probability : atLeast0);
  const [, share, sign] = /^(\d*\.?\d+)(%?)$/.exec(values.loss) ?? [];
  const maxLoss = Number(share) / (sign ? 100 : 1);
  if (!(maxLoss <= 1)) {
    throw new UsageError(`--loss should be a share such as 0.1%, got "${values.loss}"`);
  }
  placeOf("source", values.source, values.topic);
  const [threshold, frauds] = [number("threshold"), number("frauds-per-day")];
  const max = values["max-offsets-per-trigger"];
  try {
    const { slide } = values;
    const window = windowSpec(values.window, { ...slide !== undefined && { slide } });
    return {
      window,
      maxOffsetsPerTrigger: countOf("max-offsets-per-trigger", max),
      accepted: (frauds === undefined ? { maxLoss } : { maxFraudsPerDay: frauds }) as Accepted,
      selection: {
        ...values.model !== undefined && { model: values.model },
        ...threshold !== undefined && { threshold },
      },
    };
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

async function main(args: Values<typeof WATERMARKS.options>): Promise<void> {
  const { window, maxOffsetsPerTrigger, accepted, selection } = planOf(args);
  const { path, threshold } = await selectModel(args.models, selection);
  const source = await openSource(args.source, args.topic);
  const model = await OnnxModel.load(path);
  try {
    const swept = await showWhile("Reading the topic", async () => {
      const rows = await readScoredRows(source, { model, maxOffsetsPerTrigger });
      return sweep(rows, { window, threshold });
    });
    const { words, ...recommendation } = recommend(swept, accepted);
    if (args.json) {
      const delays = swept.table.toRecords();
      console.log(JSON.stringify({ recommendation: { words, ...recommendation }, delays }));
      return;
    }
    const shown = [...SHOWN, (recommendation.delay ?? 0) / 1000];
    const columns = [
      "delay_s",
      "wait_s",
      "rows_lost",
      "loss",
      "windows_lost",
      "alerts_lost",
      "frauds_lost",
    ];
    const some = swept.table.filter(pl.col("delay_s").isIn(shown)).select(
      ...columns,
      "precision",
      "recall",
      "open_max",
    );
    console.log(
      table(some, { percent: ["loss", "precision", "recall"] })[jupyterDisplay]()["text/plain"],
    );
    console.log(`\n${words}`);
  } finally {
    await Promise.all([source.close(), model.close()]);
  }
}

if (import.meta.main) {
  Deno.exit(await runCommand(WATERMARKS, Deno.args, ({ values }) => main(values)));
}
