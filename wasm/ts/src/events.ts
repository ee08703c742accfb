// Listeners by event name.

/** Events of the names and payloads in `E`. */
export class Events<E> {
  readonly #listeners = new Map<keyof E, Set<(event: never) => void>>();

  /** Calls `listener` with every `name` event until the function returned is called. */
  on<K extends keyof E>(name: K, listener: (event: E[K]) => void): () => void {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners);
    // Wrapped, so that the same function can listen twice and each is taken off by itself.
    const entry = (event: never) => listener(event);
    listeners.add(entry);
    return () => void listeners.delete(entry);
  }

  /** Calls the listeners in the order in which they came. What one of them throws is reported as uncaught. */
  emit<K extends keyof E>(name: K, event: E[K]): void {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) {
      try {
        listener(event as never);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
