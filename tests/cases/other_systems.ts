import pl from "polars";
import { advanceState, applyStep, type Group, newState } from "../../lib/windows/state.ts";
import { partialGroups } from "../../lib/windows/frame.ts";
import { type Aggregation, typeGrouping } from "../../lib/windows/aggregation.ts";
import { type Aggregate, avg, count, max, min, sum } from "../../lib/windows/functions.ts";
import type { OutputMode } from "../../lib/core/types.ts";
import { advanceWatermark } from "../../lib/windows/watermark.ts";
import type { WindowSpec } from "../../lib/windows/window.ts";
import { type Check, equals, type Json, NotRun, sameRows } from "./check.ts";

/** Numbers of a case are used as milliseconds: the core only compares and adds them. */
interface Element {
  readonly time: number;
  readonly value?: number;
  readonly key?: string;
}

const AGGREGATES: Readonly<Record<string, Aggregate>> = {
  count: count(),
  sum: sum("value"),
  min: min("value"),
  max: max("value"),
  mean: avg("value"),
  avg: avg("value"),
};

/** The engine's core, one row a batch: systems that move their watermark with each row. */
class RowByRow {
  readonly #window: WindowSpec;
  readonly #aggregation: Aggregation;
  readonly #mode: OutputMode;
  readonly #state = newState();

  constructor(window: WindowSpec, aggregate: string, mode: OutputMode) {
    if (!(aggregate in AGGREGATES)) throw new NotRun(`the aggregate ${aggregate}`);
    this.#window = window;
    this.#aggregation = typed(window, AGGREGATES[aggregate]!);
    this.#mode = mode;
  }

  /** Runs a batch of one row, or of none, under one watermark; returns rows [key?, start, end, value]. */
  step(element: Element | undefined, watermark: number): { rows: Json[][]; isLate: boolean } {
    const window = this.#window;
    const groups = element === undefined ? [] : groupsOf(element, this.#aggregation);
    const step = advanceState(this.#state, groups, {
      mode: this.#mode,
      size: window.size,
      merges: this.#aggregation.slots.map(({ merge }) => merge),
      lateWatermark: watermark,
      watermark,
    });
    applyStep(this.#state, step);
    const rows = step.emitted.map(({ start, keys, slots }) => [
      ...keys.filter((key) => key !== null),
      start,
      start + window.size,
      this.#aggregation.results[0]!.finish(slots) as number,
    ]);
    // An element is late when all its windows are.
    return { rows, isLate: element !== undefined && step.lateRows === groups.length };
  }
}

function typed(window: WindowSpec, value: Aggregate): Aggregation {
  return typeGrouping(frameOf(), { window, keys: ["key"], aggregates: { value } });
}

function groupsOf(element: Element, aggregation: Aggregation) {
  return partialGroups(frameOf(element), Float64Array.of(element.time), aggregation);
}

/** A table of one element, or of none. */
function frameOf(...elements: readonly Element[]) {
  return pl.DataFrame([
    pl.Series("key", elements.map(({ key }) => key ?? null), pl.Utf8),
    pl.Series("value", elements.map(({ value }) => value ?? 1), pl.Float64),
  ]);
}

function windowOf(c: Json): WindowSpec {
  if (c.window === undefined) throw new NotRun("session windows");
  return {
    size: c.window,
    slide: c.slide ?? c.step ?? c.advance ?? c.window,
    offset: c.offset ?? 0,
  };
}

/** Plays a Flink case: elements and explicit watermarks; a window fires at its last millisecond. */
export function playFlink(c: Json): Check[] {
  const window = windowOf(c);
  if (c.allowedLateness > 0) {
    throw new NotRun("windows that fire before they are final, and again (allowed lateness)");
  }
  const engine = new RowByRow(window, "sum", "append");
  const out: Json[] = [];
  const late: Json[] = [];
  let watermark = -Infinity;
  for (const { el, wm } of c.steps) {
    if (el === undefined && wm === undefined) throw new NotRun("a step other than el and wm");
    // Flink's watermark t says that no element up to and including t will come.
    if (wm !== undefined) watermark = wm + 1;
    const [key, value, time] = el ?? [];
    const element = el === undefined ? undefined : { key, value, time };
    const { rows, isLate } = engine.step(element, watermark);
    for (const [key, , end, value] of rows) out.push([key, value, end - 1]);
    if (isLate) late.push(el);
  }
  const checks = [sameRows("out", out, c.out)];
  if (c.late !== undefined) checks.push(sameRows("late", late, c.late));
  return checks;
}

/** Plays a Kafka Streams case: stream time moves with each record, a window closes after its grace. */
export function playKafkaStreams(c: Json): Check[] {
  const window = windowOf(c);
  const checks: Check[] = [];
  for (const [name, mode] of [["raw", "update"], ["final", "append"]] as const) {
    if (c[name] === undefined) continue;
    const engine = new RowByRow(window, c.agg ?? "count", mode);
    let watermark = -Infinity;
    const rows = c.in.flatMap((record: Json) => {
      const [time, key, value] = Array.isArray(record)
        ? [record[1], record[0], record[2]]
        : [record];
      watermark = advanceWatermark(watermark, { maxEventTime: time, delay: c.grace });
      return engine.step({ time, key, value }, watermark).rows;
    });
    checks.push(equals(name, rows, c[name]));
  }
  return checks;
}

/** Plays a Quix case: records [key, value, time], one clock for all keys of a partition. */
export function playQuix(c: Json): Check[] {
  if (c.strategy === "key") throw new NotRun("a watermark for each key");
  const engine = new RowByRow(windowOf(c), c.agg, "append");
  let watermark = -Infinity;
  const expired: Json[][] = c.in.map(([key, value, time]: Json[]) => {
    watermark = advanceWatermark(watermark, { maxEventTime: time, delay: c.grace });
    return engine.step({ key, value, time }, watermark).rows;
  });
  const checks: Check[] = [];
  if (c.expiredAfterLast !== undefined) {
    checks.push(sameRows("expiredAfterLast", expired.at(-1)!, c.expiredAfterLast));
  }
  if (c.expired !== undefined) checks.push(sameRows("expired", expired.flat(), c.expired));
  return checks;
}

/** Plays a Bytewax case: which windows, counted from that at 0, contain a time. */
export function playAssignment(c: Json): Check[] {
  const [size, slide, offset, time] = [c.length, c.slide ?? c.length, c.align ?? 0, c.t]
    .map((seconds) => seconds * 1000) as [number, number, number, number];
  const groups: Group[] = groupsOf({ time }, typed({ size, slide, offset }, count()));
  const ids = groups.map(({ start }) => (start - offset) / slide).sort((a, b) => a - b);
  return [equals("windowIds", ids, c.windowIds)];
}

/** Plays a Bytewax case of the event clock, as far as it is moved by rows alone. */
export function playEventClock(c: Json): Check[] {
  if (typeof c.watermark !== "number" || c.watermark < 0) {
    throw new NotRun("the watermark starts at 0, as in Spark, and is never infinite");
  }
  let watermark = 0;
  for (const { item } of c.steps) {
    if (item === undefined) throw new NotRun("the watermark moves with rows, not with the clock");
    watermark = advanceWatermark(watermark, { maxEventTime: item, delay: c.wait });
  }
  return [equals("watermark", watermark, c.watermark)];
}

/** Plays a RisingWave case: the watermark after each row. */
export function playRisingWave(c: Json): Check[] {
  let watermark = 0;
  const watermarks = c.events.map((time: string) => {
    const maxEventTime = Date.parse(`1970-01-01T${time}Z`);
    watermark = advanceWatermark(watermark, { maxEventTime, delay: c.delay * 1000 });
    return new Date(watermark).toISOString().slice(11, 19);
  });
  return [equals("watermarks", watermarks, c.watermarks)];
}
