import { step } from "../jupyter/env.ts";
import { must } from "./run.ts";

/** Jars that Maven fetches. */
export interface Jars {
  /** The project file that names them. */
  readonly pom: string;
  /** Where they are kept. */
  readonly dir: string;
  /** What is fetched, for the reader who waits. */
  readonly what: string;
  /** Artifacts without their dependencies; all that the project file asks for if absent. */
  readonly only?: readonly string[];
  /** Properties of the project file. */
  readonly properties?: Readonly<Record<string, string>>;
}

/** Fetches jars where they are missing and returns their paths. */
export async function fetchJars(jars: Jars): Promise<string[]> {
  const { pom, dir, what, only, properties = {} } = jars;
  const list = () => Array.from(Deno.readDirSync(dir), ({ name }) => `${dir}/${name}`);
  try {
    return list();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  const part = `${dir}.${crypto.randomUUID()}`;
  const goal = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies";
  const options = Object.entries({
    ...properties,
    outputDirectory: part,
    ...only && { includeArtifactIds: only.join() },
  }).map(([name, value]) => `-D${name}=${value}`);
  await step(`Fetching ${what} into ${dir}`, async () => {
    await must("mvn", ["-q", "-B", "-Dstyle.color=never", "-f", pom, goal, ...options]);
    await Deno.rename(part, dir);
  });
  return list();
}
