// Reads a directory that is for sale as one thing: its files, their hashes, and what each is charged for.

import { sha256 } from "./content.js";
import { MillstreamError } from "./errors.js";
import { FolderManifest, MAX_FOLDER_FILE, MAX_FOLDER_FILES, isFolderPath, type FolderEntry } from "./folder.js";
import { folderUnits, type FolderRules } from "./folder-units.js";
import { PIECE_BYTES, changed, fileSource, pieceHashes, type ListedChunk } from "./listing-source.js";
import { parsePlaylist, type Playlist } from "./playlist.js";
import { toHex } from "./encoding.js";

/** How deep directories may lie in each other. */
const MAX_DEPTH = 16;
const PLAYLIST = /\.m3u8$/i;

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  m3u8: "application/vnd.apple.mpegurl",
  mpd: "application/dash+xml",
  ts: "video/mp2t",
  mp4: "video/mp4",
  m4v: "video/mp4",
  m4s: "video/mp4",
  cmfv: "video/mp4",
  webm: "video/webm",
  aac: "audio/aac",
  m4a: "audio/mp4",
  cmfa: "audio/mp4",
  mp3: "audio/mpeg",
  ac3: "audio/ac3",
  ec3: "audio/eac3",
  vtt: "text/vtt",
  jpg: "image/jpeg",
  jpeg: "image/jpeg",
  png: "image/png",
  webp: "image/webp",
  json: "application/json",
  txt: "text/plain; charset=utf-8",
  pdf: "application/pdf",
};

/** What a folder's file is sent as; `application/octet-stream` if its name does not say. */
export function contentTypeOf(path: string): string {
  const extension = /\.([a-z0-9]+)$/i.exec(path)?.[1]?.toLowerCase() ?? "";
  return (Object.hasOwn(CONTENT_TYPES, extension) ? CONTENT_TYPES[extension] : undefined) ?? "application/octet-stream";
}

/** A folder as it was when it was read. */
export interface ListedFolder {
  readonly manifest: FolderManifest;
  /** In the order of the manifest. */
  readonly chunks: readonly ListedChunk[];
}

/**
 * Reads every file of a directory once.
 *
 * Names that begin with a dot are left out. Links are not followed, and whatever is neither a file nor a directory is
 * refused.
 *
 * @throws {MillstreamError} CONTENT_UNREADABLE, CONTENT_LENGTH, CONTENT_CHANGED, CONTENT_MANIFEST_MALFORMED if there are too
 *   many files; what {@link parsePlaylist} and {@link folderUnits} throw
 */
export async function readFolder(directory: string, rules: FolderRules): Promise<ListedFolder> {
  const found = new Map<string, ListedChunk & { readonly sha256: string }>();
  const playlists = new Map<string, Playlist>();
  for await (const { path, file } of filesIn(directory)) {
    if (found.size === MAX_FOLDER_FILES)
      throw new MillstreamError("CONTENT_LENGTH", `${directory} has more than ${MAX_FOLDER_FILES} files`);
    const source = await fileSource(file);
    const { length } = source;
    if (length === 0 || length > MAX_FOLDER_FILE)
      throw new MillstreamError(
        "CONTENT_LENGTH",
        `${file} has ${length} bytes: a file of a folder has between 1 and ${MAX_FOLDER_FILE}; longer ones are sold alone`,
      );
    const bytes = await source.read(0, length);
    if (PLAYLIST.test(path)) playlists.set(path, parsePlaylist(bytes, path));
    const pieces = await pieceHashes(bytes);
    const hash = length > PIECE_BYTES ? await sha256(bytes) : pieces;
    found.set(path, { source, offset: 0, length, pieces, sha256: toHex(hash).slice(2) });
  }
  const lengths = new Map([...found].map(([path, { length }]) => [path, length]));
  const units = folderUnits(lengths, playlists, rules);
  const manifest = await FolderManifest.of(
    [...found].map(([path, { length, sha256 }]): FolderEntry => ({
      path,
      length,
      units: units.get(path) ?? 0,
      sha256,
    })),
  );
  const chunks = manifest.entries.map(({ path }) => {
    const chunk = found.get(path);
    if (!chunk) throw changed();
    return chunk;
  });
  for (const { source } of chunks) await source.checkUnchanged();
  return { manifest, chunks };
}

/** Every file below a directory: its path in there, and where it is. */
async function* filesIn(directory: string, prefix = "", depth = 1): AsyncGenerator<{ path: string; file: string }> {
  const [{ readdir }, { join }] = await Promise.all([import("node:fs/promises"), import("node:path")]);
  const refuse = (what: string, cause?: unknown) =>
    new MillstreamError("CONTENT_UNREADABLE", what, { ...(cause !== undefined && { cause }) });
  if (depth > MAX_DEPTH) throw refuse(`${directory} lies deeper than ${MAX_DEPTH} directories`);
  const entries = await readdir(directory, { withFileTypes: true }).catch((cause: unknown) => {
    throw refuse(`the directory ${directory} cannot be read`, cause);
  });
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (entry.name.startsWith(".")) continue;
    const [path, file] = [prefix + entry.name, join(directory, entry.name)];
    if (entry.isDirectory()) yield* filesIn(file, `${path}/`, depth + 1);
    else if (!entry.isFile()) throw refuse(`${file} is a link or no regular file: a folder is sold without`);
    else if (!isFolderPath(path)) throw refuse(`${file} has a name that no URL can have`);
    else yield { path, file };
  }
}
