// A store in a directory: one file per record, its version in the file.
//
// A record is replaced by writing a new file beside it, flushing it to the disk, renaming it over the old one and
// flushing the directory, so that a crash at any moment leaves the old record or the new one. Several records at once are
// first written down together in a journal, which is carried out, or carried out again at the next start.

import { mkdir, open, readFile, readdir, rename, unlink } from "node:fs/promises";
import { join, resolve } from "node:path";

import { lockDirectory } from "./directory-lock.js";
import { MillstreamError, checkHex, isMillstreamError } from "./errors.js";
import { toBytes, toHex } from "./encoding.js";
import { isObject } from "./rpc.js";
import { conflict, type Store } from "./store.js";
import type { Hex, StoredRecord, Write } from "./types.js";

/** A store that holds its directory until it is closed. */
export interface FileStore extends Store {
  /** Waits for what is being written, and gives the directory back. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** What every file of a record begins with; the version follows, as 64 bits, big endian, then the record. */
const MAGIC = new TextEncoder().encode("millstream record 1\n");
const SUFFIX = ".record";
const JOURNAL = "journal";

interface StoredFile {
  readonly version: number;
  readonly bytes: Uint8Array;
}

/**
 * A store in `directory`, which is made if it is missing. It locks the directory at its first use: a second process, or a
 * second store of this one, fails with `STORE_LOCKED`.
 *
 * Every commit is on the disk when it resolves.
 */
export function fileStore(directory: string): FileStore {
  return new DirectoryStore(resolve(directory));
}

class DirectoryStore implements FileStore {
  readonly #directory: string;
  #opening: Promise<Map<Hex, StoredFile>> | undefined;
  #release: (() => Promise<void>) | undefined;
  /** The last operation: one after the other. */
  #last: Promise<unknown> = Promise.resolve();
  #closed = false;
  /** Set when a commit broke off half-way: what is on the disk is not what is in memory. */
  #broken = false;

  constructor(directory: string) {
    this.#directory = directory;
  }

  load(): Promise<StoredRecord[]> {
    return this.#inTurn(async (records) => [...records.keys()].map((key) => recordOf(records, key)));
  }

  read(keys: readonly Hex[]): Promise<StoredRecord[]> {
    return this.#inTurn(async (records) => keys.map((key) => recordOf(records, checkHex(key, "key", 32))));
  }

  commit(writes: readonly Write[]): Promise<void> {
    return this.#inTurn(async (records) => {
      for (const write of writes) {
        const actual = records.get(checkHex(write.key, "key", 32))?.version ?? 0;
        if (actual !== write.expectedVersion) throw conflict(write, actual);
      }
      this.#broken = true;
      if (writes.length > 1) await this.#replace(JOURNAL, encodeJournal(writes));
      await this.#apply(writes);
      if (writes.length > 1) await this.#remove(JOURNAL);
      this.#broken = false;
      for (const { key, expectedVersion, bytes } of writes) {
        if (bytes === undefined) records.delete(key);
        else records.set(key, { version: expectedVersion + 1, bytes: bytes.slice() });
      }
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#last.catch(() => {});
    await this.#release?.();
    this.#release = undefined;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Runs an operation after the ones before it, on the records as they are on the disk. */
  #inTurn<T>(operation: (records: Map<Hex, StoredFile>) => Promise<T>): Promise<T> {
    const turn = this.#last
      .catch(() => {})
      .then(async () => {
        if (this.#closed) throw new MillstreamError("STORE_CLOSED", `the store in ${this.#directory} was closed`);
        if (this.#broken) {
          // The disk decides what became of a commit that failed.
          this.#opening = undefined;
          this.#broken = false;
        }
        this.#opening ??= this.#open();
        let records;
        try {
          records = await this.#opening;
        } catch (error) {
          this.#opening = undefined;
          throw error;
        }
        return operation(records);
      })
      .catch((cause: unknown) => {
        if (isMillstreamError(cause)) throw cause;
        throw new MillstreamError("STORE_FAILED", `the store in ${this.#directory} failed: ${String(cause)}`, {
          cause,
        });
      });
    this.#last = turn;
    return turn;
  }

  async #open(): Promise<Map<Hex, StoredFile>> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    this.#release ??= await lockDirectory(this.#directory);
    const names = await readdir(this.#directory);
    if (names.includes(JOURNAL)) {
      await this.#apply(decodeJournal(await readBytes(join(this.#directory, JOURNAL))));
      await this.#remove(JOURNAL);
    }
    const records = new Map<Hex, StoredFile>();
    for (const name of await readdir(this.#directory)) {
      // Left by a crash: what it was for never happened.
      if (name.endsWith(".new")) await unlink(join(this.#directory, name));
      if (!/^[0-9a-f]{64}\.record$/.test(name)) continue;
      records.set(`0x${name.slice(0, 64)}`, decodeFile(name, await readBytes(join(this.#directory, name))));
    }
    return records;
  }

  /** Carries writes out; again with the same result. */
  async #apply(writes: readonly Write[]): Promise<void> {
    for (const { key, expectedVersion, bytes } of writes) {
      const name = key.slice(2) + SUFFIX;
      if (bytes === undefined) await this.#remove(name);
      else await this.#replace(name, encodeFile(expectedVersion + 1, bytes));
    }
  }

  async #replace(name: string, content: Uint8Array): Promise<void> {
    const path = join(this.#directory, name);
    const file = await open(`${path}.new`, "w", 0o600);
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(`${path}.new`, path);
    await this.#flush();
  }

  async #remove(name: string): Promise<void> {
    await unlink(join(this.#directory, name)).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOENT") throw error;
    });
    await this.#flush();
  }

  /** Makes what happened to names in the directory durable. Windows cannot, and does so by itself. */
  async #flush(): Promise<void> {
    if (process.platform === "win32") return;
    const directory = await open(this.#directory, "r");
    try {
      await directory.sync();
    } finally {
      await directory.close();
    }
  }
}

async function readBytes(path: string): Promise<Uint8Array> {
  const { buffer, byteOffset, byteLength } = await readFile(path);
  return new Uint8Array(buffer, byteOffset, byteLength);
}

function recordOf(records: Map<Hex, StoredFile>, key: Hex): StoredRecord {
  const record = records.get(key);
  return { key, version: record?.version ?? 0, bytes: record?.bytes.slice() };
}

function encodeFile(version: number, bytes: Uint8Array): Uint8Array {
  const content = new Uint8Array(MAGIC.length + 8 + bytes.length);
  content.set(MAGIC);
  new DataView(content.buffer).setBigUint64(MAGIC.length, BigInt(version));
  content.set(bytes, MAGIC.length + 8);
  return content;
}

function decodeFile(name: string, content: Uint8Array): StoredFile {
  const start = MAGIC.length + 8;
  if (content.length < start || !MAGIC.every((byte, at) => byte === content[at])) throw damaged(name);
  const version = new DataView(content.buffer, content.byteOffset).getBigUint64(MAGIC.length);
  if (version < 1n || version > BigInt(Number.MAX_SAFE_INTEGER)) throw damaged(name);
  return { version: Number(version), bytes: content.slice(start) };
}

function encodeJournal(writes: readonly Write[]): Uint8Array {
  const plain = writes.map(({ key, expectedVersion, bytes }) => ({
    key,
    expectedVersion,
    bytes: bytes === undefined ? null : toHex(bytes),
  }));
  return new TextEncoder().encode(JSON.stringify(plain));
}

function decodeJournal(content: Uint8Array): Write[] {
  try {
    const writes: unknown = JSON.parse(new TextDecoder().decode(content));
    if (!Array.isArray(writes)) throw damaged(JOURNAL);
    return writes.map((write: unknown) => {
      if (!isObject(write) || typeof write["expectedVersion"] !== "number") throw damaged(JOURNAL);
      const { key, expectedVersion, bytes } = write;
      return {
        key: checkHex(key, "key", 32),
        expectedVersion,
        bytes: bytes === null ? undefined : toBytes(checkHex(bytes, "bytes")),
      };
    });
  } catch (cause) {
    throw damaged(JOURNAL, cause);
  }
}

function damaged(name: string, cause?: unknown): MillstreamError {
  return new MillstreamError("STORE_DAMAGED", `the file ${name} of the store is damaged: restore it from a backup`, {
    ...(cause !== undefined && { cause }),
  });
}
