/** Work of a suite beside others, in a worker of its own: it has a `Deno` of its own, whose effects can be watched. */

/** Sends a part to a worker's script, which calls `serve`; `add` is told what is found as it comes. */
export function inWorker<Part, Found>(
  script: URL,
  part: Part,
  add: (found: Found) => void,
): Promise<void> {
  const worker = new Worker(script, { type: "module" });
  return new Promise<void>((resolve, reject) => {
    worker.onmessage = ({ data }) => data === null ? resolve() : add(data);
    worker.onerror = (event) => {
      event.preventDefault();
      reject(new Error(event.message));
    };
    worker.postMessage(part);
  }).finally(() => worker.terminate());
}

/** Does a part in the worker, and says when that has ended. */
export function serve<Part, Found>(
  work: (part: Part, add: (found: Found) => void) => Promise<void>,
): void {
  const self = globalThis as unknown as {
    onmessage: (event: MessageEvent<Part>) => void;
    postMessage(message: unknown): void;
  };
  self.onmessage = async ({ data }) => {
    await work(data, (found) => self.postMessage(found));
    self.postMessage(null); // the end
  };
}
