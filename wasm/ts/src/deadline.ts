// Requests that end in time.

/**
 * Runs `request` with a signal that ends it after `ms` milliseconds, or with `signal`.
 *
 * Unlike `AbortSignal.any`, which some browsers lack and which in Node 20 keeps a trace of every request on a signal that
 * lives as long as the wallet, it leaves nothing behind.
 */
export async function withDeadline<T>(
  signal: AbortSignal | undefined,
  ms: number,
  request: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const follow = () => controller.abort(signal?.reason);
  if (signal?.aborted) follow();
  signal?.addEventListener("abort", follow, { once: true });
  const timer = setTimeout(() => controller.abort(new DOMException("no answer in time", "TimeoutError")), ms);
  try {
    return await request(controller.signal);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", follow);
  }
}
