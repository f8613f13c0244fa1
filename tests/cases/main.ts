import { runCommand } from "../../tools/command_line.ts";
import { CASES } from "../../tools/dev/tasks.ts";
import { type Check, type Json, NotRun, refuseUnknown } from "./check.ts";
import { playLogCase } from "./log_cases.ts";
import {
  playAssignment,
  playEventClock,
  playFlink,
  playKafkaStreams,
  playQuix,
  playRisingWave,
} from "./other_systems.ts";
import { playSparkCase } from "./spark_cases.ts";

/** What came of one case. */
export interface Outcome {
  readonly id: string;
  readonly outcome: "passed" | "failed" | "not run";
  /** Why it failed or was not run. */
  readonly why?: string;
  readonly checks: readonly Check[];
}

type Player = (c: Json) => Check[] | Promise<Check[]>;

/** Plays cases that have these settings and, in `steps`, these kinds of step, and no others. */
function knowing(settings: string, play: Player, steps?: string): Player {
  return (c) => {
    refuseUnknown(c, settings);
    if (steps !== undefined) c.steps.forEach((step: Json) => refuseUnknown(step, steps, "a step"));
    return play(c);
  };
}

const WINDOW = "window slide step advance offset";

/** Who plays a section of a case file. */
const PLAYERS: Readonly<Record<string, Player>> = {
  cases: playSparkCase, // which knows its settings
  derived_cases: playSparkCase,
  log_cases: knowing("facts listingAfterAdd partitions batches", playLogCase),
  flink: knowing(`${WINDOW} allowedLateness purgeOnFire steps out late`, playFlink, "el wm"),
  kafka_streams: knowing(`${WINDOW} grace agg in raw final sessionGapInclusive`, playKafkaStreams),
  quix: knowing(`${WINDOW} grace strategy agg in expired expiredAfterLast`, playQuix),
  bytewax_window_assignment: knowing("length slide align t windowIds", playAssignment),
  bytewax_event_clock: knowing(
    "wait steps watermark",
    playEventClock,
    "item systemTimePasses eof",
  ),
  risingwave: knowing("delay events watermarks", playRisingWave),
};

/** Sections with no cases in them. */
const PROSE = ["meta", "not_encoded", "sources"];

/** Plays each case of a file of public test cases through the engine, in the order of the file. */
export async function* playCases(path: string): AsyncGenerator<Outcome> {
  let sections: Json;
  try {
    sections = JSON.parse(await Deno.readTextFile(path));
  } catch (cause) {
    throw new Error(`Cannot read the cases of "${path}": ${(cause as Error).message}`, { cause });
  }
  for (const [section, cases] of Object.entries<Json>(sections)) {
    if (PROSE.includes(section)) continue;
    if (!Array.isArray(cases)) throw new Error(`"${section}" of "${path}" is no list of cases`);
    for (const c of cases) yield await play(c, section);
  }
}

async function play(c: Json, section: string): Promise<Outcome> {
  const { id } = c;
  try {
    const player = PLAYERS[section];
    if (player === undefined) {
      throw new NotRun(/session/.test(section) ? "session windows" : `section ${section}`);
    }
    const checks = await player(c);
    if (checks.length === 0) throw new NotRun("it checks nothing that this engine reports");
    const wrong = checks.filter(({ ok }) => !ok);
    if (wrong.length === 0) return { id, outcome: "passed", checks };
    const why = wrong.map(({ check, got, want }) =>
      `${check}: got ${JSON.stringify(got)}, not ${JSON.stringify(want)}`
    );
    return { id, outcome: "failed", why: why.join("; "), checks };
  } catch (error) {
    if (error instanceof NotRun) return { id, outcome: "not run", why: error.message, checks: [] };
    return { id, outcome: "failed", why: String(error), checks: [] };
  }
}

if (import.meta.main) {
  Deno.exit(
    await runCommand(CASES, Deno.args, async ({ operands: [file] }) => {
      for await (const outcome of playCases(file!)) console.log(JSON.stringify(outcome));
    }),
  );
}
