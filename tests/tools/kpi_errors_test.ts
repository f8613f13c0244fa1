/** What goes wrong around `deno task kpi` is said in one sentence, before anything is written. */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { join } from "node:path";
import { logTopic, ROOT, transactions } from "../faults/program.ts";

async function kpi(args: readonly string[]) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["task", "--quiet", "kpi", ...args],
    cwd: ROOT,
    stdin: "null",
    env: { NO_COLOR: "1" },
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, out: text(stdout), err: text(stderr) };
}

const dir = await Deno.makeTempDir({ prefix: "errors-" });
const source = `log:${dir}/topics`;
const file = join(dir, "file");
const own = ["--checkpoint", join(dir, "new", "checkpoint")];
const good = ["--source", source, ...own, "--sink", `parquet:${join(dir, "new", "out")}`];

const WRONG: readonly (readonly [args: string[], code: number, says: RegExp])[] = [
  [["--watermark", "soon"], 2, /^--watermark must be a duration such as "30 seconds".*"soon"/],
  [["--window", "0 seconds"], 2, /^--window must be a duration .*at least 1 ms, got "0 seconds"/],
  [["--slide", "2 minutes"], 2, /slide/],
  [["--keys", "merchant"], 2, /^--keys should be NAME:TYPE, such as merchant:string.*"merchant"/],
  [["--keys", "a:integer,tp:string"], 2, /^--keys cannot name "tp": the query has a column/],
  [["--trigger", "soon"], 2, /^--trigger should be available-now or a duration/],
  [["--output-mode", "update"], 2, /^--sink parquet:DIR takes --output-mode append only/],
  [["--max-offsets-per-trigger", "0"], 2, /^--max-offsets-per-trigger should be a whole number/],
  [["--threshold", "1.1"], 2, /^--threshold should be a number from 0 to 1, got "1.1"/],
  [["--starting-offsets", '{"0": -5}'], 2, /^--starting-offsets should be .*-2 earliest, got/],
  [["--starting-offsets", '{"0": 0.5}'], 2, /^--starting-offsets should be/],
  [["--starting-offsets", "[1]"], 2, /^--starting-offsets should be/],
  [["--source", "kafka://127.0.0.1:9092"], 2, /^A broker's address should be HOST:PORT/],
  [["--source", "kafka:127.0.0.1:99999"], 2, /^A broker's address should be HOST:PORT/],
  [["--source", "topics"], 2, /^--source should be log:DIR or kafka:HOST:PORT, got "topics"/],
  [["--sink", "csv:x"], 2, /^--sink should be parquet:DIR, jsonl:FILE or console, got "csv:x"/],
  [["--starting-offsets", '{"transactions": {"0": 1}, "b": {"0": 1}}'], 2, /^--starting-offsets/],
  [["--rejected", join(dir, "new", "out")], 1, /^--rejected and --sink parquet both name ".*out"/],
  [["--alerts", join(dir, "new", "out", "a")], 1, /^--alerts ".*a" is inside --sink parquet/],
  [["--sink", `jsonl:${dir}/topics/transactions/x`], 1, /^--sink jsonl ".*x" is inside the topic/],
  [["--sink", `jsonl:${dir}/p`, "--progress", join(dir, "p")], 1, /jsonl and --progress both name/],
  [["--checkpoint", join(dir, "topics", "transactions")], 1, /^--checkpoint and the topic both/],
  [["--sink", "console", "--json"], 2, /^--json and --sink console both print/],
  [["--starting-offsets", '{"7": 1}'], 1, /names partition 7: .* has none, only 0, 1/],
  [["--starting-offsets", '{"0": 999}'], 1, /says 999 for partition 0: .* has offsets 0 to 5/],
  [["--source", `log:${dir}/none`], 1, /^Cannot open the topic "transactions": there is no/],
  [["--topic", "folder"], 1, /partition-1\.jsonl": it is a folder, and a partition should be a/],
  [["--topic", "link"], 1, /partition-1\.jsonl": it is a link to nothing/],
  [["--topic", "pipe"], 1, /partition-1\.jsonl": it is a pipe or a device/],
  [["--checkpoint", file], 1, /^--checkpoint should be a folder, and ".*file" is a file/],
  [["--checkpoint", join(file, "x")], 1, /^Cannot make the folder ".*file\/x": Not a directory/],
  [
    ["--sink", `parquet:${join(dir, "new", "checkpoint", "state")}`],
    1,
    /^--sink parquet ".*state" is inside --checkpoint/,
  ],
  [["--rejected", join(dir, "full")], 1, /^Cannot write to ".*full": it holds "mine"/],
  [["--alerts", join(dir, "full")], 1, /^Cannot write to ".*full": it holds "mine"/],
  [["--provisional", join(dir, "full")], 1, /^Cannot write to ".*full": it holds "mine"/],
  [["--sink", `parquet:${join(dir, "full")}`], 1, /^Cannot write to ".*full": it holds "mine"/],
  [
    ["--sink", `jsonl:${join(dir, "full", "mine")}`],
    1,
    /^Cannot write to ".*mine": this query did not write/,
  ],
  [
    ["--checkpoint", join(dir, "dangling", "x")],
    1,
    /^Cannot make the folder ".*dangling\/x": No such/,
  ],
  [["--sink", `jsonl:${dir}`], 1, /^--sink should be a file, and ".*" is a folder/],
  [["--progress", join(dir, "no", "p")], 1, /^There is no folder ".*no" for --progress/],
  [["--models", join(dir, "no")], 1, /^No model at /],
  [["--model", dir], 1, /^Cannot read ".*": Is a directory; name a file in it/],
];

Deno.test({
  name: "each mistake is told in a sentence, with its exit code, and leaves nothing behind",
  ignore: Deno.build.os === "windows", // it has no such pipes
  async fn() {
    await logTopic(join(dir, "topics")).send(transactions(0, 10));
    await Deno.mkdir(join(dir, "full"));
    await Deno.writeTextFile(join(dir, "full", "mine"), "of another");
    for (const name of ["folder", "link", "pipe"]) {
      await logTopic(join(dir, "topics"), name).send(transactions(0, 10));
      await Deno.remove(join(dir, "topics", name, "partition-1.jsonl"));
    }
    await Deno.mkdir(join(dir, "topics", "folder", "partition-1.jsonl"));
    await Deno.symlink(join(dir, "gone"), join(dir, "topics", "link", "partition-1.jsonl"));
    await Deno.symlink(join(dir, "gone"), join(dir, "dangling"));
    const pipe = join(dir, "topics", "pipe", "partition-1.jsonl");
    ok((await new Deno.Command("mkfifo", { args: [pipe] }).output()).success);
    await Deno.writeTextFile(file, "");
    for (const [args, code, says] of WRONG) {
      const { err, out, ...ended } = await kpi([...good, ...args]);
      match(err, says);
      deepEqual([args, ended.code, out], [args, code, ""]);
      const [sentence, ...rest] = err.trim().split("\n");
      ok(!/\.ts:\d|os error|Uncaught/.test(sentence!), sentence);
      equal(rest.length, code === 2 ? 2 : 0, err); // after a wrong usage: the usage
    }
    const left = (await Array.fromAsync(Deno.readDir(dir))).map(({ name }) => name).sort();
    deepEqual(left, ["file", "full", "topics"]);
    const right = await kpi([...good, "--json"]);
    deepEqual([right.code, right.err], [0, ""]);
    const { rows, sink } = JSON.parse(right.out);
    deepEqual([rows.read, sink], [10, `parquet:${join(dir, "new", "out")}`]);
    equal(rows.counted + rows.late + rows.rejected + rows.open, rows.read);
    await Deno.remove(dir, { recursive: true });
  },
});
