// Parses one chunk of messages in a thread of its own; see pool.ts.
import { parseMessages } from "./from_json.ts";
import type { ParseReply, ParseRequest } from "./pool.ts";

const scope = self as unknown as {
  onmessage: (event: MessageEvent<ParseRequest>) => void;
  postMessage(reply: ParseReply, transfer: Transferable[]): void;
};

scope.onmessage = ({ data: { messages, schema } }) => {
  const parsed = parseMessages(messages, schema);
  const columns = Object.values(parsed.columns).flatMap((column) =>
    "nulls" in column ? [column.values.buffer, column.nulls.buffer] : []
  );
  const buffers = new Set([...columns, ...messages.map(({ bytes }) => bytes.buffer)]);
  scope.postMessage({ parsed, messages }, [...buffers] as Transferable[]);
};
