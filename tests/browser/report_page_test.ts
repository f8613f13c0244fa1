import assert from "node:assert/strict";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { ensureEnvironment, ROOT } from "../../tools/jupyter/env.ts";
import { writeReport } from "../../tools/jupyter/report.ts";
import {
  EXPECTED,
  NOTEBOOK,
  openBrowser,
  outputFolder,
  OUTPUTS,
  parametersFor,
  violations,
  WITHOUT_BROWSER,
} from "./browser.ts";

Deno.test({
  name: "the exported report opens with the network off, in both themes and on paper",
  ignore: WITHOUT_BROWSER,
  // The browser's connection outlives the test by a moment.
  sanitizeOps: false,
  sanitizeResources: false,
  async fn(t) {
    const folder = await outputFolder();
    const env = await ensureEnvironment();
    const variables = { ...env.variables, ...parametersFor(join(folder, "report_page")) };
    const html = await writeReport(join(ROOT, NOTEBOOK), { env: { ...env, variables }, folder });
    await using browser = await openBrowser();

    for (const colorScheme of ["light", "dark"] as const) {
      await t.step(`${colorScheme}: complete, readable and without a request`, async () => {
        await using context = await browser.newContext({
          colorScheme,
          offline: true,
          viewport: { width: 1280, height: 900 },
        });
        const page = await context.newPage();
        const complaints: string[] = [];
        page.on("console", (message) => {
          if (message.type() === "error") complaints.push(message.text());
        });
        page.on("pageerror", (error) => complaints.push(error.message));
        page.on("request", (request) => {
          if (!/^(?:file|data|blob):/.test(request.url())) complaints.push(request.url());
        });
        await page.goto(pathToFileURL(html).href);
        await page.screenshot({ path: join(folder, `report_${colorScheme}.png`), fullPage: true });

        assert.ok(await page.locator(OUTPUTS.charts).count() >= EXPECTED.charts, "charts");
        assert.ok(await page.locator(OUTPUTS.tables).count() >= EXPECTED.tables, "tables");
        for (const link of await page.locator("nav.toc a").all()) {
          const id = decodeURIComponent((await link.getAttribute("href") ?? "").slice(1));
          assert.equal(
            await page.locator(`[id=${JSON.stringify(id)}]`).count(),
            1,
            `heading ${id}`,
          );
        }
        const wide = await page.evaluate<number>(
          "document.documentElement.scrollWidth - innerWidth",
        );
        assert.ok(wide <= 0, `the page is ${wide} px wider than the window`);
        assert.match(await page.locator("header.run").innerText(), /60,000 messages from data\//);
        assert.deepEqual(await violations(page), []);
        assert.deepEqual(complaints, []);
      });
    }

    await t.step(
      "on a narrow screen a table keeps its first column, and captions and text wrap",
      async () => {
        for (const width of [390, 640]) {
          const page = await browser.newPage({ viewport: { width, height: 900 } });
          await page.goto(pathToFileURL(html).href);
          const facts = await page.evaluate<Record<string, number[]>>(`(() => {
          const inside = (box, of) => box.right - of.right;
          const tables = [...document.querySelectorAll(".kpi-table")];
          for (const table of tables) table.scrollLeft = 10_000;
          const boxes = (selector, table) =>
            [...table.querySelectorAll(selector)].map((cell) => cell.getBoundingClientRect());
          return {
            moved: tables.flatMap((table) => boxes("tbody th", table).map((box) =>
              box.left - table.getBoundingClientRect().left)),
            captions: tables.flatMap((table) => boxes("caption span", table).map((box) =>
              inside(box, table.getBoundingClientRect()))),
            texts: [...document.querySelectorAll(".jp-RenderedText pre")]
              .map((text) => text.scrollWidth - text.clientWidth),
            letters: [...document.querySelectorAll(".kpi-figure svg")].map((svg) =>
              parseFloat(getComputedStyle(svg).fontSize) * svg.getBoundingClientRect().width / 760),
            wide: [document.documentElement.scrollWidth - innerWidth],
          };
        })()`);
          assert.ok(facts.moved!.length > 50 && facts.captions!.length > 5);
          for (const name of ["moved", "captions", "texts", "wide"]) {
            assert.ok(facts[name]!.every((excess) => excess <= 1), `${name} at ${width} px`);
          }
          assert.ok(
            facts.letters!.every((size) => size >= 10),
            `${Math.min(...facts.letters!)} px`,
          );
          await page.close();
        }
      },
    );

    await t.step("code is folded, and one button shows all of it", async () => {
      const page = await browser.newPage();
      await page.goto(pathToFileURL(html).href);
      const code = page.locator("details.source .highlight");
      assert.ok(await code.count() > 0);
      assert.equal(await code.first().isVisible(), false);
      await page.getByRole("button", { name: "Show all code" }).click();
      assert.equal(await code.last().isVisible(), true);
    });

    await t.step("it prints as a PDF that a reader can send on", async () => {
      const page = await browser.newPage();
      await page.goto(pathToFileURL(html).href);
      const pdf = await page.pdf({ path: join(folder, "report.pdf"), preferCSSPageSize: true });
      assert.equal(new TextDecoder().decode(pdf.subarray(0, 5)), "%PDF-");
    });
  },
});
