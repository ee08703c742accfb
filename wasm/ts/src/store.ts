// Where a wallet keeps its records.

import { MillstreamError } from "./errors.js";
import type { Hex, StoredRecord, Write } from "./types.js";

/**
 * Durable records under hex keys, each with a version that counts its writes from 1.
 *
 * A wallet writes before anything it signed leaves, so what a store reports as written must survive a crash. The version
 * is the fence between two writers: whoever expects an older one than the store has is refused.
 *
 * A commit may have several writes, e.g. of a channel and of the one that goes on from it: a crash leaves all or none.
 */
export interface Store {
  /** Every record there is. */
  load(): Promise<StoredRecord[]>;
  /**
   * The records whose last write had a `wakeAt`: for a store with an index on it, e.g. a database. A wallet that finds it
   * begins with these, and reads the others when they are named, so that its start does not take longer the more channels
   * there are.
   */
  loadDue?(): Promise<StoredRecord[]>;
  /** The records under `keys`, in that order; version 0 and no bytes where there is none. */
  read(keys: readonly Hex[]): Promise<StoredRecord[]>;
  /**
   * Makes all of `writes` durable, or none of them.
   *
   * @throws {MillstreamError} `STORE_CONFLICT` if a record has another version than its write expects
   */
  commit(writes: readonly Write[]): Promise<void>;
  /**
   * Whether commits are carried out in the order in which they are asked for, each on what those before it left. A wallet then
   * asks for the next commit of a channel before the one before it is done, and the store may write them together.
   */
  readonly isOrdered?: boolean;
}

/** The error of a commit that expects another version than the store has. */
export function conflict({ key, expectedVersion }: Write, actual: number): MillstreamError {
  return new MillstreamError(
    "STORE_CONFLICT",
    `record ${key} is at version ${actual}, not ${expectedVersion}: another tab or process of this wallet wrote first`,
  );
}

/** A store in memory, for tests and for wallets that need not outlive the process. Keeps copies of what it is given. */
export function memoryStore(): Store {
  const records = new Map<Hex, { version: number; bytes: Uint8Array }>();
  const read = (key: Hex): StoredRecord => {
    const record = records.get(key);
    return { key, version: record?.version ?? 0, bytes: record?.bytes.slice() };
  };
  return {
    load: async () => [...records.keys()].map(read),
    read: async (keys) => keys.map(read),
    async commit(writes) {
      for (const write of writes) {
        const actual = records.get(write.key)?.version ?? 0;
        if (actual !== write.expectedVersion) throw conflict(write, actual);
      }
      for (const { key, expectedVersion, bytes } of writes) {
        if (bytes === undefined) records.delete(key);
        else records.set(key, { version: expectedVersion + 1, bytes: bytes.slice() });
      }
    },
  };
}
