import { deepEqual, equal, match, ok } from "node:assert/strict";
import { join } from "node:path";
import { byBatch } from "../../view/batch_charts.ts";
import { type Displayable, jupyterDisplay } from "../../view/display.ts";
import { kpiTables } from "../../view/kpi_tables.ts";
import { lostByWindow } from "../../view/window_charts.ts";
import { runs, withAlerts } from "../view/sample_run.ts";
import { openBrowser, outputFolder, WITHOUT_BROWSER } from "./browser.ts";

const pageOf = (shown: Displayable) =>
  `<!doctype html><meta charset="utf-8"><style>:root{color-scheme:light dark}</style>` +
  shown[jupyterDisplay]()["text/html"];
const options = {
  ignore: WITHOUT_BROWSER,
  // The browser's connection outlives the test by a moment.
  sanitizeOps: false,
  sanitizeResources: false,
};

Deno.test({
  name:
    "a count of the KPI table opens as many rows, by a click and by Enter, also once it is sorted",
  ...options,
  async fn() {
    await using browser = await openBrowser();
    const html = pageOf(kpiTables([withAlerts(runs[0]!)]));
    const folder = await outputFolder();
    for (const colorScheme of ["light", "dark"] as const) {
      for (const width of [1280, 390]) {
        await using context = await browser.newContext({
          offline: true,
          colorScheme,
          viewport: { width, height: 900 },
        });
        const page = await context.newPage();
        await page.setContent(html);
        const table = page.locator(".kpi-table:has(>.behind)").first();
        const shown = table.locator(".behind tbody tr");
        const cells = table.locator(":scope > table > tbody [data-rows] button");
        ok(await cells.count() > 20);
        for (const i of [0, 7, 20]) {
          await cells.nth(i).click();
          equal(await shown.count(), Number(await cells.nth(i).textContent()));
        }
        await page.getByRole("button", { name: "n_alert", exact: true }).first().click();
        await cells.nth(3).focus();
        await page.keyboard.press("Enter");
        equal(await shown.count(), Number(await cells.nth(3).textContent()));
        equal(await table.locator("[aria-expanded=true]").count(), 1);
        match(await table.locator(".behind caption").textContent() ?? "", /^(tp|fp|fn) 10:\d\d: /);
        const total = table.locator("tfoot [data-rows] button").first();
        await total.click();
        equal(await shown.count(), Number(await total.textContent()));
        await total.click();
        equal(await shown.count(), 0); // once more closes it
        await cells.nth(7).click();
        const wide = await page.evaluate("document.documentElement.scrollWidth");
        equal(wide, width, "the page itself never scrolls sideways");
        await page.screenshot({ path: join(folder, `rows_${colorScheme}_${width}.png`) });
        if (colorScheme === "light") {
          await page.emulateMedia({ media: "print" });
          await page.screenshot({ path: join(folder, `rows_print_${width}.png`) });
        }
      }
    }
    await using plain = await browser.newContext({ javaScriptEnabled: false });
    const still = await plain.newPage();
    await still.setContent(html);
    equal(await still.locator("button, .behind").count(), 0);
    ok(await still.locator("td[data-rows]").count() > 20);
    await still.screenshot({ path: join(folder, "rows_without_scripts.png") });
  },
});

Deno.test({
  name: "a chart says the values of the mark under the pointer, and by the arrow keys",
  ...options,
  async fn() {
    await using browser = await openBrowser();
    await using context = await browser.newContext({ offline: true });
    const page = await context.newPage();
    await page.setContent(pageOf(byBatch(runs, "watermark")) + pageOf(lostByWindow(runs)));
    const [byBatches, lost] = [0, 1].map((i) => page.locator(".kpi-figure").nth(i)) as [
      ReturnType<typeof page.locator>,
      ReturnType<typeof page.locator>,
    ];
    const said = () => byBatches.locator("output").textContent();
    await page.keyboard.press("Tab");
    match(await said() ?? "", /^batch 0: 30 seconds: watermark –.* \(← → for more\)$/);
    for (let i = 0; i < 7; i++) await page.keyboard.press("ArrowRight");
    const { watermark, max } = runs[0]!.progress[7]!.eventTime;
    const behind = Math.round((Date.parse(max!) - Date.parse(watermark!)) / 1000);
    const says = `batch 7: 30 seconds: watermark ${watermark!.slice(11, 19)}, ${behind} s behind; `;
    equal((await said())!.slice(0, says.length), says);
    await page.keyboard.press("End");
    match(await said() ?? "", new RegExp(`^batch ${runs[0]!.progress.length - 1}: `));
    const box = (await lost.locator("svg").boundingBox())!;
    await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
    match(await lost.locator("output").textContent() ?? "", /^.+, window 10:\d\d: \d+ lost$/);
    await page.screenshot({ path: join(await outputFolder(), "values.png") });
    await page.mouse.move(0, 0);
    deepEqual(await lost.locator("output").textContent(), "");
    await using plain = await browser.newContext({ javaScriptEnabled: false });
    const still = await plain.newPage();
    await still.setContent(pageOf(lostByWindow(runs)));
    ok(await still.locator("svg title").count() > 10); // as the browser shows them
    equal(await still.locator("output").count(), 0);
  },
});
