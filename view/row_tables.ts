import pl from "polars";
import { asTimestamps, doubles } from "../lib/windows/frame.ts";
import { type Displayable, many, paragraphs } from "./display.ts";
import { type KeptRow, keptRows, type Kind, KINDS } from "./kept_rows.ts";
import { commonStarts, finalIn, isOverlapping, nameOf, noneFinal, type Run } from "./run.ts";
import { table, type TableOptions } from "./table.ts";

const AMOUNTS = ["caught", "missed", "falsely stopped", "lost to lateness"];
const NAMES = ["event_time", "partition", "offset", "Amount", "fraud_prob", "Class"];

/**
 * Returns the rows that the counts tp, fp and fn of a run's table open, at most so many, and how many
 * counts of the `shown` first windows open none.
 */
export function rowsBehind(
  run: Run,
  windows: Run["kpi"],
  { most, shown }: { readonly most: number; readonly shown: number },
): { behind: NonNullable<TableOptions["behind"]>; left: number } | undefined {
  if (!run.alerts) return undefined;
  const starts = windows.getColumn("window_start").toArray().map(Number);
  const isIn = new Set(starts);
  const all = keptRows(run).filter(({ kind, counted }) =>
    kind && counted.some((start) => isIn.has(start))
  );
  const cells = new Map<string, number[]>();
  all.forEach(({ kind, counted }, i) => {
    for (const start of counted.filter((start) => isIn.has(start))) {
      for (const place of [start, "all"]) {
        cells.getOrInsertComputed(`${kind} ${place}`, () => []).push(i);
      }
    }
  });
  const isWhole = (indexes: readonly number[]) => indexes.every((i) => i < most);
  const found = (row: number, column: string) =>
    cells.get(`${column} ${row < 0 ? "all" : starts[row]}`) ?? [];
  const of = (row: number, column: string) => {
    const indexes = found(row, column);
    return isWhole(indexes) ? indexes : [];
  };
  // The row of totals, then those of the windows.
  const shownRows = [-1, ...starts.slice(0, shown).keys()];
  const opened = shownRows.flatMap((row) => KINDS.map((kind) => found(row, kind)));
  const left = opened.slice(KINDS.length).filter((indexes) => !isWhole(indexes)).length;
  const needed = opened.filter(isWhole).reduce(
    (n, indexes) => Math.max(n, ...indexes.slice(-1)),
    -1,
  );
  const values = ({ time, partition, offset, amount, probability, label }: KeptRow) => [
    new Date(time).toISOString(),
    partition,
    offset,
    ...[amount, Number(probability.toPrecision(9)), label] // a float32 has no more
      .map((value) => Number.isNaN(value) ? null : value),
  ];
  return { behind: { names: NAMES, rows: all.slice(0, needed + 1).map(values), of }, left };
}

/** Names a run where there is little room. */
function shortName({ watermark, interrupted }: Run): string {
  return interrupted === undefined ? watermark : `${watermark} (interrupted)`;
}

/** Shows each alert and each missed fraud under its window, and what became of it under each watermark. */
export function rowsByWindow(runs: readonly Run[]): Displayable {
  const kept = runs.map((run) => ({ run, rows: keptRows(run) }));
  const found = new Map<string, { row: KeptRow; outcomes: Record<string, string> }>();
  for (const { run, rows } of kept) {
    const finals = new Set(run.kpi.getColumn("window_start").toArray().map(Number));
    for (const row of rows) {
      const key = `${row.partition} ${row.offset} ${row.time}`;
      const { outcomes } = found.getOrInsertComputed(key, () => ({ row, outcomes: {} }));
      outcomes[shortName(run)] = row.counted.length === 0
        ? row.outcome
        : row.counted.every((start) => finals.has(start))
        ? "final"
        : "open";
    }
  }
  if (found.size === 0) return paragraphs(["No run kept an alert or a fraud."]);
  const rows = [...found.values()].toSorted((a, b) =>
    a.row.start - b.row.start || a.row.time - b.row.time
  );
  const number = (value: number) => Number.isNaN(value) ? null : value;
  const names = runs.map(shortName);
  const instants = (name: string, of: (row: KeptRow) => number) =>
    asTimestamps(doubles(name, rows.map(({ row }) => number(of(row)))));
  const texts = (name: string, of: (row: typeof rows[number]) => string) =>
    pl.Series(name, rows.map(of), pl.Utf8);
  const numbers = (name: string, of: (row: KeptRow) => number) =>
    pl.Series(name, rows.map(({ row }) => number(of(row))) as number[], pl.Float64);
  const overlap = runs.some(isOverlapping) ? "; window_start is that of its last window" : "";
  return table(
    pl.DataFrame([
      instants("window_start", ({ start }) => start),
      instants("event_time", ({ time }) => time),
      texts("what", ({ row }) => row.kind ?? "alert"),
      numbers("Amount", ({ amount }) => amount),
      numbers("fraud_prob", ({ probability }) => probability),
      texts("partition", ({ row }) => row.partition),
      numbers("offset", ({ offset }) => offset),
      ...names.map((name) => texts(name, ({ outcomes }) => outcomes[name] ?? "not read")),
    ]),
    {
      caption: `The ${many(rows.length, "alert and missed fraud", "alerts and missed frauds")}, ` +
        `and what became of each${runs.length > 1 ? " under each watermark" : ""}${overlap}`,
      maxRows: 200,
      amounts: ["Amount"],
    },
  );
}

/** Shows what the alerts are worth under each watermark, in the windows that are final in every run. */
export function money(runs: readonly Run[]): Displayable {
  const common = commonStarts(runs);
  if (common.size === 0) {
    return paragraphs([`${noneFinal(runs)}, so there are no amounts to show.`]);
  }
  const within = (starts: readonly number[]) => starts.some((start) => common.has(start));
  let without = 0;
  const lines = runs.map((run) => {
    const rows = keptRows(run).filter(({ kind }) => kind);
    const sum = (kinds: readonly Kind[], is: (row: KeptRow) => boolean) => {
      const those = rows.filter((row) => kinds.includes(row.kind!) && is(row));
      const amounts = those.map(({ amount }) => amount).filter(Number.isFinite);
      without += those.length - amounts.length;
      return amounts.reduce((a, b) => a + b, 0);
    };
    const isCounted = ({ counted }: KeptRow) => within(counted);
    const isLost = ({ counted, closed }: KeptRow) => !within(counted) && within(closed);
    const values = [
      sum(["tp"], isCounted),
      sum(["fn"], isCounted),
      sum(["fp"], isCounted),
      sum(KINDS, isLost),
    ];
    return {
      watermark: nameOf(run),
      ...Object.fromEntries(AMOUNTS.map((name, i) => [name, values[i]!])),
    };
  });
  const none = without > 0 ? `; ${many(without, "row")} without an amount left out` : "";
  return table(pl.DataFrame(lines), {
    amounts: AMOUNTS,
    caption: `Amounts ${finalIn(runs)}${none}`,
  });
}
