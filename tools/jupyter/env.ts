/**
 * The project-local environment: Python with JupyterLab in `.venv`, the Deno kernel in `.jupyter`, npm packages in
 * `node_modules`. Nothing outside the project is written, and a second call finds everything in place.
 */
import { createHash } from "node:crypto";
import { delimiter, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { UNUSABLE } from "../../view/keep_outputs.ts";

/** Holds the project's folder, the Python of its `.venv` and the variables that keep Jupyter inside it. */
export interface Environment {
  readonly root: string;
  readonly python: string;
  readonly variables: Readonly<Record<string, string>>;
}

/** Names the project's folder, whatever the current directory is. */
export const ROOT = fileURLToPath(new URL("../..", import.meta.url));

const WINDOWS = Deno.build.os === "windows";
const VENV = join(ROOT, ".venv");
const PYTHON = WINDOWS ? join(VENV, "Scripts", "python.exe") : join(VENV, "bin", "python");
const HOME = join(ROOT, ".jupyter");

/** Installs what is missing and returns the environment; throws an Error that says what to install by hand. */
export async function ensureEnvironment(): Promise<Environment> {
  if (UNUSABLE.includes(Deno.version.deno)) {
    throw new Error(
      `The kernel of Deno ${Deno.version.deno} drops the values and errors of cells: use Deno 2.8.1 or 2.9, ` +
        `such as "npx -y deno@2.9.6 task report"`,
    );
  }
  await ensurePackages();
  await ensurePython();
  for (const folder of ["data", "runtime", "config", "ipython"]) {
    await Deno.mkdir(join(HOME, folder), { recursive: true });
  }
  await writeKernelSpec();
  return {
    root: ROOT,
    python: PYTHON,
    variables: {
      JUPYTER_PATH: [HOME, join(ROOT, "tools", "jupyter")].join(delimiter),
      JUPYTER_CONFIG_PATH: join(ROOT, "tools", "jupyter", "config"),
      JUPYTER_CONFIG_DIR: join(HOME, "config"),
      JUPYTER_DATA_DIR: join(HOME, "data"),
      JUPYTER_RUNTIME_DIR: join(HOME, "runtime"),
      IPYTHONDIR: join(HOME, "ipython"),
      PYTHONNOUSERSITE: "1",
      // An activated environment elsewhere must not lend its modules to this one.
      PYTHONPATH: "",
      DENO_NO_UPDATE_CHECK: "1",
    },
  };
}

/** Runs one step and prints it with the time it took; in a terminal the time ticks while the step runs. */
export async function step<T>(label: string, action: () => Promise<T>): Promise<T> {
  const start = performance.now();
  const line = () => `${label} (${((performance.now() - start) / 1000).toFixed(1)} s)`;
  const live = Deno.stderr.isTerminal();
  if (!live) console.error(`${label} …`);
  const timer = live ? setInterval(() => write(`\r${line()} `), 200) : undefined;
  try {
    return await action();
  } finally {
    clearInterval(timer);
    console.error(`${live ? "\r" : ""}${line()}`);
  }
}

/** Writes text to the terminal as it is, without ending the line. */
export function write(text: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(text));
}

/**
 * Finds a Chromium-like browser by its usual names and places; `CHROMIUM` names another one. Undefined where there
 * is none.
 */
export async function findChromium(): Promise<string | undefined> {
  const named = Deno.env.get("CHROMIUM");
  const names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];
  const path = (Deno.env.get("PATH") ?? "").split(delimiter).filter((folder) => folder !== "");
  const candidates = [
    ...(named === undefined ? [] : [named]),
    ...names.flatMap((name) => path.map((folder) => join(folder, WINDOWS ? `${name}.exe` : name))),
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe",
    "C:\\Program Files (x86)\\Microsoft\\Edge\\Application\\msedge.exe",
  ];
  for (const candidate of candidates) {
    if (await exists(candidate)) return candidate;
  }
  return undefined;
}

/** Returns what makes a headless Chromium run as root, and talk to nobody by itself. */
export function chromiumFlags(): string[] {
  return [
    ...(Deno.build.os === "linux" && Deno.uid() === 0 ? ["--no-sandbox"] : []),
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ];
}

/** Lists the notebooks named, or all of `notebooks/`, as full paths in alphabetical order. */
export async function listNotebooks(names: readonly string[]): Promise<readonly string[]> {
  for (const name of names) {
    const text = await Deno.readTextFile(resolve(name)).catch(() => "");
    if (isNotebook(text)) continue;
    throw new Error(`There is no notebook "${name}": name an .ipynb file, or none for all`);
  }
  if (names.length > 0) return names.map((name) => resolve(name));
  const folder = join(ROOT, "notebooks");
  const found: string[] = [];
  for await (const entry of Deno.readDir(folder)) {
    if (entry.isFile && entry.name.endsWith(".ipynb")) found.push(join(folder, entry.name));
  }
  return found.sort();
}

function isNotebook(text: string): boolean {
  try {
    return Array.isArray(JSON.parse(text).cells);
  } catch {
    return false;
  }
}

async function ensurePackages(): Promise<void> {
  // `deno task` has installed them already; this is for a start without it.
  if (await exists(join(ROOT, "node_modules"))) return;
  await step(
    "Installing npm packages into node_modules",
    () => runQuietly(Deno.execPath(), ["install", "--quiet"], "npm packages"),
  );
}

async function ensurePython(): Promise<void> {
  const requirements = join(ROOT, "requirements.txt");
  const stamp = join(VENV, "requirements.sha256");
  const wanted = createHash("sha256").update(await Deno.readFile(requirements)).digest("hex");
  // The stamp is written last, so an installation that was cut off is made again.
  if (await exists(PYTHON) && await readIfThere(stamp) === wanted) return;
  if (!await exists(PYTHON)) {
    const [command, ...options] = await findPython();
    await Deno.remove(VENV, { recursive: true }).catch(ignoreMissing);
    await step("Creating the Python environment in .venv", async () => {
      try {
        await runQuietly(command, [...options, "-m", "venv", VENV], "the Python environment");
      } catch (error) {
        await Deno.remove(VENV, { recursive: true }).catch(ignoreMissing);
        throw new Error(`${message(error)}\nOn Debian and Ubuntu: apt-get install python3-venv`);
      }
    });
  }
  const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"];
  await step(
    "Installing JupyterLab and nbconvert into .venv",
    () => runQuietly(PYTHON, [...pip, "-r", requirements], "the packages of requirements.txt"),
  );
  await Deno.writeTextFile(stamp, wanted);
}

async function findPython(): Promise<[string, ...string[]]> {
  const candidates: [string, ...string[]][] = [["python3"], ["python"], ["py", "-3"]];
  const seen: string[] = [];
  for (const [command, ...options] of candidates) {
    const args = [...options, "-c", "import sys; print(*sys.version_info[:2])"];
    try {
      const { success, stdout } = await new Deno.Command(command, { args, stderr: "null" })
        .output();
      const [major = 0, minor = 0] = new TextDecoder().decode(stdout).trim().split(" ").map(Number);
      if (success && major === 3 && minor >= 10) return [command, ...options];
      if (success) seen.push(`${command} is ${major}.${minor}`);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  throw new Error(
    `No Python 3.10 or newer found (${
      seen.join(", ") || "looked for python3, python and py -3"
    }). Install it: ` +
      "Debian and Ubuntu: apt-get install python3 python3-venv; macOS: brew install python; " +
      "Windows: winget install Python.Python.3.12",
  );
}

async function writeKernelSpec(): Promise<void> {
  const spec = JSON.parse(
    await Deno.readTextFile(join(ROOT, "tools", "jupyter", "kernels", "deno", "kernel.json")),
  ) as { argv: string[] };
  // The native binary itself: the npm package's wrapper would die on the interrupt meant for the kernel.
  spec.argv[0] = Deno.execPath();
  const text = JSON.stringify(spec, null, 2) + "\n";
  const folder = join(HOME, "kernels", "deno");
  const path = join(folder, "kernel.json");
  if (await readIfThere(path) === text) return;
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeTextFile(path, text);
}

async function runQuietly(command: string, args: readonly string[], what: string): Promise<void> {
  const { success, stdout, stderr } = await new Deno.Command(command, {
    args: [...args],
    cwd: ROOT,
    env: { RUST_BACKTRACE: "0" },
    stdin: "null",
  }).output();
  if (success) return;
  const lines = new TextDecoder().decode(new Uint8Array([...stdout, ...stderr])).trim().split("\n");
  throw new Error(
    `Could not install ${what}; the first installation needs the network. The last words of ` +
      `${command} were:\n${lines.slice(-12).join("\n")}`,
  );
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, (error) => ignoreMissing(error) ?? false);
}

async function readIfThere(path: string): Promise<string | undefined> {
  return await Deno.readTextFile(path).catch(ignoreMissing);
}

function ignoreMissing(error: unknown): undefined {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}

function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
