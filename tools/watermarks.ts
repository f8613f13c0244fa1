/**
 * `deno task watermarks`: what every watermark from 0 to 10 minutes would lose and cost on a topic, from one pass over it,
 * and which one to choose.
 */
import { parseArgs } from "node:util";
import { OnnxModel, openSource, selectModel, windowSpec } from "lib";
import { type Accepted, readScoredRows, recommend, sweep } from "lab";
import pl from "polars";
import { jupyterDisplay } from "../view/display.ts";
import { table } from "view";

const USAGE = `Usage: deno task watermarks --source log:DIR|kafka:BOOTSTRAP [options]
  --topic T                       (transactions)
  --window "1 minute"             the KPI's windows; --slide "30 seconds" if they overlap
  --max-offsets-per-trigger N     the batches of the query, which matter (1500)
  --loss 0.1%                     the share of transactions that may be lost (0.1%)
  --frauds-per-day N              in its place, the frauds that may be lost
  --models models  --model FILE.onnx  --threshold 0.5
  --json                          every delay and the recommendation as JSON`;

/** The delays of the table, in seconds. */
const SHOWN = [0, 5, 10, 20, 30, 60, 90, 120, 180, 240, 300, 600];

const OPTIONS = {
  source: { type: "string" },
  topic: { type: "string", default: "transactions" },
  window: { type: "string", default: "1 minute" },
  slide: { type: "string" },
  "max-offsets-per-trigger": { type: "string", default: "1500" },
  loss: { type: "string", default: "0.1%" },
  "frauds-per-day": { type: "string" },
  models: { type: "string", default: "models" },
  model: { type: "string" },
  threshold: { type: "string" },
  json: { type: "boolean", default: false },
} as const;

type Args = ReturnType<typeof readArgs>;

/** Reads the command line; throws for what it cannot use. */
function readArgs(args: string[]) {
  const { values } = parseArgs({ args, options: OPTIONS });
  const number = (name: "max-offsets-per-trigger" | "frauds-per-day" | "threshold") => {
    const [text, value] = [values[name], Number(values[name])];
    if (text === undefined) return undefined;
    if (text !== "" && value >= 0) return value;
    throw new RangeError(`--${name} should be a number >= 0, got "${text}"`);
  };
  const [, share, sign] = /^(\d*\.?\d+)(%?)$/.exec(values.loss) ?? [];
  const maxLoss = Number(share) / (sign ? 100 : 1);
  if (!(maxLoss <= 1)) {
    throw new RangeError(`--loss should be a share such as 0.1%, got "${values.loss}"`);
  }
  if (values.source === undefined) throw new TypeError("--source is missing");
  const [threshold, frauds] = [number("threshold"), number("frauds-per-day")];
  return {
    ...values,
    source: values.source,
    window: windowSpec(values.window, { ...values.slide !== undefined && { slide: values.slide } }),
    maxOffsetsPerTrigger: Math.max(1, number("max-offsets-per-trigger")!),
    accepted: (frauds === undefined ? { maxLoss } : { maxFraudsPerDay: frauds }) as Accepted,
    selection: {
      ...values.model !== undefined && { model: values.model },
      ...threshold !== undefined && { threshold },
    },
  };
}

async function run({ window, maxOffsetsPerTrigger, accepted, ...args }: Args): Promise<void> {
  const { path, threshold } = await selectModel(args.models, args.selection);
  const source = await openSource(args.source, args.topic);
  const model = await OnnxModel.load(path);
  try {
    const rows = await readScoredRows(source, { model, maxOffsetsPerTrigger });
    const swept = sweep(rows, { window, threshold });
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
    console.log(table(some)[jupyterDisplay]()["text/plain"]);
    console.log(`\n${words}`);
  } finally {
    await Promise.all([source.close(), model.close()]);
  }
}

async function main(args: string[]): Promise<number> {
  let options: Args;
  try {
    options = readArgs(args);
  } catch (error) {
    console.error(`${(error as Error).message}\n${USAGE}`);
    return 2;
  }
  try {
    await run(options);
    return 0;
  } catch (error) {
    console.error((error as Error).message);
    return 1;
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));
