import { deepEqual, doesNotMatch, equal, match, ok } from "node:assert/strict";
import pl, { type DataFrame } from "polars";
import { asTimestamps } from "../../lib/windows/frame.ts";
import { type Displayable, jupyterDisplay } from "../../view/display.ts";
import { FIGURE_SCRIPT } from "../../view/figure_script.ts";
import { keyChart, keyTables, windowsOfGroups } from "../../view/keys.ts";
import { wrongRows } from "../../view/kept_rows.ts";
import { Panel } from "../../view/panel.ts";
import type { Run } from "../../view/run.ts";
import { runs } from "./sample_run.ts";

const KEYS = ["merchant", "country"];
const MINUTE = 60_000;
const textOf = (shown: Displayable) => shown[jupyterDisplay]()["text/plain"];

/** A group: the number of its window, its keys, transactions, alerts and how many of these are frauds. */
type Group = readonly [
  window: number,
  merchant: string | null,
  country: number | null,
  n: number,
  alerts: number,
  tp: number,
];

function table(groups: readonly Group[]): DataFrame {
  const times = (name: string, shift: number) =>
    asTimestamps(pl.Series(name, groups.map(([w]) => w * MINUTE + shift), pl.Float64));
  const counts = (name: string, of: (group: Group) => number) =>
    pl.Series(name, groups.map(of), pl.Float64).cast(pl.Int64);
  const share = (name: string, of: (group: Group) => number) =>
    pl.Series(name, groups.map(of), pl.Float64);
  const country = groups.map(([, , country]) => country ?? -1);
  return pl.DataFrame([
    times("window_start", 0),
    times("window_end", MINUTE),
    pl.Series("merchant", groups.map(([, merchant]) => merchant), pl.Utf8),
    pl.Series("country", country, pl.Float64).cast(pl.Int32),
    pl.Series("watermark", groups.map(() => "30 seconds"), pl.Utf8),
    counts("n_txn", (g) => g[3]),
    counts("n_alert", (g) => g[4]),
    counts("n_fraud_true", (g) => g[5]),
    counts("tp", (g) => g[5]),
    counts("fp", (g) => g[4] - g[5]),
    counts("fn", () => 0),
    share("precision", (g) => g[5] / g[4]),
    share("recall", () => 1),
  ]).withColumns(
    pl.when(pl.col("country").eq(-1)).then(pl.lit(null)).otherwise(pl.col("country")).alias(
      "country",
    ),
  );
}

/** Thirteen keys in two windows: "a" has most, the null of both keys comes second. */
const GROUPS: readonly Group[] = [0, 1].flatMap((window) => [
  ...Array.from(
    "abcdefghijkl",
    (name, i): Group => [window, name, i % 3, 100 - 5 * i, i === 0 ? 2 : 0, i === 0 ? 1 : 0],
  ),
  [window, null, null, 97, 1, 1] as Group,
]);

function runOf(groups: readonly Group[], run = runs[0]!): Run {
  const [kpi, open] = [table(groups), table([])];
  const keyed = { keys: KEYS, kpi, open };
  const { alerts: _, ...rest } = run;
  return { ...rest, kpi: windowsOfGroups(kpi, KEYS), open: windowsOfGroups(open, KEYS), keyed };
}

Deno.test("windowsOfGroups() adds the groups of a window up, with the ratios of the sums", () => {
  const windows = windowsOfGroups(table(GROUPS), KEYS).sort("window_start");
  deepEqual(windows.columns, table([]).columns.filter((name) => !KEYS.includes(name)));
  equal(windows.height, 2);
  const [first] = windows.toRecords();
  deepEqual(
    [first!.n_txn, first!.n_alert, first!.tp, first!.precision, first!.recall].map(Number),
    [967, 3, 2, 2 / 3, 1],
  );
  equal(windowsOfGroups(table([]), KEYS).height, 0);
  const plain = table([]).drop("merchant", "country");
  equal(windowsOfGroups(plain, []), plain);
});

Deno.test("the table by key names ten keys, null among them, and adds up the others", () => {
  const lines = textOf(keyTables([runOf(GROUPS)])).split("\n").map((line) => line.trim());
  match(lines[0]!, /^Final windows by merchant and country, watermark 30 seconds$/);
  const rows = lines.slice(3).map((line) => line.split(/ {2,}/));
  deepEqual(rows.slice(0, 3).map((row) => row.slice(0, 3)), [
    ["a · 0", "200", "4"],
    ["no merchant · no country", "194", "2"],
    ["b · 1", "190", "0"],
  ]);
  deepEqual(rows[10]!.slice(0, 3), ["and 3 others", "300", "0"]);
  deepEqual(rows.at(-1)!.slice(0, 3), ["Total", "1,934", "6"]);
  doesNotMatch(textOf(keyTables([runOf(GROUPS.slice(0, 10))])), /other/);
});

Deno.test("keys that JSON writes alike are lines of their own: null, NaN and infinity", () => {
  const run = runOf(GROUPS);
  const { keyed, ...rest } = run;
  const asDouble = keyed!.kpi.withColumns(pl.col("country").cast(pl.Float64));
  const isNone = pl.col("country").isNull();
  const kpi = pl.concat([
    asDouble,
    ...[NaN, Infinity].map((value, i) =>
      asDouble.filter(isNone).withColumns(
        pl.lit(value).cast(pl.Float64).alias("country"),
        pl.col("n_txn").sub(i + 1).cast(pl.Int64),
      )
    ),
  ]);
  const lines = textOf(keyTables([{ ...rest, keyed: { ...keyed!, kpi } }])).split("\n");
  const found = lines.map((line) => line.trim().split(/ {2,}/)).filter(([key]) =>
    key!.startsWith("no merchant")
  );
  deepEqual(found.map(([key, n]) => [key, n]).sort(), [
    ["no merchant · Infinity", "190"],
    ["no merchant · NaN", "192"],
    ["no merchant · no country", "194"],
  ]);
  match(lines.join("\n"), /and 5 others/);
});

Deno.test("where no window is final, or there are no keys, the page says so", () => {
  match(textOf(keyTables([runOf([])])), /30 seconds: no window is final/);
  match(textOf(keyChart([runOf([])])), /No window is final/);
  match(textOf(keyTables(runs)), /There are no `keys`.*"merchant:string"/);
  equal(textOf(keyChart(runs)), "");
});

Deno.test("all runs are shown by the same keys, those of the first with a final window", () => {
  const other = GROUPS.map((
    [w, m, c, n, ...rest],
  ): Group => [w, m, c, m === "l" ? 500 : n, ...rest]);
  const both = [runOf([]), runOf(GROUPS), runOf(other, runs[1])];
  const text = textOf(keyTables(both));
  equal(text.match(/^ *a · 0/gm)!.length, 2);
  equal(text.match(/^ *and 3 others/gm)!.length, 2);
  doesNotMatch(text, /l · 2/);
  const { "text/html": page, "text/plain": said } = keyChart(both)[jupyterDisplay]();
  match(said, /a · 0 has 200 of 1,934 transactions \(10\.3%\)/);
  match(page, /2 minutes, a · 0: 200 transactions, 4 alerts \(2\.0%, 95 %: /);
  doesNotMatch(page.replace(FIGURE_SCRIPT, ""), /NaN|undefined|Infinity/);
});

Deno.test("a kept alert of another key than the one that counts it is told", () => {
  const run = runOf(GROUPS);
  const kept = (merchants: readonly (string | null)[]) => {
    const at = pl.Series("event_time", merchants.map((_, i) => i < 3 ? 1 : MINUTE + 1), pl.Float64);
    return pl.DataFrame([
      asTimestamps(at),
      pl.Series("merchant", [...merchants], pl.Utf8),
      pl.Series("is_alert", merchants.map(() => 1), pl.Int32),
      pl.Series("batch_id", merchants.map(() => 0), pl.Int64),
      pl.Series("outcome", merchants.map(() => "counted"), pl.Utf8),
    ]);
  };
  const keyed = { ...run.keyed!, keys: ["merchant"] };
  const right = ["a", "a", null, "a", "a", null];
  const byKey = (alerts: DataFrame) =>
    wrongRows({ ...run, keyed, alerts }).filter((problem) => problem.startsWith("by "));
  deepEqual(byKey(kept(right)), []);
  match(
    byKey(kept(right.with(0, "b")))[0]!,
    /^by merchant: alerts are counted or kept, not both: a · 4, a · 3, b · 1$/,
  );
});

Deno.test("the panel shows a window as the sum of its newest groups", async () => {
  const shown: string[] = [];
  const panel = new Panel("kpi", {
    keys: KEYS,
    show: (content) => void shown.push(content["text/plain"]),
    now: () => 0,
  });
  const [progress] = runs[0]!.progress;
  panel.update(progress!, table([[0, "a", 1, 5, 0, 0], [0, null, 1, 7, 0, 0]]));
  panel.update(progress!, table([[0, "a", 1, 6, 0, 0]]));
  await panel.close();
  match(shown.at(-1)!, /open groups \d/);
  match(shown.at(-1)!, /00:00 +00:01 +30 seconds +13 /);
  ok(!/merchant/.test(shown.at(-1)!));
});
