import type { Messages, Offsets, Source } from "../core/types.ts";
import type { FetchedPartition } from "./protocol.ts";
import { endOf, messagesOf, type RecordBatch, recordBatches, within } from "./record_batch.ts";
import { KafkaTopic, type ListPosition, OFFSET_OUT_OF_RANGE, type TopicOptions } from "./topic.ts";

/** What to do where data is gone, how long to wait for the broker, and how to log in. */
export interface KafkaOptions extends TopicOptions {
  /** Read what is left, and count the rest in `lostOffsets`, where offsets are gone; default: throw. */
  readonly failOnDataLoss?: boolean;
}

/** Empty answers in a row, each after a wait of half a second, before the rest of a range counts as gone. */
const EMPTY_FETCHES = 10;

const BYTES_A_MESSAGE = 512;

/** Where the reading of a partition stands. */
interface Position {
  /** The end of the last range read. */
  offset: number;
  /** What was fetched and not looked at yet. */
  batches: Iterator<RecordBatch, undefined>;
  /** A batch that was looked at and goes on after `offset`. */
  open?: RecordBatch | undefined;
  /** The next fetch, under way. */
  ahead?: { readonly offset: number; readonly fetched: Promise<FetchedPartition> } | undefined;
}

/**
 * Reads exact offset ranges of a Kafka topic, without a consumer group: the checkpoint owns the
 * offsets. Only committed messages are seen. A broker or a topic that is away is waited for; a call
 * that waits when the source is closed fails at once, with an `AbortError`.
 */
export class KafkaSource implements Source {
  readonly topic: string;
  readonly description: string;
  /** The topic's id; undefined if its brokers give topics none. */
  identity: string | undefined;
  /** Offsets that were asked for and gone, with `failOnDataLoss: false`. */
  lostOffsets = 0;
  readonly #topic: KafkaTopic;
  readonly #failOnDataLoss: boolean;
  /** Messages there were when it was opened. */
  #messages = 0;
  /** The last read of each partition: the next one waits for it. */
  readonly #reads = new Map<string, Promise<unknown>>();
  readonly #positions = new Map<string, Position>();

  /** Connects and looks the topic up; throws as `KafkaTopic.open` does. */
  static async open(
    bootstrap: string,
    topic: string,
    options: KafkaOptions = {},
  ): Promise<KafkaSource> {
    const opened = await KafkaTopic.open(bootstrap, topic, options);
    const source = new KafkaSource(opened.topic, options);
    source.identity = opened.id;
    const { offsets: ends } = await opened.topic.list({ fromBeginning: false });
    for (const [partition, first] of Object.entries(opened.offsets)) {
      source.#messages += Math.max(0, (ends[partition] ?? 0) - first);
    }
    return source;
  }

  private constructor(topic: KafkaTopic, { failOnDataLoss = true }: KafkaOptions) {
    this.#topic = topic;
    this.#failOnDataLoss = failOnDataLoss;
    this.topic = topic.name;
    this.description = `Kafka[${topic.name}]`;
  }

  earliestOffsets(): Promise<Offsets> {
    return this.#list({ fromBeginning: true });
  }

  /** The last stable offsets: what an open transaction holds back is not there yet. */
  latestOffsets(): Promise<Offsets> {
    return this.#list({ fromBeginning: false });
  }

  async offsetsForTime(timestampMs: number): Promise<Offsets> {
    const latest = await this.latestOffsets();
    const found = await this.#list({ fromTimestamp: timestampMs });
    return Object.fromEntries(
      Object.keys(latest).map((p) => [p, (found[p] ?? -1) < 0 ? latest[p]! : found[p]!]),
    );
  }

  async getBatch(start: Offsets, end: Offsets): Promise<readonly Messages[]> {
    const topicId = this.identity;
    const partitions = Object.keys(end).sort((a, b) => Number(a) - Number(b));
    const all = await Promise.all(partitions.map((partition) => {
      const range = { partition, topicId, start: start[partition] ?? 0, end: end[partition]! };
      // In turn, so that a range goes on with what was fetched for the one before.
      const read = Promise.resolve(this.#reads.get(partition)).then(() => this.#read(range));
      this.#reads.set(partition, read.catch(() => {}));
      return read;
    }));
    return all.flat();
  }

  /** A guess: Kafka does not say how large messages are. */
  unreadBytes(): number {
    return this.#messages * BYTES_A_MESSAGE;
  }

  close(): Promise<void> {
    return this.#topic.close();
  }

  async #list(position: ListPosition): Promise<Offsets> {
    const { offsets, id } = await this.#topic.list(position);
    this.identity = id;
    return offsets;
  }

  async #read(range: Range): Promise<Messages[]> {
    const { partition, start, end } = range;
    const from = start > end ? await this.#lose(start, range) : start;
    const kept = this.#positions.get(partition);
    const position = kept?.offset === from ? kept : { offset: from, batches: [].values() };
    this.#positions.delete(partition); // what fails is fetched again
    const batches: RecordBatch[] = [];
    let next = from;
    for (let fetchedAt = -1, empty = 0; next < end;) {
      const batch = position.open ?? this.#nextBatch(position, partition);
      position.open = undefined;
      if (batch) {
        batches.push(within(batch, next, end));
        if (batch.next > end) position.open = batch;
        next = Math.max(next, batch.next);
        continue;
      }
      empty = next === fetchedAt ? empty + 1 : 0;
      fetchedAt = next;
      const fetched = await this.#fetch(position, next, range);
      if (fetched.errorCode === OFFSET_OUT_OF_RANGE || empty === EMPTY_FETCHES) {
        next = await this.#lose(next, range);
      }
    }
    position.offset = end;
    this.#positions.set(partition, position);
    return messagesOf(batches, partition);
  }

  #nextBatch({ batches }: Position, partition: string): RecordBatch | undefined {
    try {
      return batches.next().value;
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      throw new SyntaxError(
        `Cannot read Kafka topic ${this.topic}, partition ${partition}: ${error.message}. Kafka's own consumer ` +
          "refuses it too: delete it at the broker, or begin behind it with a new checkpoint and startingOffsets",
      );
    }
  }

  /** Fetches on from `offset`, and begins to fetch what follows if there is more. */
  async #fetch(
    position: Position,
    offset: number,
    { partition, topicId }: Range,
  ): Promise<FetchedPartition> {
    const fetch = (from: number) => this.#topic.fetch(Number(partition), from, topicId);
    const { ahead } = position;
    position.ahead = undefined;
    const fetched = await (ahead?.offset === offset ? ahead.fetched : fetch(offset));
    position.batches = recordBatches(fetched);
    const next = endOf(fetched.records);
    if (next < fetched.lastStableOffset) {
      position.ahead = { offset: next, fetched: fetch(next) };
      position.ahead.fetched.catch(() => {}); // raised where it is awaited, if it ever is
    }
    return fetched;
  }

  /** Says what is gone of `[next, end)`; returns where to read on if that is allowed. */
  async #lose(next: number, { partition, topicId, end }: Range): Promise<number> {
    const { id, offsets: all } = await this.#topic.list({ fromBeginning: true });
    const earliest = all[partition];
    const latest = (await this.#topic.list({ fromBeginning: false })).offsets[partition];
    const isAnew = topicId !== undefined && id !== undefined && id !== topicId;
    const isGone = isAnew || earliest === undefined || latest === undefined;
    if (this.#failOnDataLoss) {
      const there = isAnew
        ? "the topic was deleted and made anew"
        : isGone
        ? "the partition is gone"
        : `there are [${earliest}, ${latest})`;
      throw new RangeError(
        `Data loss in Kafka topic ${this.topic}, partition ${partition}: wanted offsets [${next}, ${end}), ${there}. ` +
          "Retention has deleted them or the topic was made anew. " +
          "Set failOnDataLoss to false to go on with what is left, or start with a new checkpoint",
      );
    }
    if (isGone) {
      this.lostOffsets += Math.max(end - next, 0);
      return end;
    }
    if (next > end) return Math.min(earliest, end); // the new topic is read from its beginning
    const resume = next < earliest ? Math.min(earliest, end) : next < latest ? next : end;
    this.lostOffsets += resume - next;
    return resume;
  }
}

/** A range of one partition, of the topic with this id. */
interface Range {
  readonly partition: string;
  readonly topicId: string | undefined;
  readonly start: number;
  readonly end: number; // exclusive
}
