// What a seller has for sale: the bytes, how they are cut, and the quotes for them that hold now.

import {
  DEFAULT_CHUNK_SIZE,
  Manifest,
  chunkCount,
  chunkSpan,
  type ChunkSpan,
  type ContentSource,
  type Layout,
} from "./content.js";
import { MillstreamError, checkHex } from "./errors.js";
import { NATIVE_ASSET, type Hex } from "./types.js";

/** Where the bytes of a listing come from. */
export type ListedContent =
  | { readonly bytes: Uint8Array }
  /** Path of a regular file, read in parts while it is sold. A relative one is relative to the working directory. */
  | { readonly file: string };

/** What a seller asks for some content. */
export interface ListingTerms {
  /** Of one chunk, the shorter last one included; base units of `asset`, above zero. */
  price: bigint;
  /** Token contract; the chain's native asset without it. */
  asset?: Hex;
  /** In bytes; 256 KiB without it. */
  chunkSize?: number;
  /** `application/octet-stream` without it. */
  contentType?: string;
  /** For people: what is sold. */
  name?: string;
}

/** A signed quote and its hash, the memo of the payments for it. */
export interface ListedQuote {
  readonly hash: Hex;
  readonly bytes: Uint8Array;
  /** In seconds since 1970. */
  readonly expiresAt: number;
}

/** Content whose bytes can be seen to have changed without reading them. */
export interface ListedSource extends ContentSource {
  /** @throws {MillstreamError} CONTENT_CHANGED if it is not what it was when it was listed, as far as that can be seen */
  checkUnchanged(): Promise<void>;
}

/** One thing for sale. */
export class Listing implements Layout {
  /** Of its URLs, as a URL has it: percent-encoded, without query. */
  readonly path: string;
  readonly contentRoot: Hex;
  /** In bytes. */
  readonly length: number;
  /** In bytes. */
  readonly chunkSize: number;
  /** How many chunks it has. */
  readonly chunks: number;
  /** Of one chunk, in base units of `asset`. */
  readonly price: bigint;
  /** Token contract, or zero for the native asset. */
  readonly asset: Hex;
  readonly contentType: string;
  readonly name: string | undefined;
  /** Concatenated SHA-256 of every chunk. */
  readonly manifest: Uint8Array;

  readonly #source: ListedSource;
  readonly #manifest: Manifest;

  private constructor(path: string, source: ListedSource, manifest: Manifest, terms: ListingTerms, chunkSize: number) {
    this.path = path;
    this.contentRoot = manifest.root;
    this.length = source.length;
    this.chunkSize = chunkSize;
    this.chunks = chunkCount(this);
    this.price = terms.price;
    this.asset = checkHex(terms.asset ?? NATIVE_ASSET, "asset", 20);
    this.contentType = terms.contentType ?? "application/octet-stream";
    this.name = terms.name;
    this.manifest = manifest.bytes;
    this.#source = source;
    this.#manifest = manifest;
  }

  /**
   * Reads and hashes the content once.
   *
   * @throws {MillstreamError} INVALID_ARGUMENT or INVALID_HEX with `details.field`, CONTENT_LENGTH, CONTENT_UNREADABLE,
   *   CONTENT_CHANGED if the file changes meanwhile
   */
  static async of(path: string, content: ListedContent, terms: ListingTerms): Promise<Listing> {
    const { chunkSize = DEFAULT_CHUNK_SIZE, price, contentType = "", name = "" } = terms;
    if (typeof price !== "bigint" || price <= 0n || price >= 1n << 128n)
      throw invalid("price", "the price of a chunk must be a bigint above zero, in base units");
    if (!/^[\x20-\x7e]*$/.test(contentType)) throw invalid("contentType", "a content type is plain ASCII");
    if (name.length > 200) throw invalid("name", "a name has at most 200 characters");
    const source = "bytes" in content ? bytesSource(content.bytes) : await fileSource(content.file);
    const manifest = await Manifest.of(source, { chunkSize });
    await source.checkUnchanged();
    return new Listing(listingPath(path), source, manifest, terms, chunkSize);
  }

  /** Where chunk `index` lies. */
  span(index: number): ChunkSpan {
    return chunkSpan(this, index);
  }

  /** @throws {MillstreamError} CONTENT_CHANGED, as far as that can be seen without reading everything */
  checkUnchanged(): Promise<void> {
    return this.#source.checkUnchanged();
  }

  /**
   * Reads chunk `index` and checks that it is still what the quotes were signed for.
   *
   * @throws {MillstreamError} CONTENT_CHANGED if it is not, CONTENT_UNREADABLE
   */
  async chunk(index: number): Promise<Uint8Array> {
    await this.#source.checkUnchanged();
    const { offset, length } = this.span(index);
    const bytes = await this.#source.read(offset, length);
    if (!(await this.#manifest.matches(index, bytes))) throw changed();
    return bytes;
  }
}

/**
 * A path as the URL of a request has it.
 *
 * @throws {MillstreamError} INVALID_ARGUMENT if it is no path of its own
 */
export function listingPath(path: string): string {
  const bad = () => invalid("path", `"${path}" is not a path like "/film.mp4", without query and fragment`);
  if (!path.startsWith("/") || path.startsWith("//") || /[?#]/.test(path)) throw bad();
  const { pathname } = new URL(path, "http://seller.invalid");
  if (pathname.startsWith("/.well-known/")) throw invalid("path", `"${path}" is reserved for the wallet's messages`);
  return pathname;
}

function bytesSource(bytes: Uint8Array): ListedSource {
  if (!(bytes instanceof Uint8Array)) throw invalid("bytes", "content must be a Uint8Array");
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

async function fileSource(path: string): Promise<ListedSource> {
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

function changed(): MillstreamError {
  return new MillstreamError(
    "CONTENT_CHANGED",
    "the content was changed after it was listed; nothing is charged for it. The seller has to list it again",
  );
}

function invalid(field: string, message: string): MillstreamError {
  return new MillstreamError("INVALID_ARGUMENT", message, { details: { field } });
}
