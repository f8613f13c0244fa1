/**
 * `deno task report [--pdf] [notebook…]`: runs notebooks from a fresh kernel and writes each as `report/NAME.html`, one
 * file that needs nothing from outside it, beside the executed `report/NAME.ipynb`.
 */
import { basename, join } from "node:path";
import { pathToFileURL } from "node:url";
import { runCommand } from "../command_line.ts";
import {
  chromiumFlags,
  ensureEnvironment,
  type Environment,
  findChromium,
  listNotebooks,
  write,
} from "./env.ts";
import { REPORT } from "../tasks.ts";

/** Names the largest report in bytes: one that goes as an attachment anywhere. */
export const MAX_BYTES = 2_000_000;

/**
 * Lists what a browser would load from outside the page: `src`, `srcset`, `poster`, `data`, `href` of anything but a link or
 * an area, `url()` and `@import`. What starts with `data:` or `#` is inside; text in scripts is not looked at.
 */
export function remoteReferences(html: string): readonly string[] {
  const found: string[] = [];
  const keep = (reference: string) => {
    if (!/^\s*(?:data:|#|$)/i.test(reference)) found.push(reference.trim().slice(0, 200));
  };
  const styles: string[] = [];
  const markup = html
    .replace(/<!--[\s\S]*?-->/g, "")
    .replace(/(<script\b[^>]*>)[\s\S]*?<\/script>/gi, "$1")
    .replace(/<style\b[^>]*>([\s\S]*?)<\/style>/gi, (_, css) => (styles.push(css), ""));
  for (
    const [, tag = "", attributes = ""] of markup.matchAll(
      /<([a-z][\w:-]*)((?:"[^"]*"|'[^']*'|[^'">])*)>/gi,
    )
  ) {
    for (
      const [, name = "", double, single, bare] of attributes.matchAll(
        /([\w:-]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))/g,
      )
    ) {
      const value = double ?? single ?? bare ?? "";
      const attribute = name.toLowerCase();
      const link = /^(?:a|area)$/i.test(tag);
      if (/^(?:src|srcset|poster|background|data)$/.test(attribute)) keep(value);
      else if (/^(?:xlink:)?href$/.test(attribute) && !link) keep(value);
      else if (/url\(/i.test(value)) styles.push(value);
    }
  }
  for (const css of styles) {
    const plain = css.replace(/\/\*[\s\S]*?\*\//g, "").replaceAll("&quot;", '"');
    for (const [, reference = ""] of plain.matchAll(/url\(\s*["']?([^"')]*)/gi)) keep(reference);
    for (const [, reference = ""] of plain.matchAll(/@import\s+["']([^"']*)/gi)) keep(reference);
  }
  return found;
}

/** Names the environment to run in and the folder that takes the report. */
export interface ReportOptions {
  readonly env: Environment;
  readonly folder: string;
}

/**
 * Runs one notebook and writes its report; returns the HTML file's path. Throws an Error that names the failing cell, what
 * the page would load from outside, or a size above {@linkcode MAX_BYTES}.
 */
export async function writeReport(
  notebook: string,
  { env, folder }: ReportOptions,
): Promise<string> {
  const name = basename(notebook, ".ipynb");
  const executed = join(folder, `${name}.ipynb`);
  const html = join(folder, `${name}.html`);
  await Deno.mkdir(folder, { recursive: true });
  await runNotebook(notebook, executed, env);
  const { success, stderr } = await new Deno.Command(env.python, {
    args: ["-m", "nbconvert", "--to", "html", "--log-level", "WARN", executed],
    cwd: folder,
    env: env.variables,
  }).output();
  if (!success) throw new Error(`nbconvert failed: ${new TextDecoder().decode(stderr).trim()}`);
  const text = await Deno.readTextFile(html);
  const remote = remoteReferences(text);
  if (remote.length > 0) {
    throw new Error(`${html} loads from outside the file: ${remote.slice(0, 5).join(", ")}`);
  }
  const { size } = await Deno.stat(html);
  if (size > MAX_BYTES) {
    throw new Error(
      `${html} has ${size} bytes, the limit is ${MAX_BYTES}: show fewer rows or marks in its cells`,
    );
  }
  return html;
}

async function runNotebook(notebook: string, executed: string, env: Environment): Promise<void> {
  const child = new Deno.Command(env.python, {
    args: [join(env.root, "tools", "jupyter", "run_notebook.py"), notebook, executed],
    env: { ...env.variables, REPORT_VERSIONS: JSON.stringify(await versions(env.root)) },
    stdin: "null",
    stdout: "piped",
  }).spawn();
  const start = performance.now();
  const live = Deno.stderr.isTerminal();
  const name = basename(notebook);
  let cells = 0;
  let now = "starting the kernel";
  let failed: string | undefined;
  let rest = "";
  const line = () =>
    `${name} ${((performance.now() - start) / 1000).toFixed(1).padStart(5)} s  ${now}`;
  const redraw = () => write(`\r\x1b[K${line().slice(0, (Deno.consoleSize().columns || 80) - 1)}`);
  const timer = live ? setInterval(redraw, 200) : undefined;
  for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    for (const text of lines) {
      const event = JSON.parse(text) as ProgressEvent;
      cells = event.cells ?? cells;
      if (event.cell !== undefined) {
        now = `cell ${event.cell} of ${cells}  ${event.title ?? ""}`;
        if (!live) console.error(line());
      }
      if (event.failed !== undefined) failed = `cell ${event.failed} of ${cells}: ${event.line}`;
    }
  }
  clearInterval(timer);
  if (live) write("\r\x1b[K");
  const { code } = await child.status;
  if (failed !== undefined) {
    throw new Error(`${name} failed in code ${failed}\nIts outputs up to there are in ${executed}`);
  }
  if (code !== 0) throw new Error(`${name} could not be run, see above (exit code ${code})`);
}

interface ProgressEvent {
  readonly cells?: number;
  readonly cell?: number;
  readonly title?: string;
  readonly failed?: number;
  readonly line?: string;
}

async function versions(root: string): Promise<Readonly<Record<string, string>>> {
  const { imports } = JSON.parse(await Deno.readTextFile(join(root, "deno.json"))) as {
    imports: Record<string, string>;
  };
  const shown = ["polars", "onnxruntime-node", "@observablehq/plot"].map((name) => {
    const [, label = name, version = ""] = /^npm:(.+)@(.+)$/.exec(imports[name] ?? "") ?? [];
    return [label, version];
  });
  return { Deno: Deno.version.deno, ...Object.fromEntries(shown) };
}

async function chromiumForPdf(): Promise<string> {
  const chromium = await findChromium();
  if (chromium !== undefined) return chromium;
  throw new Error(
    "No Chromium found for --pdf. Install Chromium or Chrome (Debian and Ubuntu: apt-get install chromium), " +
      "or name one in the variable CHROMIUM, or leave --pdf out and print the page from a browser.",
  );
}

async function writePdf(html: string): Promise<void> {
  const chromium = await chromiumForPdf();
  const pdf = html.replace(/\.html$/, ".pdf");
  const profile = await Deno.makeTempDir();
  try {
    const { success, stderr } = await new Deno.Command(chromium, {
      args: [
        "--headless",
        ...chromiumFlags(),
        `--user-data-dir=${profile}`,
        "--no-pdf-header-footer",
        `--print-to-pdf=${pdf}`,
        pathToFileURL(html).href,
      ],
      stdin: "null",
      stdout: "null",
    }).output();
    if (!success) {
      throw new Error(`${chromium} wrote no PDF: ${new TextDecoder().decode(stderr).trim()}`);
    }
  } finally {
    await Deno.remove(profile, { recursive: true });
  }
  console.error(`Wrote ${pdf}`);
}

if (import.meta.main) {
  Deno.exit(
    await runCommand(REPORT, Deno.args, async ({ values: { pdf }, operands }) => {
      const notebooks = await listNotebooks(operands);
      if (pdf) await chromiumForPdf();
      const env = await ensureEnvironment(); // it may take minutes: all else was looked at before
      for (const notebook of notebooks) {
        const html = await writeReport(notebook, { env, folder: join(env.root, "report") });
        const { size } = await Deno.stat(html);
        console.error(`Wrote ${html} (${Math.round(size / 1000)} kB)`);
        if (pdf) await writePdf(html);
      }
    }),
  );
}
