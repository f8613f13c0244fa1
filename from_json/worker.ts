// Reads one chunk of messages in a thread of its own; see pool.ts.
import { type Failure, type ParseReply, type ParseRequest, parseSlices } from "./pool.ts";

const scope = self as unknown as {
  onmessage: (event: MessageEvent<ParseRequest>) => void;
  postMessage(reply: ParseReply | Failure, transfer?: Transferable[]): void;
};

scope.onmessage = ({ data }) => {
  try {
    const reply = parseSlices(data);
    const columns = Object.values(reply.parsed.columns).flatMap((column) =>
      "nulls" in column ? [column.values.buffer, column.nulls.buffer] : []
    );
    const bytes = reply.slices.flatMap((slice) => "bytes" in slice ? [slice.bytes.buffer] : []);
    scope.postMessage(reply, [...new Set([...columns, ...bytes])] as Transferable[]);
  } catch (error) { // an error itself would come without its class
    const { name, message } = error as Error;
    scope.postMessage({ name, message });
  }
};
