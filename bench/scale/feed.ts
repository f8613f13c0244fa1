/** Rows sent to Kafka at a rate that the one who measures sets, each with the time it was sent as its event time. */
import { Buffer } from "node:buffer";
import { setTimeout as delay } from "node:timers/promises";
import { crc32c } from "@node-rs/crc32";
import { type Cluster, createCluster, kafkaClient } from "../../lib/kafka/client.ts";
import type { ProtocolRequest } from "../../lib/kafka/protocol.ts";
import { TIME_AT } from "../long.ts";

const HEADER = 61;
const CHECKED_FROM = 21;
const TICK_MS = 50;
/** Under the broker's limit of a batch, for rows of up to a kilobyte. */
const MOST_ROWS = 900;

/** Makes a record batch of format 2: no keys, not compressed, by no known producer. */
export function recordBatch(values: readonly Uint8Array[], now: number): Buffer {
  const size = values.reduce((sum, { length }) => sum + length + 20, HEADER);
  const batch = Buffer.alloc(size);
  let at = HEADER;
  const varint = (value: number) => {
    for (value *= 2; value >= 0x80; value >>>= 7) batch[at++] = value & 0x7f | 0x80;
    batch[at++] = value;
  };
  for (const [i, value] of values.entries()) {
    const sizeOf = (value: number) => value < 64 ? 1 : value < 8192 ? 2 : 3;
    // Attributes, time, offset, no key, value, no headers.
    varint(4 + sizeOf(i) + sizeOf(value.length) + value.length);
    at += 2;
    varint(i);
    batch[at++] = 1; // a length of -1
    varint(value.length);
    batch.set(value, at);
    at += value.length + 1;
  }
  batch.writeInt32BE(at - 12, 8);
  batch.writeInt32BE(-1, 12); // no leader epoch
  batch.writeInt8(2, 16);
  batch.writeInt32BE(values.length - 1, 23);
  batch.writeBigInt64BE(BigInt(now), 27);
  batch.writeBigInt64BE(BigInt(now), 35);
  batch.fill(0xff, 43, 57); // no producer
  batch.writeInt32BE(values.length, 57);
  batch.writeUInt32BE(crc32c(batch.subarray(CHECKED_FROM, at)), 17);
  return batch.subarray(0, at);
}

/** A Produce request, version 3, for one partition; its answer is Kafka's error code. */
function produceRequest(topic: string, partition: number, batch: Buffer): ProtocolRequest<number> {
  const head = Buffer.alloc(30 + topic.length);
  let at = head.writeInt16BE(-1); // no transaction
  at = head.writeInt16BE(1, at); // the leader has it
  at = head.writeInt32BE(30_000, at);
  at = head.writeInt32BE(1, at);
  at = head.writeInt16BE(topic.length, at);
  at += head.write(topic, at);
  for (const value of [1, partition, batch.length]) at = head.writeInt32BE(value, at);
  const buffer = Buffer.concat([head.subarray(0, at), batch]);
  return {
    request: {
      ...{ apiKey: 0, apiVersion: 3, apiName: "Produce" },
      encode: () => ({ buf: buffer, buffer }),
    },
    response: {
      decode: (payload) => ({ payload, clientSideThrottleTime: 0 }),
      // One topic with its name, one partition: index, error code.
      parse: ({ payload }) => payload.readInt16BE(4 + 2 + topic.length + 4 + 4),
    },
  };
}

/** Feeds a topic. */
export interface Feeder {
  /** Rows sent so far. */
  readonly sent: number;
  /** Sends rows for so long, ms, at so many rows a second; returns the rows a second it came to. */
  feed(rate: number, duration: number): Promise<number>;
  close(): Promise<void>;
}

/** Opens a feeder of rows that begin with their event time, to a topic that is there; they are sent again and again. */
export async function openFeeder(
  bootstrap: string,
  { topic, partitions, rows }: { topic: string; partitions: number; rows: readonly Uint8Array[] },
): Promise<Feeder> {
  const cluster: Cluster = createCluster(await kafkaClient(bootstrap, { retry: { retries: 5 } }));
  await cluster.connect();
  await cluster.addTargetTopic(topic);
  const { leader } = cluster.findTopicPartitionMetadata(topic)[0]!;
  const broker = await cluster.findBroker({ nodeId: String(leader) });
  const connection = await broker.connectionPool.getConnection(0);
  let sent = 0;
  async function send(partition: number, count: number): Promise<void> {
    const now = Date.now();
    const time = Buffer.from(new Date(now).toISOString());
    const values = Array.from({ length: count }, (_, i) => rows[(sent + i) % rows.length]!);
    for (const value of values) value.set(time, TIME_AT);
    sent += count;
    const code = await connection.send(produceRequest(topic, partition, recordBatch(values, now)));
    if (code !== 0) throw new Error(`Kafka refused rows with its error ${code}`);
  }
  return {
    get sent() {
      return sent;
    },
    async feed(rate, duration) {
      const [began, first] = [performance.now(), sent];
      for (let past = 0; past < duration; past = performance.now() - began) {
        const due = Math.floor(rate * Math.min(past + TICK_MS, duration) / 1000) - (sent - first);
        const requests: Promise<void>[] = [];
        for (let left = Math.min(due, partitions * MOST_ROWS); left > 0;) {
          const count = Math.min(Math.ceil(due / partitions), MOST_ROWS, left);
          requests.push(send(requests.length % partitions, count));
          left -= count;
        }
        await Promise.all(requests);
        if (due <= partitions * MOST_ROWS) await delay(TICK_MS);
      }
      return (sent - first) / ((performance.now() - began) / 1000);
    },
    close: () => cluster.disconnect(),
  };
}
