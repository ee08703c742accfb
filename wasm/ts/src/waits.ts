// Waiting, until it is over or a signal ends it.

import { aborted } from "./errors.js";

/** Waits `ms` milliseconds. @throws {MillstreamError} ABORTED */
export async function sleep(ms: number, signal: AbortSignal | undefined, what: string): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    await withSignal(new Promise<void>((resolve) => (timer = setTimeout(resolve, ms))), signal, what);
  } finally {
    clearTimeout(timer);
  }
}

/** What `wait` resolves to, unless `signal` ends it first. @throws {MillstreamError} ABORTED */
export async function withSignal<T>(wait: Promise<T>, signal: AbortSignal | undefined, what: string): Promise<T> {
  if (!signal) return wait;
  if (signal.aborted) throw aborted(signal, what);
  let stop = () => {};
  const end = new Promise<never>((_, reject) => {
    stop = () => reject(aborted(signal, what));
    signal.addEventListener("abort", stop, { once: true });
  });
  try {
    return await Promise.race([wait, end]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
