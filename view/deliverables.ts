import { join, relative } from "node:path";
import pl from "polars";
import { count, type Displayable, many } from "./display.ts";
import { labelOf } from "./experiment.ts";
import { type Restart, restartSentence } from "./restart.ts";
import { alertsOf } from "./kept_rows.ts";
import { isOverlapping, type Run, totalsOf } from "./run.ts";
import { table } from "./table.ts";

/** Lists what the task asks for, what came of it, and where the files are. */
export function deliverables({ runs, restart, root, folder }: {
  readonly runs: readonly Run[];
  readonly restart: Restart;
  readonly root: string;
  /** The folder of the results. */
  readonly folder: string;
}): Displayable {
  const out = join(folder, "data", "kpi_results");
  const files = [
    ...runs.map(({ watermark }) => join(out, `watermark_${labelOf(watermark)}`)),
    join(out, "checkpoint_test"),
    join(folder, "checkpoints"),
  ];
  const windows = runs.map(({ watermark, kpi, keyed }) =>
    `${count(kpi.height)}${
      keyed ? ` in ${many(keyed.kpi.height, "group")}` : ""
    } under ${watermark}`
  ).join(", ");
  return table(pl.DataFrame([
    {
      deliverable: "D.1 KPI windows",
      result: `final windows, of ${
        (runs[0]?.keyed ?? runs[0])?.kpi.width ?? 0
      } columns: ${windows}`,
    },
    {
      deliverable: "D.2 watermark comparison",
      result: runs.map((run) => `${run.watermark}: ${count(totalsOf(run).late)} late`).join(", "),
    },
    { deliverable: "D.3 checkpoint test", result: restartSentence(restart) },
    ...files.map((path) => ({ deliverable: "files", result: relative(root, path) })),
  ]));
}

/** Accounts for the rows and for the alerts of each run, in two lines. */
export function accounting(runs: readonly Run[]): string[] {
  return runs.map((run) => {
    const { read, counted, late, rejected, open } = totalsOf(run);
    const unscored = run.progress.reduce((sum, { rows }) => sum + rows.unscored, 0);
    const alerts = alertsOf(run);
    const overlap = isOverlapping(run) ? ", once in each of its windows" : "";
    return `${run.watermark}: ${read} read = ${counted} counted + ${late} late + ${rejected} rejected + ` +
      `${open} open; ${unscored} unscored\n${run.watermark}: ${alerts.alerts} alerts kept${overlap} = ` +
      `${alerts.final} in final windows + ${alerts.open} in open ones + ${alerts.late} late` +
      (alerts.rejected > 0 ? ` + ${alerts.rejected} rejected` : "");
  });
}
