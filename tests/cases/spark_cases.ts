import { type EventTimeStats, eventTimeStats, mergeStats } from "../../lib/windows/watermark.ts";
import { type Check, equals, type Json, NotRun, refuseUnknown } from "./check.ts";
import { playSetting } from "./settings.ts";
import { QueryScript } from "./query_script.ts";

/** Why an operator has no counterpart, by the beginning of its name. */
const NO_COUNTERPART: readonly (readonly [RegExp, string])[] = [
  [/dedup/i, "removal of duplicates"],
  [/session/i, "session windows"],
  [/join/i, "joins"],
  [/Then/, "an aggregation of an aggregation"],
  [/multiInput/, "several inputs with a watermark each"],
  [/^rawTimestamp/, "groups by the event time itself, without a window"],
  [/^batch$/, "a query over a table that does not grow"],
  [/^globalLast$/, "last(): it does not merge"],
  [/PrunedByBatchTime$/, "an expression over the time of the batch"],
];

const KNOWN =
  "operator steps delay outputMode window slide offset startTime noDataBatches sink key " +
  "expand sortedBy";

/** Plays a case of one of Spark's suites: a script of steps against one query. */
export async function playSparkCase(c: Json): Promise<Check[]> {
  const gap = NO_COUNTERPART.find(([name]) => name.test(c.operator));
  if (gap !== undefined) throw new NotRun(gap[1]);
  refuseUnknown(c, KNOWN);
  if (c.sink !== undefined && c.sink !== "parquet") throw new NotRun(`the sink ${c.sink}`);
  if (c.operator === "config") return (await Promise.all(c.steps.map(playSetting))).flat();
  if (c.operator === "eventTimeStats") return playEventTimeStats(c);
  const script = new QueryScript(c);
  try {
    const checks: Check[] = [];
    for (const step of c.steps) checks.push(...await script.play(step));
    return checks;
  } finally {
    await script.close();
  }
}

/** Plays statistics of event times that are added to and merged; null stands for no rows. */
function playEventTimeStats(c: Json): Check[] {
  const none = eventTimeStats(new Float64Array());
  let stats = none;
  return c.steps.flatMap((step: Json) => {
    if ("expect" in step) return [statsCheck(stats, step.expect)];
    if ("init" in step) stats = step.init ?? none;
    else if ("add" in step) stats = mergeStats(stats, eventTimeStats(Float64Array.of(step.add)));
    else stats = mergeStats(stats, step.merge ?? none);
    return [];
  });
}

function statsCheck(stats: EventTimeStats, want: Json): Check {
  if (want === null) return equals("expect", stats.count, 0);
  const got = Object.fromEntries(Object.entries(stats).filter(([name]) => name in want));
  const ok = Object.keys(want).every((name) =>
    Math.abs(got[name]! - want[name]) <= 1e-12 * Math.abs(want[name])
  );
  return { check: "expect", got, want, ok };
}
