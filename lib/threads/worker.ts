// Reads and scores one chunk after the other in a thread of its own; see pool.ts.
import { OnnxModel } from "../model/onnx.ts";
import { type Chunk, readChunk } from "./chunk.ts";
import { countLinesOf, type LineCount } from "../json/lines.ts";
import type { CountRequest, Failure, ThreadRequest, ThreadState } from "./pool.ts";

const scope = self as unknown as {
  onmessage: (event: MessageEvent<ThreadState | ThreadRequest | CountRequest>) => void;
  postMessage(reply: Chunk | LineCount | Failure, transfer?: Transferable[]): void;
};

const models = new Map<string, Promise<OnnxModel>>();
let last: Promise<unknown> = Promise.resolve();

scope.onmessage = ({ data: state }) => {
  scope.onmessage = ({ data }) => {
    last = last.then(() => answer(data as ThreadRequest | CountRequest)) // in the order asked
      .then(() => Atomics.sub(state as ThreadState, 1, 1));
  };
  Atomics.store(state as ThreadState, 0, 1);
};

async function answer(request: ThreadRequest | CountRequest): Promise<void> {
  try {
    if ("scan" in request) {
      return scope.postMessage(countLinesOf(request.scan, request.line, request.stride));
    }
    const { slices, model, ...plan } = request;
    const scorer = model && await models.getOrInsertComputed(
      model.sha256,
      () => OnnxModel.load(model.path, model.bytes),
    );
    const chunk = await readChunk(slices, { ...plan, ...scorer && { model: scorer } });
    scope.postMessage(chunk, [...buffersOf(chunk)]);
  } catch (error) { // an error itself would come without its class
    const { name, message } = error as Error;
    scope.postMessage({ name, message });
  }
}

/** What moves to the main thread, not as a copy. */
function buffersOf({ parsed, scores, slices }: Chunk): Set<Transferable> {
  return new Set([
    ...Object.values(parsed.columns).flatMap((column) =>
      "nulls" in column ? [column.values.buffer, column.nulls.buffer] : []
    ),
    ...slices.flatMap((slice) => "bytes" in slice ? [slice.bytes.buffer] : []),
    ...scores ? [scores.probabilities.buffer] : [],
  ] as Transferable[]);
}
