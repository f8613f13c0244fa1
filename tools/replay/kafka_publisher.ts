import { Buffer } from "node:buffer";
import { setTimeout as delay } from "node:timers/promises";
import kafkajs, { type Admin } from "kafkajs";
import { kafkaClient, type KafkaSecurity } from "../../lib/kafka/client.ts";

/** Takes messages into a topic; a send is done when the topic holds them. */
export interface Publisher {
  send(
    partition: number,
    messages: readonly { readonly key: string; readonly value: string }[],
  ): Promise<void>;
  close(): Promise<void>;
}

/** kafkajs needs time quadratic in the messages of one call. */
const MESSAGES_A_CALL = 1_000;
/** Under the broker's message.max.bytes, 1 MiB if not configured, keys and framing included. */
const BYTES_A_CALL = 900_000;
const MESSAGE_OVERHEAD = 80;
/** Waits out a broker that restarts. */
const RETRY = { initialRetryTime: 100, maxRetryTime: 1_000, retries: 120 };

/** Looks at a new topic, 100 ms apart, until the broker knows it. */
const TRIES_TO_SEE = 100;

/**
 * Opens a producer that neither loses nor doubles messages over a broker's restart (idempotent, acks
 * from all), and makes the topic if there is none. Throws RangeError if the topic has fewer partitions.
 */
export async function openKafkaPublisher(
  bootstrap: string,
  topic: string,
  partitions: number,
  security: KafkaSecurity = {},
): Promise<Publisher> {
  await createTopic(bootstrap, { topic, partitions, security });
  const client = await kafkaClient(bootstrap, { ...security, retry: RETRY });
  const producer = client.producer({
    idempotent: true,
    allowAutoTopicCreation: false,
    createPartitioner: () => ({ message }) => message.partition ?? 0,
    retry: RETRY,
  });
  await producer.connect();
  return {
    async send(partition, messages) {
      for (const chunk of chunks(messages)) {
        try {
          await producer.send({
            topic,
            messages: chunk.map((message) => ({ ...message, partition })),
          });
        } catch (error) {
          throw new Error(
            `Cannot send to Kafka topic ${topic}, partition ${partition}: ${
              error instanceof Error ? error.message : error
            } (${chunk.length} messages, ${sizeOf(chunk)} bytes)`,
          );
        }
      }
    },
    close: () => producer.disconnect(),
  };
}

async function createTopic(
  bootstrap: string,
  { topic, partitions, security }: { topic: string; partitions: number; security: KafkaSecurity },
): Promise<void> {
  const admin = (await kafkaClient(bootstrap, security)).admin({ retry: { retries: 5 } });
  try {
    await admin.connect();
    await admin.createTopics({
      topics: [{ topic, numPartitions: partitions }],
      waitForLeaders: false, // it gives up on the first answer that there is no such topic
    });
    const found = await partitionsOf(admin, topic);
    if (found < partitions) {
      throw new RangeError(
        `Kafka topic ${topic} has ${found} partitions, ${partitions} asked for: ` +
          `use --partitions ${found}, or another topic`,
      );
    }
  } catch (error) {
    if (error instanceof RangeError) throw error;
    throw new Error(
      `Cannot reach Kafka at ${bootstrap}: ${error instanceof Error ? error.message : error}. ` +
        "Start it with deno task kafka up, or check the address",
    );
  } finally {
    await admin.disconnect();
  }
}

/**
 * Counts the partitions of a topic that is there or was made just now: a broker may learn of it a moment later.
 */
async function partitionsOf(admin: Admin, topic: string): Promise<number> {
  for (let left = TRIES_TO_SEE;; left--) {
    try {
      const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
      return topics[0]?.partitions.length ?? 0;
    } catch (error) {
      if (left === 0 || !(error instanceof kafkajs.KafkaJSError && error.retriable)) throw error;
      await delay(100);
    }
  }
}

function* chunks<M extends { readonly key: string; readonly value: string }>(
  messages: readonly M[],
): Generator<M[]> {
  let chunk: M[] = [];
  let bytes = 0;
  for (const message of messages) {
    const size = sizeOf([message]);
    if (chunk.length === MESSAGES_A_CALL || (chunk.length > 0 && bytes + size > BYTES_A_CALL)) {
      yield chunk;
      chunk = [];
      bytes = 0;
    }
    chunk.push(message);
    bytes += size;
  }
  if (chunk.length > 0) yield chunk;
}

function sizeOf(messages: readonly { readonly key: string; readonly value: string }[]): number {
  return messages.reduce(
    (sum, { key, value }) =>
      sum + Buffer.byteLength(key) + Buffer.byteLength(value) + MESSAGE_OVERHEAD,
    0,
  );
}
