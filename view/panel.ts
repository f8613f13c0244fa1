import pl, { type DataFrame } from "polars";
import type { StreamingQueryProgress } from "lib";
import { timeOf } from "../lib/core/time.ts";
import { clock, type Content, count, html, jupyterDisplay, plain, showInPlace } from "./display.ts";
import { windowsOfGroups } from "./keys.ts";
import { position } from "./run.ts";
import { table } from "./table.ts";

/** Puts a state of the panel before the reader; after the one that `isLast` comes no other. */
export type Show = (content: Content, state: { readonly isLast: boolean }) => void | Promise<void>;

/**
 * Follows a running query in one place: a block of the notebook, or a line of the terminal (stderr),
 * of which only the last state goes into a file. Shows at most four states a second. `close` shows the
 * last one, and throws if one could not be shown.
 */
export class Panel {
  readonly #name: string;
  readonly #keys: readonly string[];
  readonly #show: Show;
  readonly #now: () => number;
  readonly #changed = new Set<number>();
  #progress: StreamingQueryProgress | undefined;
  #began: number | undefined;
  #read = 0;
  /** As painted, and of the batches since: to put each one's in place at once would take more than the query. */
  #rows: DataFrame[] = [];
  #shownAt = -Infinity;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #shown: Promise<unknown> = Promise.resolve();

  constructor(
    name: string,
    { keys = [], show = defaultShow(), now = () => performance.now() }: {
      /** What the query counts by beside the window: a window is shown as the sum of its groups. */
      keys?: readonly string[];
      show?: Show;
      now?: () => number;
    } = {},
  ) {
    [this.#name, this.#keys, this.#show, this.#now] = [name, keys, show, now];
  }

  /** Takes the panel's place, below those that were opened before it: a first batch may be long in coming. */
  open(): void {
    const [page, text] = [html(this.#name), plain(this.#name)];
    const says = "no batch has run yet";
    this.#put({ "text/html": `<b>${page}</b> ${says}`, "text/plain": `${text} · ${says}` });
  }

  /** Takes the progress of a batch and its KPI rows in output mode update: they replace their windows. */
  update(progress: StreamingQueryProgress, rows?: DataFrame): void {
    this.#progress = progress;
    this.#began ??= timeOf(progress.timestamp);
    this.#read += progress.numInputRows;
    if (rows && rows.height > 0) {
      this.#rows.push(rows);
      rows.getColumn("window_start").toArray().forEach((start) => this.#changed.add(Number(start)));
    }
    const wait = this.#shownAt + 250 - this.#now();
    if (wait <= 0) this.#paint();
    else this.#timer ??= setTimeout(() => this.#paint(), wait);
  }

  async close(): Promise<void> {
    this.#paint({ isLast: true });
    const problem = await this.#shown;
    if (problem) throw problem;
  }

  #paint(state = { isLast: false }): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#shownAt = this.#now();
    if (!this.#progress) return;
    const movedAt = movedAtOf(this.#progress);
    const rate = this.#read / (movedAt - this.#began!) * 1000; // of the run: a last batch is small
    const unit = this.#keys.length > 0 ? "groups" : "windows";
    const parts = [progressLine(this.#name, this.#progress, { ...state, rate, unit })];
    // Nothing has just changed once the query has ended, whenever it was painted last.
    if (state.isLast) this.#changed.clear();
    if (this.#rows.length > 0) {
      const subset = ["window_start", ...this.#keys];
      const rows = pl.concat(this.#rows).unique({ subset, keep: "last" });
      this.#rows = [rows];
      const windows = windowsOfGroups(rows, this.#keys).sort("window_start");
      parts.push(windowTable(windows, this.#changed));
    }
    const join = (type: keyof Content) => parts.map((part) => part[type]).join("\n");
    const content = { "text/html": join("text/html"), "text/plain": join("text/plain") };
    this.#changed.clear();
    this.#put(content, state);
  }

  #put(content: Content, state = { isLast: false }): void {
    this.#shown = this.#shown.then((problem) => problem ?? this.#show(content, state))
      .catch((error) => error);
  }
}

function windowTable(rows: DataFrame, changed: ReadonlySet<number>): Content {
  const newest = rows.tail(12);
  const starts = newest.getColumn("window_start").toArray().map(Number);
  const marked = new Set(starts.flatMap((start, i) => changed.has(start) ? [i] : []));
  const those = marked.size > 0 ? ", just changed ones marked" : "";
  const caption = `The newest ${newest.height} of ${rows.height} windows${those}`;
  return table(newest, { caption, marked, isStatic: true })[jupyterDisplay]();
}

function movedAtOf({ timestamp, durationMs }: StreamingQueryProgress): number {
  return timeOf(timestamp) + (durationMs.triggerExecution ?? 0);
}

function progressLine(
  name: string,
  progress: StreamingQueryProgress,
  { isLast, rate, unit }: {
    readonly isLast: boolean;
    readonly rate: number;
    readonly unit: string;
  },
): Content {
  const { batchId, eventTime, sources, stateOperators } = progress;
  const { rows: { total } } = progress;
  const [end, latest] = [position(sources, "endOffset"), position(sources, "latestOffset")];
  const watermark = timeOf(eventTime.watermark);
  const facts = [
    `batch ${batchId}`,
    `${count(end)} of ${count(latest)} rows`,
    `${count(latest - end)} behind`,
    `${count(rate)} rows/s`,
    `watermark ${watermark > 0 ? clock(watermark, 8) : "–"}`,
    `open ${unit} ${count(stateOperators[0]?.numRowsTotal ?? 0)}`,
    `${count(total.late)} late`,
    `${count(total.rejected)} rejected`,
    `${isLast ? "ended" : "running"}, last batch at ${clock(movedAtOf(progress), 8)} UTC`,
  ];
  const spans = facts.map((fact) => `<span style="white-space:nowrap">${fact}</span>`).join("\n");
  const page = `<div style="max-width:760px;margin-bottom:8px;font-size:13px">
<b>${html(name)}</b><progress aria-label="offset" max="${latest}" value="${end}" style="width:100%">
</progress><div style="display:flex;flex-wrap:wrap;gap:0 16px">${spans}</div></div>`;
  return { "text/html": page, "text/plain": [plain(name), ...facts].join(" · ") };
}

/** Shows in a notebook by display id, else on stderr: its line on a terminal, or only the last. */
function defaultShow(): Show {
  const inPlace = showInPlace();
  if (inPlace) return inPlace;
  const write = (text: string) => Deno.stderr.writeSync(new TextEncoder().encode(text));
  return (content, { isLast }) => {
    const line = content["text/plain"].split("\n")[0]!;
    const isTerminal = Deno.stderr.isTerminal();
    if (isTerminal) write(`\r\x1b[K${line.slice(0, Deno.consoleSize().columns - 1)}`);
    else if (isLast) write(line);
    if (isLast) write("\n");
  };
}
