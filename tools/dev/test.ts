/**
 * `deno task test [path or option…]`: runs the tests and the examples in the docs, and ends with one line that scripts
 * read: `N passed, N failed`, and `, N skipped` after it if a test was left out.
 */
import { runCommand } from "../command_line.ts";
import { ROOT } from "../jupyter/env.ts";
import { TEST } from "./tasks.ts";

/** Where tests and examples in the docs are. */
const PATHS = ["lib", "view", "lab", "tests", "README.md"];

/** Counts what a run of `deno test` did; steps inside a test are not counted. */
export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** Reads the counts from the summary that `deno test` prints last; undefined where it printed none. */
export function readSummary(output: string): Counts | undefined {
  // deno-lint-ignore no-control-regex
  const plain = output.replace(/\x1b\[[0-9;]*m/g, "");
  const summary = [...plain.matchAll(/^(?:ok|FAILED) \| \d+ passed.*\(\d.*\)$/gm)].at(-1)?.[0];
  if (summary === undefined) return undefined;
  const count = (word: string) => Number(new RegExp(`(\\d+) ${word}\\b`).exec(summary)?.[1] ?? 0);
  return { passed: count("passed"), failed: count("failed"), skipped: count("ignored") };
}

/** Writes the closing line for the counts. */
export function closingLine({ passed, failed, skipped }: Counts): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
}

async function main(args: readonly string[]): Promise<number> {
  const named = args.some((arg) => !arg.startsWith("-"));
  const child = new Deno.Command(Deno.execPath(), {
    args: ["test", "-A", "--doc", ...args, ...(named ? [] : PATHS)],
    cwd: ROOT,
    env: Deno.stdout.isTerminal() ? { FORCE_COLOR: "1" } : {},
    stdin: "null",
    stdout: "piped",
  }).spawn();
  let tail = "";
  const decoder = new TextDecoder();
  for await (const chunk of child.stdout) {
    await writeAll(chunk);
    tail = (tail + decoder.decode(chunk, { stream: true })).slice(-10_000);
  }
  const { success } = await child.status;
  const counts = readSummary(tail) ?? { passed: 0, failed: 0, skipped: 0 };
  // A runner that failed without a failed test (a type error, a crash) is a failure all the same.
  const failed = success ? counts.failed : Math.max(1, counts.failed);
  const forbidden = Deno.env.get("CI") === "true" && counts.skipped > 0;
  if (!success && counts.failed === 0) console.log("The test runner itself failed, see above.");
  if (forbidden) {
    console.log("CI=true: a skipped test is a failure here; install what it asks for.");
  }
  console.log(closingLine({ ...counts, failed }));
  return failed > 0 || forbidden || counts.passed === 0 ? 1 : 0;
}

async function writeAll(chunk: Uint8Array): Promise<void> {
  for (let sent = 0; sent < chunk.length;) sent += await Deno.stdout.write(chunk.subarray(sent));
}

if (import.meta.main) {
  Deno.exit(await runCommand(TEST, Deno.args, ({ args }) => main(args)));
}
