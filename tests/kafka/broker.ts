import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import type { Admin } from "kafkajs";
import { type Broker, startBroker } from "../../tools/kafka/kafka.ts";
import { JARS, missingTools } from "../../tools/kafka/install.ts";
import { kafkaClient } from "../../lib/kafka/client.ts";

const FOREIGN = fileURLToPath(new URL("Foreign.java", import.meta.url));

/** The password of every listener with a login; it must not be seen in any error. */
export const PASSWORD = "correct-horse-battery";

/** A broker with a plain, a SASL and a SASL over TLS listener, its own folder and free ports. */
export interface TestBroker {
  readonly bootstrap: string;
  readonly sasl: string;
  readonly tls: string;
  /** A listener that tells clients to come to `proxyPort`, where a test may put itself in between. */
  readonly proxied: { readonly port: number; readonly proxyPort: number };
  /** The broker's certificate, PEM. */
  readonly certificate: string;
  createTopic(
    topic: string,
    partitions?: number,
    configEntries?: Record<string, string>,
  ): Promise<void>;
  /** Runs Foreign.java; `input` is called with its first line and answers a line to its stdin. */
  foreign(args: readonly string[], onLine?: (line: string) => Promise<void>): Promise<string>;
  kill(): Promise<void>;
  restart(): Promise<void>;
  close(): Promise<void>;
}

/** Says loudly what is missing to run the tests, and fails where the environment requires them (CI). */
export async function isBrokerMissing(): Promise<boolean> {
  const missing = await missingTools();
  if (!missing) return false;
  if (Deno.env.get("CI")) throw new Error(`The Kafka tests are required here. ${missing}`);
  console.warn(`\n*** THE KAFKA TESTS ARE SKIPPED. ${missing} ***\n`);
  return true;
}

export async function openTestBroker(): Promise<TestBroker> {
  const dir = await Deno.makeTempDir({ prefix: "kafka-" });
  const [port, controllerPort, saslPort, tlsPort, proxiedPort, proxyPort] = freePorts(6);
  const keystore = `${dir}/broker.p12`;
  const key = ["-alias", "broker", "-keystore", keystore, "-storepass", PASSWORD];
  await run("keytool", [
    ...["-genkeypair", ...key, "-keyalg", "RSA", "-storetype", "PKCS12", "-dname", "CN=localhost"],
    ...["-ext", "san=dns:localhost,ip:127.0.0.1"],
  ]);
  const certificate = await run("keytool", ["-exportcert", "-rfc", ...key]);
  const plain =
    `org.apache.kafka.common.security.plain.PlainLoginModule required user_reader="${PASSWORD}";`;
  const scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;";
  const properties = [
    `listeners=PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort},` +
    `SASL://127.0.0.1:${saslPort},TLS://127.0.0.1:${tlsPort},PROXIED://127.0.0.1:${proxiedPort}`,
    `advertised.listeners=PLAINTEXT://127.0.0.1:${port},SASL://127.0.0.1:${saslPort},` +
    `TLS://127.0.0.1:${tlsPort},PROXIED://127.0.0.1:${proxyPort}`,
    "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL:SASL_PLAINTEXT,TLS:SASL_SSL",
    "sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
    ...["sasl", "tls"].flatMap((listener) => [
      `listener.name.${listener}.plain.sasl.jaas.config=${plain}`,
      `listener.name.${listener}.scram-sha-256.sasl.jaas.config=${scram}`,
      `listener.name.${listener}.scram-sha-512.sasl.jaas.config=${scram}`,
    ]),
    `ssl.keystore.location=${keystore}`,
    "ssl.keystore.type=PKCS12",
    `ssl.keystore.password=${PASSWORD}`,
    `ssl.key.password=${PASSWORD}`,
    "message.max.bytes=1048588",
  ];
  const start = () =>
    startBroker({ port: port!, controllerPort: controllerPort!, dir, properties });
  let broker: Broker = await start();
  await run("javac", ["-cp", `${JARS}/*`, "-d", `${dir}/foreign`, FOREIGN]);
  const classPath = `${dir}/foreign:${JARS}/*`;
  return {
    bootstrap: broker.bootstrap,
    sasl: `127.0.0.1:${saslPort}`,
    tls: `localhost:${tlsPort}`,
    proxied: { port: proxiedPort!, proxyPort: proxyPort! },
    certificate,
    async createTopic(topic, numPartitions = 1, configEntries = {}) {
      await withAdmin(broker.bootstrap, async (admin) => {
        const entries = Object.entries(configEntries).map(([name, value]) => ({ name, value }));
        await admin.createTopics({
          topics: [{ topic, numPartitions, configEntries: entries }],
          waitForLeaders: true,
        });
      });
    },
    foreign: (args, onLine) =>
      run("java", [
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=error",
        ...["-cp", classPath, "Foreign", broker.bootstrap, ...args],
      ], onLine),
    kill: () => broker.kill(),
    async restart() {
      broker = await start();
    },
    async close() {
      await broker.stop();
      await Deno.remove(dir, { recursive: true });
    },
  };
}

export async function withAdmin<T>(
  bootstrap: string,
  work: (admin: Admin) => Promise<T>,
): Promise<T> {
  const retry = { retries: 20, initialRetryTime: 100, maxRetryTime: 500 };
  const admin = (await kafkaClient(bootstrap, { retry })).admin();
  await admin.connect();
  try {
    return await work(admin);
  } finally {
    await admin.disconnect();
  }
}

/** Ports that were free a moment ago, held open together so that they differ. */
export function freePorts(count: number): number[] {
  const listeners = Array.from(
    { length: count },
    () => Deno.listen({ hostname: "127.0.0.1", port: 0 }),
  );
  const ports = listeners.map(({ addr }) => (addr as Deno.NetAddr).port);
  listeners.forEach((listener) => listener.close());
  return ports;
}

async function run(
  program: string,
  args: readonly string[],
  onLine?: (line: string) => Promise<void>,
): Promise<string> {
  const child = new Deno.Command(program, {
    args: [...args],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const errors = new Response(child.stderr).text();
  let output = "";
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    const isFirst = !output.includes("\n");
    output += part.value;
    if (onLine && isFirst && output.includes("\n")) {
      await onLine(output.trim());
      const writer = child.stdin.getWriter();
      await writer.write(new TextEncoder().encode("go on\n"));
      writer.releaseLock();
    }
  }
  await child.stdin.close();
  const { code } = await child.status;
  assert.equal(code, 0, `${program} ${args.join(" ")}: ${await errors}`);
  await errors;
  return output.trim();
}
