import { doesNotMatch, equal, match, ok } from "node:assert/strict";
import pl from "polars";
import { type Displayable, jupyterDisplay } from "../../view/display.ts";
import { table } from "../../view/table.ts";
import { runs } from "./sample_run.ts";

function htmlOf(shown: Displayable): string {
  return shown[jupyterDisplay]()["text/html"];
}

function textOf(shown: Displayable): string {
  return shown[jupyterDisplay]()["text/plain"];
}

function times(...iso: string[]) {
  return pl.Series("at", iso.map((text) => Date.parse(text)), pl.Float64)
    .cast(pl.Int64).cast(pl.Datetime("ms", "UTC"));
}

Deno.test("table() shows numbers, shares and nulls as a reader expects", () => {
  const rows = pl.DataFrame([
    pl.Series("window", ["a", "b"], pl.Utf8),
    pl.Series("n_txn", [1234567, 5], pl.Int64),
    pl.Series("precision", [0.5, null] as number[], pl.Float64),
    pl.Series("ms", [1.5, 22.25], pl.Float64),
    pl.Series("recall", Array<number>(2), pl.Float64),
  ]);
  equal(
    textOf(table(rows, { caption: "Some rows", totals: { n_txn: 1234572 } })),
    [
      "Some rows",
      "window      n_txn  precision     ms  recall",
      "──────  ─────────  ─────────  ─────  ──────",
      "a       1,234,567      50.0%   1.50       –",
      "b               5          –  22.25       –",
      "──────  ─────────  ─────────  ─────  ──────",
      "Total   1,234,572",
    ].join("\n"),
  );
});

Deno.test("table() takes BigInt columns, in totals and bars too", () => {
  const rows = pl.DataFrame([pl.Series("n", [9007199254740993n, 1n])]);
  equal(typeof rows.toRecords()[0]!.n, "bigint");
  const shown = table(rows, { bars: ["n"], totals: { n: 9007199254740994n } });
  match(textOf(shown), /9,007,199,254,740,993\n +1\n.*\n9,007,199,254,740,994/);
  match(htmlOf(shown), /<th scope="row" class="n" style="[^"]* 100\.0%/);
});

Deno.test("table() shows times in UTC without what they have in common", () => {
  const show = (...iso: string[]) => textOf(table(pl.DataFrame([times(...iso)]))).split("\n");
  const [minute, second] = ["2024-01-01T10:01:00Z", "2024-01-01T10:01:05Z"];
  equal(show(minute).join("|"), "2024-01-01, UTC|at|─────|10:01");
  equal(show(minute, second).slice(3).join("|"), "10:01:00|10:01:05");
  equal(show("2024-01-01T10:01:00.25Z").at(-1), "10:01:00.250");
  equal(
    show(minute, "2024-01-02T00:00:00Z").join("|"),
    "UTC|at|────────────────|2024-01-01 10:01|2024-01-02 00:00",
  );
});

Deno.test("table() never lets a value become markup or move a terminal's cursor", () => {
  const evil = `<script>alert(1)</script>"'&\x1b[2J\u202e`;
  const rows = pl.DataFrame([pl.Series(evil, [evil], pl.Utf8)]);
  const shown = table(rows, { caption: evil, totals: { [evil]: evil } });
  for (const bad of ["<script", "\x1b", "\u202e"]) {
    ok(!htmlOf(shown).includes(bad));
    ok(bad === "<script" || !textOf(shown).includes(bad));
  }
  equal(
    htmlOf(shown).match(/&#60;script&#62;alert\(1\)&#60;\/script&#62;&#34;&#39;&#38;�\[2J�/g)
      ?.length,
    4,
  );
});

Deno.test("table() wraps long texts only", () => {
  const rows = pl.DataFrame([
    { batch: 1, few: "12 alerts, 9 frauds", message: "x ".repeat(40) },
    { batch: 2, few: "1 alert", message: null },
  ]);
  const page = htmlOf(table(rows));
  match(page, /<td>12 alerts, 9 frauds<\/td><td class="w">x x/);
  match(page, /<td>1 alert<\/td><td class="w">–/);
});

Deno.test("table() cuts a long text and says how many rows it leaves out", () => {
  const rows = pl.DataFrame([pl.Series("text", ["x".repeat(500), "b", "c", "d"], pl.Utf8)]);
  const lines = textOf(table(rows, { maxRows: 3 })).split("\n");
  equal(lines[2], `${"x".repeat(299)}…`);
  equal(lines.at(-1), "… 1 more row");
  match(htmlOf(table(rows, { maxRows: 1 })), /… 3 more rows/);
  doesNotMatch(textOf(table(rows)), /more row/);
  equal(textOf(table(runs[0]!.late)).split("\n").length, 1 + 2 + 25 + 1);
});

Deno.test("table() shows shares as percentages by name or on demand, and none beyond [0, 1]", () => {
  const show = (name: string, value: number, percent?: string[]) =>
    textOf(table(pl.DataFrame([pl.Series(name, [value], pl.Float64)]), percent ? { percent } : {}))
      .split("\n").at(-1)!.trim();
  equal(show("late_share", 0.25), "25.0%");
  equal(show("recall", 1), "100.0%");
  equal(show("recall", 0.99999), ">99.9%");
  equal(show("recall", 0.000001), "<0.001%");
  equal(show("recall", 0.00078), "0.078%");
  equal(show("ratio", 2.5), "2.50");
  equal(show("loss", 0.25), "0.2500");
  equal(show("loss", 0.25, ["loss"]), "25.0%");
  equal(show("recall", 0.25, []), "0.2500");
  equal(show("x", NaN), "NaN");
  equal(show("x", Infinity), "Infinity");
});

Deno.test("table() marks rows, names its headers and draws bars of the right length", () => {
  const html = htmlOf(table(
    pl.DataFrame([pl.Series("k", ["a", "b"], pl.Utf8), pl.Series("n", [1, 4], pl.Int64)]),
    { bars: ["n"], marked: new Set([1]), caption: "C" },
  ));
  equal(html.match(/<th scope="col"/g)?.length, 2);
  equal(html.match(/<th scope="row"/g)?.length, 2);
  match(html, /<caption><span>C<\/span><\/caption>/);
  match(html, /<tr><th scope="row">a<.*25\.0%.*>1</);
  match(html, /<tr class="m"><th scope="row">b<.*100\.0%.*>4</);
  equal(html.match(/<tr class="m">/g)?.length, 1);
});

Deno.test("table() shows a DataFrame without rows", () => {
  const text = textOf(table(runs[0]!.kpi.head(0)));
  ok(text.startsWith("window_start  window_end"));
  equal(text.split("\n").length, 2);
});

Deno.test("table() says in its caption, once, what a column of text says in every row", () => {
  const rows = pl.DataFrame([
    { k: "a", watermark: "30 seconds", n: 1, kind: "x" },
    { k: "b", watermark: "30 seconds", n: 1, kind: "y" },
  ]);
  const lines = textOf(table(rows, { caption: "C" })).split("\n");
  equal(lines[0], "C · watermark: 30 seconds");
  match(textOf(table(rows, { caption: "Watermark 30 seconds" })), /^Watermark 30 seconds\n/);
  match(lines[1]!, /^k +n +kind$/); // a number stays, whatever it is
  match(textOf(table(rows.head(1))), /^k +watermark +n +kind/); // one row has nothing in common
});
