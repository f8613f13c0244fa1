/**
 * `deno task notebooks:check [notebook…]`: type-checks and lints the code cells of notebooks, which `deno check` and
 * `deno lint` do not read, and refuses a notebook that was saved with an error in its outputs.
 */
import { createHash } from "node:crypto";
import { basename, dirname, join, relative } from "node:path";
import { runCommand } from "../command_line.ts";
import { listNotebooks, ROOT } from "../jupyter/env.ts";
import { formatted } from "./formatted.ts";
import { NOTEBOOKS_CHECK, NOTEBOOKS_FMT } from "./tasks.ts";

/** Names the parts of a notebook file that a check reads. */
export interface Notebook {
  readonly cells: readonly {
    readonly cell_type: string;
    readonly source: string | readonly string[];
    readonly outputs?: readonly {
      readonly output_type: string;
      readonly ename?: string;
      readonly evalue?: string;
    }[];
  }[];
}

/** Holds the code cells as one module; `cellAt` gives the code cell (from 1) and its line (from 1) for a line of it. */
export interface JoinedCells {
  readonly text: string;
  cellAt(line: number): { readonly cell: number; readonly line: number };
}

// The libs that the kernel offers: Deno's own, and the DOM's names that its display helpers mention.
const LIBS = ["deno.ns", "deno.unstable", "dom", "dom.iterable", "dom.asynciterable"];

/** Joins the code cells in their order, so that a later cell sees what an earlier one declares. */
export function joinCells(notebook: Notebook): JoinedCells {
  const lines = LIBS.map((lib) => `/// <reference lib="${lib}" />`);
  const starts: number[] = [];
  for (const cell of notebook.cells) {
    if (cell.cell_type !== "code") continue;
    starts.push(lines.length);
    const source = typeof cell.source === "string" ? cell.source : cell.source.join("");
    lines.push(...source.split("\n"));
  }
  // A file without an import would otherwise be a script, where names of other files are in scope.
  lines.push("export {};", "");
  return {
    text: lines.join("\n"),
    cellAt(line) {
      const cell = starts.filter((start) => start < line).length;
      return { cell, line: line - (starts[cell - 1] ?? 0) };
    },
  };
}

/** Lists the error outputs that a notebook was saved with, one text each. */
export function savedErrors(notebook: Notebook): readonly string[] {
  return notebook.cells
    .filter((cell) => cell.cell_type === "code")
    .flatMap((cell, index) =>
      (cell.outputs ?? [])
        .filter((output) => output.output_type === "error")
        .map((output) =>
          `code cell ${
            index + 1
          } was saved with an error output (${output.ename}: ${output.evalue}); ` +
          "run the notebook again and save it"
        )
    );
}

/**
 * Returns a notebook's text as `deno fmt` writes it, with a mark beside its parameters. `deno fmt --check` cannot be asked: in Deno 2.8.1 it
 * takes every cell for unformatted that does not end in a line break, as no cell does.
 */
export async function formattedNotebook(text: string): Promise<string> {
  return markParameters(await formatted(text, "ipynb"));
}

/** Notes beside the parameters as they are now, so that a report can tell that they were changed since. */
function markParameters(text: string): string {
  const notebook = JSON.parse(text) as MarkedNotebook;
  const cells = notebook.cells.filter(({ metadata }) => metadata?.tags?.includes("parameters"));
  for (const { metadata, source } of cells) {
    const code = [source].flat().join("");
    metadata!.sha256 = createHash("sha256").update(code).digest("hex").slice(0, 16);
  }
  return cells.length > 0 ? `${JSON.stringify(notebook, null, 1)}\n` : text;
}

interface MarkedNotebook {
  readonly cells: readonly {
    readonly source: string | readonly string[];
    readonly metadata?: { readonly tags?: readonly string[]; sha256?: string };
  }[];
}

/** Checks one notebook file and returns its problems, each with the notebook's name and the code cell. */
export async function checkNotebook(path: string): Promise<readonly string[]> {
  const name = relative(ROOT, path).replaceAll("\\", "/");
  const notebook = JSON.parse(await Deno.readTextFile(path)) as Notebook;
  const joined = joinCells(notebook);
  const place = (line: number) => {
    const at = joined.cellAt(line);
    return `${name}, code cell ${at.cell}, line ${at.line}`;
  };
  // Beside the notebook, so that its relative imports and the project's deno.json hold.
  const file = join(dirname(path), `.check_${basename(path, ".ipynb")}_${Deno.pid}.ts`);
  try {
    await Deno.writeTextFile(file, joined.text);
    return [
      ...savedErrors(notebook).map((text) => `${name}, ${text}`),
      ...await typeErrors(file, place),
      ...await lintErrors(file, place),
    ];
  } finally {
    await Deno.remove(file);
  }
}

async function typeErrors(file: string, place: (line: number) => string): Promise<string[]> {
  const { success, stderr } = await deno(["check", "--quiet", file]);
  if (success) return [];
  const position = new RegExp(
    `file:[^\\s]*${basename(file).replaceAll(".", "\\.")}:(\\d+):\\d+`,
    "g",
  );
  return [stderr.replace(position, (_, line) => place(Number(line))).trim()];
}

async function lintErrors(file: string, place: (line: number) => string): Promise<string[]> {
  const { stdout, stderr } = await deno(["lint", "--json", file]);
  if (stdout.trim() === "") throw new Error(`deno lint said nothing about ${file}: ${stderr}`);
  // What the linter cannot parse, the type check has reported already.
  const { diagnostics } = JSON.parse(stdout) as LintReport;
  return diagnostics.map(({ code, message, range }) =>
    `${place(range.start.line)}: ${message} (lint rule ${code})`
  );
}

interface LintReport {
  readonly diagnostics: readonly {
    readonly code: string;
    readonly message: string;
    readonly range: { readonly start: { readonly line: number } };
  }[];
}

async function deno(args: string[]): Promise<{ success: boolean; stdout: string; stderr: string }> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args,
    cwd: ROOT,
    env: { NO_COLOR: "1", RUST_BACKTRACE: "0" },
  }).output();
  const decoder = new TextDecoder();
  return { success, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

async function main(names: readonly string[], isFmt: boolean): Promise<number> {
  const notebooks = await listNotebooks(names);
  let failed = 0;
  for (const notebook of notebooks) {
    const text = await Deno.readTextFile(notebook);
    const tidy = await formattedNotebook(text);
    if (isFmt) await Deno.writeTextFile(notebook, tidy);
    const problems = [
      ...isFmt || text === tidy ? [] : [`${notebook} is not formatted: deno task notebooks:fmt`],
      ...await checkNotebook(notebook),
    ];
    for (const problem of problems) console.error(`${problem}\n`);
    if (problems.length > 0) failed++;
  }
  console.log(`Checked ${notebooks.length} notebooks, ${failed} with problems`);
  return failed > 0 ? 1 : 0;
}

if (import.meta.main) {
  const isFmt = Deno.args[0] === "--fmt"; // the task notebooks:fmt gives it
  const [table, args] = isFmt ? [NOTEBOOKS_FMT, Deno.args.slice(1)] : [NOTEBOOKS_CHECK, Deno.args];
  Deno.exit(await runCommand(table, args, ({ operands }) => main(operands, isFmt)));
}
