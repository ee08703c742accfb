// Who waits for which record.

import type { MillstreamError } from "./errors.js";
import type { Hex } from "./types.js";

interface Load {
  readonly done: Promise<void>;
  resolve(): void;
  reject(error: MillstreamError): void;
}

function newLoad(): Load {
  let resolve: Load["resolve"] = () => {};
  let reject: Load["reject"] = () => {};
  const done = new Promise<void>((succeed, fail) => {
    resolve = succeed;
    reject = fail;
  });
  // Often nobody waits.
  done.catch(() => {});
  return { done, resolve, reject };
}

/** The records that are being read, and those that cannot be used. */
export class Loads {
  readonly #loads = new Map<Hex, Load>();

  /** Whether the record is being read, or cannot be used. */
  has(key: Hex): boolean {
    return this.#loads.has(key);
  }

  /** The record under `key` is going to be read. */
  begin(key: Hex): void {
    this.#loads.set(key, newLoad());
  }

  /** The record is in the core. */
  finish(key: Hex): void {
    this.#loads.get(key)?.resolve();
    this.#loads.delete(key);
  }

  /** The record cannot be used: whoever waits for it is told, now and later. */
  fail(key: Hex, error: MillstreamError): void {
    this.#loads.get(key)?.reject(error);
  }

  /** Whoever waits is told that reading does not work now; reading goes on. */
  giveUp(key: Hex, error: MillstreamError): void {
    this.fail(key, error);
    this.begin(key);
  }

  /** Resolves when the record is in the core; at once if it is not being read. */
  async wait(key: Hex): Promise<void> {
    await this.#loads.get(key)?.done;
  }

  /** Nothing is read any more. */
  close(error: MillstreamError): void {
    for (const load of this.#loads.values()) load.reject(error);
  }
}
