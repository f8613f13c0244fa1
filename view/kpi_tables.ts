import pl, { type DataFrame } from "polars";
import { parseDuration } from "lib";
import { type Displayable, heading, many, paragraphs, stack } from "./display.ts";
import { finalIn, isOverlapping, nameOf, type Run } from "./run.ts";
import { rowsBehind } from "./row_tables.ts";
import { table, type TableOptions } from "./table.ts";

/** Returns the sums of a KPI table, and the ratios made from them, as its row of totals. */
export function totals(kpi: DataFrame): Record<string, number | null> {
  const sum = (name: string) => Number(kpi.getColumn(name).sum() ?? 0);
  const names = ["n_txn", "n_alert", "n_fraud_true", "tp", "fp", "fn"];
  const ratio = (part: string, whole: string) => sum(whole) > 0 ? sum(part) / sum(whole) : null;
  return {
    ...Object.fromEntries(names.map((name) => [name, sum(name)])),
    precision: ratio("tp", "n_alert"),
    recall: ratio("tp", "n_fraud_true"),
  };
}

/** Windows that a table shows, and rows that all of them carry in their page, about 60 bytes each. */
const [WINDOWS, ROWS] = [25, 2400];

/** Returns a caption, and the rows that counts open in the page: `most` of them. */
function opening(caption: string, run: Run, windows: DataFrame, most: number): TableOptions {
  const { behind, left = 0 } = rowsBehind(run, windows, { most, shown: WINDOWS }) ?? {};
  const more = left > 0 ? `; ${many(left, "count")} without rows: a table carries ${most}` : "";
  return { caption: `${caption}${more}`, maxRows: WINDOWS, ...behind && { behind } };
}

/** Shows the final and the open windows of each run; in a page tp, fp and fn open their rows. */
export function kpiTables(runs: readonly Run[]): Displayable {
  const most = Math.floor(ROWS / (2 * runs.length));
  return stack(runs.flatMap((run, i) => {
    const name = nameOf(run);
    return [
      heading(`Experiment ${i + 1}: results with watermark ${name}`),
      run.kpi.height > 0
        ? table(run.kpi, {
          ...opening(`Final windows, watermark ${name}`, run, run.kpi, most),
          ...!isOverlapping(run) && { totals: totals(run.kpi) },
        })
        : paragraphs(["No window is final."]),
      run.open.height > 0
        ? table(
          run.open,
          opening(
            `Provisional: still open when the run ended, watermark ${name}; ` +
              "they are written only when newer rows close them",
            run,
            run.open,
            most,
          ),
        )
        : paragraphs(["No window is still open."]),
    ];
  }));
}

/** Shows the original's totals of each run, over its final windows, and the same from sums. */
export function aggregatedMetrics(runs: readonly Run[]): Displayable {
  const of = (run: Run) => pl.lit(nameOf(run)).alias("watermark");
  const means = runs.map((run) =>
    run.kpi.select(
      of(run),
      pl.col("n_txn").sum().alias("total_txn"),
      pl.col("n_alert").sum().alias("total_alerts"),
      pl.col("tp").sum().alias("total_tp"),
      pl.col("fp").sum().alias("total_fp"),
      pl.col("precision").mean().alias("avg_precision"),
      pl.col("recall").mean().alias("avg_recall"),
    )
  );
  const sums = runs.map((run) => {
    const { tp, n_alert, n_fraud_true, precision, recall } = totals(run.kpi);
    return { watermark: nameOf(run), tp, n_alert, precision, n_fraud_true, recall };
  });
  const overlap = runs.some(isOverlapping) ? "; a row counts once in each of its windows" : "";
  return stack([
    table(pl.concat(means), { caption: `The original's totals, over final windows${overlap}` }),
    table(pl.DataFrame(sums), {
      caption: "The same from sums: every alert and every fraud weighs the same",
    }),
  ]);
}

/** Shows the windows that are final in every run, and what the shortest wait lost in them. */
export function commonWindows(runs: readonly Run[]): Displayable {
  const byDelay = runs.toSorted((a, b) => parseDuration(a.watermark) - parseDuration(b.watermark));
  const [short, long] = [byDelay[0], byDelay.at(-1)];
  if (short === undefined || long === undefined || short === long) {
    return paragraphs(["One watermark has nothing to be compared with."]);
  }
  const common = runs.map((run, i) => {
    const counts = ["n_txn", "n_alert", "n_fraud_true"].map((n) => pl.col(n).alias(`${n}_${i}`));
    return run.kpi.select("window_start", ...counts);
  }).reduce((all, next) => all.join(next, { on: "window_start", how: "inner" }));
  if (common.height === 0) {
    return paragraphs(["No window is final under every watermark, so there is none to compare."]);
  }
  const [s, l] = [runs.indexOf(short), runs.indexOf(long)];
  const less = (name: string) => pl.col(`${name}_${l}`).sub(pl.col(`${name}_${s}`));
  const isNeverNegative = common.select(less("n_txn").min().alias("least"))
    .getColumn("least").toArray().every((least) => Number(least) >= 0); // in a live run it may be
  const lost = `lost by waiting ${short.watermark}`;
  return table(
    common.sort("window_start").select(
      "window_start",
      ...runs.map(({ watermark }, i) => pl.col(`n_txn_${i}`).alias(watermark)),
      less("n_txn").alias(lost),
      less("n_alert").alias("alerts among them"),
      less("n_fraud_true").alias("frauds among them"),
    ),
    {
      caption: `Transactions ${finalIn(runs)}`,
      ...isNeverNegative && { bars: [lost] },
    },
  );
}
