import { Buffer } from "node:buffer";
import * as net from "node:net";
import * as tls from "node:tls";
import type { ISocketFactory } from "kafkajs";

const KEEP_ALIVE_MS = 60_000;
/** What is read from a socket at once. */
const READ_BYTES = 256 * 2 ** 10;
/** A larger answer is no broker's, or is joined by kafkajs as it comes. */
const MAX_ANSWER_BYTES = 256 * 2 ** 20;

/** kafkajs splits an address at its first colon, so an IPv6 address goes through it without any. */
export function escaped(host: string): string {
  return host.replaceAll(":", "_");
}

/** Returns what `escaped` made of a host. */
export function unescaped(host: string): string {
  const address = host.replaceAll("_", ":");
  return net.isIP(address) ? address : host;
}

/** Makes sockets that end with `signal`; what waits for them fails then. */
export function socketFactory(signal?: AbortSignal): ISocketFactory {
  return ({ host: given, port, ssl, onConnect }) => {
    const host = unescaped(given);
    const name = net.isIP(host) ? {} : { servername: host };
    const socket = ssl
      ? tls.connect({ host, port, ...name, ...ssl }, onConnect)
      : plainSocket({ host, port }, onConnect);
    const end = () => socket.destroy(new Error("the source was closed"));
    if (signal?.aborted) setTimeout(end); // once its listeners are there
    signal?.addEventListener("abort", end, { once: true });
    socket.once("close", () => signal?.removeEventListener("abort", end));
    return socket.setKeepAlive(true, KEEP_ALIVE_MS);
  };
}

/** A socket whose data are whole answers, read through one buffer: half the work of a buffer a read. */
function plainSocket(address: { host: string; port: number }, onConnect: () => void): net.Socket {
  const answers = new Answers((answer) => socket.emit("data", answer));
  const callback = (size: number, read: Uint8Array) => {
    answers.add(read.subarray(0, size));
    return true;
  };
  const onread = { buffer: new Uint8Array(READ_BYTES), callback };
  const socket: net.Socket = net.connect({ ...address, onread }, onConnect);
  return socket;
}

/** Joins what is read of a connection to answers: a size of four bytes, and so many. */
export class Answers {
  readonly #give: (answer: Buffer) => void;
  #answer = Buffer.alloc(4);
  #filled = 0;
  #isForeign = false;

  /** `give` is called with each answer, and with all bytes as they come once a size makes no sense. */
  constructor(give: (answer: Buffer) => void) {
    this.#give = give;
  }

  /** Adds bytes, which may change afterwards. */
  add(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      if (this.#isForeign) return this.#give(Buffer.from(bytes.subarray(at)));
      const part = bytes.subarray(at, at + this.#answer.length - this.#filled);
      this.#answer.set(part, this.#filled);
      this.#filled += part.length;
      at += part.length;
      if (this.#filled === this.#answer.length) this.#next();
    }
  }

  #next(): void {
    const answer = this.#answer;
    const size = answer.readInt32BE(0);
    this.#isForeign = size < 0 || size > MAX_ANSWER_BYTES;
    if (answer.length === 4 && size > 0 && !this.#isForeign) {
      this.#answer = Buffer.alloc(4 + size);
      this.#answer.set(answer);
    } else {
      this.#answer = Buffer.alloc(4);
      this.#filled = 0;
      this.#give(answer);
    }
  }
}
