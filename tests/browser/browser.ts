/** What the browser tests share: Chromium, the notebook under test, the folder for pictures. */
import { join } from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";
import { chromiumFlags, findChromium, ROOT } from "../../tools/jupyter/env.ts";

/** Names the notebook under test, relative to the project; `TEST_NOTEBOOK` names another one. */
export const NOTEBOOK = Deno.env.get("TEST_NOTEBOOK") ?? "notebooks/task_d.ipynb";

/** Names the fewest charts and tables that the report must show. */
export const EXPECTED = { charts: 11, tables: 12 };

/** Finds outputs as a reader sees them: a chart is an inline SVG, in JupyterLab as in the exported page. */
export const OUTPUTS = {
  charts: ".jp-OutputArea-output svg[viewBox]",
  tables: ".jp-OutputArea-output table",
  errors: '[data-mime-type="application/vnd.jupyter.error"]',
};

const CHROMIUM = await findChromium();

/** Is true where there is no browser to test with; says so, since a silent skip would look like a pass. */
export const WITHOUT_BROWSER = CHROMIUM === undefined;
if (WITHOUT_BROWSER) {
  console.error(
    "SKIPPED: the browser tests need Chromium (Debian and Ubuntu: apt-get install chromium), or its path in CHROMIUM.",
  );
}

/** Opens a headless browser that talks to nobody by itself. */
export async function openBrowser(): Promise<Browser> {
  return await chromium.launch({
    executablePath: CHROMIUM ?? "",
    args: [
      ...chromiumFlags(),
    ],
  });
}

/** Returns the variable that makes the notebook keep its results apart from the user's, in `folder`. */
export function parametersFor(folder: string, others: object = {}): Record<string, string> {
  return { TASK_D_PARAMETERS: JSON.stringify({ folder, ...others }) };
}

/** Makes the git-ignored folder for what the tests leave to look at, and returns its path. */
export async function outputFolder(): Promise<string> {
  const folder = join(ROOT, "tests", "output");
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeTextFile(join(folder, ".gitignore"), "*\n");
  return folder;
}

/** Runs axe-core's rules in the page and returns one text a violation. */
export async function violations(page: Page): Promise<readonly string[]> {
  await page.addScriptTag({ path: join(ROOT, "node_modules", "axe-core", "axe.min.js") });
  return await page.evaluate(async () => {
    const { axe } = globalThis as unknown as {
      axe: {
        run(context: object, options: object): Promise<
          { violations: { id: string; help: string; nodes: { html: string }[] }[] }
        >;
      };
    };
    const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"];
    // Inside a chart that is one image with one text, Plot labels its groups, which no screen reader reads out.
    const context = { exclude: [["svg[role=img] g"]] };
    const result = await axe.run(context, { runOnly: { type: "tag", values: tags } });
    return result.violations.map(({ id, help, nodes }) =>
      `${id}: ${help}, ${nodes.length} times, as in ${nodes[0]?.html.slice(0, 160)}`
    );
  });
}
