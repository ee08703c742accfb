// A folder as one thing for sale: its chunks are its files. Source: docs/protocol.md, Folders.
//
// The manifest is JSON, `{"chunks":[{"path","length","units","sha256"}, ...]}` in the order of the paths; its SHA-256 is the
// root that the folder's quote names. It comes from a stranger: sizes are bounded, and every field is checked, before
// anything is made of it.

import { readBody, sha256, type Priced } from "./content.js";
import { toHex } from "./encoding.js";
import { MillstreamError } from "./errors.js";
import { isObject } from "./rpc.js";
import type { Hex, QuoteUnit } from "./types.js";

/** The longest manifest of a folder, in bytes. */
export const MAX_FOLDER_MANIFEST = 2 * 1024 * 1024;
/** The most files that a folder may have. */
export const MAX_FOLDER_FILES = 20_000;
/** The longest file of a folder, in bytes: a buyer holds it in memory until it is checked. */
export const MAX_FOLDER_FILE = 64 * 1024 * 1024;
/** The longest path of a file in a folder, in characters. */
export const MAX_FOLDER_PATH = 512;

/** One file of a folder. */
export interface FolderEntry {
  /** Relative to the folder, with `/` between names that are neither empty nor `.` nor `..`; not percent-encoded. */
  readonly path: string;
  /** In bytes, at least 1. */
  readonly length: number;
  /** What it is charged for; 0 if it is free. */
  readonly units: number;
  /** Of its bytes: 64 hex digits in lower case. */
  readonly sha256: string;
}

/** What a quote says about a folder, and its manifest has to agree with. */
export type FolderTerms = Pick<Priced, "length" | "chunks" | "unit" | "units"> & { readonly contentRoot: Hex };

/** The files of a folder, in the order of their paths: the place of a file is the number of its chunk. */
export class FolderManifest {
  readonly entries: readonly FolderEntry[];
  /** As it travels. */
  readonly bytes: Uint8Array;
  /** SHA-256 of {@link bytes}: what a quote names. */
  readonly root: Hex;
  readonly #places: ReadonlyMap<string, number>;

  private constructor(entries: readonly FolderEntry[], bytes: Uint8Array, root: Hex) {
    this.entries = entries;
    this.bytes = bytes;
    this.root = root;
    this.#places = new Map(entries.map(({ path }, index) => [path, index]));
  }

  /**
   * Makes the manifest of some files, in any order.
   *
   * @throws {MillstreamError} CONTENT_MANIFEST_MALFORMED if nobody could read it: too many or too large files, a path that is
   *   none, or twice the same
   */
  static async of(files: Iterable<FolderEntry>): Promise<FolderManifest> {
    const sorted = [...files].sort((a, b) => (a.path < b.path ? -1 : 1));
    const chunks = sorted.map(({ path, length, units, sha256 }) => ({ path, length, units, sha256 }));
    const bytes = new TextEncoder().encode(JSON.stringify({ chunks }));
    return new FolderManifest(readEntries(bytes), bytes, toHex(await sha256(bytes)));
  }

  /**
   * Takes a manifest that somebody else sent, if it is the one that the quote names and adds up to what the quote says.
   *
   * @throws {MillstreamError} CONTENT_MANIFEST_MISMATCH if it is another one, CONTENT_MANIFEST_MALFORMED if it cannot be used
   */
  static async verify(bytes: Uint8Array, terms: FolderTerms): Promise<FolderManifest> {
    if (bytes.length > MAX_FOLDER_MANIFEST) throw tooLong();
    const root = toHex(await sha256(bytes));
    if (root !== terms.contentRoot)
      throw new MillstreamError(
        "CONTENT_MANIFEST_MISMATCH",
        "the folder's list of files is not the one that the seller's quote was signed for; nothing was paid",
        { details: { expected: terms.contentRoot, actual: root } },
      );
    const entries = readEntries(bytes);
    checkSums(entries, terms);
    return new FolderManifest(entries, bytes, root);
  }

  /**
   * Reads the manifest that a quote names from an answer, and no more than {@link MAX_FOLDER_MANIFEST} bytes.
   *
   * @throws {MillstreamError} as {@link verify}; ABORTED
   */
  static async read(response: Response, terms: FolderTerms, signal?: AbortSignal): Promise<FolderManifest> {
    const announced = Number(response.headers.get("content-length") ?? 0);
    if (announced > MAX_FOLDER_MANIFEST) {
      await response.body?.cancel();
      throw tooLong();
    }
    const { bytes, received } = await readBody(response.body, MAX_FOLDER_MANIFEST, { signal });
    if (received > MAX_FOLDER_MANIFEST) throw tooLong();
    return FolderManifest.verify(bytes.slice(), terms);
  }

  /** Which chunk the file at `path` is; `undefined` if there is none. */
  find(path: string): number | undefined {
    return this.#places.get(path);
  }

  /** Whether `bytes` are file `index`. */
  async matches(index: number, bytes: Uint8Array): Promise<boolean> {
    const entry = this.entries[index];
    return entry?.length === bytes.length && toHex(await sha256(bytes)) === `0x${entry.sha256}`;
  }

  /**
   * Checks file `index`.
   *
   * @throws {MillstreamError} CONTENT_CHUNK_MISMATCH with `details.index`
   */
  async check(index: number, bytes: Uint8Array): Promise<void> {
    if (await this.matches(index, bytes)) return;
    throw new MillstreamError(
      "CONTENT_CHUNK_MISMATCH",
      `${this.entries[index]?.path ?? `file ${index}`} is not what the seller's quote was signed for`,
      { details: { index } },
    );
  }
}

/** Whether `path` names a file inside a folder, in the one way that a manifest may write it. */
export function isFolderPath(path: string): boolean {
  // Control characters and lone surrogates have no place in a URL, and a backslash is a slash to some.
  if (path.length > MAX_FOLDER_PATH || /[\\\p{Cc}\p{Cs}]/u.test(path)) return false;
  return path.split("/").every((name) => name !== "" && name !== "." && name !== "..");
}

/** The URL of a file in a folder; `folderUrl` ends in `/`, and its query and fragment are left out. */
export function folderFileUrl(folderUrl: string | URL, path: string): string {
  const url = new URL(folderUrl);
  url.search = url.hash = "";
  return url.href + path.split("/").map(encodeURIComponent).join("/");
}

/** The path in a folder that a URL names, whatever its query and fragment; `undefined` if it is outside, or none. */
export function folderPathOf(folderUrl: string | URL, url: string | URL): string | undefined {
  const [folder, file] = [new URL(folderUrl), new URL(url)];
  if (file.origin !== folder.origin || !file.pathname.startsWith(folder.pathname)) return undefined;
  return decodeFolderPath(file.pathname.slice(folder.pathname.length));
}

/** A path as a URL has it, decoded once; `undefined` if it is none of a folder. */
export function decodeFolderPath(encoded: string): string | undefined {
  let names: string[];
  try {
    names = encoded.split("/").map(decodeURIComponent);
  } catch {
    return undefined;
  }
  // A slash or dots that were encoded are no part of a name.
  const path = names.join("/");
  return names.some((name) => name.includes("/")) || !isFolderPath(path) ? undefined : path;
}

function readEntries(bytes: Uint8Array): readonly FolderEntry[] {
  if (bytes.length > MAX_FOLDER_MANIFEST) throw tooLong();
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch (cause) {
    throw malformed("it is not JSON", cause);
  }
  const chunks = isObject(value) ? value["chunks"] : undefined;
  if (!Array.isArray(chunks)) throw malformed("it has no files");
  if (chunks.length === 0 || chunks.length > MAX_FOLDER_FILES)
    throw malformed(`it has ${chunks.length} files, not between 1 and ${MAX_FOLDER_FILES}`);
  let previous: string | undefined;
  return chunks.map((chunk: unknown, index) => {
    const entry = readEntry(chunk, index);
    if (previous !== undefined && entry.path <= previous)
      throw malformed(`file ${index} is not after the one before it, in the order of their paths`);
    previous = entry.path;
    return entry;
  });
}

function readEntry(chunk: unknown, index: number): FolderEntry {
  if (!isObject(chunk)) throw malformed(`file ${index} is none`);
  const { path, length, units, sha256 } = chunk;
  if (typeof path !== "string" || !isFolderPath(path)) throw malformed(`file ${index} has no path inside the folder`);
  if (!isCount(length, MAX_FOLDER_FILE) || length === 0)
    throw malformed(`file ${index} is empty or longer than ${MAX_FOLDER_FILE} bytes`);
  if (!isCount(units, Number.MAX_SAFE_INTEGER)) throw malformed(`file ${index} is not charged for in whole units`);
  if (typeof sha256 !== "string" || !/^[0-9a-f]{64}$/.test(sha256)) throw malformed(`file ${index} has no SHA-256`);
  return { path, length, units, sha256 };
}

/** What the files add up to is what the quote says, and none is charged for more than the unit allows. */
function checkSums(entries: readonly FolderEntry[], { length, chunks, unit, units }: FolderTerms): void {
  const sum = (of: (entry: FolderEntry) => number) => entries.reduce((total, entry) => total + of(entry), 0);
  const agrees =
    entries.length === chunks && sum((entry) => entry.length) === length && sum((entry) => entry.units) === units;
  if (!agrees) throw malformed("it does not add up to what the quote says");
  const index = entries.findIndex((entry) => entry.units !== 0 && !isPricedBy(unit, entry));
  if (index >= 0) throw malformed(`file ${index} is not charged for by ${unit}`);
}

function isPricedBy(unit: QuoteUnit, { length, units }: FolderEntry): boolean {
  return unit === "second" || units === (unit === "byte" ? length : 1);
}

function isCount(value: unknown, most: number): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= most;
}

function tooLong(): MillstreamError {
  return malformed(`it is longer than ${MAX_FOLDER_MANIFEST} bytes`);
}

function malformed(what: string, cause?: unknown): MillstreamError {
  return new MillstreamError("CONTENT_MANIFEST_MALFORMED", `the folder's list of files cannot be used: ${what}`, {
    ...(cause !== undefined && { cause }),
  });
}
