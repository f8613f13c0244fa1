import * as Plot from "@observablehq/plot";
import pl, { type DataFrame } from "polars";
import { ratio } from "lib";
import { type Key, plainKey } from "../lib/windows/state.ts";
import { count, type Displayable, many, paragraphs, percent, stack } from "./display.ts";
import { answersOf, figure, HIT } from "./figure.ts";
import { isOverlapping, type Keyed, nameOf, type Run } from "./run.ts";
import { wilson } from "./statistics.ts";
import { table } from "./table.ts";
import { totals } from "./kpi_tables.ts";
import { colorAt } from "./colors.ts";

/** Keys that tables and charts name; the others are one line. */
const TOP = 10;
/** Characters of a key beside a chart. */
const LABEL = 22;
const COUNTS = ["n_txn", "n_alert", "n_fraud_true", "tp", "fp", "fn"] as const;

/** The counts of a key, or of several together. */
interface Line extends Readonly<Record<typeof COUNTS[number], number>> {
  readonly label: string;
}

/** Returns the windows of a table of groups, in the columns of one without keys. */
export function windowsOfGroups(groups: DataFrame, keys: readonly string[]): DataFrame {
  if (keys.length === 0) return groups;
  const columns = groups.columns.filter((name) => !keys.includes(name));
  return groups.groupBy("window_start", "window_end", "watermark")
    .agg(...COUNTS.map((name) => pl.col(name).sum()))
    .withColumns(ratio("tp", "n_alert", "precision"), ratio("tp", "n_fraud_true", "recall"))
    .select(...columns);
}

type Row = Readonly<Record<string, unknown>>;

/** Returns a row for each key, the one with most transactions first. */
function byKey({ keys, kpi }: Keyed): { readonly id: string; readonly row: Row }[] {
  const sums = kpi.groupBy(...keys).agg(...COUNTS.map((name) => pl.col(name).sum()))
    .sort(["n_txn", ...keys], [true, ...keys.map(() => false)]);
  return sums.toRecords().map((row: Record<string, Key>) => {
    return { id: JSON.stringify(keys.map((key) => plainKey(row[key]!))), row };
  });
}

/** Returns the lines of the keys that `leader` has most transactions of, and of all others. */
function linesOf(keyed: Keyed, leader: Keyed): Line[] {
  const top = byKey(leader).slice(0, TOP);
  const own = new Map(byKey(keyed).map(({ id, row }) => [id, row]));
  const line = (label: string, rows: readonly (Row | undefined)[]) => {
    const sum = (name: string) => rows.reduce((all, row) => all + Number(row?.[name] ?? 0), 0);
    return { label, ...Object.fromEntries(COUNTS.map((name) => [name, sum(name)])) } as Line;
  };
  const nameOfKey = (row: Row) =>
    keyed.keys.map((key) => row[key] === null ? `no ${key}` : String(row[key]) || '""').join(" · ");
  const lines = top.map(({ id, row }) => line(nameOfKey(row), [own.get(id)]));
  for (const { id } of top) own.delete(id);
  const others = [...own.values()];
  return others.length === 0
    ? lines
    : [...lines, line(`and ${many(others.length, "other")}`, others)];
}

/** Shows the counts of each run by key, over its final windows: the ten with most transactions, and the others. */
export function keyTables(runs: readonly Run[]): Displayable {
  if (runs.every(({ keyed }) => keyed === undefined)) return paragraphs([NO_KEYS]);
  const leader = runs.find(({ kpi }) => kpi.height > 0)?.keyed;
  return stack(runs.map((run) => {
    const keyed = run.keyed!;
    if (run.kpi.height === 0 || !leader) return paragraphs([`${nameOf(run)}: no window is final.`]);
    const lines = linesOf(keyed, leader).map(({ label, ...counts }) => ({
      [keyed.keys.join(" · ")]: label,
      ...counts,
      precision: counts.n_alert > 0 ? counts.tp / counts.n_alert : null,
      recall: counts.n_fraud_true > 0 ? counts.tp / counts.n_fraud_true : null,
    }));
    const overlap = isOverlapping(run) ? "; a row counts once in each of its windows" : "";
    return table(pl.DataFrame(lines, { inferSchemaLength: lines.length }), {
      caption: `Final windows by ${keyed.keys.join(" and ")}, watermark ${nameOf(run)}${overlap}`,
      percent: ["precision", "recall"],
      bars: ["n_txn"],
      totals: totals(run.kpi),
    });
  }));
}

/** Shows the transactions of the ten largest keys, and what share of them alerts, with its 95 % interval. */
export function keyChart(runs: readonly Run[]): Displayable {
  const shown = runs.filter(({ keyed, kpi }) => keyed && kpi.height > 0);
  const [first] = shown;
  if (first === undefined) {
    return paragraphs(runs[0]?.keyed ? ["No window is final, so no key has a count."] : []);
  }
  const leader = first.keyed!;
  const series = shown.map((run) => linesOf(run.keyed!, leader));
  const longest = series.toSorted((a, b) => b.length - a.length)[0]!;
  const labels = longest.map(({ label }, row) => row < TOP ? label : "the others");
  const points = shown.flatMap((run, i) =>
    series[i]!.map((line, row) => ({
      ...line,
      ...wilson(line.n_alert, line.n_txn),
      share: line.n_alert / line.n_txn,
      name: nameOf(run),
      color: colorAt(run.position),
      row,
      dy: 7 * (i - (shown.length - 1) / 2),
    }))
  );
  const y = {
    label: null,
    domain: labels.map((_, row) => row),
    tickFormat: (row: number) => short(labels[row]!),
    tickSize: 0,
  };
  const rows = Object.values(Object.groupBy(points, ({ dy }) => dy)).map((own) => own!);
  const says = (p: typeof points[number]) =>
    `${p.name}, ${p.label}: ${many(p.n_txn, "transaction")}, ${many(p.n_alert, "alert")} ` +
    `(${percent(p.share)}${
      p.low === undefined ? "" : `, 95 %: ${percent(p.low)} to ${percent(p.high!)}`
    })`;
  const height = 56 + 30 * labels.length;
  const plot = { height, marginLeft: 160, marginRight: 60, y };
  return figure(`Which ${leader.keys.join(" and ")} has most, and how often does it alert?`, {
    answers: answersOf(shown, (_, i) => saysOf(series[i]!)),
    note: `Over final windows; the keys are those of the ${first.watermark} run with most ` +
      "transactions. Lines in the second part: 95 % intervals (Wilson).",
    plots: [{
      ...plot,
      x: { label: "transactions", tickFormat: (n: number) => count(n), ticks: 5 },
      marks: rows.flatMap((own) => {
        const place = { y: "row", dy: own[0]!.dy };
        return [
          Plot.ruleY(own, { ...place, x1: 0, x2: "n_txn", stroke: "color", strokeWidth: 5 }),
          Plot.dot(own, { ...place, ...HIT, x: "n_txn", r: 6, title: says }),
        ];
      }),
    }, {
      ...plot,
      x: { label: "alerts among them", tickFormat: "%", ticks: 5, zero: true },
      marks: rows.flatMap((own) => {
        const place = { y: "row", dy: own[0]!.dy };
        return [
          Plot.ruleY(own, { ...place, x1: "low", x2: "high", stroke: "color" }),
          Plot.dot(own, { ...place, x: "share", fill: "color" }),
          Plot.dot(own, { ...place, ...HIT, x: "share", r: 6, title: says }),
        ];
      }),
    }],
  });
}

const NO_KEYS =
  "There are no `keys`. A topic whose messages have more fields than a transaction, such as " +
  '`merchant`, is counted by them too: `keys: ["merchant:string"]`, with `recording: null`.';

function saysOf(lines: readonly Line[]): string {
  const sum = (of: readonly Line[]) => of.reduce((all, { n_txn }) => all + n_txn, 0);
  const [most] = lines;
  const named = lines.slice(0, TOP);
  const all = sum(lines);
  return `${most!.label} has ${count(most!.n_txn)} of ${many(all, "transaction")} ` +
    `(${percent(most!.n_txn / all)}), the largest ${named.length} together ${
      percent(sum(named) / all)
    }`;
}

function short(label: string): string {
  return label.length > LABEL ? `${label.slice(0, LABEL - 1)}…` : label;
}
