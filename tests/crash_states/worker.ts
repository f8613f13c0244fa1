/** A worker of `crashSuite`: it has a `Deno` of its own, whose effects it may record. */
import { explorePart, type Part } from "./suite.ts";

const self = globalThis as unknown as {
  onmessage: (event: MessageEvent<Part>) => void;
  postMessage(message: unknown): void;
};
self.onmessage = async ({ data }) => {
  await explorePart(data, (found) => self.postMessage(found));
  self.postMessage(null); // the end
};
