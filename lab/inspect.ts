import { Buffer } from "node:buffer";
import { join } from "node:path";
import { batchIds } from "../lib/checkpoint/checkpoint.ts";
import { openLines } from "../lib/checkpoint/lines.ts";
import { StateLog } from "../lib/checkpoint/state_log.ts";
import {
  type CommitEntry,
  type Cursor,
  NO_COMMIT,
  NO_OFFSETS,
  type OffsetEntry,
  resume,
} from "../lib/checkpoint/resume.ts";
import type { RowTotals } from "../lib/windows/accounting.ts";
import { isoText, isoTime } from "../lib/core/time.ts";
import { groupsIn, plainKey } from "../lib/windows/state.ts";
import type { Offsets } from "../lib/core/types.ts";
import { readFile } from "../lib/files.ts";

/** A batch as the two logs tell it. */
export interface InspectedBatch {
  readonly batchId: number;
  /** Where the batch ends, one entry a source: `{"transactions": {"0": 17}}`. */
  readonly end: readonly unknown[];
  readonly watermark: string;
  readonly planned: string;
  readonly committed: boolean;
  readonly nextWatermark: string | null;
  readonly conf: Readonly<Record<string, string>>;
}

export interface Inspection {
  readonly writtenBy: "this program" | "Spark";
  readonly queryId: string | null;
  /** What a restart may not change; null in Spark's, which does not record it. */
  readonly query: Readonly<Record<string, string>> | null;
  /** Where the first batch began. */
  readonly initialOffsets: unknown;
  readonly batches: readonly InspectedBatch[];
  /** What a restart will do; null if it would be refused, and `problems` says why. */
  readonly restart: {
    readonly batchId: number;
    readonly rerun: boolean;
    readonly watermark: string;
  } | null;
  /** The windows that are open after the last committed batch; null in Spark's, whose state is binary. */
  readonly openWindows: readonly { start: string; keys: readonly unknown[]; rows: number }[] | null;
  /** What became of all rows: read = counted + late + rejected + open. */
  readonly rows: RowTotals & { readonly open: number } | null;
  readonly settingsChanges: readonly {
    readonly batchId: number;
    readonly setting: string;
    readonly was: string | null;
    readonly is: string | null;
  }[];
  /** The process that holds the checkpoint, or that held it when it ended abruptly. */
  readonly lockedBy: string | null;
  readonly problems: readonly string[];
}

/** Open windows or groups that the description lists. */
const MOST_LINES = 50;

type Lines = readonly Record<string, unknown>[];

/** Reads a checkpoint folder. What is damaged is named in `problems`; throws if `dir` is no checkpoint. */
export async function inspectCheckpoint(dir: string): Promise<Inspection> {
  const problems: string[] = [];
  const metadataText = await readFile(join(dir, "metadata"));
  if (metadataText === undefined && await readFile(join(dir, "sources", "0", "0")) === undefined) {
    throw new Error(`"${dir}" is no checkpoint: it has no file "metadata"`);
  }
  const isOurs = metadataText?.includes('"checksum"') ??
    await readFile(join(dir, "lock")) !== undefined;
  const attempt = async <T>(task: () => T | Promise<T>): Promise<T | undefined> => {
    try {
      return await task();
    } catch (error) {
      problems.push((error as Error).message);
    }
  };
  const readLines = (place: string, prefix = ""): Promise<Lines | undefined> =>
    attempt(async () => {
      const path = join(dir, place);
      const bytes = Buffer.concat([Buffer.from(prefix), await Deno.readFile(path)]);
      return isOurs
        ? [...openLines(path, place, bytes)].flat()
        : sparkLines(path, bytes.toString());
    });
  const ids = (folder: string) => attempt(() => batchIds(join(dir, folder)));
  const metadata = (await readLines("metadata", "v1\n"))?.[0];
  // Read only until batch 0 is committed, so that it may be gone.
  const hasInitial = await readFile(join(dir, "sources", "0", "0")) !== undefined;
  const initial = hasInitial ? await readLines("sources/0/0") : undefined;
  const commits = new Map<number, CommitEntry>();
  for (const id of await ids("commits") ?? []) {
    const entry = (await readLines(`commits/${id}`))?.[0];
    if (entry) commits.set(id, entry as unknown as CommitEntry);
  }
  const planned = new Map<number, OffsetEntry & { sources: Lines }>();
  for (const id of await ids("offsets") ?? []) {
    const [head, ...sources] = await readLines(`offsets/${id}`) ?? [];
    const end = Object.values(sources[0] ?? {})[0] as Offsets;
    if (head) planned.set(id, { ...head as unknown as OffsetEntry, end, sources });
  }
  const batches = [...planned];
  const damaged = problems.length > 0;
  const cursor = await attempt(() =>
    resume(new Map([[-1, NO_OFFSETS], ...planned]), new Map([[-1, NO_COMMIT], ...commits]))
  );
  const state = isOurs && cursor && cursor.batchId > 0
    ? await attempt(() => new StateLog(dir).read(cursor.batchId - 1))
    : undefined;
  const openWindows = state && groupsIn(state.state).map(({ start, keys, rows }) => ({
    start: isoText(start),
    keys: keys.map(plainKey),
    rows,
  }));
  return {
    writtenBy: isOurs ? "this program" : "Spark",
    queryId: metadata?.id as string ?? null,
    query: metadata?.query as Inspection["query"] ?? null,
    initialOffsets: initial?.at(-1) ?? null,
    batches: batches.map(([batchId, entry]) => ({
      batchId,
      end: entry.sources,
      watermark: isoTime(entry.batchWatermarkMs),
      planned: isoTime(entry.batchTimestampMs),
      committed: commits.has(batchId),
      nextWatermark: commits.has(batchId)
        ? isoTime(commits.get(batchId)!.nextBatchWatermarkMs)
        : null,
      conf: entry.conf,
    })),
    restart: damaged || !cursor ? null : restartOf(cursor),
    openWindows: openWindows ?? null,
    rows: state ? { ...state.total, open: state.state.rows } : null,
    settingsChanges: batches.slice(1).flatMap(([batchId, { conf }], i) => {
      const before = batches[i]![1].conf;
      return Object.keys({ ...before, ...conf }).filter((key) => before[key] !== conf[key])
        .map((setting) => {
          return { batchId, setting, was: before[setting] ?? null, is: conf[setting] ?? null };
        });
    }),
    lockedBy: await readFile(join(dir, "lock")) || null,
    problems,
  };
}

/** Tells an inspection in words, one thing a line. */
export function describeInspection(found: Inspection): string {
  const { batches, restart, openWindows, rows } = found;
  const last = batches.at(-1), committed = batches.filter((batch) => batch.committed);
  const offsets = (end: readonly unknown[]) =>
    end.map((source) => JSON.stringify(source)).join(" ");
  const span = batches.length === 0 ? "" : ` (${batches[0]!.batchId} to ${last!.batchId})`;
  const lines = [
    `Query ${found.queryId ?? "unknown"}, written by ${found.writtenBy}`,
    ...Object.entries(found.query ?? {}).map(([key, value]) => `  ${key}: ${value || "none"}`),
    ...found.lockedBy === null
      ? []
      : [`Lock: process ${found.lockedBy}, running or ended abruptly`],
    `Began at ${JSON.stringify(found.initialOffsets)}`,
    `Batches here: ${batches.length} planned${span}, ${committed.length} of them committed`,
    ...last === undefined ? [] : [
      `Batch ${last.batchId} ends before ${
        offsets(last.end)
      }, with the watermark ${last.watermark}` +
      (last.committed ? `, then ${last.nextWatermark}` : ""),
    ],
    ...Object.entries(last?.conf ?? {}).map(([key, value]) => `  ${key}: ${value}`),
    ...found.settingsChanges.map(({ batchId, setting, was, is }) =>
      `From batch ${batchId} on, ${setting} is ${is ?? "not set"}; it was ${was ?? "not set"}`
    ),
    ...found.problems.map((problem) => `Problem: ${problem}`),
    restart === null
      ? "A restart is refused, see the problems"
      : restart.rerun
      ? `A restart runs batch ${restart.batchId} again, with the same offsets and the watermark ${restart.watermark}`
      : `A restart goes on with batch ${restart.batchId} and the watermark ${restart.watermark}`,
  ];
  if (openWindows !== null) lines.push(...windowLines(openWindows));
  if (rows !== null) {
    const { read, counted, late, rejected, open } = rows;
    lines.push(
      `Rows: ${read} read = ${counted} counted + ${late} late + ${rejected} rejected + ${open} open`,
    );
  }
  return lines.join("\n");
}

/** Lists the open windows; of many groups only how many a window has, since there may be millions. */
function windowLines(groups: NonNullable<Inspection["openWindows"]>): string[] {
  const windows = Map.groupBy(groups, ({ start }) => start);
  const inGroups = windows.size === groups.length ? "" : `, in ${groups.length} groups`;
  const lines = groups.length <= MOST_LINES
    ? groups.map(({ start, keys, rows }) =>
      `  ${start}${keys.length > 0 ? ` ${JSON.stringify(keys)}` : ""}: ${rows} rows`
    )
    : windows.entries().take(MOST_LINES).map(([start, of]) => {
      const rows = of.reduce((sum, { rows }) => sum + rows, 0);
      return `  ${start}: ${of.length > 1 ? `${of.length} groups, ` : ""}${rows} rows`;
    }).toArray();
  const more = Math.max(0, windows.size - MOST_LINES);
  return [
    `Open windows: ${windows.size}${inGroups}`,
    ...lines,
    ...more > 0 ? [`  and ${more} more; --json lists all`] : [],
  ];
}

function restartOf({ batchId, planned, watermark }: Cursor): NonNullable<Inspection["restart"]> {
  return { batchId, rerun: planned !== undefined, watermark: isoTime(watermark) };
}

/** Spark puts a NUL before the first offsets of a Kafka source. */
function sparkLines(path: string, text: string): Lines {
  const [version, ...lines] = text.replace(/^\0/, "").split("\n");
  if (version !== "v1") throw new SyntaxError(`Cannot read "${path}": expected v1, got ${version}`);
  try {
    return lines.map((line) => JSON.parse(line));
  } catch (cause) {
    throw new SyntaxError(`Cannot read "${path}": ${(cause as Error).message}`, { cause });
  }
}
