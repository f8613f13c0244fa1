const stops = new Set<() => void>();
let listens = false;

/**
 * Does something that an interrupt of the notebook's kernel ends by its signal, and keeps the kernel.
 * Tells whether it was interrupted.
 */
export async function interruptible<T>(
  action: (signal: AbortSignal) => Promise<T>,
): Promise<{ readonly value: T; readonly isInterrupted: boolean }> {
  if (!listens) Deno.addSignalListener("SIGINT", () => stops.forEach((stop) => stop()));
  listens = true; // for good: without a listener an interrupt ends the kernel
  const controller = new AbortController();
  const stop = () => controller.abort();
  stops.add(stop);
  try {
    const value = await action(controller.signal);
    return { value, isInterrupted: controller.signal.aborted };
  } finally {
    stops.delete(stop);
  }
}
