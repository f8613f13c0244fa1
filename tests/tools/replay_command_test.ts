import { deepEqual, equal, ok } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { until } from "../faults/until.ts";
import { lines, makeParquet, withFolder } from "./recordings.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

const command = (args: string[]) =>
  new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "tools/replay/replay.ts", ...args],
    cwd: root,
    stdout: "piped",
    stderr: "piped",
  });

Deno.test("the command line ends with 0 when done, 1 on failure, 2 on wrong usage, and one line why", () =>
  withFolder(async (dir) => {
    const good = ["--from", makeParquet(dir, 60), "--to", `log:${dir}`, "--topic", "t"];
    const runs: [args: string[], code: number, said: RegExp][] = [
      [
        [...good, "--speed", "max", "--limit", "50"],
        0,
        /^replay: sent 50 of 50 rows to log:.* t \(partition 0: \d+, .*\)\n$/,
      ],
      [good, 1, /^The topic .* already exists: delete it, or choose another one with --topic\n$/],
      [[...good, "--speed", "fast"], 2, /^The speed should be a number > 0 .*\nUsage: deno task/],
      [[...good, "--sped", "1"], 2, /^Unknown option --sped: did you mean --speed\?\nUsage: deno/],
      [good.slice(2), 2, /^--from is missing: --from FILE\nUsage: deno task replay/],
    ];
    for (const [args, code, said] of runs) {
      const { code: found, stdout, stderr } = await command(args).output();
      const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
      deepEqual([args, found], [args, code]);
      ok(said.test((code === 0 ? out! : err!).replaceAll("\r\n", "\n")), out! + err!);
      equal(code === 0 ? err : out, "");
    }
    equal([0, 1, 2].flatMap((partition) => lines(dir, "t", partition)).length, 50);
  }));

Deno.test({
  name: "the command line stops on SIGINT with complete messages and exit code 0",
  // Windows has no SIGINT that one process can send to another.
  ignore: Deno.build.os === "windows",
  fn: () =>
    withFolder(async (dir) => {
      const from = makeParquet(dir, 3000);
      const child = command(["--from", from, "--to", `log:${dir}`, "--topic", "t", "--speed", "1"])
        .spawn();
      const output = child.output();
      const sentRows = () =>
        [0, 1, 2].flatMap((partition) => {
          try {
            return lines(dir, "t", partition);
          } catch {
            return []; // not made yet
          }
        });
      await until(() => Promise.resolve(sentRows().length > 0));
      child.kill("SIGINT");
      const { code, stdout } = await output;
      equal(code, 0);
      const text = new TextDecoder().decode(stdout);
      const sent = Number(/stopped after (\d+) of 3000 rows/.exec(text)?.[1]);
      equal(sentRows().length, sent);
    }),
});
