import { parseDuration } from "lib";
import { count, many } from "./display.ts";
import { wrongRows } from "./kept_rows.ts";
import { isOverlapping, nameOf, type Run, totalsOf } from "./run.ts";
import { dataBatches } from "./watermark_analysis.ts";

/** Whether all runs read the same rows in the same batches. */
export function haveSameBatches(runs: readonly Run[]): boolean {
  return new Set(runs.map((run) => JSON.stringify(dataBatches(run)))).size <= 1;
}

/** Says where the tables of the runs do not hold exactly the rows that were read; nothing if they do. */
export function wrongCounts(runs: readonly Run[]): string[] {
  const problems = runs.flatMap((run) => {
    const { read, counted, late, rejected, open } = totalsOf(run);
    const rows = (table: Run["kpi"]) => Number(table.getColumn("n_txn").sum() ?? 0);
    const claims: readonly (readonly [holds: boolean, problem: string])[] = [
      [read === counted + late + rejected + open, "rows are missing"],
      [rows(run.kpi) === counted, "the table misses rows"],
      [rows(run.open) === open, "open windows miss rows"],
      // Where windows overlap, a row may be late for some of its windows only.
      [isOverlapping(run) ? run.late.height <= late : run.late.height === late, "late rows differ"],
    ];
    const wrong = claims.flatMap(([holds, problem]) => holds ? [] : [problem]);
    return [...wrong, ...wrongRows(run)].map((problem) => `${nameOf(run)}: ${problem}`);
  });
  if (haveSameBatches(runs)) {
    const byDelay = runs.toSorted((a, b) =>
      parseDuration(a.watermark) - parseDuration(b.watermark)
    );
    byDelay.slice(1).forEach((run, i) => {
      if (totalsOf(run).late > totalsOf(byDelay[i]!).late) {
        problems.push(`${run.watermark} lost more rows than ${byDelay[i]!.watermark}`);
      }
    });
  }
  return problems;
}

/** Says in words whether the runs can be compared row by row. */
export function comparability(runs: readonly Run[], { isLive }: { isLive: boolean }): string {
  const [first] = runs;
  if (first === undefined) return "There is no run.";
  const rows = many(totalsOf(first).messages, "row");
  const batches = runs.map((run) => dataBatches(run).length).join(", ");
  if (runs.length === 1) {
    return `One run, of ${rows} in ${many(Number(batches), "batch", "batches")}.`;
  }
  if (!isLive && haveSameBatches(runs)) {
    const { length } = dataBatches(first);
    return `All runs read the same ${rows} in the same ${length === 1 ? "" : `${count(length)} `}${
      length === 1 ? "batch" : "batches"
    }.`;
  }
  if (isLive && new Set(runs.map((run) => totalsOf(run).messages)).size === 1) {
    return `All runs read the same ${rows} side by side, as they came, each in batches of its ` +
      `own (${batches}): which rows are late depends on them too.`;
  }
  const isCut = runs.some(({ interrupted }) => interrupted !== undefined);
  const what = isLive ? "one stream side by side, as it came" : "one topic";
  return `The runs read ${what}${isCut ? ", but not all of it" : ""}, each in batches of its own ` +
    `(${batches}): which rows are late depends on them too, so the figures differ by that as well.`;
}
