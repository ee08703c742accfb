// One after the other, per key.

import { aborted } from "./errors.js";

/** Lets steps under the same key run one after the other, in the order in which they came; other keys do not wait. */
export class Turns {
  readonly #last = new Map<string, Promise<void>>();

  /**
   * Runs `step` when every earlier step under `key` is over.
   *
   * @throws {MillstreamError} ABORTED if `signal` ends the wait: `step` does not run then; and whatever `step` throws
   */
  async take<T>(key: string, step: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const before = this.#last.get(key) ?? Promise.resolve();
    let end = () => {};
    // Whoever gives up keeps its place until the earlier ones are over, so that nobody overtakes them.
    const over = Promise.all([before, new Promise<void>((resolve) => (end = resolve))]).then(() => {});
    this.#last.set(key, over);
    void over.then(() => {
      if (this.#last.get(key) === over) this.#last.delete(key);
    });
    try {
      await withSignal(before, signal, "waiting for an earlier request");
      return await step();
    } finally {
      end();
    }
  }
}

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
