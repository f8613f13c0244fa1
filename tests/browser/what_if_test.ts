import { deepEqual, equal, ok } from "node:assert/strict";
import { join } from "node:path";
import { OnnxModel, openSource, selectModel, windowSpec } from "lib";
import { replay } from "replay";
import { readScoredRows, whatIf, whatIfData, whatIfFigure } from "../../lab/mod.ts";
import { jupyterDisplay } from "../../view/display.ts";
import { ROOT } from "../../tools/jupyter/env.ts";
import { openBrowser, outputFolder, violations, WITHOUT_BROWSER } from "./browser.ts";

Deno.test({
  name: "the what-if figure answers the keyboard offline, and leads from a count to its rows",
  ignore: WITHOUT_BROWSER,
  // The browser's connection outlives the test by a moment.
  sanitizeOps: false,
  sanitizeResources: false,
  async fn(t) {
    const dir = await Deno.makeTempDir();
    const from = join(ROOT, "data", "transactions_60k.parquet");
    await replay({ from, to: `log:${dir}`, topic: "t", limit: 20_000, rate: 20 });
    const source = await openSource(`log:${dir}`, "t");
    const model = await OnnxModel.load((await selectModel(join(ROOT, "models"))).path);
    const rows = await readScoredRows(source, { model, maxOffsetsPerTrigger: 1000 });
    await model.close();
    await Deno.remove(dir, { recursive: true });
    const data = whatIfData(rows, { window: windowSpec("1 minute") });
    const figure = whatIfFigure(data, { delay: 30_000, threshold: 0.23 });
    const html = `<!doctype html><html lang="en"><meta charset="utf-8"><title>t</title>` +
      `<meta name="color-scheme" content="light dark">` +
      `<body style="font-family:sans-serif">${figure[jupyterDisplay]()["text/html"]}</body></html>`;
    const folder = await outputFolder();
    await using browser = await openBrowser();

    await t.step(
      "both sliders by keyboard give what whatIf() gives",
      async () => {
        await using context = await browser.newContext({ offline: true });
        const page = await context.newPage();
        const errors: string[] = [];
        page.on("pageerror", (error) => errors.push(error.message));
        await page.setContent(html);
        // As JupyterLab does, which moves between cells by the same keys.
        await page.evaluate(`document.addEventListener("keydown", (key) => key.preventDefault())`);
        const shown = async () => ({
          lost: await page.locator("dl div:nth-child(1) b").textContent(),
          feet: await page.locator("tfoot td").allTextContents(),
        });
        const wanted = (delay: number, threshold: number) => {
          const { final } = whatIf(data, { delay: 1000 * delay, threshold });
          const names = ["n_txn", "lost", "n_alert", "n_fraud_true", "tp", "fp", "fn"] as const;
          const counts = names.map((name) => final[name].toLocaleString("en-US"));
          return { lost: final.lost.toLocaleString("en-US"), counts };
        };
        const compare = async (delay: number, threshold: number) => {
          const [found, right] = [await shown(), wanted(delay, threshold)];
          deepEqual([found.lost, found.feet.slice(0, 7)], [right.lost, right.counts]);
          return right;
        };
        const before = await compare(30, 0.23);
        const [delay, threshold] = [
          page.getByRole("slider", { name: "watermark delay" }),
          page.getByRole("slider", { name: "threshold" }),
        ];
        await delay.focus();
        for (let i = 0; i < 45; i++) await page.keyboard.press("ArrowRight");
        equal(await delay.getAttribute("aria-valuetext"), "75 seconds");
        const later = await compare(75, 0.23);
        await threshold.focus();
        for (let i = 0; i < 18; i++) await page.keyboard.press("ArrowLeft");
        const lower = await compare(75, 0.05);
        ok(new Set([before, later, lower].map((right) => JSON.stringify(right))).size === 3);
        await page.keyboard.press("Home");
        await compare(75, 0.01);
        await delay.focus();
        await page.keyboard.press("End");
        await compare(600, 0.01);
        deepEqual(errors, []);
      },
    );

    await t.step("Enter on a count opens as many rows", async () => {
      await using context = await browser.newContext({ offline: true });
      const page = await context.newPage();
      await page.setContent(html);
      const buttons = page.locator("[data-part=table] td button");
      ok(await buttons.count() > 5);
      const opens = async (at: number) => {
        const [count, head] = await Promise.all([
          buttons.nth(at).textContent(),
          buttons.nth(at).evaluate((button) => {
            const { cellIndex, parentElement } = button.parentElement as HTMLTableCellElement;
            const kind = button.closest("table")!.tHead!.rows[0]!.cells[cellIndex]!.textContent;
            return `${kind} of ${(parentElement as HTMLTableRowElement).cells[0]!.textContent}`;
          }),
        ]);
        await buttons.nth(at).focus();
        await page.keyboard.press("Enter");
        const rows = page.locator("[data-part=rows]");
        equal(await rows.locator("tbody tr").count(), Number(count));
        equal(await rows.locator("caption").textContent(), `${count} ${head}`);
        equal(
          await rows.locator("table").evaluate((table) => table === document.activeElement),
          true,
        );
      };
      for (const at of [0, 3, 5]) await opens(at);
      await page.getByRole("button", { name: "n_alert", exact: true }).click();
      equal(await page.locator("th[aria-sort=ascending]").textContent(), "n_alert");
      await opens(4); // of the window of its line
      await page.getByRole("slider", { name: "threshold" }).focus();
      for (let i = 0; i < 3; i++) await page.keyboard.press("PageDown");
      equal(await page.locator("th[aria-sort], [data-part=rows] table").count(), 0);
      await opens(2); // of the window of its line, which is still sorted
    });

    await t.step(
      "its table gives CSV with exact values, and no rule of accessibility is broken",
      async () => {
        for (const colorScheme of ["light", "dark"] as const) {
          await using context = await browser.newContext({ offline: true, colorScheme });
          const page = await context.newPage();
          await page.setContent(html);
          await page.locator("[data-part=table] td button").first().click();
          const [download] = await Promise.all([
            page.waitForEvent("download"),
            page.getByRole("button", { name: /^Save as CSV: Every window/ }).click(),
          ]);
          const [head, ...lines] = (await Deno.readTextFile((await download.path())!)).trim().split(
            "\r\n",
          );
          equal(head!.split(",").slice(0, 3).join(), "window,n_txn,lost");
          const { windows } = whatIf(data, { delay: 30_000, threshold: 0.23 });
          deepEqual(
            lines.map((line) => line.split(",").slice(0, 3)),
            windows.map(({ n_txn, lost }, w) => [
              new Date(data.starts[w]!).toISOString(),
              `${n_txn}`,
              `${lost}`,
            ]),
          );
          deepEqual(await violations(page), []);
        }
      },
    );

    await t.step("without scripts it is a table of the run's own setting", async () => {
      await using context = await browser.newContext({ javaScriptEnabled: false });
      const page = await context.newPage();
      await page.setContent(html);
      equal(await page.locator("input:visible").count(), 0);
      ok(await page.locator("[data-part=table] tbody tr").count() > 3);
      ok((await page.textContent("section"))!.includes("the run's own"));
      ok(
        await page.locator("svg title").count() > 50,
        "charts say values as the browser shows them",
      );
      ok(await page.locator("svg").first().isVisible());
    });

    await t.step(
      "in a notebook that is not trusted it is text and tables, no heap of letters",
      async () => {
        await using context = await browser.newContext();
        const page = await context.newPage();
        // What JupyterLab leaves of it.
        const left = html.replace(/<(style|script)\b[\s\S]*?<\/\1>/g, "")
          .replace(/<\/?(?:svg|g|path|circle|text|title)\b[^>]*>/g, "")
          .replace(/ data-[\w-]+="[^"]*"| hidden(?=[ >])/g, "");
        ok(left.includes("10 min"));
        await page.setContent(left);
        const text = await page.locator("section").innerText();
        ok(text.includes("rows lost") && !/10 min|watermark delay/.test(text));
        equal(await page.locator("input:visible").count(), 0);
        ok(await page.locator("table").isVisible());
      },
    );

    for (const [width, colorScheme] of [[1280, "light"], [390, "dark"]] as const) {
      await t.step(`nothing is cut at ${width} px, ${colorScheme}`, async () => {
        await using context = await browser.newContext({
          viewport: { width, height: 1200 },
          colorScheme,
        });
        const page = await context.newPage();
        await page.setContent(html);
        const wide = await page.evaluate(() => document.documentElement.scrollWidth);
        ok(wide <= width, `${wide} px wide`);
        const box = page.locator("[data-part=table]");
        await box.evaluate((box) => box.scrollLeft = 1000);
        const [left, cell] = await Promise.all(
          [box, box.locator("tbody th").first()].map((part) => part.boundingBox()),
        );
        ok(Math.abs(left!.x - cell!.x) <= 2, "the window stays in sight");
        ok((await page.getByRole("slider").first().boundingBox())!.width > 250);
        await page.screenshot({ path: join(folder, `what_if_${width}_${colorScheme}.png`) });
      });
    }
  },
});
