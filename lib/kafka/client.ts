import { Buffer } from "node:buffer";
import type * as tls from "node:tls";
import { Kafka, logLevel, type RetryOptions, type SASLOptions } from "kafkajs";
import { decodeFetchResponse, type FetchedPartition } from "./record_batch.ts";

/** How to log in to a cluster. Never shown or logged. */
export interface KafkaSecurity {
  /** TLS; default: `KAFKA_SSL=true` in the environment. */
  readonly ssl?: boolean | tls.ConnectionOptions;
  /** Default: `KAFKA_SASL_MECHANISM` (plain, scram-sha-256, scram-sha-512), `_USERNAME`, `_PASSWORD`. */
  readonly sasl?: SASLOptions;
}

interface Connection {
  connect(): Promise<unknown>;
  send(protocol: unknown): Promise<FetchedPartition>;
  processData(chunk: Uint8Array): void;
  disconnect(): Promise<unknown>;
  socket?: { destroy(error: Error): void } | undefined;
  readonly requestQueue: RequestQueue;
  connecting?: Promise<unknown> | undefined;
}

interface RequestQueue {
  readonly pending: readonly unknown[];
  scheduleCheckPendingRequests(): void;
}

interface ConnectionPool {
  readonly pool: readonly Connection[];
  getConnection(index: number): Promise<Connection>;
}

/** The part of kafkajs' own cluster object used here; a test fails if it moves. */
export interface Cluster {
  readonly connectionPoolBuilder: {
    build(address: { host: string; port: number }): Promise<ConnectionPool>;
  };
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  refreshMetadata(): Promise<void>;
  addTargetTopic(topic: string): Promise<void>;
  findTopicPartitionMetadata(topic: string): { partitionId: number; leader: number }[];
  findBroker(node: { nodeId: string }): Promise<{ readonly connectionPool: ConnectionPool }>;
  fetchTopicsOffset(
    topics: {
      topic: string;
      partitions: { partition: number }[];
      fromBeginning?: boolean;
      fromTimestamp?: number;
    }[],
  ): Promise<{ partitions: { partition: number; offset: string }[] }[]>;
}

/** Kafka's isolation level: what open or aborted transactions wrote is not shown. */
const READ_COMMITTED = 1;
const FETCH_WAIT_MS = 500;

/**
 * Makes a kafkajs client that keeps off the console, survives a peer that is not Kafka, and takes
 * what the options leave out from the environment. `bootstrap` is `host:port`, or several with commas.
 */
export async function kafkaClient(
  bootstrap: string,
  options: KafkaSecurity & { readonly retry?: RetryOptions } = {},
): Promise<Kafka> {
  const sasl = options.sasl ?? saslFromEnvironment();
  const client = new Kafka({
    clientId: "transaction-kpi",
    brokers: bootstrap.split(",").map((broker) => broker.trim()),
    ssl: options.ssl ?? Deno.env.get("KAFKA_SSL") === "true",
    ...(sasl ? { sasl } : {}),
    connectionTimeout: 4_000,
    requestTimeout: 9_000,
    retry: options.retry ?? { retries: 0 }, // the source retries by itself, and can be closed meanwhile
    logLevel: logLevel.NOTHING,
    logCreator: () => () => {},
  });
  await mendKafkajs(createCluster(client));
  return client;
}

/**
 * Makes kafkajs' own cluster object, the only way to read without a consumer group. This is the seam:
 * kafkajs is pinned, and nothing else in the project reaches behind its public interface.
 */
export function createCluster(client: Kafka): Cluster {
  const symbol = Object.getOwnPropertySymbols(client)
    .find(({ description }) => description === "private:Kafka:createCluster");
  const create = symbol && Reflect.get(client, symbol);
  if (typeof create !== "function") {
    throw new TypeError(
      "Cannot open a Kafka cluster: expected kafkajs 2.2.4, whose Kafka object has createCluster",
    );
  }
  return create({ allowAutoTopicCreation: false, isolationLevel: READ_COMMITTED });
}

/** Mends four faults of kafkajs 2.2.4 in its prototypes, once in a process. */
async function mendKafkajs(cluster: Cluster): Promise<void> {
  const { pool } = await cluster.connectionPoolBuilder.build({ host: "127.0.0.1", port: 1 });
  const connection: Connection = Object.getPrototypeOf(pool[0]);
  if (Object.hasOwn(connection, "connecting")) return;
  connection.connecting = undefined;
  const { connect, disconnect, processData } = connection;
  // Two requests at a time on a closed connection would open two sockets and forget one of them.
  connection.connect = function (this: Connection) {
    return this.connecting ??= connect.call(this).finally(() => this.connecting = undefined);
  };
  // A closed socket would be ended and unreferenced again by each retry, with a listener left each time.
  connection.disconnect = async function (this: Connection) {
    const { socket } = this;
    const done = await disconnect.call(this);
    if (this.socket === socket) this.socket = undefined;
    return done;
  };
  // An answer that is not Kafka's would throw out of the socket's event and end the process.
  connection.processData = function (this: Connection, chunk) {
    try {
      processData.call(this, chunk);
    } catch (error) {
      this.socket?.destroy(new Error(`the answer is not a Kafka broker's (${error})`));
    }
  };
  // An empty queue would set a timer of negative delay, again and again each millisecond.
  const queue: RequestQueue = Object.getPrototypeOf(pool[0]!.requestQueue);
  const schedule = queue.scheduleCheckPendingRequests;
  queue.scheduleCheckPendingRequests = function (this: RequestQueue) {
    if (this.pending.length > 0) schedule.call(this);
  };
}

/** A Fetch request, version 11, for one partition, in the form kafkajs' connection sends. */
export function fetchRequest(
  wanted: { topic: string; partition: number; offset: number; maxBytes: number },
) {
  const topic = new TextEncoder().encode(wanted.topic);
  const buffer = Buffer.alloc(75 + topic.length);
  let at = 0;
  const int32 = (value: number) => at = buffer.writeInt32BE(value, at);
  const int64 = (value: number) => at = buffer.writeBigInt64BE(BigInt(value), at);
  [-1, FETCH_WAIT_MS, 1, wanted.maxBytes].forEach(int32); // replica, wait, min and max bytes
  at = buffer.writeInt8(READ_COMMITTED, at);
  [0, -1, 1].forEach(int32); // no session: id, epoch; one topic
  at = buffer.writeInt16BE(topic.length, at);
  buffer.set(topic, at);
  at += topic.length;
  [1, wanted.partition, -1].forEach(int32); // one partition, any leader epoch
  [wanted.offset, -1].forEach(int64); // offset, log start (followers only)
  [wanted.maxBytes, 0].forEach(int32); // no forgotten topics
  buffer.writeInt16BE(0, at); // no rack
  return {
    request: {
      apiKey: 1,
      apiVersion: 11,
      apiName: "Fetch",
      encode: () => ({ buf: buffer, buffer }),
    },
    response: {
      decode: (payload: Buffer) => ({ payload, clientSideThrottleTime: payload.readInt32BE(0) }),
      parse: ({ payload }: { payload: Buffer }) => decodeFetchResponse(payload),
    },
  };
}

function saslFromEnvironment(): SASLOptions | undefined {
  const mechanism = Deno.env.get("KAFKA_SASL_MECHANISM")?.toLowerCase();
  if (!mechanism) return undefined;
  if (mechanism !== "plain" && mechanism !== "scram-sha-256" && mechanism !== "scram-sha-512") {
    throw new RangeError(
      `KAFKA_SASL_MECHANISM must be plain, scram-sha-256 or scram-sha-512, got ${mechanism}`,
    );
  }
  const username = Deno.env.get("KAFKA_SASL_USERNAME") ?? "";
  const password = Deno.env.get("KAFKA_SASL_PASSWORD") ?? "";
  // One literal a mechanism, since kafkajs' type joins them by it.
  if (mechanism === "plain") return { mechanism, username, password };
  if (mechanism === "scram-sha-256") return { mechanism, username, password };
  return { mechanism, username, password };
}
