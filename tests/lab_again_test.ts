// Runs cells of the watermark lab again as readers do: after a mistake, a change, an interrupt.
import { equal, match } from "node:assert/strict";
import { join } from "node:path";
import pl from "polars";
import { ROOT } from "../tools/jupyter/env.ts";
import { errorsOf, openNotebook } from "./notebook_play.ts";

const folder = await Deno.makeTempDir();
const recording = join(folder, "recording.parquet");
const rows = pl.readParquet(join(ROOT, "data", "transactions_60k.parquet")).head(21_000);
await Deno.writeFile(recording, rows.writeParquet());
globalThis.addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));

const { play, change } = await openNotebook("watermark_lab.ipynb", "WATERMARK_LAB_PARAMETERS", {
  folder,
  recording,
  checkedAt: ["0 seconds"],
});

/** The cells that make or show a figure: all but the imports, the parameters and a function. */
const WITHOUT_FIGURES = ["lab-02", "lab-03", "lab-05", "lab-23"];

Deno.test("all cells of the lab run again; after a mistake none shows a figure of the run before", async () => {
  const mistake = change({ delays: ["30 secs", "2 minutes"] });
  const steps = ["all", "lab-20", "lab-29", "lab-39", mistake, "all"];
  const shown = await play(steps);
  const [whole, again, wrong] = [shown[0]!, shown[3]!, shown.at(-1)!];
  equal(errorsOf(whole).join(), "");
  match(whole["lab-42"]!.text, /WATERMARK LAB COMPLETE/);
  equal(errorsOf(again).join(), "");
  match(wrong["lab-03"]!.error, /delays\[0\] should be a duration/);
  for (const [id, { text, error }] of Object.entries(wrong)) {
    if (WITHOUT_FIGURES.includes(id)) continue;
    match(
      `${text}${error}`,
      /^(\*\*Nothing is shown here|The page is not complete|There are no)/,
      id,
    );
  }
});

Deno.test("after a change, or over a cell with a syntax error, the lab shows only what was made anew", async () => {
  const changed = change({ delays: ["45 seconds"] });
  const broken = { edit: "lab-23", code: "async function runAt(watermark: string {" };
  const steps = ["all", changed, "lab-03", "lab-05", "lab-07", "lab-13", "lab-27"];
  const shown = await play([...steps, broken, "lab-02", "lab-03", "lab-23", "lab-42"]);
  const last = shown[steps.length - 1]!;
  match(shown.at(-1)!["lab-42"]!.error, /runAt is not made yet: run section "6\. /);
  match(
    last["lab-13"]!.text,
    /Nothing is shown.* The advice was made with other parameters \(delays was .*: run section "1\./,
  );
  match(last["lab-27"]!.text, /The comparison with the engine was made with other parameters/);
});

Deno.test("a topic of three batches is compared with its first one", async () => {
  const [shown] = await play(["all"], { offsetsPerTrigger: 7000 });
  equal(errorsOf(shown!).join(), "");
  match(shown!["lab-39"]!.text, /after batch 0 and after batch \d/);
  match(shown!["lab-40"]!.text, /\n0 +[\d,]+ .* [\d,]+$/m);
});

Deno.test("a run of the engine that is interrupted gives the lab no figure", async () => {
  const interrupt = {
    code: `{
      const { addBatch } = ParquetSink.prototype;
      let left = 3;
      ParquetSink.prototype.addBatch = function (...batch) {
        if (--left === 0) Deno.kill(Deno.pid, "SIGINT");
        return addBatch.apply(this, batch);
      };
    }`,
  };
  const before = ["lab-02", "lab-03", "lab-05", "lab-07", "lab-08", "lab-23"];
  const shown = (await play([...before, interrupt, "lab-24", "lab-27", "lab-33"])).at(-1)!;
  match(shown["lab-24"]!.error, /^The run at 30 seconds was interrupted/);
  for (const id of ["lab-27", "lab-33"]) {
    match(
      shown[id]!.text,
      /Nothing is shown.*The comparison with the engine failed \(The run at 30 seconds/,
    );
  }
});
