// What a thread starts with: what goes wrong from here on is told, not printed in red.
import type { Reply } from "./thread.ts";

const scope = self as unknown as { postMessage(reply: Reply): void };

try {
  await import("./answer.ts");
} catch (error) {
  const { name, message } = error as Error;
  scope.postMessage({ id: null, failure: { name, message } });
}
