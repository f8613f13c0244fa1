/** `deno task gallery`: takes the pictures of `docs/images` from `report/task_d.html`; needs Chromium, see `findChromium`. */
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";
import { runCommand } from "../command_line.ts";
import { findChromium, ROOT } from "../jupyter/env.ts";
import { GALLERY } from "./tasks.ts";

/** Each picture with a text that only its output has. */
const PICTURES: Readonly<Record<string, string>> = {
  first_chart: "Which rows are too late for a watermark of 30 seconds?",
  panel: "Console, watermark 30 seconds",
  lost: "How many transactions did each watermark lose",
  finality: "When did each window become final",
  precision_recall: "How well are frauds found",
  accounting: "What became of every row",
  restart: "Did the restart go on where the stop left off?",
  rows: "Final windows, watermark 30 seconds",
  rows_by_window: "alerts and missed frauds, and what became of each",
  money: "Amounts in the",
  what_if: "What would another delay and another threshold give?",
};
/** Parts of outputs that are pictures by themselves. */
const PARTS = "figure, .what-if, .kpi-table:not(.behind *)";
/** CSS pixels; what is longer is cut. */
const TALLEST: Readonly<Record<string, number>> = { rows_by_window: 400 };

async function main(): Promise<void> {
  const report = join(ROOT, "report", "task_d.html");
  const folder = join(ROOT, "docs", "images");
  const executablePath = await findChromium();
  if (executablePath === undefined) {
    throw new Error("No Chromium found: install it, or name one in the variable CHROMIUM");
  }
  await Deno.stat(report).catch(() => {
    throw new Error(`There is no ${report}: run "deno task report" first`);
  });
  await Deno.mkdir(folder, { recursive: true });
  const sandbox = Deno.build.os === "linux" && Deno.uid() === 0 ? ["--no-sandbox"] : [];
  const browser = await chromium.launch({ executablePath, args: [...sandbox, "--disable-gpu"] });
  const context = await browser.newContext({
    offline: true,
    deviceScaleFactor: 1.25,
    viewport: { width: 1280, height: 900 },
  });
  const page = await context.newPage();
  await page.goto(pathToFileURL(report).href);
  for (const [name, text] of Object.entries(PICTURES)) {
    const output = page.locator(".jp-OutputArea-output").filter({ hasText: text }).first();
    const part = output.locator(PARTS).filter({ hasText: text });
    const shown = await part.count() > 0 ? part.first() : output;
    if (name === "rows") await shown.locator("tbody [data-rows] button").nth(8).click();
    await page.evaluate("scrollTo(0, 0)"); // a click has scrolled, and a clip is in the page
    const box = await shown.boundingBox();
    if (!box) throw new Error(`The report shows nothing with "${text}"`);
    const path = join(folder, `${name}.png`);
    const clip = {
      ...box,
      width: Math.min(box.width, 860),
      height: Math.min(box.height, TALLEST[name] ?? 760),
    };
    await page.screenshot({ path, fullPage: true, clip });
    console.error(
      `Wrote docs/images/${name}.png (${Math.round(Deno.statSync(path).size / 1000)} kB)`,
    );
  }
  await browser.close();
}

if (import.meta.main) Deno.exit(await runCommand(GALLERY, Deno.args, main));
