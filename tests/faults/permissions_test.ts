/** `deno task kpi` may touch what its options name, and nothing else. */
import { deepEqual, equal, match, ok, throws } from "node:assert/strict";
import { join } from "node:path";
import { parseCommand, UsageError } from "../../tools/command_line.ts";
import { kpiPlan } from "../../tools/kpi/kpi_options.ts";
import { kpiAccess, permissionFlags, replayAccess } from "../../tools/run.ts";
import { KPI, REPLAY } from "../../tools/tasks.ts";
import { until } from "./until.ts";
import { kpiArgs, logTopic, placeIn, ROOT, startKpi, transactions } from "./program.ts";
import { readTables, sameTables } from "./tables.ts";

const RUN = ["run", "--allow-read", "--allow-write", "--allow-run", "--no-prompt"];

/** Runs tools/run.ts as its task does. */
function launch(args: readonly string[]): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: [...RUN, join(ROOT, "tools", "run.ts"), ...args],
    cwd: ROOT,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

const accessOf = (args: readonly string[]) => kpiAccess(kpiPlan(parseCommand(KPI, args).values));

async function resultOf(process: Deno.ChildProcess): Promise<{ code: number; stderr: string }> {
  const { code, stderr } = await process.output();
  return { code, stderr: new TextDecoder().decode(stderr) };
}

async function newPlace() {
  const place = placeIn(await Deno.makeTempDir({ prefix: "permissions, " })); // a comma in a list of paths
  const topic = logTopic(join(place.dir, "topics"));
  await topic.send(transactions(0, 300));
  return { place, topic };
}

Deno.test("the query runs with what its options name, to parquet and to jsonl", async () => {
  const { place, topic } = await newPlace();
  const parquet = await resultOf(launch(["kpi", ...kpiArgs(topic, place)]));
  equal(parquet.code, 0, parquet.stderr);
  const tables = await readTables(place);
  sameTables(tables, tables, 300);
  const file = join(place.dir, "out.jsonl");
  const options = ["--sink", `jsonl:${file}`, "--checkpoint", join(place.dir, "other")];
  const jsonl = await resultOf(
    launch(
      ["kpi", ...kpiArgs(topic, place, options)].filter((arg, i, all) =>
        ![arg, all[i - 1]].some((option) => /^--(rejected|alerts)$/.test(option ?? ""))
      ),
    ),
  );
  equal(jsonl.code, 0, jsonl.stderr);
  ok((await Deno.readTextFile(file)).split("\n").length > 5);
  await Deno.remove(place.dir, { recursive: true });
});

Deno.test("the query cannot write, read, run or reach anything else", async () => {
  const { place, topic } = await newPlace();
  await Deno.mkdir(place.checkpoint);
  const probe = join(place.checkpoint, "probe.ts"); // in a folder that it may read
  const elsewhere = join(place.dir, "elsewhere");
  await Deno.writeTextFile(elsewhere, "secret");
  await Deno.writeTextFile(
    probe,
    `
    const attempts = {
      write: () => Deno.writeTextFileSync(${JSON.stringify(elsewhere)}, "x"),
      topic: () => Deno.writeTextFileSync(${
      JSON.stringify(join(place.dir, "topics/transactions/partition-0.jsonl"))
    }, "x"),
      read: () => Deno.readTextFileSync(${JSON.stringify(elsewhere)}),
      run: () => new Deno.Command(Deno.execPath()).outputSync(),
      net: () => Deno.connect({ hostname: "127.0.0.1", port: 9 }),
      env: () => Deno.env.get("HOME"),
      allowed: () => Deno.writeTextFileSync(${JSON.stringify(join(place.checkpoint, "x"))}, "x"),
    };
    for (const [name, attempt] of Object.entries(attempts)) {
      try { await attempt(); console.log(name, "done"); } catch (error) { console.log(name, error.name); }
    }`,
  );
  const flags = permissionFlags(accessOf(kpiArgs(topic, place)));
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["run", ...flags, probe] })
    .output();
  deepEqual(new TextDecoder().decode(stdout).trim().split("\n"), [
    "write NotCapable",
    "topic NotCapable",
    "read NotCapable",
    "run NotCapable",
    "net NotCapable",
    "env NotCapable",
    "allowed done",
  ]);
  await Deno.remove(place.dir, { recursive: true });
});

Deno.test("only the hosts of the bootstrap list can be reached, and only Kafka's variables read", () => {
  const flags = permissionFlags(
    accessOf(["--source", "kafka:a.example:9092,[::1]:9093", "--checkpoint=c"]),
  );
  ok(flags.includes("--allow-net=a.example,localhost,127.0.0.1,[::1]"));
  match(
    flags.find((flag) => flag.startsWith("--allow-env"))!,
    /^--allow-env=ORT_DISABLE_TELEMETRY(,(KAFKA\w*\*?|NAPI_RS_\*|NODE_ENV))+$/,
  );
  const args = ["--from", "f.csv", "--to", "log:data/topics", "--topic", "t"];
  const { write, net } = replayAccess(parseCommand(REPLAY, args).values);
  deepEqual([write, net], [[join("data/topics", "t")], []]);
});

Deno.test("ONNX Runtime notes nothing of a run in the home folder, to send it later", async () => {
  const { place, topic } = await newPlace();
  await topic.send(transactions(300, 300));
  const info = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output();
  const { denoDir } = JSON.parse(new TextDecoder().decode(info.stdout));
  const home = join(place.dir, "home");
  await Deno.mkdir(home);
  const { code, stderr } = await resultOf(
    new Deno.Command(Deno.execPath(), {
      args: ["task", "-q", "kpi", ...kpiArgs(topic, place)],
      env: { HOME: home, DENO_DIR: denoDir, ORT_DISABLE_TELEMETRY: "" },
      cwd: ROOT,
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn(),
  );
  deepEqual([code, stderr], [0, ""]);
  deepEqual(Array.from(Deno.readDirSync(home), ({ name }) => name), []);
  await Deno.remove(place.dir, { recursive: true });
});

Deno.test("a thread that may not be loaded is said once, and costs no more than the thread", async () => {
  const { place, topic } = await newPlace();
  await topic.send(transactions(300, 40_000));
  const big = ["--max-offsets-per-trigger", "20000"];
  await Deno.mkdir(place.dir, { recursive: true });
  for (const folder of [place.checkpoint, place.sink, place.rejected, place.alerts]) {
    await Deno.mkdir(folder);
  }
  const lib = join(ROOT, "lib");
  const flags = permissionFlags(accessOf(kpiArgs(topic, place, big)))
    .map((flag) => flag.replace(`--allow-read=${lib},`, "--allow-read="));
  const { code, stderr } = await resultOf(
    new Deno.Command(Deno.execPath(), {
      args: ["run", ...flags, join(ROOT, "tools", "kpi", "kpi.ts"), ...kpiArgs(topic, place, big)],
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn(),
  );
  equal(code, 0, stderr);
  match(stderr, /^[^\n]*thread[^\n]*\n$/i);
  const tables = await readTables(place);
  sameTables(tables, tables, 40_000);
  await Deno.remove(place.dir, { recursive: true });
});

Deno.test("a topic's name cannot lead out of its folder", async () => {
  for (const topic of ["../x", "..", "a/b", "a\0b", "x".repeat(250)]) {
    throws(
      () => accessOf(["--source", "log:d", "--topic", topic, "--checkpoint", "c"]),
      /A topic's name should be/,
      topic,
    );
  }
  const { code, stderr } = await resultOf(
    launch(["kpi", "--source", "log:d", "--topic", "../x", "--checkpoint", "c"]),
  );
  equal(code, 2);
  match(stderr, /^A topic's name should be/);
});

Deno.test("a comma in a path is doubled up to Deno 2.8, and refused where it cannot be said", () => {
  const access = { read: ["/a, b"], write: [], net: [], folders: [] };
  ok(permissionFlags(access, "2.8.1").some((flag) => flag.endsWith("/a,, b")));
  throws(() => permissionFlags(access, "2.9.6"), (error: Error) => {
    match(error.message, /^Deno 2\.9\.6 takes no path with a comma .*"\/a, b": choose a path/);
    return error instanceof UsageError;
  });
});

Deno.test("exit codes and signals pass through", async () => {
  const usage = await resultOf(launch(["kpi", "--nonsense"]));
  equal(usage.code, 2);
  match(usage.stderr, /Usage: deno task kpi/);
  const { place, topic } = await newPlace();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    const running = launch(["kpi", ...kpiArgs(topic, place, ["--trigger", "50 milliseconds"])]);
    const result = resultOf(running);
    await until(() =>
      Deno.readTextFile(join(place.checkpoint, "lock")).then((pid) => pid !== "", () => false)
    );
    const before = await Deno.readTextFile(place.progress).catch(() => "");
    await topic.send(transactions(300, 340));
    await until(async () =>
      (await Deno.readTextFile(place.progress).catch(() => "")).length > before.length
    );
    running.kill(signal);
    const { code, stderr } = await result;
    equal(code, 0, stderr);
    match(stderr, /Stopping after the running batch/);
  }
  await Deno.remove(place.dir, { recursive: true });
});

Deno.test({
  name: "the task, the launcher and the query end together, whichever of them is killed",
  ignore: Deno.build.os === "windows",
  async fn() {
    const { place, topic } = await newPlace();
    const lock = join(place.checkpoint, "lock");
    const args = kpiArgs(topic, place, ["--trigger", "50 milliseconds"]);
    for (const killed of ["task", "launcher", "query"] as const) {
      await Deno.remove(lock).catch(() => {});
      const { process, ended } = startKpi(args);
      const pid = () => Deno.readTextFile(lock).then(Number, () => 0);
      await until(async () => await pid() > 0);
      const query = await pid();
      const launcher = await parentOf(query);
      equal(await parentOf(launcher), process.pid);
      Deno.kill({ task: process.pid, launcher, query }[killed], "SIGKILL");
      equal((await ended).code, 137);
      for (const other of [launcher, query]) await until(async () => !await isRunning(other));
    }
    await Deno.remove(place.dir, { recursive: true });
  },
});

async function ps(pid: number, field: string): Promise<string> {
  const { stdout } = await new Deno.Command("ps", { args: ["-o", `${field}=`, "-p", `${pid}`] })
    .output();
  return new TextDecoder().decode(stdout).trim();
}

async function parentOf(pid: number): Promise<number> {
  return Number(await ps(pid, "ppid"));
}

/** A zombie that nobody has waited for runs no more. */
async function isRunning(pid: number): Promise<boolean> {
  return /^[^Z]/.test(await ps(pid, "stat"));
}
