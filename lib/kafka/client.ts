import type * as tls from "node:tls";
import { Kafka, logLevel, type RetryOptions, type SASLOptions } from "kafkajs";
import { addressText, type BrokerAddress, brokerAddresses } from "./address.ts";
import { type ProtocolRequest, READ_COMMITTED } from "./protocol.ts";
import { escaped, socketFactory, unescaped } from "./socket.ts";

/** How to log in to a cluster. Never shown or logged. */
export interface KafkaSecurity {
  /** TLS; default: `KAFKA_SSL=true` in the environment. */
  readonly ssl?: boolean | tls.ConnectionOptions;
  /** Default: `KAFKA_SASL_MECHANISM` (plain, scram-sha-256, scram-sha-512), `_USERNAME`, `_PASSWORD`. */
  readonly sasl?: SASLOptions;
}

interface Connection {
  connect(): Promise<unknown>;
  send<Answer>(request: ProtocolRequest<Answer>): Promise<Answer>;
  processData(chunk: Uint8Array): void;
  disconnect(): Promise<unknown>;
  chunks: readonly Uint8Array[];
  readonly bytesBuffered: number;
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

interface ClusterBroker {
  readonly connectionPool: ConnectionPool & BrokerAddress;
  /** By Kafka's number of the request. */
  readonly versions: Readonly<Record<number, { readonly maxVersion: number }>>;
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
  findBroker(node: { nodeId: string }): Promise<ClusterBroker>;
  fetchTopicsOffset(
    topics: {
      topic: string;
      partitions: { partition: number }[];
      fromBeginning?: boolean;
      fromTimestamp?: number;
    }[],
  ): Promise<{ partitions: { partition: number; offset: string }[] }[]>;
}

/**
 * Makes a kafkajs client that keeps off the console, survives a peer that is not Kafka, and takes
 * what the options leave out from the environment. Its connections end with `signal`. `bootstrap` is `host:port`, or several with commas;
 * throws a `SyntaxError` if it is not.
 */
export async function kafkaClient(
  bootstrap: string,
  options: KafkaSecurity & { readonly retry?: RetryOptions; readonly signal?: AbortSignal } = {},
): Promise<Kafka> {
  const sasl = options.sasl ?? saslFromEnvironment();
  const client = new Kafka({
    clientId: "transaction-kpi",
    brokers: brokerAddresses(bootstrap).map(({ host, port }) => `${escaped(host)}:${port}`),
    socketFactory: socketFactory(options.signal),
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

/** Returns the address in an error of kafkajs, or of Deno, as a user would write it. */
export function readable(address: string): string {
  const [, host, port] = /^\[?(.*?)\]?:(\d+)$/.exec(address) ?? [];
  return host === undefined ? address : addressText({ host: unescaped(host), port: Number(port) });
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
    if (this.bytesBuffered === 0) this.chunks = []; // else an answer would be joined to nothing, in a copy
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
