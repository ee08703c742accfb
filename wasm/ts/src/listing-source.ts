// Where the bytes of a listing come from, and how they leave: checked first, and never more than a piece of them in memory.

import { HASH_BYTES, sha256, type ContentSource } from "./content.js";
import { MillstreamError } from "./errors.js";

/**
 * How much of a longer chunk is in memory for one answer, in bytes: a buyer that does not read holds as much, and no more. A
 * chunk up to this length is read once.
 */
export const PIECE_BYTES = 1024 * 1024;

/** Content whose bytes can be seen to have changed without reading them. */
export interface ListedSource extends ContentSource {
  /** @throws {MillstreamError} CONTENT_CHANGED if it is not what it was when it was listed, as far as that can be seen */
  checkUnchanged(): Promise<void>;
}

/** One chunk of a source, and what it was when it was listed. */
export interface ListedChunk {
  readonly source: ListedSource;
  /** Of its first byte in the source. */
  readonly offset: number;
  /** In bytes. */
  readonly length: number;
  /** SHA-256 of every piece of it, one after the other. */
  readonly pieces: Uint8Array;
}

/** A chunk whose beginning was checked. */
export interface OpenedChunk {
  /** In bytes. */
  readonly length: number;
  /**
   * Checks the rest of it, before anybody is charged for what is not what the quotes say.
   *
   * @throws {MillstreamError} CONTENT_CHANGED, CONTENT_UNREADABLE
   */
  check(): Promise<void>;
  /**
   * `length` of its bytes from `first` on. Of a chunk longer than a piece they are read while they are sent, and checked
   * once more before they leave: if they changed meanwhile, the stream ends with CONTENT_CHANGED, and `onChanged` is told.
   */
  body(first: number, length: number, onChanged?: () => void): Uint8Array | ReadableStream<Uint8Array>;
}

/** What {@link ListedChunk.pieces} are of these bytes. */
export async function pieceHashes(bytes: Uint8Array): Promise<Uint8Array> {
  const hashes = new Uint8Array(pieceCount(bytes.length) * HASH_BYTES);
  for (let piece = 0; piece * PIECE_BYTES < bytes.length; piece++)
    hashes.set(await sha256(bytes.subarray(piece * PIECE_BYTES, (piece + 1) * PIECE_BYTES)), piece * HASH_BYTES);
  return hashes;
}

/**
 * Reads the first piece of a chunk and checks that: what it takes is bounded, whoever asks and whether they pay or not.
 *
 * @throws {MillstreamError} CONTENT_CHANGED, CONTENT_UNREADABLE
 */
export async function openChunk(chunk: ListedChunk): Promise<OpenedChunk> {
  const { source, length } = chunk;
  await source.checkUnchanged();
  const bytes = await readPiece(chunk, 0);
  if (bytes.length === length)
    return { length, check: async () => {}, body: (first, count) => bytes.subarray(first, first + count) };
  return {
    length,
    async check() {
      for (let piece = 1; piece < pieceCount(length); piece++) await readPiece(chunk, piece);
    },
    body: (first, count, onChanged) => stream(chunk, first, first + count, onChanged),
  };
}

function stream(chunk: ListedChunk, first: number, end: number, onChanged = () => {}): ReadableStream<Uint8Array> {
  let at = first;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const piece = Math.floor(at / PIECE_BYTES);
        const start = piece * PIECE_BYTES;
        try {
          const bytes = await readPiece(chunk, piece);
          controller.enqueue(bytes.subarray(at - start, end - start));
          at = start + bytes.length;
          if (at >= end) controller.close();
        } catch (error) {
          onChanged();
          throw error;
        }
      },
    },
    // Nothing is read before it is asked for.
    { highWaterMark: 0 },
  );
}

async function readPiece({ source, offset, length, pieces }: ListedChunk, piece: number): Promise<Uint8Array> {
  const start = piece * PIECE_BYTES;
  const bytes = await source.read(offset + start, Math.min(PIECE_BYTES, length - start));
  const hash = await sha256(bytes);
  if (!hash.every((byte, at) => byte === pieces[piece * HASH_BYTES + at])) throw changed();
  return bytes;
}

function pieceCount(length: number): number {
  return Math.ceil(length / PIECE_BYTES);
}

export function bytesSource(bytes: Uint8Array): ListedSource {
  return {
    length: bytes.length,
    // A copy, so that what is checked is what is served, whatever the seller's own code does to the bytes meanwhile.
    read: async (offset, length) => bytes.slice(offset, offset + length),
    checkUnchanged: async () => {
      // Transferred to a worker, bytes have no length any more.
      if (bytes.length === 0) throw changed();
    },
  };
}

/** @throws {MillstreamError} CONTENT_UNREADABLE if it is no regular file that can be read */
export async function fileSource(path: string): Promise<ListedSource> {
  // Only a seller of files needs a file system.
  const { open, realpath, stat } = await import("node:fs/promises");
  const unreadable = (cause: unknown) =>
    new MillstreamError("CONTENT_UNREADABLE", `the file ${path} cannot be read`, { cause });
  // A link that is changed later must not lead anywhere else.
  const file = await realpath(path).catch((error: unknown) => {
    throw unreadable(error);
  });
  const look = () =>
    stat(file, { bigint: true }).catch((error: unknown) => {
      throw gone(error) ? changed() : unreadable(error);
    });
  const listed = await look();
  if (!listed.isFile()) throw unreadable(new Error("it is not a regular file"));
  const length = Number(listed.size);
  return {
    length,
    async read(offset, length) {
      const handle = await open(file, "r").catch((error: unknown) => {
        throw gone(error) ? changed() : unreadable(error);
      });
      try {
        const bytes = new Uint8Array(length);
        for (let filled = 0; filled < length;) {
          const { bytesRead } = await handle.read(bytes, filled, length - filled, offset + filled);
          if (bytesRead === 0) throw changed();
          filled += bytesRead;
        }
        return bytes;
      } finally {
        await handle.close();
      }
    },
    async checkUnchanged() {
      const now = await look();
      const same = now.size === listed.size && now.mtimeNs === listed.mtimeNs && now.ino === listed.ino;
      if (!same) throw changed();
    },
  };
}

function gone(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}

export function changed(): MillstreamError {
  return new MillstreamError(
    "CONTENT_CHANGED",
    "the content was changed after it was listed; nothing is charged for it. The seller has to list it again",
  );
}
