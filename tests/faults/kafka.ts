import { join } from "node:path";
import { startBroker } from "../../tools/kafka/kafka.ts";
import { openKafkaPublisher } from "../../tools/replay/kafka_publisher.ts";
import { freePorts } from "../kafka/broker.ts";
import type { NewTopic } from "./kills.ts";
import type { Topic } from "./program.ts";

const PARTITIONS = 2;

/** Makes a topic with the same messages at the same offsets as those of a topic log. */
export async function kafkaTopic(bootstrap: string, name: string): Promise<Topic> {
  const publisher = await openKafkaPublisher(bootstrap, name, PARTITIONS);
  let sent = 0;
  return {
    source: `kafka:${bootstrap}`,
    name,
    async send(rows) {
      const parts = Array.from({ length: PARTITIONS }, (): string[] => []);
      for (const row of rows) parts[sent++ % PARTITIONS]!.push(row);
      for (const [partition, values] of parts.entries()) {
        await publisher.send(partition, values.map((value) => ({ key: "k", value })));
      }
    },
    close: () => publisher.close(),
  };
}

/** A broker of its own, for such topics. */
export async function openKafkaTopics(
  dir: string,
): Promise<{ bootstrap: string; newTopic: NewTopic; close(): Promise<void> }> {
  const [port, controllerPort] = freePorts(2) as [number, number];
  const broker = await startBroker({ port, controllerPort, dir: join(dir, "kafka") });
  const { bootstrap } = broker;
  let topics = 0;
  return {
    bootstrap,
    newTopic: () => kafkaTopic(bootstrap, `transactions-${topics++}`),
    close: () => broker.stop(),
  };
}
