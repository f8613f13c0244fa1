import assert from "node:assert/strict";
import { join } from "node:path";
import { ROOT } from "../../tools/jupyter/env.ts";
import {
  checkNotebook,
  formattedNotebook,
  joinCells,
  type Notebook,
  savedErrors,
} from "../../tools/dev/notebooks.ts";

function notebook(...sources: string[]): Notebook {
  return {
    cells: [
      { cell_type: "markdown", source: "# A title\n\nand *text* that is no code" },
      ...sources.map((source) => ({ cell_type: "code", source, outputs: [] })),
    ],
  };
}

async function check(content: Notebook): Promise<readonly string[]> {
  // Inside the project, where deno.json gives "lib" its meaning.
  const folder = await Deno.makeTempDir({ dir: join(ROOT, "tests"), prefix: ".notebook_" });
  try {
    const path = join(folder, "trial.ipynb");
    await Deno.writeTextFile(path, JSON.stringify(content));
    const problems = await checkNotebook(path);
    const left = [...Deno.readDirSync(folder)].map((entry) => entry.name);
    assert.deepEqual(left, ["trial.ipynb"], "the temporary module is removed");
    return problems;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("joinCells() gives the code cell and its line for each line of the module", () => {
  const joined = joinCells(notebook("const a = 1;\nconst b = 2;", "a + b;"));
  const lines = joined.text.split("\n");
  for (
    const [text, cell, line] of [["const a = 1;", 1, 1], ["const b = 2;", 1, 2], [
      "a + b;",
      2,
      1,
    ]] as const
  ) {
    assert.deepEqual(joined.cellAt(lines.indexOf(text) + 1), { cell, line }, text);
  }
});

Deno.test("checkNotebook() accepts cells that use what earlier cells declare", async () => {
  const problems = await check(
    notebook("const rows = [1, 2];", "const sum = rows.reduce((a, b) => a + b);\nsum"),
  );
  assert.deepEqual(problems, []);
});

Deno.test("checkNotebook() names the cell and line of a type error", async () => {
  const problems = await check(notebook("const a = 1;\na", 'a;\nexport const n: number = "x";'));
  assert.match(problems.join("\n"), /TS2322/);
  assert.match(problems.join("\n"), /trial\.ipynb, code cell 2, line 2/);
});

Deno.test("checkNotebook() reports a name that lib does not export", async () => {
  const problems = await check(notebook('import { noSuchName } from "lib";\nnoSuchName'));
  assert.match(problems.join("\n"), /no exported member 'noSuchName'/);
});

Deno.test("checkNotebook() reports what the linter finds", async () => {
  const problems = await check(notebook("const a = 1;\na", "debugger;"));
  assert.equal(problems.length, 1);
  assert.match(problems[0] ?? "", /code cell 2, line 1: .*lint rule no-debugger/);
});

Deno.test("savedErrors() refuses a notebook that was saved with an error output", () => {
  const outputs = [{ output_type: "error", ename: "TypeError", evalue: "x is not a function" }];
  const saved: Notebook = { cells: [{ cell_type: "code", source: "x()", outputs }] };
  assert.match(savedErrors(saved)[0] ?? "", /code cell 1 .*TypeError: x is not a function/);
  assert.deepEqual(savedErrors(notebook("1")), []);
});

Deno.test("formattedNotebook() formats the cells of a notebook, and leaves a formatted one as it is", async () => {
  const metadata = { language_info: { name: "typescript" } };
  const text = (source: string) =>
    JSON.stringify({ ...notebook(source), metadata, nbformat: 4, nbformat_minor: 5 }, null, 2);
  assert.match(await formattedNotebook(text("const   a=1")), /"const a = 1;"/);
  const once = await formattedNotebook(text("const a = 1;"));
  assert.equal(await formattedNotebook(once), once);
});
