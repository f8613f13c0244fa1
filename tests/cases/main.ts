import { type Check, type Json, NotRun } from "./check.ts";
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

/** Who plays a section of a case file. */
const PLAYERS: Readonly<Record<string, (c: Json) => Check[] | Promise<Check[]>>> = {
  cases: playSparkCase,
  derived_cases: playSparkCase,
  log_cases: playLogCase,
  flink: playFlink,
  kafka_streams: playKafkaStreams,
  quix: playQuix,
  bytewax_window_assignment: playAssignment,
  bytewax_event_clock: playEventClock,
  risingwave: playRisingWave,
};

/** Sections with no cases in them. */
const PROSE = ["meta", "not_encoded", "sources"];

/** Plays each case of a file of public test cases through the engine, in the order of the file. */
export async function* playCases(path: string): AsyncGenerator<Outcome> {
  for (const [section, cases] of Object.entries<Json>(JSON.parse(await Deno.readTextFile(path)))) {
    if (PROSE.includes(section)) continue;
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
  const [file] = Deno.args;
  if (file === undefined || Deno.args.length > 1) {
    console.error("Usage: deno task cases FILE");
    Deno.exit(2);
  }
  for await (const outcome of playCases(file)) console.log(JSON.stringify(outcome));
}
