// What a seller has for sale: the bytes, how they are cut, and what they cost.

import {
  DEFAULT_CHUNK_SIZE,
  HASH_BYTES,
  Manifest,
  chunkCount,
  chunkPrice,
  chunkSpan,
  type ChunkSpan,
  type ContentSource,
  type Priced,
} from "./content.js";
import { MillstreamError, checkHex } from "./errors.js";
import type { FolderManifest } from "./folder.js";
import { contentTypeOf, readFolder } from "./listing-folder.js";
import { PIECE_BYTES, bytesSource, fileSource, openChunk, pieceHashes } from "./listing-source.js";
import type { ListedChunk, OpenedChunk } from "./listing-source.js";
import { NATIVE_ASSET, type Hex, type QuoteUnit } from "./types.js";

/** Where the bytes of a listing come from. */
export type ListedContent =
  | { readonly bytes: Uint8Array }
  /** Path of a regular file, read in parts while it is sold. A relative one is relative to the working directory. */
  | { readonly file: string };

/** What a seller asks, whatever it is for. */
interface CommonTerms {
  /** Of one unit, in base units of `asset`, above zero. */
  price: bigint;
  /** What the price is for. Default: a chunk. */
  unit?: QuoteUnit;
  /** Token contract; the chain's native asset without it. */
  asset?: Hex;
  /** What is served ahead of payment on each channel, in base units. Default: the seller's. */
  credit?: bigint;
  /** For people: what is sold. */
  name?: string;
}

/** What a seller asks for some content. A chunk costs the same whatever its length, the shorter last one included. */
export interface ListingTerms extends CommonTerms {
  /** How long it plays, in seconds: for the unit `second`, and only for that. */
  duration?: number;
  /** In bytes. Default: 256 KiB; by the second, at least what plays in one. */
  chunkSize?: number;
  /** `application/octet-stream` without it. */
  contentType?: string;
}

/**
 * What a seller asks for the files of a folder.
 *
 * Playlists (`.m3u8`) are read: they, and what they name beside segments (initialisation, keys, subtitles), are free. By the
 * chunk every other file costs one unit, by the byte its length; by the second a segment costs what it plays, and a file
 * that no playlist names is refused unless it is free.
 */
export interface FolderListingTerms extends CommonTerms {
  /** Which other files are free, by their path in the folder, e.g. `"poster.jpg"`. */
  isFree?: (path: string) => boolean;
}

/** A signed quote and its hash, the memo of the payments for it. */
export interface ListedQuote {
  readonly hash: Hex;
  readonly bytes: Uint8Array;
  /** In seconds since 1970. */
  readonly expiresAt: number;
  /** The list of hubs that it names the hash of, if there are any. */
  readonly hubs?: string | undefined;
}

/** What a listing is made of. */
interface ListingParts {
  readonly path: string;
  readonly manifest: { readonly bytes: Uint8Array; readonly root: Hex };
  readonly folder?: FolderManifest;
  readonly chunk: (index: number) => ListedChunk;
  readonly length: number;
  readonly chunkSize: number;
  readonly chunks: number;
  readonly units: number;
  readonly contentType: string;
}

/** One thing for sale. */
export class Listing implements Priced {
  /** Of its URLs, as a URL has it: percent-encoded, without query. That of a folder ends in `/`. */
  readonly path: string;
  readonly contentRoot: Hex;
  /** In bytes. */
  readonly length: number;
  /** In bytes; 0 for a folder, whose chunks are its files. */
  readonly chunkSize: number;
  /** How many chunks it has. */
  readonly chunks: number;
  /** How many of them are not free. */
  readonly pricedChunks: number;
  readonly unit: QuoteUnit;
  /** How many units all of it costs. */
  readonly units: number;
  /** Of one unit, in base units of `asset`. */
  readonly price: bigint;
  /** What is served ahead of payment on each channel, in base units. */
  readonly credit: bigint;
  /** Token contract, or zero for the native asset. */
  readonly asset: Hex;
  readonly contentType: string;
  readonly name: string | undefined;
  /** What the content root is the SHA-256 of: the SHA-256 of every chunk, or a folder's list of files. */
  readonly manifest: Uint8Array;
  /** Of a folder. */
  readonly folder: FolderManifest | undefined;

  readonly #chunk: (index: number) => ListedChunk;

  private constructor(parts: ListingParts, { price, unit = "chunk", asset, name }: CommonTerms, credit: bigint) {
    this.path = parts.path;
    this.contentRoot = parts.manifest.root;
    this.length = parts.length;
    this.chunkSize = parts.chunkSize;
    this.chunks = parts.chunks;
    this.folder = parts.folder;
    this.pricedChunks = parts.folder?.entries.filter(({ units }) => units > 0).length ?? parts.chunks;
    this.unit = unit;
    this.units = parts.units;
    this.price = price;
    this.credit = credit;
    this.asset = checkHex(asset ?? NATIVE_ASSET, "asset", 20);
    this.contentType = parts.contentType;
    this.name = name;
    this.manifest = parts.manifest.bytes;
    this.#chunk = parts.chunk;
    if (price * BigInt(this.units) >= 1n << 128n)
      throw invalid("price", "the price of the whole must be below 2^128 base units");
  }

  /**
   * Reads and hashes the content once.
   *
   * @param credit of the seller
   * @throws {MillstreamError} INVALID_ARGUMENT or INVALID_HEX with `details.field`, CONTENT_LENGTH, CONTENT_UNREADABLE,
   *   CONTENT_CHANGED if the file changes meanwhile
   */
  static async of(path: string, content: ListedContent, terms: ListingTerms, credit = 0n): Promise<Listing> {
    const { unit = "chunk", duration, contentType = "application/octet-stream" } = terms;
    const granted = checkTerms(terms, credit);
    if (!/^[\x20-\x7e]*$/.test(contentType)) throw invalid("contentType", "a content type is plain ASCII");
    if (unit === "second" ? !isDuration(duration) : duration !== undefined)
      throw invalid("duration", "a price by the second, and only that, needs the seconds of play time, above zero");
    const key = listingPath(path);
    if (key.endsWith("/")) throw invalid("path", `"${path}" is a folder's path: content has one that ends in no "/"`);
    if ("bytes" in content && !(content.bytes instanceof Uint8Array))
      throw invalid("bytes", "content must be a Uint8Array");
    const source = "bytes" in content ? bytesSource(content.bytes) : await fileSource(content.file);
    const { length } = source;
    const seconds = Math.ceil(duration ?? 0);
    // A chunk that plays less than a second would be free.
    const least = unit === "second" ? Math.ceil(length / seconds) : 1;
    const { chunkSize = Math.max(DEFAULT_CHUNK_SIZE, least) } = terms;
    const chunks = chunkCount({ length, chunkSize });
    if (unit === "second" && chunks > seconds)
      throw invalid("chunkSize", `a chunk must play a second or more: here that is ${least} bytes`);
    const pieces: Uint8Array[] = [];
    const hashed: ContentSource = {
      length,
      async read(offset, count) {
        const bytes = await source.read(offset, count);
        if (chunkSize > PIECE_BYTES) pieces.push(await pieceHashes(bytes));
        return bytes;
      },
    };
    const manifest = await Manifest.of(hashed, { chunkSize });
    await source.checkUnchanged();
    const layout = { length, chunkSize };
    const chunk = (index: number) => ({
      source,
      ...chunkSpan(layout, index),
      pieces: pieces[index] ?? manifest.bytes.subarray(index * HASH_BYTES, (index + 1) * HASH_BYTES),
    });
    const units = { chunk: chunks, byte: length, second: seconds }[unit];
    return new Listing({ path: key, manifest, chunk, ...layout, chunks, units, contentType }, terms, granted);
  }

  /**
   * Reads and hashes every file of a directory once.
   *
   * @param credit of the seller
   * @throws {MillstreamError} as {@link of}; CONTENT_MANIFEST_MALFORMED; FOLDER_..., PLAYLIST_... with `details.path`
   */
  static async ofFolder(path: string, directory: string, terms: FolderListingTerms, credit = 0n): Promise<Listing> {
    const { unit = "chunk", isFree = () => false } = terms;
    const granted = checkTerms(terms, credit);
    const key = listingPath(path);
    if (!key.endsWith("/") || key.split("/").length > MAX_FOLDER_NAMES)
      throw invalid(
        "path",
        `"${path}" is no path of a folder, such as "/film/", of at most ${MAX_FOLDER_NAMES - 2} names`,
      );
    const { manifest, chunks } = await readFolder(directory, { folderPath: key, unit, isFree });
    const { entries } = manifest;
    const sum = (of: "length" | "units") => entries.reduce((total, entry) => total + entry[of], 0);
    const units = sum("units");
    if (units === 0) throw new MillstreamError("CONTENT_LENGTH", `${directory} has no file that costs anything`);
    const chunk = (index: number) => {
      const found = chunks[index];
      if (found) return found;
      throw new MillstreamError("CHUNK_UNKNOWN", `there is no file ${index} in this folder`);
    };
    const parts = { path: key, manifest, folder: manifest, chunk, length: sum("length"), units };
    const layout = { chunkSize: 0, chunks: entries.length, contentType: "application/octet-stream" };
    return new Listing({ ...parts, ...layout }, terms, granted);
  }

  /** Where chunk `index` lies in its content; a file of a folder is content of its own. */
  span(index: number): ChunkSpan {
    return this.folder ? { offset: 0, length: this.#chunk(index).length } : chunkSpan(this, index);
  }

  /** What chunk `index` costs, in base units. */
  priceOf(index: number): bigint {
    return chunkPrice(this, index, this.folder);
  }

  /** What chunk `index` is sent as. */
  contentTypeOf(index: number): string {
    const path = this.folder?.entries[index]?.path;
    return path === undefined ? this.contentType : contentTypeOf(path);
  }

  /**
   * @param index the chunk that it is about; of a folder each is a file of its own
   * @throws {MillstreamError} CONTENT_CHANGED, as far as that can be seen without reading everything
   */
  checkUnchanged(index = 0): Promise<void> {
    return this.#chunk(index).source.checkUnchanged();
  }

  /**
   * Opens chunk `index`, as far as can be seen still what the quotes were signed for.
   *
   * @throws {MillstreamError} CONTENT_CHANGED if it is not, CONTENT_UNREADABLE
   */
  open(index: number): Promise<OpenedChunk> {
    return openChunk(this.#chunk(index));
  }
}

/** Of a folder's path, the empty ones at both ends included: every request is compared with as many at most. */
export const MAX_FOLDER_NAMES = 32;
/** The longest play time, in seconds. */
const MAX_DURATION = 10_000_000;

function isDuration(duration: unknown): duration is number {
  return typeof duration === "number" && duration > 0 && duration <= MAX_DURATION;
}

/** Checks what all terms have. Returns the credit. */
function checkTerms({ price, unit = "chunk", name = "", credit }: CommonTerms, usual: bigint): bigint {
  if (typeof price !== "bigint" || price <= 0n || price >= 1n << 128n)
    throw invalid("price", "the price of a unit must be a bigint above zero, in base units");
  if (!["chunk", "byte", "second"].includes(unit)) throw invalid("unit", "a unit is chunk, byte or second");
  if (name.length > 200) throw invalid("name", "a name has at most 200 characters");
  return checkCredit(credit ?? usual);
}

/** @throws {MillstreamError} INVALID_ARGUMENT */
export function checkCredit(credit: unknown): bigint {
  if (typeof credit === "bigint" && credit >= 0n && credit < 1n << 128n) return credit;
  throw invalid("credit", "credit must be a bigint of at least zero, in base units");
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

function invalid(field: string, message: string): MillstreamError {
  return new MillstreamError("INVALID_ARGUMENT", message, { details: { field } });
}
