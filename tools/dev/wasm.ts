/**
 * `deno task wasm`: makes lib/json/*.wasm of the AssemblyScript in lib/json/assembly. With `--check`
 * it writes nothing and fails if a file is not what its source gives. The files are committed, so only
 * those who change the sources need the compiler, which npm fetches.
 */
import { join } from "node:path";
import { runCommand } from "../command_line.ts";
import { ROOT } from "../env.ts";
import { WASM } from "./tasks.ts";

const compiler = "npm:assemblyscript@0.28.20/asc";
const folder = join(ROOT, "lib", "json");

async function main(isCheck: boolean): Promise<number> {
  let failed = 0;
  const temporary = await Deno.makeTempDir();
  try {
    for await (const { name } of Deno.readDir(join(folder, "assembly"))) {
      const file = name.replace(/\.ts$/, ".wasm");
      const [out, committed] = [join(temporary, file), join(folder, file)];
      await compile(join(folder, "assembly", name), out);
      if (isCheck) {
        const [made, there] = [await Deno.readFile(out), await Deno.readFile(committed)];
        if (made.toBase64() === there.toBase64()) continue;
        console.error(`${committed} is not what its source gives: run \`deno task wasm\``);
        failed = 1;
      } else await Deno.copyFile(out, committed);
    }
  } finally {
    await Deno.remove(temporary, { recursive: true });
  }
  return failed;
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
