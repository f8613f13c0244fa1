/**
 * Starts and stops a one-node Apache Kafka on loopback, for development and tests:
 * `deno task kafka up [--port 9092]` and `deno task kafka down`. Its state is kept in `.kafka/`.
 */
import { spawn } from "node:child_process";
import { Buffer } from "node:buffer";
import { closeSync, openSync } from "node:fs";
import { resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { kafkaClient } from "../../lib/kafka/client.ts";
import { numberOf, runCommand, UsageError } from "../command_line.ts";
import { classPath, exists, fetchJars, missingTools, run, STATE } from "./install.ts";
import { KAFKA } from "../tasks.ts";

const PROJECT = fileURLToPath(new URL("../..", import.meta.url));
const TEMPLATE = `${PROJECT}tools/kafka/server.properties`;
const READY_TIMEOUT_MS = 90_000;
const STOP_TIMEOUT_MS = 30_000;

/** A broker that runs. */
export interface Broker {
  readonly bootstrap: string;
  readonly pid: number;
  /** Sends SIGTERM and waits until the process has ended. */
  stop(): Promise<void>;
  /** Sends SIGKILL, as a crash would end it, and waits until the process has ended. */
  kill(): Promise<void>;
}

/** Where a broker lives; `properties` are lines added to its server.properties. */
export interface BrokerOptions {
  readonly port: number;
  /** Absolute; holds data, log, pid and properties. Data of an earlier run is kept. */
  readonly dir: string;
  readonly controllerPort?: number;
  readonly properties?: readonly string[];
  /** Called with each step, in words. */
  readonly onProgress?: (step: string) => void;
}

/** Starts a broker and returns when it answers; throws if a port is taken or it does not come up. */
export async function startBroker(options: BrokerOptions): Promise<Broker> {
  const { port, dir, onProgress = () => {} } = options;
  const controllerPort = options.controllerPort ?? port + 1;
  for (const wanted of [port, controllerPort]) {
    if (await becomesFree(wanted)) continue;
    throw new RangeError(
      `Port ${wanted} on 127.0.0.1 is taken. Choose another with --port N (N and N + 1 must be free), ` +
        "or end the program that has it",
    );
  }
  await fetchJars(onProgress);
  await Deno.mkdir(dir, { recursive: true });
  const config = `${dir}/server.properties`;
  const values: Record<string, unknown> = { port, controllerPort, dir };
  const template = (await Deno.readTextFile(TEMPLATE))
    .replace(/\{(\w+)\}/g, (_, name: string) => String(values[name]));
  await Deno.writeTextFile(config, [template, ...options.properties ?? []].join("\n") + "\n");
  if (!(await exists(`${dir}/data/meta.properties`))) {
    onProgress("formatting its storage");
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    bytes[0]! &= 0x7f; // or one id in 64 begins with "-", which the tool takes for an option
    const id = Buffer.from(bytes).toString("base64url");
    const args = ["format", "-t", id, "-c", config];
    const format = await run("java", [...classPath(), "kafka.tools.StorageTool", ...args]);
    if (!format) throw new Error(`Cannot format the storage in ${dir}: see java's output above`);
  }
  onProgress(`starting on 127.0.0.1:${port}`);
  const log = openSync(`${dir}/broker.log`, "a");
  const child = spawn("java", [
    "-Xms128m",
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    ...classPath(),
    "kafka.Kafka",
    config,
  ], { detached: true, stdio: ["ignore", log, log] });
  closeSync(log);
  child.unref();
  const pid = child.pid!;
  await Deno.writeTextFile(`${dir}/broker.pid`, `${pid}`);
  const bootstrap = `127.0.0.1:${port}`;
  const broker: Broker = {
    bootstrap,
    pid,
    stop: () => end(dir, "SIGTERM"),
    kill: () => end(dir, "SIGKILL"),
  };
  const deadline = Date.now() + READY_TIMEOUT_MS;
  while (!(await answers(bootstrap))) {
    if (!(await brokerPid(dir)) || Date.now() > deadline) {
      await broker.stop();
      const tail = (await Deno.readTextFile(`${dir}/broker.log`)).trim().split("\n").slice(-5);
      throw new Error(`Kafka did not come up. The end of ${dir}/broker.log:\n${tail.join("\n")}`);
    }
    await delay(200);
  }
  return broker;
}

/** Stops the broker of a state folder; returns whether there was one. */
export async function stopBroker(dir: string): Promise<boolean> {
  const running = await brokerPid(dir) !== undefined;
  await end(dir, "SIGTERM");
  return running;
}

/** Returns the process id of the broker of a state folder, if it runs and is that broker. */
async function brokerPid(dir: string): Promise<number | undefined> {
  if (!(await exists(`${dir}/broker.pid`))) return undefined;
  const pid = Number(await Deno.readTextFile(`${dir}/broker.pid`));
  const command = await exists(`/proc/${pid}/cmdline`)
    ? (await Deno.readTextFile(`/proc/${pid}/cmdline`)).replaceAll("\0", " ")
    : (await run("ps", ["-o", "command=", "-p", `${pid}`]))?.output ?? "";
  return command.includes(`${dir}/server.properties`) ? pid : undefined;
}

async function end(dir: string, signal: "SIGTERM" | "SIGKILL"): Promise<void> {
  const pid = await brokerPid(dir);
  if (pid !== undefined) Deno.kill(pid, signal);
  const deadline = Date.now() + STOP_TIMEOUT_MS;
  while (await brokerPid(dir) !== undefined) {
    if (Date.now() > deadline) {
      throw new Error(`Kafka (process ${pid}) has not stopped: see ${dir}/broker.log`);
    }
    await delay(100);
  }
  if (await exists(`${dir}/broker.pid`)) await Deno.remove(`${dir}/broker.pid`);
}

async function answers(bootstrap: string): Promise<boolean> {
  const admin = (await kafkaClient(bootstrap, { ssl: false })).admin();
  try {
    await admin.connect();
    return (await admin.describeCluster()).brokers.length > 0;
  } catch {
    return false; // not yet: the caller asks again
  } finally {
    await admin.disconnect();
  }
}

/** A broker that was just killed frees its ports a moment after it is gone. */
async function becomesFree(port: number): Promise<boolean> {
  for (let attempt = 0; attempt < 20; attempt++) {
    if (isFree(port)) return true;
    await delay(100);
  }
  return false;
}

function isFree(port: number): boolean {
  try {
    Deno.listen({ hostname: "127.0.0.1", port }).close();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) return false;
    throw error;
  }
}

async function main(verb: string, port: number): Promise<number> {
  const dir = resolve(STATE);
  if (verb === "down") {
    console.log(
      await stopBroker(dir) ? "Kafka is stopped; its data stays in .kafka/" : "No Kafka runs here",
    );
    return 0;
  }
  if (await brokerPid(dir) !== undefined) {
    const at = /advertised\.listeners=PLAINTEXT:\/\/(\S+)/.exec(
      await Deno.readTextFile(`${dir}/server.properties`),
    );
    console.log(`Kafka is already up at ${at?.[1]}`);
    return 0;
  }
  const missing = await missingTools();
  if (missing) {
    console.error(missing);
    return 1;
  }
  const onProgress = (step: string) => console.log(`Kafka: ${step}`);
  const broker = await startBroker({ port, dir, onProgress });
  console.log(`Kafka is up at ${broker.bootstrap}; stop it with: deno task kafka down`);
  return 0;
}

/** The controller takes the port after it. */
const PORT = {
  rule: "a port from 1 to 65534",
  holds: (port: number) => Number.isInteger(port) && port >= 1 && port < 65_535,
};

if (import.meta.main) {
  Deno.exit(
    await runCommand(KAFKA, Deno.args, ({ values, operands: [verb] }) => {
      if (verb !== "up" && verb !== "down") {
        throw new UsageError(`Say up or down, got "${verb}"`);
      }
      return main(verb, numberOf("port", values.port, PORT));
    }),
  );
}
