// How content is cut, priced, hashed and checked. Source: docs/protocol.md, Quotes and chunks.
//
// A file of `length` bytes is cut into chunks of `chunkSize` bytes, the last one shorter. Its manifest is the SHA-256 of
// every chunk, one after the other; its root is the SHA-256 of the manifest. Hashes come from WebCrypto. The chunks of a
// folder are its files; its manifest is in folder.ts.

import { toHex } from "./encoding.js";
import { MillstreamError, aborted } from "./errors.js";
import type { FolderManifest } from "./folder.js";
import type { Hex, QuoteUnit } from "./types.js";

declare module "./errors.js" {
  interface MillstreamErrorDetails {
    /** The chunk that the error is about. */
    index?: number;
    /** What should have come: a number of bytes, or a hash. */
    expected?: number | Hex;
    /** What came instead. */
    actual?: number | Hex;
  }
}

/** Length of one hash of a manifest, in bytes. */
export const HASH_BYTES = 32;
/** The most chunks that content may have: its manifest is then 32 MB, which a page can still hold. */
export const MAX_CHUNKS = 1_000_000;
/** The largest chunk, in bytes: a chunk is held in memory until it is checked. */
export const MAX_CHUNK_SIZE = 16 * 1024 * 1024;
/** The chunk size of a seller that names none, in bytes. */
export const DEFAULT_CHUNK_SIZE = 256 * 1024;

/** How content is cut. */
export interface Layout {
  /** In bytes, at least 1. */
  readonly length: number;
  /** Of every chunk but the last, in bytes. */
  readonly chunkSize: number;
}

/** What the prices of chunks follow from: a quote, an offer, or a listing. */
export interface Priced {
  /** In bytes. */
  readonly length: number;
  /** Of every chunk but the last, in bytes; 0 for a folder, whose chunks are its files. */
  readonly chunkSize: number;
  readonly chunks: number;
  readonly unit: QuoteUnit;
  /** Of the whole. */
  readonly units: number;
  /** Of one unit, in base units. */
  readonly price: bigint;
}

/** Where one chunk lies. */
export interface ChunkSpan {
  /** Of its first byte. */
  readonly offset: number;
  /** In bytes. */
  readonly length: number;
}

/** Bytes that can be read in parts, so that content is never in memory as a whole. */
export interface ContentSource {
  /** In bytes. */
  readonly length: number;
  /** Reads exactly `length` bytes from `offset` on, or throws. */
  read(offset: number, length: number): Promise<Uint8Array>;
}

/**
 * How many chunks the content has.
 *
 * @throws {MillstreamError} CONTENT_LENGTH if it cannot be cut so: no bytes, a chunk above {@link MAX_CHUNK_SIZE}, or more
 *   than {@link MAX_CHUNKS} chunks
 */
export function chunkCount({ length, chunkSize }: Layout): number {
  const count = Math.ceil(length / chunkSize);
  const refuse = (message: string) => new MillstreamError("CONTENT_LENGTH", message);
  if (!Number.isSafeInteger(length) || length < 1) throw refuse(`content of ${length} bytes cannot be sold`);
  if (!Number.isSafeInteger(chunkSize) || chunkSize < 1 || chunkSize > MAX_CHUNK_SIZE)
    throw refuse(`chunks of ${chunkSize} bytes are not between 1 and ${MAX_CHUNK_SIZE} bytes`);
  if (count > MAX_CHUNKS)
    throw refuse(`${length} bytes are ${count} chunks of ${chunkSize}, above ${MAX_CHUNKS}: larger chunks are needed`);
  return count;
}

/** Where chunk `index` lies; `index` is below {@link chunkCount}. */
export function chunkSpan({ length, chunkSize }: Layout, index: number): ChunkSpan {
  const offset = index * chunkSize;
  return { offset, length: Math.min(chunkSize, length - offset) };
}

/**
 * How many units chunk `index` is charged for: the one rule that buyer and seller share. 0 if it is free.
 *
 * Seconds of a file are spread evenly over its chunks, each rounded up to where it ends, so that any run of chunks costs its
 * play time to within a second, and all of them exactly the whole.
 *
 * @param folder the manifest, needed for a folder and for nothing else
 * @throws {MillstreamError} CHUNK_UNKNOWN if there is no such chunk; INVALID_ARGUMENT if the manifest is missing
 */
export function chunkUnits(content: Priced, index: number, folder?: FolderManifest): number {
  const { length, chunkSize, chunks, unit, units } = content;
  if (!Number.isSafeInteger(index) || index < 0 || index >= chunks)
    throw new MillstreamError("CHUNK_UNKNOWN", `there are chunks 0 to ${chunks - 1} here, and no chunk ${index}`);
  if (chunkSize === 0) {
    const entry = folder?.entries[index];
    if (entry) return entry.units;
    throw new MillstreamError("INVALID_ARGUMENT", "the price of a folder's chunk is in the folder's manifest", {
      details: { field: "folder" },
    });
  }
  if (unit === "chunk") return 1;
  if (unit === "byte") return chunkSpan({ length, chunkSize }, index).length;
  const secondsUntil = (end: number) => (BigInt(units) * BigInt(end) + BigInt(chunks) - 1n) / BigInt(chunks);
  return Number(secondsUntil(index + 1) - secondsUntil(index));
}

/** What chunk `index` costs, in base units. Throws as {@link chunkUnits}. */
export function chunkPrice(content: Priced, index: number, folder?: FolderManifest): bigint {
  return content.price * BigInt(chunkUnits(content, index, folder));
}

/** A set of chunks: one bit for each, once there is one. */
export class ChunkSet {
  readonly #chunks: number;
  #bits: Uint8Array | undefined;
  #size = 0;

  /** @param chunks how many chunks there are */
  constructor(chunks: number) {
    this.#chunks = chunks;
  }

  /** How many are in it. */
  get size(): number {
    return this.#size;
  }

  has(index: number): boolean {
    return (((this.#bits?.[index >> 3] ?? 0) >> (index & 7)) & 1) === 1;
  }

  add(index: number): void {
    if (this.has(index)) return;
    this.#bits ??= new Uint8Array(Math.ceil(this.#chunks / 8));
    this.#bits[index >> 3] = (this.#bits[index >> 3] ?? 0) | (1 << (index & 7));
    this.#size += 1;
  }

  delete(index: number): void {
    if (!this.#bits || !this.has(index)) return;
    this.#bits[index >> 3] = (this.#bits[index >> 3] ?? 0) & ~(1 << (index & 7));
    this.#size -= 1;
  }
}

/** SHA-256 of `bytes`. */
export async function sha256(bytes: Uint8Array): Promise<Uint8Array> {
  // The type of WebCrypto leaves out memory shared between threads, of which no bytes here are.
  return new Uint8Array(await globalThis.crypto.subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>));
}

/** The hashes of every chunk of some content. */
export class Manifest {
  /** The concatenated SHA-256 of every chunk. */
  readonly bytes: Uint8Array;
  /** SHA-256 of {@link bytes}: what a quote names. */
  readonly root: Hex;

  private constructor(bytes: Uint8Array, root: Hex) {
    this.bytes = bytes;
    this.root = root;
  }

  /**
   * Hashes content chunk by chunk.
   *
   * @param options.signal stops between two chunks
   * @throws {MillstreamError} CONTENT_LENGTH if the content cannot be cut so, ABORTED; and whatever reading it throws
   */
  static async of(
    content: ContentSource,
    { chunkSize, signal }: { chunkSize: number; signal?: AbortSignal | undefined },
  ): Promise<Manifest> {
    const layout = { length: content.length, chunkSize };
    const count = chunkCount(layout);
    const bytes = new Uint8Array(count * HASH_BYTES);
    for (let index = 0; index < count; index++) {
      if (signal?.aborted) throw aborted(signal, "hashing the content");
      const { offset, length } = chunkSpan(layout, index);
      bytes.set(await sha256(await content.read(offset, length)), index * HASH_BYTES);
    }
    return new Manifest(bytes, toHex(await sha256(bytes)));
  }

  /**
   * Takes a manifest that somebody else sent, if it is the one that `root` names.
   *
   * @throws {MillstreamError} CONTENT_MANIFEST_MISMATCH
   */
  static async verify(bytes: Uint8Array, layout: Layout, root: Hex): Promise<Manifest> {
    const expected = chunkCount(layout) * HASH_BYTES;
    if (bytes.length !== expected) throw manifestLength(bytes.length, expected);
    const actual = toHex(await sha256(bytes));
    if (actual !== root)
      throw new MillstreamError(
        "CONTENT_MANIFEST_MISMATCH",
        "the list of hashes is not the one that the seller's quote was signed for; nothing was paid",
        { details: { expected: root, actual } },
      );
    return new Manifest(bytes, root);
  }

  /**
   * Reads the manifest that `root` names from an answer, and no byte more.
   *
   * @throws {MillstreamError} CONTENT_MANIFEST_MISMATCH if it is longer, shorter or another one; ABORTED
   */
  static async read(response: Response, layout: Layout, root: Hex, signal?: AbortSignal): Promise<Manifest> {
    const expected = chunkCount(layout) * HASH_BYTES;
    const announced = response.headers.get("content-length");
    if (announced !== null && Number(announced) !== expected && !response.headers.has("content-encoding")) {
      await response.body?.cancel();
      throw manifestLength(Number(announced), expected);
    }
    const { bytes, received } = await readBody(response.body, expected, { signal });
    if (received !== expected) throw manifestLength(received, expected);
    return Manifest.verify(bytes, layout, root);
  }

  /** Whether `bytes` are chunk `index`. */
  async matches(index: number, bytes: Uint8Array): Promise<boolean> {
    const actual = await sha256(bytes);
    const start = index * HASH_BYTES;
    return actual.every((byte, at) => byte === this.bytes[start + at]);
  }

  /**
   * Checks chunk `index`.
   *
   * @throws {MillstreamError} CONTENT_CHUNK_MISMATCH with `details.index`
   */
  async check(index: number, bytes: Uint8Array): Promise<void> {
    if (await this.matches(index, bytes)) return;
    throw new MillstreamError(
      "CONTENT_CHUNK_MISMATCH",
      `chunk ${index} is not what the seller's quote was signed for`,
      { details: { index } },
    );
  }
}

/**
 * Reads a body of `length` bytes. It stops as soon as there are more, and keeps none of those.
 *
 * @param options.onData told the number of bytes received so far, with every piece
 * @returns the bytes, and how many came: `received` is below `length` if the body ended early, above it if it was cut
 * @throws {MillstreamError} ABORTED; and whatever a broken connection throws
 */
export async function readBody(
  body: ReadableStream<Uint8Array> | null,
  length: number,
  { signal, onData }: { signal?: AbortSignal | undefined; onData?: (received: number) => void } = {},
): Promise<{ bytes: Uint8Array; received: number }> {
  const bytes = new Uint8Array(length);
  let received = 0;
  if (!body) return { bytes: bytes.subarray(0, 0), received };
  const reader = body.getReader();
  // A body does not always end with the request that it answers: a read that waits is ended by cancelling it.
  const stop = () => void reader.cancel().catch(() => {});
  signal?.addEventListener("abort", stop, { once: true });
  try {
    for (;;) {
      if (signal?.aborted) throw aborted(signal, "reading the answer");
      const { done, value } = await reader.read();
      if (done && signal?.aborted) continue;
      if (done) return { bytes: bytes.subarray(0, received), received };
      const room = length - received;
      received += value.length;
      onData?.(received);
      if (value.length > room) {
        await reader.cancel().catch(() => {});
        return { bytes, received };
      }
      bytes.set(value, length - room);
    }
  } catch (error) {
    await reader.cancel().catch(() => {});
    throw error;
  } finally {
    signal?.removeEventListener("abort", stop);
    reader.releaseLock();
  }
}

function manifestLength(actual: number, expected: number): MillstreamError {
  return new MillstreamError(
    "CONTENT_MANIFEST_MISMATCH",
    `the list of hashes has ${actual} bytes, the quote's content has one of ${expected}; nothing was paid`,
    { details: { expected, actual } },
  );
}
