// What a thread starts with: what goes wrong from here on is told, not printed in red.
import type { Reply } from "./thread.ts";

const scope = self as unknown as {
  onmessage: (event: MessageEvent) => void;
  postMessage(reply: Reply): void;
};

const loading = import("./answer.ts");
// At once: a message that comes before anybody listens is lost, and to load may take a while.
scope.onmessage = ({ data }) => {
  loading.then(({ take }) => take(data), () => {}); // what fails to load is told once, below
};
loading.catch(({ name, message }: Error) =>
  scope.postMessage({ id: null, failure: { name, message } })
);
