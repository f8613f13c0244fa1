// The pages name files and tests of this project: they are there.
import { deepEqual, ok } from "node:assert/strict";
import { existsSync, globSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../tools/jupyter/env.ts";

const PAGES = ["README.md", "CONTRIBUTING.md", ...globSync("docs/*.md", { cwd: ROOT })];
/** Made by the commands beside them. */
const MADE = ["data/topics"];

async function textOf(page: string): Promise<string> {
  return await Deno.readTextFile(join(ROOT, page));
}

Deno.test("every file of this project that a page names is there", async () => {
  const folders = "bench|data|docs|lab|lib|models|notebooks|tests|tools|view";
  const named = new RegExp(`\`((?:${folders})/[\\w./*-]+)\``, "g");
  const missing: string[] = [];
  let found = 0;
  for (const page of PAGES) {
    for (const [, path] of (await textOf(page)).matchAll(named)) {
      found++;
      const isThere = path!.includes("*")
        ? globSync(path!, { cwd: ROOT }).length > 0
        : existsSync(join(ROOT, path!));
      if (!isThere && !MADE.includes(path!)) missing.push(`${page}: ${path}`);
    }
  }
  ok(found > 20, `${found} files are named`);
  deepEqual(missing, []);
});

Deno.test("every test that the differences from Spark name is in the file that they name", async () => {
  const text = await textOf("docs/spark_differences.md");
  const named = [...text.matchAll(/`([\w/]+_test\.ts)`: "([^"]+)"/g)];
  ok(named.length > 15, `${named.length} tests are named`);
  const missing: string[] = [];
  for (const [, path, name] of named) {
    const file = join("tests", path!);
    if (!existsSync(join(ROOT, file)) || !(await textOf(file)).includes(name!)) {
      missing.push(`${file}: ${name}`);
    }
  }
  deepEqual(missing, []);
});
