import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { crc32 } from "node:zlib";
import type { Messages, Offsets } from "../../lib/core/types.ts";
import { type KafkaOptions, KafkaSource } from "../../lib/kafka/source.ts";
import { openKafkaPublisher } from "../../tools/replay/kafka_publisher.ts";
import { isBrokerMissing, openTestBroker, type TestBroker } from "./broker.ts";

export const ignore = await isBrokerMissing();

/** The broker of a file's tests, from its first one on. */
export let broker: TestBroker;

/** Starts a broker before the tests of a file, and ends it after them. */
export function startBroker(): void {
  if (ignore) return;
  Deno.test.beforeAll(async () => {
    broker = await openTestBroker();
  });
  Deno.test.afterAll(() => broker.close());
}

export async function publish(topic: string, rows: readonly (readonly string[])[]): Promise<void> {
  const publisher = await openKafkaPublisher(broker.bootstrap, topic, rows.length);
  for (const [partition, values] of rows.entries()) {
    await publisher.send(partition, values.map((value, i) => ({ key: `${i}`, value })));
  }
  await publisher.close();
}

export async function withSource(
  topic: string,
  options: KafkaOptions,
  work: (source: KafkaSource) => Promise<void>,
): Promise<void> {
  const source = await KafkaSource.open(broker.bootstrap, topic, options);
  try {
    await work(source);
  } finally {
    await source.close();
  }
}

/** Reads all partitions from 0 in ranges of `step` offsets, and checks that offsets rise. */
export async function readInSteps(
  source: KafkaSource,
  latest: Offsets,
  step: number,
): Promise<string[][]> {
  const read: string[][] = Object.keys(latest).map(() => []);
  let start: Record<string, number> = Object.fromEntries(Object.keys(latest).map((p) => [p, 0]));
  while (Object.keys(latest).some((p) => start[p]! < latest[p]!)) {
    const end = Object.fromEntries(
      Object.keys(latest).map((p) => [p, Math.min(start[p]! + step, latest[p]!)]),
    );
    for (const messages of await source.getBatch(start, end)) {
      const p = messages.partition;
      assert.ok(
        messages.offsets.every((offset, i) =>
          offset >= start[p]! && offset < end[p]! &&
          (i === 0 || offset > messages.offsets[i - 1]!)
        ),
      );
      read[Number(p)]!.push(...valuesOf(messages));
    }
    start = end;
  }
  return read;
}

export function valuesOf(messages: Messages): string[] {
  const { bytes, starts, ends } = messages;
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from(starts, (start, i) => buffer.toString("utf8", start, ends[i]));
}

export function checksum(values: readonly string[]): number {
  return values.reduce((crc, value) => crc32(value, crc), 0);
}

export function numbered<T>(count: number, value: (i: number) => T): T[] {
  return Array.from({ length: count }, (_, i) => value(i));
}
