/**
 * `deno task repair`: merges the late rows that a query kept aside into the windows it has written, as a new version of a
 * second table. The query's own table stays as it is.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { lateRows, repair } from "lab";
import { OnnxModel, readParquetFolder, selectModel } from "lib";
import { makeFolder, writeFile } from "../lib/files.ts";
import { many } from "../view/display.ts";
import { numberOf, runCommand, UsageError } from "./command_line.ts";
import { REPAIR } from "./tasks.ts";
import { showWhile } from "./status_line.ts";

/** Columns of the KPI table of one run without keys. */
const KPI_COLUMNS = 11;

if (import.meta.main) {
  Deno.exit(
    await runCommand(REPAIR, Deno.args, async ({ values }) => {
      const { table, rejected, to } = values;
      const threshold = values.threshold === undefined ? {} : {
        threshold: numberOf("threshold", values.threshold, {
          rule: "a probability from 0 to 1",
          holds: (value) => value >= 0 && value <= 1,
        }),
      };
      for (const [name, dir] of Object.entries({ table, rejected })) {
        if (!existsSync(dir)) throw new UsageError(`--${name}: there is no folder "${dir}"`);
      }
      const [kpi, late] = await Promise.all([readParquetFolder(table), lateRows(rejected)]);
      if (kpi.width !== KPI_COLUMNS || kpi.height === 0) {
        throw new Error(
          `Cannot repair "${table}": expected the windows of deno task kpi without further keys, ` +
            `got ${kpi.height} rows of ${kpi.columns.join(", ")}`,
        );
      }
      const selection = await selectModel(values.models, {
        ...values.model !== undefined && { model: values.model },
        ...threshold,
      });
      const model = await OnnxModel.load(selection.path);
      const [first] = kpi.head(1).toRecords();
      const window = `${Number(first!.window_end) - Number(first!.window_start)} milliseconds`;
      const options = { model, threshold: selection.threshold, window };
      const repaired = await showWhile(
        `Counting ${late.height} late rows`,
        () => repair(kpi, late, options),
      );
      await model.close();

      // Folders as Hive names partitions: readers of the whole see the column `version`.
      let version = 1;
      while (existsSync(join(to, `version=${version}`))) version++;
      const changes = join(to, "_changes", `version=${version}`); // readers pass over names with _
      await makeFolder(changes);
      const parquet = { compression: "snappy" } as const;
      await writeFile(join(changes, "part-0.parquet"), repaired.changes.writeParquet(parquet));
      await makeFolder(join(to, `version=${version}`)); // the last step makes it a version
      await writeFile(
        join(to, `version=${version}`, "part-0.parquet"),
        repaired.kpi.writeParquet(parquet),
      );
      console.log(
        `${many(late.height, "late row")} put back into ${
          many(repaired.changes.height, "window")
        }: ` +
          `${many(repaired.kpi.height, "window")} in ${join(to, `version=${version}`)}, ` +
          `what changed in ${changes}`,
      );
    }),
  );
}
