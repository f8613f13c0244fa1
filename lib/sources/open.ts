import type { Source } from "../core/types.ts";
import { TopicLog } from "../topic_log/topic_log.ts";

/**
 * Opens a topic where `spec` says it is: `log:DIR`, a folder of topic logs, or `kafka:BOOTSTRAP`, such
 * as `kafka:127.0.0.1:9092`. Throws a `SyntaxError` for another spec, and if there is no such topic.
 */
export async function openSource(
  spec: string,
  topic: string,
  { failOnDataLoss = true }: { failOnDataLoss?: boolean } = {},
): Promise<Source> {
  const [, kind, address] = /^(log|kafka):(.+)$/.exec(spec) ?? [];
  if (kind === "log") return await TopicLog.open(address!, topic);
  if (kind === "kafka") {
    const { KafkaSource } = await import("../kafka/source.ts"); // kafkajs takes 100 ms to load
    return await KafkaSource.open(address!, topic, { failOnDataLoss });
  }
  throw new SyntaxError(`A source must be log:DIR or kafka:BOOTSTRAP, got "${spec}"`);
}
