import { Buffer } from "node:buffer";

/** A request in the form that kafkajs' connection sends. */
export interface ProtocolRequest<Answer> {
  readonly request: {
    readonly apiKey: number;
    readonly apiVersion: number;
    readonly apiName: string;
    encode(): { readonly buf: Buffer; readonly buffer: Buffer };
  };
  readonly response: {
    decode(payload: Buffer): { payload: Buffer; clientSideThrottleTime: number };
    parse(decoded: { payload: Buffer }): Answer;
  };
}

/** What a broker returned of one partition. */
export interface FetchedPartition {
  /** Kafka's error code; 0 is none. */
  readonly errorCode: number;
  /** The offset before which all transactions have ended. */
  readonly lastStableOffset: number;
  /** Aborted transactions that reach into the records, by their first offset. */
  readonly aborted: readonly { readonly producerId: number; readonly firstOffset: number }[];
  /** Record batches one after the other; the last may be cut off. */
  readonly records: Uint8Array;
}

/** What to fetch, of one partition. */
export interface FetchRange {
  readonly topic: string;
  /** The topic's id in hex: a topic of the same name and another id is not read. */
  readonly topicId?: string | undefined;
  readonly partition: number;
  readonly offset: number;
  readonly maxBytes: number;
}

/** The versions of Kafka's requests from which topics have ids. */
export const METADATA = { apiKey: 3, withIds: 10 };
export const FETCH = { apiKey: 1, withIds: 13, withNames: 11 };

/** Kafka's isolation level: what open or aborted transactions wrote is not shown. */
export const READ_COMMITTED = 1;
const FETCH_WAIT_MS = 500;
/** Ends what later versions of Kafka may add to. */
const NO_TAGS = [0];
const NO_ID = "0".repeat(32);

/** A Fetch request for one partition: version 13 with the topic's id, else 11 with its name. */
export function fetchRequest(range: FetchRange): ProtocolRequest<FetchedPartition> {
  const { topic, topicId, partition, offset, maxBytes } = range;
  const isById = topicId !== undefined;
  const name = Buffer.from(topic);
  const tags = isById ? NO_TAGS : [];
  const one = isById ? [2] : int32(1); // how many follow: in newer versions one more is written
  const none = isById ? [1] : int32(0);
  const body = [
    ...tags,
    ...[-1, FETCH_WAIT_MS, 1, maxBytes].flatMap(int32), // replica, wait, min and max bytes
    READ_COMMITTED,
    ...[0, -1].flatMap(int32), // no session: id, epoch
    ...one,
    ...isById ? Buffer.from(topicId, "hex") : [...int16(name.length), ...name],
    ...one,
    ...[partition, -1].flatMap(int32), // any leader epoch
    ...int64(offset),
    ...isById ? int32(-1) : [], // any epoch of the last fetch
    ...int64(-1), // log start: followers only
    ...int32(maxBytes),
    ...tags,
    ...tags,
    ...none, // no topics to forget
    ...isById ? [1] : int16(0), // no rack
    ...tags,
  ];
  const apiVersion = isById ? FETCH.withIds : FETCH.withNames;
  const { apiKey } = FETCH;
  return protocolRequest(
    { apiKey, apiVersion, apiName: "Fetch", body, isFlexible: isById },
    decodeFetch,
  );
}

/** A Metadata request, version 10, for the id of a topic in hex; `undefined` if it has none. */
export function topicIdRequest(
  topic: string,
): ProtocolRequest<{ readonly errorCode: number; readonly id: string | undefined }> {
  const name = Buffer.from(topic);
  const id = Buffer.alloc(16); // asked for by name
  const body = [
    ...[...NO_TAGS, 2, ...id, ...uvarint(name.length + 1), ...name, ...NO_TAGS],
    ...[0, 0, 0, ...NO_TAGS], // make no topic, list no permissions
  ];
  const { apiKey, withIds: apiVersion } = METADATA;
  return protocolRequest(
    { apiKey, apiVersion, apiName: "Metadata", body, isFlexible: true },
    decodeTopicId,
  );
}

function protocolRequest<Answer>(
  { body, isFlexible, ...head }: {
    apiKey: number;
    apiVersion: number;
    apiName: string;
    body: readonly number[];
    isFlexible: boolean;
  },
  parse: (payload: Buffer, isFlexible: boolean) => Answer,
): ProtocolRequest<Answer> {
  const buffer = Buffer.from(body);
  return {
    request: { ...head, encode: () => ({ buf: buffer, buffer }) },
    response: {
      decode: (payload) => ({
        payload,
        clientSideThrottleTime: payload.readInt32BE(isFlexible ? 1 : 0),
      }),
      parse: ({ payload }) => parse(payload, isFlexible),
    },
  };
}

/** Reads the body of a Fetch response to a request for one partition. */
export function decodeFetch(payload: Buffer, isFlexible: boolean): FetchedPartition {
  const reader = new Reader(payload, isFlexible);
  reader.tags();
  reader.skip(4); // throttle time
  const requestError = reader.int16();
  reader.skip(4); // session
  if (requestError !== 0 || reader.length() === 0) return failed(requestError || -1);
  reader.skip(isFlexible ? 16 : reader.int16()); // the topic
  reader.length();
  reader.skip(4); // the partition
  const errorCode = reader.int16();
  reader.skip(8); // high watermark
  const lastStableOffset = reader.int64();
  reader.skip(8); // log start
  const aborted = Array.from({ length: reader.length() }, () => {
    const transaction = { producerId: reader.int64(), firstOffset: reader.int64() };
    reader.tags();
    return transaction;
  });
  aborted.sort((a, b) => a.firstOffset - b.firstOffset);
  reader.skip(4); // preferred replica
  return { errorCode, lastStableOffset, aborted, records: reader.bytes(reader.length()) };
}

/** What stands for an answer without records. */
export function failed(errorCode: number): FetchedPartition {
  return { errorCode, lastStableOffset: -1, aborted: [], records: new Uint8Array() };
}

function decodeTopicId(payload: Buffer) {
  const reader = new Reader(payload, true);
  reader.tags();
  reader.skip(4); // throttle time
  for (let brokers = reader.length(); brokers > 0; brokers--) {
    reader.skip(4);
    reader.skip(reader.length()); // host
    reader.skip(4);
    reader.skip(reader.length()); // rack
    reader.tags();
  }
  reader.skip(reader.length()); // cluster
  reader.skip(4); // controller
  const errorCode = reader.length() === 0 ? -1 : reader.int16();
  reader.skip(reader.length()); // name
  const id = Buffer.from(reader.bytes(16)).toString("hex");
  return { errorCode, id: id === NO_ID ? undefined : id };
}

/** Reads the values of a response one after the other; a flexible one has short lengths, and tags. */
class Reader {
  #at = 0;

  constructor(readonly payload: Buffer, readonly isFlexible: boolean) {}

  skip(bytes: number): void {
    this.#at += bytes;
  }

  int16(): number {
    return this.payload.readInt16BE((this.#at += 2) - 2);
  }

  /** Exact up to 2^53. */
  int64(): number {
    this.#at += 8;
    return this.payload.readInt32BE(this.#at - 8) * 2 ** 32 +
      this.payload.readUInt32BE(this.#at - 4);
  }

  bytes(length: number): Uint8Array {
    return this.payload.subarray(this.#at, this.#at += length);
  }

  /** The length of an array, a text or bytes; 0 for those that are null. */
  length(): number {
    if (this.isFlexible) return Math.max(this.#uvarint() - 1, 0);
    return Math.max(this.payload.readInt32BE((this.#at += 4) - 4), 0);
  }

  tags(): void {
    if (!this.isFlexible) return;
    for (let tags = this.#uvarint(); tags > 0; tags--) {
      this.#uvarint();
      this.skip(this.#uvarint());
    }
  }

  #uvarint(): number {
    let value = 0;
    for (let shift = 0;; shift += 7) {
      const byte = this.payload.readUInt8(this.#at++);
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
  }
}

function int16(value: number): number[] {
  return [value >> 8 & 0xff, value & 0xff];
}

function int32(value: number): number[] {
  return [...int16(value >> 16), ...int16(value)];
}

function int64(value: number): number[] {
  return [...int32(Math.floor(value / 2 ** 32)), ...int32(value)];
}

function uvarint(value: number): number[] {
  return value < 0x80 ? [value] : [value & 0x7f | 0x80, ...uvarint(value >>> 7)];
}
