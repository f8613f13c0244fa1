const stops = new Set<() => void>();
let listens = false;

/** Lets the kernel of this notebook outlive an interrupt. Does nothing outside a notebook. */
export function keepKernel(): void {
  try {
    Deno.jupyter.display; // throws outside a notebook: there is no other way to know
  } catch {
    return;
  }
  listen();
}

function listen(): void {
  if (!listens) Deno.addSignalListener("SIGINT", () => stops.forEach((stop) => stop()));
  listens = true; // for good: without a listener an interrupt ends the kernel
}

/**
 * Does something that an interrupt of the notebook's kernel ends by its signal, and keeps the kernel.
 * Tells whether it was interrupted.
 */
export async function interruptible<T>(
  action: (signal: AbortSignal) => Promise<T>,
): Promise<{ readonly value: T; readonly isInterrupted: boolean }> {
  listen();
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
