// What a thread does: reads and scores one chunk after the other, and counts lines; see threads.ts.
import { countLinesOf, type LineCount } from "../json/lines.ts";
import { OnnxModel } from "../model/onnx.ts";
import { readChunk } from "./chunk.ts";
import type { Asked, ReadAnswer, ReadRequest, Reply, ThreadState } from "./thread.ts";

const scope = self as unknown as { postMessage(reply: Reply, transfer: Transferable[]): void };

const models = new Map<string, Promise<OnnxModel>>();
let state: ThreadState;
let last: Promise<unknown> = Promise.resolve();

/** Takes what a thread is sent: its state, and then requests. */
export function take(sent: ThreadState | Asked): void {
  if ("id" in sent) last = last.then(() => reply(sent)); // in the order asked
  else {
    state = sent;
    Atomics.store(state, 0, 1);
  }
}

async function reply(asked: Asked): Promise<void> {
  const { id } = asked;
  try {
    const answer = "scan" in asked
      ? countLinesOf(asked.scan, asked.line, asked.stride)
      : await read(asked);
    scope.postMessage({ id, answer }, buffersOf(answer));
  } catch (error) { // an error itself would come without its class
    const { name, message } = error as Error;
    scope.postMessage({ id, failure: { name, message } }, []);
  }
  Atomics.sub(state, 1, 1);
}

async function read({ slices, model, ...plan }: ReadRequest): Promise<ReadAnswer> {
  const scorer = model && await models.getOrInsertComputed(
    model.sha256,
    () => OnnxModel.load(model.path, model.bytes),
  );
  const { parsed, scores } = await readChunk(slices, { ...plan, ...scorer && { model: scorer } });
  const given = slices.map((slice) => "bytes" in slice && slice.isGivenAway ? slice.bytes : null);
  return { parsed, given, ...scores && { scores } };
}

/** What moves to the main thread, not as a copy. */
function buffersOf(answer: ReadAnswer | LineCount): Transferable[] {
  if (!("parsed" in answer)) return [];
  const { parsed, scores, given } = answer;
  return [
    ...Object.values(parsed.columns).flatMap((column) =>
      "nulls" in column ? [column.values.buffer, column.nulls.buffer] : []
    ),
    ...given.flatMap((bytes) => bytes ? [bytes.buffer] : []),
    ...scores ? [scores.probabilities.buffer] : [],
  ] as Transferable[];
}
