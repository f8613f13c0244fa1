/**
 * `deno task wasm`: makes lib/json/rows.wasm of the AssemblyScript in lib/json/assembly. With `--check`
 * it writes nothing and fails if that is not what its source gives. It is committed, so only those who
 * change the sources need the compiler, which npm fetches.
 */
import { join } from "node:path";
import { runCommand } from "../command_line.ts";
import { ROOT } from "../jupyter/env.ts";
import { WASM } from "./tasks.ts";

const compiler = "npm:assemblyscript@0.28.20/asc";
const folder = join(ROOT, "lib", "json");

async function main(isCheck: boolean): Promise<number> {
  const temporary = await Deno.makeTempDir();
  try {
    const [out, committed] = [join(temporary, "rows.wasm"), join(folder, "rows.wasm")];
    await compile(join(folder, "assembly", "rows.ts"), out);
    if (!isCheck) await Deno.copyFile(out, committed);
    else if (
      (await Deno.readFile(out)).toBase64() !== (await Deno.readFile(committed)).toBase64()
    ) {
      console.error(`${committed} is not what its source gives: run \`deno task wasm\``);
      return 1;
    }
  } finally {
    await Deno.remove(temporary, { recursive: true });
  }
  return 0;
}

async function compile(source: string, out: string): Promise<void> {
  const options = ["-O3", "--noAssert", "--runtime", "stub", "--enable", "simd"];
  const { success } = await new Deno.Command(Deno.execPath(), {
    // The compiler runs apart from the project's packages: it is no part of them.
    args: ["run", "-A", "--no-config", "--no-lock", compiler, source, ...options, "--outFile", out],
  }).spawn().status;
  if (!success) throw new Error(`Cannot compile ${source}: see above`);
}

if (import.meta.main) {
  Deno.exit(await runCommand(WASM, Deno.args, ({ values }) => main(values.check)));
}
