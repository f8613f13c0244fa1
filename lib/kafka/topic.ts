import { setTimeout as delay } from "node:timers/promises";
import type { Offsets } from "../core/types.ts";
import { addressText, brokerAddresses } from "./address.ts";
import {
  type Cluster,
  createCluster,
  kafkaClient,
  type KafkaSecurity,
  readable,
} from "./client.ts";
import {
  failed,
  FETCH,
  type FetchedPartition,
  fetchRequest,
  METADATA,
  topicIdRequest,
} from "./protocol.ts";

/** How to reach a topic. */
export interface TopicOptions extends KafkaSecurity {
  /** How long a broker or a topic may be away before a call gives up, in ms; default 120 s. */
  readonly outageTimeoutMs?: number;
}

/** An offset of each partition, of the topic with this id: hex, undefined if its brokers give none. */
export interface Listing {
  readonly id: string | undefined;
  readonly offsets: Offsets;
}

/** Which offset of each partition is asked for. */
export type ListPosition = { fromBeginning: boolean } | { fromTimestamp: number };

const OPEN_TIMEOUT_MS = 8_000;
/** How long a topic may be unknown at the start: a broker that starts does not know all of them yet. */
const UNKNOWN_TOPIC_MS = 2_000;
/** What a fetch may bring, and what those of all partitions may bring at once; a record batch always may. */
const FETCH_BYTES = 4 * 2 ** 20;
const ALL_FETCH_BYTES = 12 * 2 ** 20;

/** Kafka's error codes that are answers here, or that no waiting mends. */
export const OFFSET_OUT_OF_RANGE = 1;
const UNKNOWN_TOPIC_OR_PARTITION = 3;
const TOPIC_AUTHORIZATION_FAILED = 29;
const UNSUPPORTED_COMPRESSION_TYPE = 76;
const UNKNOWN_TOPIC_ID = 100;
/** What kafkajs calls code 3. */
const UNKNOWN_TOPIC = "UNKNOWN_TOPIC_OR_PARTITION";

/** A topic at its brokers, which are waited for where they are away. */
export class KafkaTopic {
  readonly #cluster: Cluster;
  readonly #closing: AbortController;
  #isOpen = false;

  /**
   * Connects and looks the topic and its earliest offsets up; throws within 10 s if there is no such broker or topic, or if a
   * broker cannot be reached at the address that it gives for itself.
   */
  static async open(
    bootstrap: string,
    name: string,
    options: TopicOptions,
  ): Promise<Listing & { topic: KafkaTopic }> {
    const closing = new AbortController();
    const client = await kafkaClient(bootstrap, { ...options, signal: closing.signal });
    const topic = new KafkaTopic(bootstrap, name, options.outageTimeoutMs ?? 120_000, {
      cluster: createCluster(client),
      closing,
    });
    try {
      const earliest = await topic.list({ fromBeginning: true });
      topic.#isOpen = true;
      return { topic, ...earliest };
    } catch (error) {
      await topic.close();
      throw error;
    }
  }

  private constructor(
    readonly bootstrap: string,
    readonly name: string,
    readonly outageTimeoutMs: number,
    { cluster, closing }: { cluster: Cluster; closing: AbortController },
  ) {
    this.#cluster = cluster;
    this.#closing = closing;
  }

  /** Lists an offset of each partition, and the topic's id, which brokers of Kafka 2.8 and newer give. */
  list(position: ListPosition): Promise<Listing> {
    return this.#retrying(async () => {
      await this.#cluster.addTargetTopic(this.name);
      await this.#cluster.refreshMetadata(); // shows partitions that were added
      const id = await this.#id(); // before the offsets: if they are another topic's, the next id differs
      const partitions = this.#cluster.findTopicPartitionMetadata(this.name)
        .map(({ partitionId }) => ({ partition: partitionId }))
        .sort((a, b) => a.partition - b.partition);
      const wanted = { topic: this.name, partitions, ...position };
      const [found] = await this.#cluster.fetchTopicsOffset([wanted]);
      const offsets = new Map(found?.partitions.map((p) => [p.partition, Number(p.offset)]));
      return {
        id,
        offsets: Object.fromEntries(
          partitions.map(({ partition }) => [partition, offsets.get(partition)!]),
        ),
      };
    });
  }

  /**
   * Fetches record batches of a partition from an offset on, of the topic with this id. The error code
   * of the answer is 0, or `OFFSET_OUT_OF_RANGE` also if the partition or that topic is gone.
   */
  fetch(partition: number, offset: number, topicId?: string): Promise<FetchedPartition> {
    return this.#retrying(async () => {
      const partitions = this.#cluster.findTopicPartitionMetadata(this.name);
      const metadata = partitions.find(({ partitionId }) => partitionId === partition);
      if (!metadata) return failed(OFFSET_OUT_OF_RANGE);
      const broker = await this.#cluster.findBroker({ nodeId: String(metadata.leader) });
      const isById = broker.versions[FETCH.apiKey]!.maxVersion >= FETCH.withIds;
      const maxBytes = Math.min(FETCH_BYTES, Math.ceil(ALL_FETCH_BYTES / partitions.length));
      const range = { topic: this.name, partition, offset, maxBytes };
      const connection = await broker.connectionPool.getConnection(1); // kafkajs' one for Fetch
      const fetched = await connection.send(
        fetchRequest({ ...range, ...isById && topicId !== undefined && { topicId } }),
      );
      const { errorCode } = fetched;
      if (errorCode === 0 || errorCode === OFFSET_OUT_OF_RANGE) return fetched;
      if (errorCode === UNKNOWN_TOPIC_ID && await this.#id() !== topicId) {
        return failed(OFFSET_OUT_OF_RANGE);
      }
      throw protocolError(errorCode);
    });
  }

  /** Ends all calls at once, and the connections. */
  async close(): Promise<void> {
    const why =
      `Kafka[${this.name}] is closed, as a query closes its source when it ends: open it again ` +
      "for another query";
    this.#closing.abort(new DOMException(why, "AbortError"));
    await this.#cluster.disconnect();
  }

  async #id(): Promise<string | undefined> {
    const [first] = this.#cluster.findTopicPartitionMetadata(this.name);
    const broker = await this.#cluster.findBroker({ nodeId: String(first?.leader) });
    if (broker.versions[METADATA.apiKey]!.maxVersion < METADATA.withIds) return undefined;
    const connection = await broker.connectionPool.getConnection(0);
    const { errorCode, id } = await connection.send(topicIdRequest(this.name));
    if (errorCode !== 0) throw protocolError(errorCode);
    return id;
  }

  /** Tries until it works, or until it cannot, has taken too long or the topic is closed. */
  async #retrying<T>(task: () => Promise<T>): Promise<T> {
    const [outage, unknown] = this.#isOpen
      ? [this.outageTimeoutMs, this.outageTimeoutMs]
      : [OPEN_TIMEOUT_MS, UNKNOWN_TOPIC_MS];
    const began = Date.now();
    const timeout = new AbortController();
    const timer = setTimeout(() => timeout.abort(), outage);
    const ended = AbortSignal.any([this.#closing.signal, timeout.signal]);
    let failed: KafkaError | undefined;
    const attempt = async () => {
      if (failed?.name === "KafkaJSRequestTimeoutError") await this.#cluster.disconnect();
      if (failed) await this.#cluster.refreshMetadata();
      return await task();
    };
    try {
      for (let wait = 100;; wait = Math.min(2 * wait, 1_000)) {
        try {
          return await unlessEnded(ended, attempt);
        } catch (error) {
          this.#closing.signal.throwIfAborted();
          if (!timeout.signal.aborted) failed = rootCause(error);
          const isUnknown = failed?.type === UNKNOWN_TOPIC;
          const isOver = timeout.signal.aborted || isUnknown && Date.now() - began > unknown;
          if (isOver || isFinal(failed)) throw this.#explained(failed, outage);
        }
        await delay(wait, undefined, { signal: ended }).catch(() => {}); // the next attempt says it
      }
    } finally {
      clearTimeout(timer);
    }
  }

  #explained(error: KafkaError | undefined, timeoutMs: number): Error {
    const { name, bootstrap } = this;
    if (error?.type === UNKNOWN_TOPIC) {
      return new RangeError(
        `There is no topic ${name} at Kafka ${bootstrap}: create it, or replay into it first`,
      );
    }
    const what = error?.message ?? `no answer within ${timeoutMs / 1000} s`;
    const refused = /Requires net access to "([^"]+)"/.exec(what)?.[1] ?? error?.broker;
    const own = refused && readable(refused);
    const named = brokerAddresses(bootstrap).map(addressText);
    const advice = own !== undefined && !named.includes(own)
      ? `Kafka there calls itself ${own}: name that address in place of ${bootstrap}, if it can be ` +
        `reached from here, or correct the broker's advertised.listeners`
      : "Check that the broker runs and that address, TLS and SASL settings are right";
    return new Error(`Cannot read Kafka topic ${name} at ${bootstrap}: ${what}. ${advice}`);
  }
}

interface KafkaError extends Error {
  readonly type?: string;
  readonly retriable?: boolean;
  /** The address of a broker that could not be reached. */
  readonly broker?: string;
}

function protocolError(code: number): KafkaError {
  return Object.assign(new Error(`Kafka error code ${code}`), {
    retriable: code !== TOPIC_AUTHORIZATION_FAILED && code !== UNSUPPORTED_COMPRESSION_TYPE,
    ...code === UNKNOWN_TOPIC_OR_PARTITION && { type: UNKNOWN_TOPIC },
  });
}

function rootCause(error: unknown): KafkaError {
  let cause = error;
  while (cause instanceof Error && cause.cause instanceof Error) cause = cause.cause;
  return cause instanceof Error ? cause : new Error(String(cause));
}

/** Whether waiting cannot help: a permission that this program was not given does not come later. */
function isFinal(error: KafkaError | undefined): boolean {
  return error?.retriable === false || /Requires \w+ access to/.test(error?.message ?? "");
}

/** Waits for `work`, but not on after `signal`. */
async function unlessEnded<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  signal.throwIfAborted();
  const { promise, reject } = Promise.withResolvers<never>();
  const end = () => reject(signal.reason);
  signal.addEventListener("abort", end, { once: true });
  try {
    return await Promise.race([work(), promise]);
  } finally {
    signal.removeEventListener("abort", end);
  }
}
