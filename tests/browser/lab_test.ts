import assert from "node:assert/strict";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { ROOT } from "../../tools/jupyter/env.ts";
import { remoteReferences } from "../../tools/jupyter/report.ts";
import {
  EXPECTED,
  NOTEBOOK,
  openBrowser,
  outputFolder,
  OUTPUTS,
  parametersFor,
  WITHOUT_BROWSER,
} from "./browser.ts";

interface Lab extends AsyncDisposable {
  /** Gives the address of a file in JupyterLab or of one of the server's handlers. */
  url(path: string): string;
}

/**
 * Starts `tools/jupyter/lab.ts` on a free port, with parameters for the notebook, and returns once it listens; its
 * disposal waits until it has stopped.
 */
async function startLab(settings: string, parameters: object = {}): Promise<Lab> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  listener.close();
  const token = crypto.randomUUID();
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      join(ROOT, "tools", "jupyter", "lab.ts"),
      "--no-browser",
      `--ServerApp.port=${port}`,
      "--ServerApp.port_retries=0",
      `--IdentityProvider.token=${token}`,
      `--LabApp.user_settings_dir=${join(settings, "settings")}`,
      `--LabApp.workspaces_dir=${join(settings, "workspaces")}`,
    ],
    env: parametersFor(join(settings, "results"), parameters),
    stdin: "null",
    stderr: "piped",
  }).spawn();
  let log = "";
  const { promise: listening, resolve, reject } = Promise.withResolvers<void>();
  const reading = (async () => {
    for await (const chunk of child.stderr.pipeThrough(new TextDecoderStream())) {
      log += chunk;
      if (log.includes("is running at:")) resolve();
    }
    reject(new Error(`JupyterLab did not start:\n${log}`));
  })();
  await listening;
  return {
    url: (path) => `http://127.0.0.1:${port}${path}?token=${token}`,
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await child.status;
      await reading;
    },
  };
}

/** Writes settings under which nothing is saved by itself and every cell is in the page, on screen or not. */
async function writeSettings(folder: string): Promise<void> {
  const settings = {
    "docmanager-extension/plugin": { autosave: false },
    "notebook-extension/tracker": { windowingMode: "none" },
  };
  for (const [name, value] of Object.entries(settings)) {
    const path = join(folder, "settings", "@jupyterlab", `${name}.jupyterlab-settings`);
    await Deno.mkdir(join(path, ".."), { recursive: true });
    await Deno.writeTextFile(path, JSON.stringify(value));
  }
}

async function open(page: Page, lab: Lab): Promise<void> {
  await page.goto(lab.url(`/lab/tree/${NOTEBOOK}`));
  await page.locator(".jp-Toolbar-kernelName", { hasText: "Deno" }).waitFor();
  await page.locator('.jp-Notebook-ExecutionIndicator[data-status="idle"]').waitFor();
}

async function restartAndRunAll(page: Page): Promise<void> {
  await page.locator('jp-button[data-command="notebook:restart-run-all"]').click();
  await page.locator(".jp-Dialog .jp-mod-accept").click();
}

Deno.test({
  name: "JupyterLab restarts the kernel and runs all cells of the notebook without an error output",
  ignore: WITHOUT_BROWSER,
  // The browser's connection outlives the test by a moment.
  sanitizeOps: false,
  sanitizeResources: false,
  async fn(t) {
    const output = await outputFolder();
    const settings = await Deno.makeTempDir();
    await writeSettings(settings);
    const saved = await Deno.readTextFile(join(ROOT, NOTEBOOK));
    try {
      await using lab = await startLab(settings);
      await using browser = await openBrowser();
      const page = await browser.newPage({ viewport: { width: 1400, height: 1000 } });
      const outside: string[] = [];
      page.on("request", (request) => {
        if (!/^(?:data|blob):|^(?:http|ws):\/\/127\.0\.0\.1:/.test(request.url())) {
          outside.push(request.url());
        }
      });

      await t.step("the notebook opens with the Deno kernel", async () => {
        await open(page, lab);
        assert.equal(await page.locator("body").getAttribute("data-jp-theme-light"), "true");
      });

      // The saved counts and outputs go first, or they would pass for those of this run.
      await t.step("all outputs can be cleared", async () => {
        await page.getByRole("menuitem", { name: "Edit" }).click();
        await page.getByRole("menuitem", { name: "Clear Outputs of All Cells" }).click();
        await page.locator(OUTPUTS.charts).first().waitFor({ state: "detached" });
        assert.equal(await page.locator(".jp-OutputArea-output").count(), 0);
      });

      await t.step("restart and run all reaches the last cell", async () => {
        await restartAndRunAll(page);
        const { cells } = JSON.parse(saved) as {
          cells: { cell_type: string; source: string | string[] }[];
        };
        const code = cells.filter((cell) => cell.cell_type === "code" && cell.source.length > 0);
        await page.locator(".jp-CodeCell .jp-InputPrompt", {
          hasText: new RegExp(`^\\[${code.length}\\]:$`),
        }).waitFor({ timeout: 600_000 });
        const prompts = await page.locator(".jp-CodeCell .jp-InputPrompt").allInnerTexts();
        const counts = prompts.filter((prompt) => prompt !== "").map((prompt) => prompt.trim());
        assert.deepEqual(counts, code.map((_, index) => `[${index + 1}]:`));
      });

      await t.step("charts and tables are in the page and no error is", async () => {
        await page.locator(OUTPUTS.charts).first().scrollIntoViewIfNeeded();
        await page.screenshot({ path: join(output, "lab.png") });
        assert.deepEqual(await page.locator(OUTPUTS.errors).allInnerTexts(), []);
        assert.ok(await page.locator(OUTPUTS.charts).count() >= EXPECTED.charts, "charts");
        assert.ok(await page.locator(OUTPUTS.tables).count() >= EXPECTED.tables, "tables");
        assert.deepEqual(outside, [], "nothing was asked for outside this machine");
      });

      await t.step("Save and Export Notebook As HTML gives the offline page", async () => {
        const response = await fetch(lab.url(`/nbconvert/html/${NOTEBOOK}`));
        assert.equal(response.status, 200);
        const html = await response.text();
        assert.match(html, /<details class="source">/, "the project's template");
        assert.deepEqual(remoteReferences(html), []);
      });

      await t.step("the export menu offers what works, and nothing else", async () => {
        const formats = await (await fetch(lab.url("/api/nbconvert"))).json() as object;
        const offered = Object.keys(formats).filter((name) => name !== "custom"); // not in the menu
        assert.deepEqual(offered, ["html", "markdown", "notebook", "script"]);
        for (const format of offered) {
          const response = await fetch(lab.url(`/nbconvert/${format}/${NOTEBOOK}`));
          assert.equal(response.status, 200, format);
          await response.body?.cancel();
        }
      });

      await t.step("the notebook file is as it was", async () => {
        assert.equal(await Deno.readTextFile(join(ROOT, NOTEBOOK)), saved);
      });
    } finally {
      await Deno.remove(settings, { recursive: true });
    }
  },
});

Deno.test({
  name:
    "in JupyterLab's dark theme, the panel moves while a query runs, and an interrupt ends the query only",
  ignore: WITHOUT_BROWSER,
  sanitizeOps: false,
  sanitizeResources: false,
  async fn(t) {
    const output = await outputFolder();
    const settings = await Deno.makeTempDir();
    await writeSettings(settings);
    try {
      // Long enough to end by the interrupt alone.
      await using lab = await startLab(settings, { pace: "live", runSeconds: 3600, speed: 20 });
      await using browser = await openBrowser();
      const page = await browser.newPage({
        colorScheme: "dark",
        viewport: { width: 1400, height: 1000 },
      });
      await open(page, lab);
      const cell = (heading: string) =>
        page.locator(".jp-Cell", { hasText: heading }).locator("xpath=following-sibling::*[1]");
      const experiment = cell("5. Experiment 1");
      const panels = experiment.locator(".jp-OutputArea-output", { has: page.locator("progress") });
      const panel = panels.first();
      const running = experiment.locator(".jp-InputPrompt", { hasText: "[*]:" });

      await t.step("one panel shows batch after batch, in place", async () => {
        await restartAndRunAll(page);
        await panel.waitFor({ timeout: 120_000 });
        await panel.scrollIntoViewIfNeeded();
        for (let change = 0; change < 3; change++) {
          const [batch = ""] = /batch \d+/.exec(await panel.innerText()) ?? [];
          await panel.filter({ hasNotText: new RegExp(`${batch}\\b`) }).waitFor();
          assert.equal(await panels.count(), 2, "the experiments run side by side");
          assert.equal(await running.count(), 1);
        }
        await page.screenshot({ path: join(output, "lab_running_dark.png") });
        assert.equal(await page.locator("body").getAttribute("data-jp-theme-light"), "false");
      });

      await t.step("an interrupt ends the query, and the next cells run", async () => {
        await page.locator('jp-button[data-command="notebook:interrupt-kernel"]').click();
        await page.getByText(/Watermark 2 minutes INTERRUPTED after \d+ of 3600 s/).waitFor();
        await page.getByText(/interrupted after \d+ of 3600 s/).first().waitFor();
        assert.deepEqual(await page.locator(OUTPUTS.errors).allInnerTexts(), []);
        assert.equal(await running.count(), 0);
      });
    } finally {
      await Deno.remove(settings, { recursive: true });
    }
  },
});
