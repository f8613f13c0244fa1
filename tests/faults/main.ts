/**
 * `deno task faults [--seed N] [--crash-states N] [--kills N] [--record] [SUITE …]`: the long run of the fault harness. It prints a table of the
 * faults, how often each was tried and what came of it, and ends with code 1 at the first row that is lost or doubled.
 * `campaign` goes on where a run with its seed was ended, by .cache/faults/.
 * `--record` writes the tables of the suites that ran into docs/faults.md.
 */
import { join } from "node:path";
import { crashSuite, leftOutSuite } from "../crash_states/suite.ts";
import { campaignSuite } from "./campaign_suite.ts";
import { damageSuite, mishapSuite } from "./files.ts";
import { canMount, diskSuite } from "./disks.ts";
import { inProcessSuite } from "./in_process_suite.ts";
import { openKafkaTopics } from "./kafka.ts";
import { killSuite, TOO_LATE } from "./kills.ts";
import { memorySuite } from "./memory.ts";
import { poisonSuite } from "./poison.ts";
import { FaultTable, ROOT } from "./program.ts";
import { lockSuite, signalSuite } from "./processes.ts";
import * as surroundings from "./surroundings.ts";
import { countOf, numberOf, runCommand, UsageError } from "../../tools/command_line.ts";
import { FAULTS } from "../../tools/dev/tasks.ts";
import { missingTools } from "../../tools/kafka/install.ts";
import { showWhile } from "../../tools/status_line.ts";

interface SuiteOptions {
  readonly dir: string;
  readonly table: FaultTable;
  readonly seed: number;
  /** How many states of the disk are tried. */
  readonly crashStates: number;
  /** How many kills the campaign is of. */
  readonly kills: number;
}

const SUITES: Readonly<Record<string, (options: SuiteOptions) => Promise<void>>> = {
  // First: what other suites leave in the heap would hide a growth.
  memory: (options) => memorySuite(options, 60_000_000),
  kills: (options) => killSuite({ ...options, share: 1, random: 60, twice: 40 }),
  kafka: kafkaKills,
  campaign: async (options) => {
    const logs = join(ROOT, ".cache", "faults");
    await Deno.mkdir(logs, { recursive: true });
    await campaignSuite({ ...options, log: join(logs, `campaign-${options.seed}.jsonl`) });
  },
  steps: (options) => inProcessSuite({ ...options, share: 1 }),
  damage: (options) => damageSuite({ ...options, step: 1 }),
  files: (options) => mishapSuite({ ...options, share: 1 }),
  locks: lockSuite,
  folders: surroundings.deletedSuite,
  clocks: surroundings.clockSuite,
  changes: surroundings.changeSuite,
  signals: signalSuite,
  disks: async (options) => {
    if (await canMount()) return await diskSuite(options, 1);
    options.table.add("a full disk", "SKIPPED: needs root on Linux, to mount one");
  },
  retention: (options) => surroundings.retentionSuite(options, 5_000),
  "crash-states": crashSuite,
  "left-out-syncs": leftOutSuite,
  poison: (options) => poisonSuite(options, 1_000_000),
};

async function kafkaKills(options: SuiteOptions): Promise<void> {
  const missing = await missingTools();
  if (missing !== undefined) {
    options.table.add("kill -9, Kafka", `SKIPPED: ${missing}`);
    return;
  }
  const { newTopic, close } = await openKafkaTopics(options.dir);
  try {
    const counts = { share: 0.2, random: 20, twice: 10 };
    await killSuite({ ...options, ...counts, newTopic, source: "Kafka" });
  } finally {
    await close();
  }
}

type Counts = Pick<SuiteOptions, "seed" | "crashStates" | "kills">;

async function main(
  suites: readonly string[],
  { record: isRecord, ...counts }: Counts & { record: boolean },
): Promise<number> {
  const unknown = suites.find((name) => !(name in SUITES));
  if (unknown !== undefined) {
    throw new UsageError(`There is no suite ${unknown}, only ${Object.keys(SUITES).join(", ")}`);
  }
  const root = await Deno.makeTempDir({ prefix: "faults-" });
  let [failed, killed] = [0, 0];
  for (const [name, suite] of Object.entries(SUITES)) {
    if (suites.length > 0 && !suites.includes(name)) continue;
    const table = new FaultTable();
    const started = performance.now();
    const dir = join(root, name);
    await Deno.mkdir(dir);
    try {
      await showWhile(`faults: ${name}`, () => suite({ dir, table, ...counts }));
      await Deno.remove(dir, { recursive: true }).catch(() => {}); // who tidies /tmp may have done so
      console.error(`${name}: ok (${((performance.now() - started) / 1000).toFixed(0)} s)`);
      if (isRecord) await record(name, `${table}`);
    } catch (error) {
      failed++;
      console.error(`${name}: FAILED, see ${dir}`, error);
    }
    console.log(`${table}\n`);
    killed += table.tried(/^kill -9/, TOO_LATE);
  }
  console.log(`${killed} kills; ${failed} of the suites failed.`);
  return failed > 0 ? 1 : 0;
}

/** Writes the table of a suite into docs/faults.md, in place of the one before. */
async function record(suite: string, table: string): Promise<void> {
  const path = join(ROOT, "docs", "faults.md");
  const text = await Deno.readTextFile(path);
  const block = new RegExp(`(<!-- ${suite} -->\\n)[^]*(<!-- /${suite} -->)`);
  if (!block.test(text)) throw new Error(`${path} has no place for the suite ${suite}`);
  await Deno.writeTextFile(path, text.replace(block, (_, a, b) => `${a}\n${table}\n\n${b}`));
}

if (import.meta.main) {
  Deno.exit(
    await runCommand(FAULTS, Deno.args, ({ values, operands }) => {
      const crashStates = countOf("crash-states", values["crash-states"]);
      const kills = countOf("kills", values.kills);
      const seed = numberOf("seed", values.seed);
      return main(operands, { seed, crashStates, kills, record: values.record });
    }),
  );
}
