import { fileURLToPath } from "node:url";

const PROJECT = fileURLToPath(new URL("../..", import.meta.url));
const POM = `${PROJECT}tools/kafka/pom.xml`;
/** Where the development broker lives, and the jars of all. */
export const STATE = `${PROJECT}.kafka`;
/** The broker's jars, shared by the development broker and the tests. */
export const JARS = `${STATE}/lib`;

/** Returns what is missing to run a broker, as a sentence with the remedy, or undefined. */
export async function missingTools(): Promise<string | undefined> {
  const java = await run("java", ["-version"]);
  const version = Number(/version "(\d+)/.exec(java?.output ?? "")?.[1] ?? 0);
  const remedy = "Debian, Ubuntu: apt-get install openjdk-17-jdk-headless maven; " +
    "macOS: brew install openjdk@17 maven; Windows: winget install EclipseAdoptium.Temurin.17.JDK, and Maven";
  if (version < 17) {
    return `Kafka needs Java 17 or newer, found ${version || "none"}. ${remedy}`;
  }
  if (!(await haveJars()) && !(await run("mvn", ["-version"]))) {
    return `Maven is needed to fetch Kafka from Maven Central, found none. ${remedy}`;
  }
}

/** Fetches the jars the pom names, once; into a folder beside, so that half a download is not used. */
export async function fetchJars(onProgress: (step: string) => void): Promise<void> {
  if (await haveJars()) return;
  onProgress("fetching it from Maven Central, about 45 MB, once");
  const partial = `${STATE}/lib.${crypto.randomUUID()}`;
  const maven = await run("mvn", [
    "-q",
    "-B",
    "-f",
    POM,
    "dependency:copy-dependencies",
    "-DincludeScope=runtime",
    `-DoutputDirectory=${partial}`,
  ]);
  if (!maven) throw new Error("Maven could not fetch Kafka: see its output above");
  if (await exists(JARS)) await Deno.remove(JARS, { recursive: true });
  await Deno.rename(partial, JARS);
}

async function haveJars(): Promise<boolean> {
  const version = /kafka_2\.13<\/artifactId>\s*<version>([^<]+)/.exec(await Deno.readTextFile(POM));
  return await exists(`${JARS}/kafka_2.13-${version?.[1]}.jar`);
}

/** What Java finds the broker with. */
export function classPath(): string[] {
  return ["-cp", `${JARS}/*`];
}

/** Runs a program to its end; undefined, with its output on stderr, if it failed or is missing. */
export async function run(
  program: string,
  args: string[],
): Promise<{ output: string } | undefined> {
  try {
    const { success, stdout, stderr } = await new Deno.Command(program, { args }).output();
    const output = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
    if (success) return { output };
    if (program !== "ps") console.error(output);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Whether there is a file or folder. */
export async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
