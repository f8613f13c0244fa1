import { setTimeout as delay } from "node:timers/promises";
import type { Messages, Offsets, Source } from "../core/types.ts";
import {
  type Cluster,
  createCluster,
  fetchRequest,
  kafkaClient,
  type KafkaSecurity,
} from "./client.ts";
import { type FetchedPartition, MessagesBuilder } from "./record_batch.ts";

/** What to do where data or the broker is gone, and how to log in. */
export interface KafkaOptions extends KafkaSecurity {
  /** Read what is left, and count the rest in `lostOffsets`, where offsets are gone; default: throw. */
  readonly failOnDataLoss?: boolean;
  /** How long a broker may be away before a call gives up, in ms; default 120 s. */
  readonly outageTimeoutMs?: number;
}

const OPEN_TIMEOUT_MS = 8_000;
/** What a fetch may bring, and what those of all partitions may bring at once; a record batch always may. */
const FETCH_BYTES = 4 * 2 ** 20;
const ALL_FETCH_BYTES = 12 * 2 ** 20;
/** Empty answers in a row, each after a wait of half a second, before the rest of a range counts as gone. */
const EMPTY_FETCHES = 10;
const OFFSET_OUT_OF_RANGE = 1;

/**
 * Reads exact offset ranges of a Kafka topic, without a consumer group: the checkpoint owns the
 * offsets. Only committed messages are seen. A broker that is away is waited for; a call that is
 * waiting when the source is closed fails.
 */
export class KafkaSource implements Source {
  readonly topic: string;
  readonly address: string;
  readonly description: string;
  /** Offsets that were asked for and gone, with `failOnDataLoss: false`. */
  lostOffsets = 0;
  readonly #cluster: Cluster;
  readonly #bootstrap: string;
  readonly #options: KafkaOptions;
  readonly #closing = new AbortController();
  /** The last read of each partition: the next one waits for it. */
  readonly #reads = new Map<string, Promise<unknown>>();
  /** What was fetched of each partition behind the last range read, which ended at `offset`. */
  readonly #rests = new Map<string, { offset: number; fetched: FetchedPartition }>();

  /** Connects and looks the topic up; throws within 10 s if there is no such broker or topic. */
  static async open(
    bootstrap: string,
    topic: string,
    options: KafkaOptions = {},
  ): Promise<KafkaSource> {
    const cluster = createCluster(await kafkaClient(bootstrap, options));
    const source = new KafkaSource(cluster, bootstrap, topic, options);
    try {
      await source.#retrying(async () => {
        await cluster.connect();
        await cluster.addTargetTopic(topic);
      }, OPEN_TIMEOUT_MS);
    } catch (error) {
      await source.close();
      throw error;
    }
    return source;
  }

  private constructor(cluster: Cluster, bootstrap: string, topic: string, options: KafkaOptions) {
    this.#cluster = cluster;
    this.#bootstrap = bootstrap;
    this.#options = options;
    this.topic = topic;
    this.address = `kafka:${bootstrap}`;
    this.description = `Kafka[${topic}]`;
  }

  earliestOffsets(): Promise<Offsets> {
    return this.#listOffsets({ fromBeginning: true });
  }

  /** The last stable offsets: what an open transaction holds back is not there yet. */
  latestOffsets(): Promise<Offsets> {
    return this.#listOffsets({ fromBeginning: false });
  }

  async offsetsForTime(timestampMs: number): Promise<Offsets> {
    const latest = await this.latestOffsets();
    const found = await this.#listOffsets({ fromTimestamp: timestampMs });
    return Object.fromEntries(
      Object.keys(latest).map((p) => [p, (found[p] ?? -1) < 0 ? latest[p]! : found[p]!]),
    );
  }

  async getBatch(start: Offsets, end: Offsets): Promise<readonly Messages[]> {
    const partitions = Object.keys(end).sort((a, b) => Number(a) - Number(b));
    return await Promise.all(partitions.map((partition) => {
      // In turn, so that a range goes on with what was fetched for the one before.
      const read = Promise.resolve(this.#reads.get(partition)).then(() =>
        this.#read(partition, start[partition] ?? 0, end[partition]!)
      );
      this.#reads.set(partition, read.catch(() => {}));
      return read;
    }));
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#cluster.disconnect();
  }

  #listOffsets(
    position: { fromBeginning: boolean } | { fromTimestamp: number },
  ): Promise<Offsets> {
    return this.#retrying(async () => {
      await this.#cluster.refreshMetadata(); // shows partitions that were added
      const partitions = this.#cluster.findTopicPartitionMetadata(this.topic)
        .map(({ partitionId }) => ({ partition: partitionId }))
        .sort((a, b) => a.partition - b.partition);
      const [found] = await this.#cluster.fetchTopicsOffset([
        { topic: this.topic, partitions, ...position },
      ]);
      const offsets = new Map(found?.partitions.map((p) => [p.partition, Number(p.offset)]));
      return Object.fromEntries(
        partitions.map(({ partition }) => [partition, offsets.get(partition)!]),
      );
    });
  }

  async #read(partition: string, start: number, end: number): Promise<Messages> {
    const builder = new MessagesBuilder();
    let next = start;
    if (start > end) next = await this.#lose(partition, start, end);
    for (let empty = 0; next < end;) {
      const kept = this.#rests.get(partition);
      this.#rests.delete(partition);
      const known = kept?.offset === next ? kept.fetched : undefined;
      const fetched = known ?? await this.#retrying(() => this.#fetch(partition, next));
      const { next: after, rest } = builder.add(fetched, { from: next, end });
      if (after >= end && rest.records.length > 0) {
        this.#rests.set(partition, { offset: end, fetched: rest });
      }
      empty = after === next && !known ? empty + 1 : 0;
      if (fetched.errorCode === OFFSET_OUT_OF_RANGE || empty === EMPTY_FETCHES) {
        next = await this.#lose(partition, next, end);
      } else next = after;
    }
    return builder.build(partition);
  }

  /** Says what is gone of `[next, end)`; returns where to read on if that is allowed. */
  async #lose(partition: string, next: number, end: number): Promise<number> {
    const earliest = (await this.earliestOffsets())[partition];
    const latest = (await this.latestOffsets())[partition];
    if (this.#options.failOnDataLoss !== false) {
      const there = earliest === undefined || latest === undefined
        ? "the partition is gone"
        : `there are [${earliest}, ${latest})`;
      throw new RangeError(
        `Data loss in Kafka topic ${this.topic}, partition ${partition}: wanted offsets [${next}, ${end}), ${there}. ` +
          "Retention has deleted them or the topic was made anew. " +
          "Set failOnDataLoss to false to go on with what is left, or start with a new checkpoint",
      );
    }
    if (earliest === undefined || latest === undefined) {
      this.lostOffsets += Math.max(end - next, 0);
      return end;
    }
    if (next > end) return Math.min(earliest, end); // the new topic is read from its beginning
    const resume = next < earliest ? Math.min(earliest, end) : next < latest ? next : end;
    this.lostOffsets += resume - next;
    return resume;
  }

  async #fetch(partition: string, offset: number): Promise<FetchedPartition> {
    const id = Number(partition);
    const partitions = this.#cluster.findTopicPartitionMetadata(this.topic);
    const metadata = partitions.find(({ partitionId }) => partitionId === id);
    // The same answer as for an offset that is gone: the caller says what that means.
    if (!metadata) {
      return { errorCode: OFFSET_OUT_OF_RANGE, aborted: [], records: new Uint8Array() };
    }
    const broker = await this.#cluster.findBroker({ nodeId: String(metadata.leader) });
    const connection = await broker.connectionPool.getConnection(1); // kafkajs' one for Fetch
    const maxBytes = Math.min(FETCH_BYTES, Math.ceil(ALL_FETCH_BYTES / partitions.length));
    const fetched = await connection.send(
      fetchRequest({ topic: this.topic, partition: id, offset, maxBytes }),
    );
    if (fetched.errorCode !== 0 && fetched.errorCode !== OFFSET_OUT_OF_RANGE) {
      throw Object.assign(
        new Error(`${this.topic}, partition ${id}: Kafka error code ${fetched.errorCode}`),
        { retriable: fetched.errorCode !== 29 }, // not allowed to read the topic
      );
    }
    return fetched;
  }

  async #retrying<T>(
    task: () => Promise<T>,
    timeoutMs = this.#options.outageTimeoutMs ?? 120_000,
  ): Promise<T> {
    const deadline = Date.now() + timeoutMs;
    let failed: KafkaError | undefined;
    for (let wait = 100;; wait = Math.min(2 * wait, 1_000)) {
      try {
        if (failed?.name === "KafkaJSRequestTimeoutError") await this.#cluster.disconnect();
        if (failed) await this.#cluster.refreshMetadata();
        return await task();
      } catch (error) {
        failed = rootCause(error);
        const { message, type, retriable } = failed;
        if (type === "UNKNOWN_TOPIC_OR_PARTITION") {
          throw new RangeError(
            `There is no topic ${this.topic} at Kafka ${this.#bootstrap}: create it, or replay into it first`,
          );
        }
        if (retriable === false || this.#closing.signal.aborted || Date.now() + wait > deadline) {
          throw new Error(
            `Cannot read Kafka topic ${this.topic} at ${this.#bootstrap}: ${message}. ` +
              "Check that the broker runs and that address, TLS and SASL settings are right",
          );
        }
        await delay(wait, undefined, { signal: this.#closing.signal });
      }
    }
  }
}

interface KafkaError extends Error {
  readonly type?: string;
  readonly retriable?: boolean;
}

function rootCause(error: unknown): KafkaError {
  let cause = error;
  while (cause instanceof Error && cause.cause instanceof Error) cause = cause.cause;
  return cause instanceof Error ? cause : new Error(String(cause));
}
