import { join } from "node:path";
import { startBroker } from "../tools/kafka/kafka.ts";
import { missingTools } from "../tools/kafka/install.ts";
import { openKafkaPublisher } from "../tools/replay/kafka_publisher.ts";
import type { GeneratedTopic } from "./generate.ts";

const MESSAGES_A_SEND = 5_000;

/** A broker of its own. */
export interface OwnBroker {
  readonly bootstrap: string;
  /** Stops the broker and removes its data. */
  stop(): Promise<void>;
}

/** Starts a broker without topics on a free port. */
export async function emptyBroker(): Promise<OwnBroker> {
  const missing = await missingTools();
  if (missing !== undefined) throw new Error(missing);
  const folder = await Deno.makeTempDir({ prefix: "bench-kafka-" });
  const [port, controllerPort] = freePorts();
  const broker = await startBroker({ port, controllerPort, dir: folder });
  return {
    bootstrap: broker.bootstrap,
    async stop() {
      await broker.stop();
      await Deno.remove(folder, { recursive: true });
    },
  };
}

/** Starts a broker on a free port and copies a topic log to it, message by message. */
export async function fillBroker(topic: GeneratedTopic): Promise<OwnBroker> {
  const broker = await emptyBroker();
  try {
    const publisher = await openKafkaPublisher(
      broker.bootstrap,
      "transactions",
      topic.partitions,
    );
    // All partitions grow evenly, as a live topic's do.
    const logs = await logLines(topic);
    const most = Math.max(...logs.map(({ length }) => length));
    for (let from = 0; from < most; from += MESSAGES_A_SEND) {
      for (const [p, lines] of logs.entries()) {
        // One key a partition: Quix Streams has windows by key.
        const messages = lines.slice(from, from + MESSAGES_A_SEND)
          .map((value) => ({ key: `${p}`, value }));
        if (messages.length > 0) await publisher.send(p, messages);
      }
    }
    await publisher.close();
  } catch (error) {
    await broker.stop();
    throw error;
  }
  return broker;
}

/** Reads a topic log: the lines of each partition. */
export function logLines({ dir, partitions }: GeneratedTopic): Promise<string[][]> {
  return Promise.all(
    Array.from({ length: partitions }, async (_, p) => {
      const text = await Deno.readTextFile(join(dir, "transactions", `partition-${p}.jsonl`));
      return text.trimEnd().split("\n");
    }),
  );
}

function freePorts(): [number, number] {
  const listeners = [0, 0].map((port) => Deno.listen({ hostname: "127.0.0.1", port }));
  const ports = listeners.map(({ addr }) => addr.port);
  for (const listener of listeners) listener.close();
  return ports as [number, number];
}
