/**
 * Measures how many rows a CPU second each way of reading a Kafka topic gives:
 * `deno run -A bench/kafka_bench.ts [--rows 210000]`. It starts its own broker; each reader runs in a
 * process of its own, after a warm-up pass; the CPU time is that process's, all threads.
 */
import { cpuUsage } from "node:process";
import { fileURLToPath } from "node:url";
import { KafkaSource } from "../lib/kafka/source.ts";
import { kafkaClient } from "../lib/kafka/client.ts";
import { startBroker } from "../tools/kafka/kafka.ts";
import { missingTools } from "../tools/kafka/install.ts";
import { openKafkaPublisher } from "../tools/replay/kafka_publisher.ts";

const TOPIC = "bench";
const PARTITIONS = 3;
const VALUE_BYTES = 618;
const ROWS_A_BATCH = 21_000;
const BASELINE = "kafkajs consumer.run";
/** Dev-only: not among the project's dependencies, fetched when the bench runs. */
const PLATFORMATIC = "npm:@platformatic/kafka@2.12.1";

type Reader = (bootstrap: string, rows: number) => Promise<void>;

const READERS: Readonly<Record<string, Reader>> = {
  "KafkaSource.getBatch": async (bootstrap, rows) => {
    const source = await KafkaSource.open(bootstrap, TOPIC);
    const latest = await source.latestOffsets();
    let start = await source.earliestOffsets();
    for (let read = 0; read < rows;) {
      const end = Object.fromEntries(
        Object.entries(start).map(([p, offset]) => [
          p,
          Math.min(latest[p]!, offset + ROWS_A_BATCH / PARTITIONS),
        ]),
      );
      for (const messages of await source.getBatch(start, end)) read += messages.offsets.length;
      start = end;
    }
    await source.close();
  },
  [BASELINE]: async (bootstrap, rows) => {
    const consumer = (await kafkaClient(bootstrap, { retry: { retries: 20 } })).consumer({
      groupId: crypto.randomUUID(),
    });
    await consumer.connect();
    await consumer.subscribe({ topic: TOPIC, fromBeginning: true });
    let read = 0;
    await new Promise<void>((resolve, reject) => {
      consumer.run({
        eachBatchAutoResolve: true,
        eachBatch({ batch }) {
          read += batch.messages.length;
          if (read >= rows) resolve();
          return Promise.resolve();
        },
      }).catch(reject);
    });
    await consumer.disconnect();
  },
  "@platformatic/kafka consume": async (bootstrap, rows) => {
    const { Consumer } = await import(PLATFORMATIC);
    const consumer = new Consumer({
      groupId: crypto.randomUUID(),
      clientId: "bench",
      bootstrapBrokers: [bootstrap],
    });
    const stream = await consumer.consume({
      topics: [TOPIC],
      mode: "earliest",
      maxBytes: 4 * 2 ** 20,
    });
    let read = 0;
    for await (const _message of stream) if (++read >= rows) break;
    await consumer.close(true);
  },
};

async function measure(name: string, bootstrap: string, rows: number): Promise<number> {
  const reader = READERS[name]!;
  await reader(bootstrap, rows);
  const before = cpuUsage();
  await reader(bootstrap, rows);
  const { user, system } = cpuUsage(before);
  return rows / ((user + system) / 1e6);
}

async function main(rows: number): Promise<void> {
  const missing = await missingTools();
  if (missing) throw new Error(missing);
  const dir = await Deno.makeTempDir();
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  listener.close();
  const broker = await startBroker({ port: listener.addr.port, dir });
  try {
    const publisher = await openKafkaPublisher(broker.bootstrap, TOPIC, PARTITIONS);
    const value = `{"pad":"${"x".repeat(VALUE_BYTES - 10)}"}`;
    const messages = Array.from({ length: rows / PARTITIONS }, (_, i) => ({ key: `${i}`, value }));
    for (let p = 0; p < PARTITIONS; p++) await publisher.send(p, messages);
    await publisher.close();
    const results: { reader: string; rate: number; reason: string }[] = [];
    for (const reader of Object.keys(READERS)) {
      const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
        env: { NO_COLOR: "1" },
        args: [
          ...["run", "-A", "--no-lock", fileURLToPath(import.meta.url)],
          ...["--reader", reader, broker.bootstrap, `${rows}`],
        ],
      }).output();
      const text = new TextDecoder().decode(success ? stdout : stderr).trim();
      const rate = success ? Number(text) : NaN;
      results.push({ reader, rate, reason: success ? "" : text.split("\n")[0]! });
    }
    const baseline = results.find(({ reader }) => reader === BASELINE)!.rate;
    console.log(`${rows} rows of ${VALUE_BYTES} bytes, ${PARTITIONS} partitions`);
    console.table(results.map(({ reader, rate, reason }) => ({
      reader,
      "thousand rows a CPU second": reason || Math.round(rate / 1000),
      "times consumer.run": reason ? "" : (rate / baseline).toFixed(1),
    })));
  } finally {
    await broker.stop();
    await Deno.remove(dir, { recursive: true });
  }
}

if (Deno.args[0] === "--reader") {
  const [, reader, bootstrap, rows] = Deno.args;
  console.log(await measure(reader!, bootstrap!, Number(rows)));
  Deno.exit(0); // a client may leave a timer behind
} else {
  await main(Deno.args[0] === "--rows" ? Number(Deno.args[1]) : 210_000);
}
