/** The tasks of deno.json for those who change this project; docs/commands.md is made of these tables. */
import { command } from "../command_line.ts";

const NOTEBOOKS = {
  value: "NOTEBOOK",
  help: "an .ipynb file (default: all of notebooks/)",
  least: 0,
  most: Infinity,
} as const;

export const OK = command({
  name: "ok",
  does: "runs the one gate: format, lint, types, notebooks, tests",
  options: {},
  examples: ["ok"],
});

export const TEST = command({
  name: "test",
  does: 'runs the tests and the examples in the docs; the last line is "N passed, N failed"',
  options: {},
  passesOn: "deno test",
  examples: ["test", 'test tests/query_test.ts --filter "restart"'],
});

export const NOTEBOOKS_CHECK = command({
  name: "notebooks:check",
  does: "type-checks and lints the code cells of notebooks and looks for saved errors",
  operands: NOTEBOOKS,
  options: {},
  examples: ["notebooks:check"],
});

export const NOTEBOOKS_FMT = command({
  name: "notebooks:fmt",
  does: "formats notebooks, then checks them as notebooks:check does",
  operands: NOTEBOOKS,
  options: {},
  examples: ["notebooks:fmt notebooks/task_d.ipynb"],
});

export const GALLERY = command({
  name: "gallery",
  does: "takes the pictures of docs/images from report/task_d.html; needs Chromium",
  options: {},
  examples: ["gallery"],
});

export const WASM = command({
  name: "wasm",
  does: "makes lib/json/rows.wasm of the AssemblyScript in lib/json/assembly",
  options: { check: { help: "writes nothing; fails if a file is not what its source gives" } },
  examples: ["wasm --check"],
});

export const COMMANDS = command({
  name: "commands",
  does: "writes docs/commands.md, docs/reference.md and the README's list of tasks from the code",
  options: { check: { help: "writes nothing; fails if they are not what the code gives" } },
  examples: ["commands --check"],
});

export const SCENARIO = command({
  name: "scenario",
  does:
    "plays a folder such as those of tests/golden through the engine, prints its batches as JSON",
  operands: {
    value: "DIR",
    help: "holds input/*.jsonl and expected.json, whose settings and ops are read",
    least: 1,
    most: 1,
  },
  options: {},
  examples: ["scenario tests/golden/01_in_order"],
});

export const CASES = command({
  name: "cases",
  does: "plays a file of public test cases, prints one JSON line a case: passed, failed or not run",
  operands: {
    value: "FILE",
    help: "in the form of tests/cases/streaming_cases.json",
    least: 1,
    most: 1,
  },
  options: {},
  examples: ["cases tests/cases/streaming_cases.json"],
});

export const FAULTS = command({
  name: "faults",
  does:
    "runs the long fault campaign: kills, damage, full disks; prints what was tried and came of it",
  operands: { value: "SUITE", help: "one of them (default: all)", least: 0, most: Infinity },
  options: {
    seed: { value: "N", default: "1", help: "of what is drawn at random" },
    "crash-states": {
      value: "N",
      default: "100000",
      help: "states of the disk after a power cut that crash-states tries",
    },
    kills: { value: "N", default: "10000", help: "kills over random settings in campaign" },
    record: { help: "writes the tables of the suites that ran into docs/faults.md" },
  },
  examples: ["faults kills --seed 7"],
});

export const BENCH = command({
  name: "bench",
  does: "times this project beside its peers on the same bytes and compares their window tables",
  options: {
    quick: { help: "few rows, few rounds: a trial of the benchmark, written to .cache/bench" },
    rounds: {
      value: "N",
      help:
        "runs of each program, of which medians are shown; short ones have three times as many (default: 5; 1 with --quick)",
    },
    only: { value: "ID,…", help: "these trials only, written to .cache/bench" },
    long: { help: "measures memory over ten times the rows too; takes tens of GB for a while" },
    real: { value: "FILE", help: "plays a recording, .parquet or .csv, too" },
    resume: { help: "goes on with a run of this commit that was cut off" },
    against: {
      value: "DIR",
      help: "compares with another checkout instead: both models, from a topic log and from Kafka",
    },
    straight: {
      help: "starts our program as deno run -A tools/kpi/kpi.ts, for a profiler; to .cache/bench",
    },
  },
  examples: ["bench --long", "bench --quick --only kafka", "bench --against ../before"],
});
