// A store in a directory: one file that grows by an entry with every write, and is in memory as a whole.
//
// A commit is one write to the end of the file that is flushed to the disk; commits that wait for one to end are written
// together. When most of the file is old versions, a new one is written beside it and renamed over it. A crash at any moment
// leaves all of a commit or nothing: see record-log.ts.

import { constants } from "node:fs";
import { mkdir, open, readFile, readdir, rename, type FileHandle } from "node:fs/promises";
import { join, resolve } from "node:path";

import { lockDirectory } from "./directory-lock.js";
import { MillstreamError, checkHex, isMillstreamError } from "./errors.js";
import {
  decodeLog,
  encodeEntry,
  encodeLog,
  entryLength,
  logLength,
  type Change,
  type StoredFile,
} from "./record-log.js";
import { conflict, type Store } from "./store.js";
import type { Hex, StoredRecord, Write } from "./types.js";

/** A store that holds its directory until it is closed. */
export interface FileStore extends Store {
  /** Waits for what is being written, and gives the directory back. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

const FILE = "records";
/** The file may have so many bytes of old versions beside as many as there are of the newest. */
const SPARE_BYTES = 1 << 20;

/** With it a write is on the disk when it returns. Elsewhere a flush of its own is needed, and may do more. */
const SYNCED = process.platform === "linux" ? constants.O_DSYNC : 0;

/** The records, and the file that they are in. */
interface Opened {
  readonly records: Map<Hex, StoredFile>;
  readonly file: FileHandle;
  /** Length of the file. */
  size: number;
  /** How long it would be without old versions. */
  live: number;
}

/** An operation that waits for its turn. */
interface Waiting {
  /** What it writes; undefined if it reads. */
  readonly writes: readonly Write[] | undefined;
  /** Told what there is, when what it writes is stored. */
  readonly done: (opened: Opened) => void;
  readonly fail: (error: unknown) => void;
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
  #opened: Opened | undefined;
  #release: (() => Promise<void>) | undefined;
  readonly #waiting: Waiting[] = [];
  /** While operations are carried out: until none waits. */
  #working: Promise<void> | undefined;
  #closed = false;

  constructor(directory: string) {
    this.#directory = directory;
  }

  get isOrdered(): boolean {
    return true;
  }

  load(): Promise<StoredRecord[]> {
    return this.#inTurn(undefined, ({ records }) => [...records.keys()].map((key) => recordOf(records, key)));
  }

  read(keys: readonly Hex[]): Promise<StoredRecord[]> {
    return this.#inTurn(undefined, ({ records }) => keys.map((key) => recordOf(records, checkHex(key, "key", 32))));
  }

  commit(writes: readonly Write[]): Promise<void> {
    return this.#inTurn(writes, () => {});
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#working;
    await this.#forget();
    await this.#release?.();
    this.#release = undefined;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Carries out an operation after the ones before it. */
  #inTurn<T>(writes: readonly Write[] | undefined, result: (opened: Opened) => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const fail = (cause: unknown) => reject(this.#failure(cause));
      const done = (opened: Opened) => {
        try {
          resolve(result(opened));
        } catch (error) {
          fail(error);
        }
      };
      this.#waiting.push({ writes, done, fail });
      this.#working ??= this.#work();
    });
  }

  async #work(): Promise<void> {
    // What is asked for in the same moment is done together.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const first = this.#waiting.findIndex(({ writes }) => writes === undefined);
      const commits = first < 0 ? this.#waiting.length : first;
      const group = this.#waiting.splice(0, Math.max(commits, 1));
      try {
        if (this.#closed) throw new MillstreamError("STORE_CLOSED", `the store in ${this.#directory} was closed`);
        const opened = (this.#opened ??= await this.#open());
        if (commits > 0) await this.#commit(opened, group);
        else group[0]?.done(opened);
      } catch (error) {
        for (const { fail } of group) fail(error);
      }
    }
    this.#working = undefined;
  }

  /** Writes commits to the disk, together. Those that expect another version are refused. */
  async #commit(opened: Opened, group: readonly Waiting[]): Promise<void> {
    const changes: Change[] = [];
    const written: Waiting[] = [];
    const versions = new Map<Hex, number>();
    for (const waiting of group) {
      try {
        const mine = (waiting.writes ?? []).map((write): Change => {
          const { expectedVersion, bytes } = write;
          const key = checkHex(write.key, "key", 32);
          const actual = versions.get(key) ?? opened.records.get(key)?.version ?? 0;
          if (actual !== expectedVersion) throw conflict(write, actual);
          return { key, version: expectedVersion + 1, bytes: bytes?.slice() };
        });
        for (const { key, version, bytes } of mine) versions.set(key, bytes ? version : 0);
        changes.push(...mine);
        written.push(waiting);
      } catch (error) {
        waiting.fail(error);
      }
    }
    if (changes.length > 0) {
      try {
        await this.#append(opened, encodeEntry(changes));
      } catch (error) {
        // The disk decides what became of it.
        await this.#forget();
        for (const { fail } of written) fail(error);
        return;
      }
      for (const change of changes) apply(opened, change);
    }
    for (const { done } of written) done(opened);
    if (opened.size <= 2 * opened.live + SPARE_BYTES) return;
    try {
      await this.#use(await this.#rewrite(opened.records));
    } catch {
      // Nobody waits for it: whichever file is there has everything.
      await this.#forget();
    }
  }

  async #append(opened: Opened, entry: Uint8Array): Promise<void> {
    for (let from = 0; from < entry.length;) {
      const { bytesWritten } = await opened.file.write(entry, from, entry.length - from, opened.size + from);
      from += bytesWritten;
    }
    if (!SYNCED) await opened.file.datasync();
    opened.size += entry.length;
  }

  async #open(): Promise<Opened> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    this.#release ??= await lockDirectory(this.#directory);
    const content = await readFile(this.#path(FILE)).then(
      ({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength),
      (error: NodeJS.ErrnoException) => {
        if (error.code !== "ENOENT") throw error;
      },
    );
    if (content === undefined) await this.#refuseOthers();
    const { records, end } = content
      ? decodeLog(FILE, content)
      : { records: new Map<Hex, StoredFile>(), end: undefined };
    // What a crash left at the end is not to be taken for damage later, when it is no longer the end.
    return end !== undefined && end === content?.length ? this.#reopen(records, end) : this.#rewrite(records);
  }

  /** A folder of an earlier layout, a file for each record, is not taken for an empty one. */
  async #refuseOthers(): Promise<void> {
    const other = (await readdir(this.#directory)).find((name) => name.endsWith(".record"));
    if (other === undefined) return;
    const message = `${this.#directory} has ${other} of an earlier layout, which this version does not read: open it with that one`;
    throw new MillstreamError("STORE_DAMAGED", message);
  }

  /** Writes a new file with the newest versions alone, in place of the old one. */
  async #rewrite(records: Map<Hex, StoredFile>): Promise<Opened> {
    const fresh = this.#path(`${FILE}.new`);
    const file = await open(fresh, "w", 0o600);
    try {
      await file.writeFile(encodeLog(records));
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(fresh, this.#path(FILE));
    await this.#flush();
    return this.#reopen(records, logLength(records));
  }

  async #reopen(records: Map<Hex, StoredFile>, size: number): Promise<Opened> {
    const file = await open(this.#path(FILE), constants.O_WRONLY | SYNCED);
    return { records, file, size, live: logLength(records) };
  }

  async #use(fresh: Opened): Promise<void> {
    const old = this.#opened;
    this.#opened = fresh;
    await old?.file.close();
  }

  /** From now on what is on the disk counts. */
  async #forget(): Promise<void> {
    const opened = this.#opened;
    this.#opened = undefined;
    await opened?.file.close().catch(() => {});
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

  #path(name: string): string {
    return join(this.#directory, name);
  }

  #failure(cause: unknown): unknown {
    if (isMillstreamError(cause)) return cause;
    return new MillstreamError("STORE_FAILED", `the store in ${this.#directory} failed: ${String(cause)}`, { cause });
  }
}

function apply(opened: Opened, { key, version, bytes }: Change): void {
  const before = opened.records.get(key);
  if (before) opened.live -= entryLength(before.bytes);
  if (bytes) {
    opened.records.set(key, { version, bytes });
    opened.live += entryLength(bytes);
  } else opened.records.delete(key);
}

function recordOf(records: Map<Hex, StoredFile>, key: Hex): StoredRecord {
  const record = records.get(key);
  return { key, version: record?.version ?? 0, bytes: record?.bytes.slice() };
}
