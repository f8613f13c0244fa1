// Runs both notebooks in kernels of two Denos: the one that runs the tests and the newest one that is supported.
import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { delimiter, join } from "node:path";
import pl from "polars";
import { ensureEnvironment, type Environment, ROOT } from "../../tools/jupyter/env.ts";
import { writeReport } from "../../tools/jupyter/report.ts";

const NEWEST = "2.9.6";
const ROWS = 18_000;
const newest = await findNewest();
if (newest === undefined) {
  console.error(`SKIPPED: npx cannot get deno@${NEWEST}, so no notebook is run in its kernel`);
}

/** Returns the path of the newest Deno, kept inside the project; undefined where npx cannot get it. */
async function findNewest(): Promise<string | undefined> {
  if (Deno.version.deno === NEWEST) return Deno.execPath();
  try {
    const { success, stdout } = await new Deno.Command("npx", {
      args: ["--prefer-offline", "-y", `deno@${NEWEST}`, "eval", "console.log(Deno.execPath())"],
      cwd: ROOT,
      env: { npm_config_cache: join(ROOT, ".jupyter", "npm"), NO_COLOR: "1" },
      stdin: "null",
      stderr: "null",
    }).output();
    return success ? new TextDecoder().decode(stdout).trim() : undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Returns an environment whose kernel is that of `deno`, with the notebooks' files in `folder`. */
async function environment(deno: string, folder: string): Promise<Environment> {
  const env = await ensureEnvironment();
  const spec = JSON.parse(
    await Deno.readTextFile(join(ROOT, "tools", "jupyter", "kernels", "deno", "kernel.json")),
  );
  spec.argv[0] = deno;
  const kernel = join(folder, "jupyter", "kernels", "deno");
  await Deno.mkdir(kernel, { recursive: true });
  await Deno.writeTextFile(join(kernel, "kernel.json"), JSON.stringify(spec));
  const recording = join(folder, "recording.parquet");
  const rows = pl.readParquet(join(ROOT, "data", "transactions_60k.parquet")).head(ROWS);
  await Deno.writeFile(recording, rows.writeParquet());
  const parameters = JSON.stringify({ folder, recording });
  return {
    ...env,
    variables: {
      ...env.variables,
      JUPYTER_PATH: [join(folder, "jupyter"), env.variables.JUPYTER_PATH].join(delimiter),
      JUPYTER_DATA_DIR: join(folder, "jupyter"),
      TASK_D_PARAMETERS: parameters,
      WATERMARK_LAB_PARAMETERS: parameters,
    },
  };
}

/** What a cell shows, in its order, less what no two runs share: times, ids, versions and their widths. */
interface Shown {
  readonly cell: string;
  readonly outputs: readonly (readonly [type: string, text: string])[];
}

async function run(name: string, { deno, folder }: { deno: string; folder: string }) {
  const env = await environment(deno, folder);
  await writeReport(join(ROOT, "notebooks", `${name}.ipynb`), { env, folder });
  const { cells } = JSON.parse(await Deno.readTextFile(join(folder, `${name}.ipynb`))) as {
    cells: {
      id: string;
      cell_type: string;
      outputs: { output_type: string; text?: unknown; data?: Record<string, unknown> }[];
    }[];
  };
  return cells.filter((cell) => cell.cell_type === "code").map(({ id, outputs }): Shown => ({
    cell: id,
    // A chart that grew while a query took long leaves an empty place.
    outputs: outputs.filter(({ data }) => data?.["text/html"]?.toString() !== "")
      .map(({ output_type, text, data }) =>
        [output_type, plain(text ?? data?.["text/plain"])] as const
      ),
  }));
}

function plain(text: unknown): string {
  return [text].flat().join("")
    .replaceAll(/\p{Hex_Digit}{8}-[\p{Hex_Digit}-]{27}/gu, "<id>")
    .replaceAll(/[\d.,:TZ-]*\d[\d.,:TZ-]*/g, "#")
    .replaceAll(/[\s─]+/g, " ");
}

async function inFolder(task: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await task(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

for (const name of ["task_d", "watermark_lab"]) {
  Deno.test({
    name: `${name} shows every output in its cell and in order, here and on Deno ${NEWEST}`,
    ignore: newest === undefined,
    fn: () =>
      inFolder(async (folder) => {
        const expected = await run(name, { deno: Deno.execPath(), folder });
        const got = await run(name, { deno: newest!, folder });
        ok(
          expected.flatMap(({ outputs }) => outputs).length > 15,
          "a notebook shows more than that",
        );
        equal(got.length, expected.length);
        expected.forEach((cell, i) => deepEqual(got[i], cell));
      }),
  });
}

/** A notebook that shows much at once, and imports what keeps its outputs or does not. */
async function flood({ deno, folder, imports }: Record<"deno" | "folder" | "imports", string>) {
  const cell = { cell_type: "code", metadata: {}, outputs: [], execution_count: null };
  const log = "for (let i = 0; i < 50; i++) console.log(`line ${i}`);";
  const cells = Array.from({ length: 20 }, (_, i) => ({ ...cell, id: `c${i}`, source: log }));
  const notebook = join(folder, "flood.ipynb");
  await Deno.writeTextFile(
    notebook,
    JSON.stringify({
      nbformat: 4,
      nbformat_minor: 5,
      metadata: { kernelspec: { name: "deno", display_name: "Deno", language: "typescript" } },
      cells: [{ ...cell, id: "first", source: imports }, ...cells],
    }),
  );
  await writeReport(notebook, {
    env: await environment(deno, folder),
    folder: join(folder, "report"),
  });
  return JSON.parse(await Deno.readTextFile(join(folder, "report", "flood.ipynb"))).cells.slice(1);
}

Deno.test({
  name: `a report fails whose kernel, that of Deno ${NEWEST}, lost an output`,
  ignore: newest === undefined,
  fn: () =>
    inFolder((folder) =>
      rejects(flood({ deno: newest!, folder, imports: "" }), (error: Error) => {
        match(error.message, /an output came after the cell had ended and is lost/);
        return true;
      })
    ),
});

Deno.test({
  name: `a notebook that calls keepOutputs() keeps all its outputs on Deno ${NEWEST}`,
  ignore: newest === undefined,
  fn: () =>
    inFolder(async (folder) => {
      const keep = `import { keepOutputs } from ${
        JSON.stringify(join(ROOT, "view", "keep_outputs.ts"))
      }; keepOutputs();`;
      const cells = await flood({ deno: newest!, folder, imports: keep });
      const whole = Array.from({ length: 50 }, (_, i) => `line ${i}\n`).join("");
      for (const { outputs } of cells) {
        equal(outputs.map(({ text }: { text: unknown }) => [text].flat().join("")).join(""), whole);
      }
    }),
});
