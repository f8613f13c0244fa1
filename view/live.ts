import { setTimeout } from "node:timers/promises";

/** What a paced replay takes: the signal that stops it, and the clock that it goes by. */
export interface Pace {
  readonly signal: AbortSignal;
  readonly clock: { now(): number; sleep(ms: number): Promise<unknown> };
}

const running = new Map<string, LivePublisher>();

/**
 * Publishes a topic in the background. The topic is there once `open` returns, but its clock stands still
 * until `start`: queries that were started in between see its rows as they come, from the first one on.
 */
export class LivePublisher {
  readonly #controller = new AbortController();
  readonly #published: Promise<unknown>;
  #startedAt: number | undefined;

  private constructor(replay: (pace: Pace) => Promise<unknown>, opened: () => void) {
    const now = () => this.#startedAt === undefined ? 0 : performance.now() - this.#startedAt;
    const sleep = (ms: number) => {
      opened(); // it waits for its first row, so the topic is there
      return setTimeout(ms);
    };
    this.#published = replay({ signal: this.#controller.signal, clock: { now, sleep } });
    this.#published.catch(() => {}); // `stop` throws it
  }

  /** Makes a topic, in place of an earlier publishing of the same name. Throws if it cannot be made. */
  static async open(
    topic: string,
    replay: (pace: Pace) => Promise<unknown>,
  ): Promise<LivePublisher> {
    await running.get(topic)?.stop().catch(() => {}); // its own run has said why
    const { promise: isOpen, resolve } = Promise.withResolvers<void>();
    const publisher = new LivePublisher(replay, resolve);
    running.set(topic, publisher);
    await Promise.race([isOpen, publisher.#published]);
    return publisher;
  }

  start(): void {
    this.#startedAt ??= performance.now();
  }

  /** Ends the publishing. Throws if it had failed. */
  async stop(): Promise<void> {
    this.#controller.abort();
    await this.#published;
  }
}
