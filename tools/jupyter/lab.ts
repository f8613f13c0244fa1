/** `deno task lab [option…]`: opens JupyterLab on the notebook, with the Deno kernel, inside the project's environment. */
import { join } from "node:path";
import { runCommand } from "../command_line.ts";
import { ensureEnvironment } from "./env.ts";
import { LAB } from "../tasks.ts";

const NOTEBOOK = "notebooks/task_d.ipynb";

async function main(args: readonly string[]): Promise<number> {
  const env = await ensureEnvironment();
  // A saved chart is shown only in a notebook that is trusted; this one comes with the code that it runs.
  await new Deno.Command(env.python, {
    args: ["-m", "jupyter", "trust", join(env.root, NOTEBOOK)],
    env: env.variables,
    stdout: "null",
  }).output();
  const child = new Deno.Command(env.python, {
    args: [
      "-m",
      "jupyterlab",
      "--ServerApp.ip=127.0.0.1",
      `--ServerApp.root_dir=${env.root}`,
      `--LabApp.default_url=/lab/tree/${NOTEBOOK}`,
      "--ServerApp.answer_yes=True",
      // Jupyter refuses to run as root unless told; bound to loopback and with its token it is no less safe.
      ...(Deno.build.os !== "windows" && Deno.uid() === 0 ? ["--allow-root"] : []),
      ...args,
    ],
    cwd: env.root,
    env: env.variables,
  }).spawn();
  // A terminal sends Ctrl-C to JupyterLab as well; this process waits for it to stop its kernels.
  const signals: readonly Deno.Signal[] = Deno.build.os === "windows"
    ? ["SIGINT"]
    : ["SIGINT", "SIGTERM"];
  for (const signal of signals) Deno.addSignalListener(signal, () => child.kill("SIGTERM"));
  return (await child.status).code;
}

if (import.meta.main) {
  Deno.exit(await runCommand(LAB, Deno.args, ({ args }) => main(args)));
}
