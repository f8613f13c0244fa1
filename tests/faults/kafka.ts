import { join } from "node:path";
import { startBroker } from "../../tools/kafka/kafka.ts";
import { openKafkaPublisher } from "../../tools/replay/kafka_publisher.ts";
import { freePorts } from "../kafka/broker.ts";
import type { NewTopic } from "./kills.ts";

const PARTITIONS = 2;

/** A broker of its own, and topics on it with the same messages at the same offsets as those of a topic log. */
export async function openKafkaTopics(
  dir: string,
): Promise<{ newTopic: NewTopic; close(): Promise<void> }> {
  const [port, controllerPort] = freePorts(2) as [number, number];
  const broker = await startBroker({ port, controllerPort, dir: join(dir, "kafka") });
  let topics = 0;
  return {
    async newTopic() {
      const name = `transactions-${topics++}`;
      const publisher = await openKafkaPublisher(broker.bootstrap, name, PARTITIONS);
      let sent = 0;
      return {
        source: `kafka:${broker.bootstrap}`,
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
    },
    close: () => broker.stop(),
  };
}
