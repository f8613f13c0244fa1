import { deepEqual, equal } from "node:assert/strict";
import pl from "polars";
import { jupyterDisplay } from "../../view/display.ts";
import { table } from "../../view/table.ts";
import { openBrowser, WITHOUT_BROWSER } from "./browser.ts";

const rows = pl.DataFrame({
  window: ["b", 'a, "quoted"', "c"],
  n_txn: [1200.25, 9.5, 30],
  precision: [0.5, null, 0.123456],
});

Deno.test({
  name: "a table sorts by its headings and gives its exact values as CSV",
  ignore: WITHOUT_BROWSER,
  // The browser's connection outlives the test by a moment.
  sanitizeOps: false,
  sanitizeResources: false,
  async fn() {
    await using browser = await openBrowser();
    await using context = await browser.newContext({ offline: true, acceptDownloads: true });
    const page = await context.newPage();
    const shown = table(rows, { caption: "t", totals: { n_txn: 1239.75 } })[jupyterDisplay]();
    await page.setContent(`<!doctype html>${shown["text/html"]}`);
    const order = () => page.locator("tbody tr > :first-child").allTextContents();
    const head = (name: string) => page.getByRole("button", { name, exact: true });
    await head("n_txn").focus();
    await page.keyboard.press("Enter");
    deepEqual(await order(), ['a, "quoted"', "c", "b"]);
    await page.keyboard.press("Enter");
    deepEqual(await order(), ["b", "c", 'a, "quoted"']);
    equal(await page.locator("th[aria-sort=descending]").textContent(), "n_txn");
    await head("precision").click();
    deepEqual(await order(), ["c", "b", 'a, "quoted"']); // what is not there comes last
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("button", { name: "Save as CSV: t" }).click(),
    ]);
    equal(
      await Deno.readTextFile((await download.path())!),
      'window,n_txn,precision\r\nc,30,0.123456\r\nb,1200.25,0.5\r\n"a, ""quoted""",9.5,\r\n',
    );
    await page.reload();
    await using plain = await browser.newContext({ javaScriptEnabled: false });
    const still = await plain.newPage();
    await still.setContent(`<!doctype html>${shown["text/html"]}`);
    equal(await still.locator("button").count(), 0);
    equal(await still.locator("tbody tr").count(), 3);
  },
});
