/** How long a cell may wait for its outputs; they go out within a few dozen ms unless a client is stuck. */
const LIMIT_MS = 5_000;
/** How long it waits where the kernel's port is not known. */
const PAUSE_MS = 50;

/** These drop the value and the error of a cell inside the kernel, where nothing can be mended. */
export const UNUSABLE: readonly string[] = ["2.8.2", "2.8.3"];

interface Kernel {
  broadcastResult?(count: number, result: unknown): Promise<void>;
  keepsOutputs?: boolean;
}

/**
 * Makes each cell of this kernel wait until what it printed and showed has been sent. Kernels of Deno
 * 2.9 only queue outputs, call the cell done, and send them later as those of whatever cell runs by
 * then, or of none; 2.8.1 sends them at once. Does nothing outside a notebook, nor when called again.
 */
export function keepOutputs(): void {
  const { deno: version } = Deno.version;
  const { internal } = Deno as unknown as { internal: symbol };
  const { jupyter } = (Deno as unknown as Record<symbol, { jupyter?: Kernel }>)[internal] ?? {};
  const send = jupyter?.broadcastResult;
  if (!jupyter || !send || jupyter.keepsOutputs || /^2\.8\.[01]$/.test(version)) return;
  if (UNUSABLE.includes(version)) {
    console.error(
      `The kernel of Deno ${version} drops the values and errors of cells: use 2.8.1 or 2.9`,
    );
  }
  const port = iopub();
  // The kernel awaits this after each cell that did not fail, even if the cell has no value.
  jupyter.broadcastResult = async (count, result) => {
    await send(count, result);
    if (port) await drained(port);
    else await new Promise((done) => setTimeout(done, PAUSE_MS));
  };
  jupyter.keepsOutputs = true;
}

/** Finds the port on which this kernel sends outputs: its command line names the file that tells. */
function iopub(): Pick<Deno.ConnectOptions, "hostname" | "port"> | undefined {
  try {
    const { code, stdout } = Deno.build.os === "linux"
      ? { code: 0, stdout: Deno.readFileSync("/proc/self/cmdline") }
      : new Deno.Command("ps", { args: ["-wwo", "args=", "-p", String(Deno.pid)] }).outputSync();
    const line = new TextDecoder().decode(stdout).replaceAll("\0", " ");
    const [, file] = /--conn (.+\.json)/.exec(code === 0 ? line : "") ?? [];
    const { transport, ip: hostname, iopub_port: port } = JSON.parse(Deno.readTextFileSync(file!));
    return transport === "tcp" ? { hostname, port } : undefined;
  } catch {
    return undefined; // no such command or file: Windows, or a front end with a way of its own
  }
}

/**
 * Waits until a mark, queued behind all that the cell has sent, comes back through the kernel's own port:
 * the queue is first in, first out. The mark is repeated, since a subscription takes a moment to hold.
 */
async function drained(port: Pick<Deno.ConnectOptions, "hostname" | "port">): Promise<void> {
  const token = crypto.randomUUID();
  const mark = () =>
    Deno.jupyter.broadcast("status", { execution_state: "busy" }, { metadata: { token } });
  const timer = setInterval(mark, 5);
  try {
    // The signal closes the connection, so it bounds connecting and reading alike.
    using conn = await Deno.connect({ ...port, signal: AbortSignal.timeout(LIMIT_MS) });
    await conn.write(subscription());
    const buffer = new Uint8Array(65_536);
    const decoder = new TextDecoder("latin1");
    for (let text = ""; !text.includes(token);) {
      const n = await conn.read(buffer);
      if (n === null) return;
      text = text.slice(-token.length) + decoder.decode(buffer.subarray(0, n));
    }
  } catch {
    // Too late, or no such port any more: the cell must end all the same.
  } finally {
    clearInterval(timer);
  }
}

/** Returns what a ZMTP 3.0 client says to subscribe to everything: greeting, READY, and the filter "". */
function subscription(): Uint8Array<ArrayBuffer> {
  const text = (word: string) => [...new TextEncoder().encode(word)];
  const greeting = [0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 3, 0, ...text("NULL")];
  const ready = [5, ...text("READY"), 11, ...text("Socket-Type"), 0, 0, 0, 3, ...text("SUB")];
  const padding = Array(64 - greeting.length).fill(0);
  return Uint8Array.from([...greeting, ...padding, 4, ready.length, ...ready, 0, 1, 1]);
}
