import assert from "node:assert/strict";
import { join } from "node:path";
import { ensureEnvironment, listNotebooks } from "../../tools/jupyter/env.ts";
import { remoteReferences, writeReport } from "../../tools/jupyter/report.ts";

Deno.test("remoteReferences() lists what a browser would load from outside the page", () => {
  const cases: readonly (readonly [string, readonly string[]])[] = [
    ['<img src="https://a.example/x.png">', ["https://a.example/x.png"]],
    ["<script src=//a.example/x.js></script>", ["//a.example/x.js"]],
    ['<link rel="stylesheet" href="style.css">', ["style.css"]],
    ["<svg><use xlink:href='http://a.example/i.svg#x'/></svg>", ["http://a.example/i.svg#x"]],
    ["<style>@import 'http://a.example/x.css';</style>", ["http://a.example/x.css"]],
    ["<style>b{background:url( http://a.example/b.png )}</style>", ["http://a.example/b.png"]],
    ["<p style='background:url(\"http://a.example/b.png\")'>", ["http://a.example/b.png"]],
    ['<video poster="http://a.example/p.png">', ["http://a.example/p.png"]],
    ['<p title="a > b"><img src="/x.png">', ["/x.png"]],
  ];
  for (const [html, expected] of cases) assert.deepEqual(remoteReferences(html), expected, html);
});

Deno.test("remoteReferences() lets links, fragments, embedded data and code in text pass", () => {
  const cases = [
    '<a href="https://a.example/">a source</a>',
    '<img src="data:image/png;base64,AAAA">',
    '<svg xmlns="http://www.w3.org/2000/svg"><use href="#mark"/><rect fill="url(#shade)"/></svg>',
    "<pre>&lt;img src=&quot;https://a.example/x.png&quot;&gt; url(http://a.example)</pre>",
    '<style>/* url(http://a.example) */ p { background: url("data:image/png;base64,AA") }</style>',
    '<script>const text = "<img src=http://a.example/x.png>";</script>',
  ];
  for (const html of cases) assert.deepEqual(remoteReferences(html), [], html);
});

Deno.test("listNotebooks() refuses what is no notebook, before anything is installed", async () => {
  for (const name of ["README.md", "deno.json", "tests", "notebooks/none.ipynb"]) {
    await assert.rejects(
      listNotebooks([name]),
      new RegExp(`^Error: There is no notebook "${name}"`),
    );
  }
  assert.equal((await listNotebooks(["notebooks/task_d.ipynb"])).length, 1);
});

async function report(
  source: string,
  metadata: object = {},
): Promise<{ html: string; executed: string }> {
  const env = await ensureEnvironment();
  const folder = await Deno.makeTempDir();
  try {
    const notebook = join(folder, "trial.ipynb");
    const cell = { cell_type: "code", metadata: {}, outputs: [], execution_count: null };
    await Deno.writeTextFile(
      notebook,
      JSON.stringify({
        nbformat: 4,
        nbformat_minor: 5,
        metadata: { kernelspec: { name: "deno", display_name: "Deno", language: "typescript" } },
        cells: [
          { cell_type: "markdown", id: "m", metadata: {}, source: "# Title\n\n## Part & more" },
          { ...cell, id: "a", source: "const one = 1;" },
          { ...cell, id: "b", source, metadata },
        ],
      }),
    );
    const out = join(folder, "report");
    const path = await writeReport(notebook, { env, folder: out });
    return {
      html: await Deno.readTextFile(path),
      executed: await Deno.readTextFile(join(out, "trial.ipynb")),
    };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("writeReport() writes a page with contents, folded code and outputs, and the executed notebook", async () => {
  const { html, executed } = await report("console.log(`made ${one + one}`)");
  assert.match(html, /<title>Title<\/title>/);
  assert.match(html, /<a href="#Part[^"]*">Part &amp; more<\/a>/);
  assert.match(html, /<details class="source">/);
  assert.match(html, /made 2/);
  assert.match(executed, /made 2/);
});

Deno.test("writeReport() names the cell that throws", async () => {
  await assert.rejects(
    report('throw new RangeError("size is 0")'),
    /code cell 2 of 2: RangeError: size is 0/,
  );
});

Deno.test("writeReport() refuses a display that fails, though its cell does not", async () => {
  const display = '({ [Symbol.for("Jupyter.display")]: () => ({ "application/json": 1n }) })';
  await assert.rejects(report(display), /code cell 2 of 2: /);
});

Deno.test("writeReport() refuses a page that loads from outside", async () => {
  const display =
    '({ [Symbol.for("Jupyter.display")]: () => ({ "text/html": "<img src=//a.example/x>" }) })';
  await assert.rejects(report(display), /loads from outside the file: \/\/a\.example\/x/);
});

Deno.test("writeReport() says when the parameters are not those that the notebook came with", async () => {
  const source = 'const parameters = { watermarks: ["1 minute"] };';
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(source));
  const sha256 = new Uint8Array(digest).toHex().slice(0, 16);
  const marked = (mark: string) => report(source, { tags: ["parameters"], sha256: mark });
  assert.match((await marked("0123456789abcdef")).html, /Parameters.*changed since it came/);
  assert.doesNotMatch((await marked(sha256)).html, /changed since it came/);
});
