// What each file of a folder is charged for, from what its playlists say.

import { MillstreamError } from "./errors.js";
import { folderFileUrl, folderPathOf } from "./folder.js";
import type { Playlist } from "./playlist.js";
import type { QuoteUnit } from "./types.js";

const SECOND = 1_000_000;
/** What players read beside segments. */
const FREE = /\.(?:m3u8|vtt)$/i;

/** How the files of a folder are charged for. */
export interface FolderRules {
  /** Path of the folder's URL, which ends in `/`. */
  readonly folderPath: string;
  readonly unit: QuoteUnit;
  /** Whether a file costs nothing, whatever the playlists say. */
  readonly isFree: (path: string) => boolean;
}

/**
 * The units of every file.
 *
 * Playlists, and what they name beside segments (initialisation, keys, subtitles), are free. A segment counts once, for the
 * seconds in which it ends on its playlist's time line: what plays up to any moment costs that time, rounded up. Sound that
 * goes with a picture in playlists of its own is free by the second, which the picture's segments are charged for. A file
 * that no playlist names is charged for like a segment, but by the second nothing says what it costs: it is refused.
 *
 * @param files path and length of each
 * @param playlists by path
 * @throws {MillstreamError} with `details.path`: FOLDER_FILE_MISSING if a playlist names a file that is not there,
 *   FOLDER_FILE_UNPRICED, PLAYLIST_SHORT_SEGMENTS if seconds cannot be charged for by segments
 */
export function folderUnits(
  files: ReadonlyMap<string, number>,
  playlists: ReadonlyMap<string, Playlist>,
  rules: FolderRules,
): ReadonlyMap<string, number> {
  const { unit, isFree } = rules;
  const named = namedFiles(files, playlists, rules);
  return new Map(
    [...files].map(([path, length]) => {
      if (isFree(path) || FREE.test(path)) return [path, 0];
      const seconds = named.segments.get(path);
      if (seconds === undefined && named.free.has(path)) return [path, 0];
      if (unit === "chunk") return [path, 1];
      if (unit === "byte") return [path, length];
      if (seconds !== undefined) return [path, seconds];
      throw new MillstreamError(
        "FOLDER_FILE_UNPRICED",
        `no playlist says how long ${path} plays: leave it out, say that it is free, or sell by another unit`,
        { details: { path } },
      );
    }),
  );
}

/** The segments with their seconds, and what is free. */
function namedFiles(
  files: ReadonlyMap<string, number>,
  playlists: ReadonlyMap<string, Playlist>,
  { folderPath, unit }: FolderRules,
): { readonly segments: ReadonlyMap<string, number>; readonly free: ReadonlySet<string> } {
  const segments = new Map<string, number>();
  const free = new Set<string>();
  const folder = new URL(folderPath, "http://folder.invalid");
  /** The file that a playlist names, if it is in the folder. */
  const find = (playlist: string, uri: string): string | undefined => {
    if (!URL.canParse(uri, folderFileUrl(folder, playlist))) return undefined;
    const path = folderPathOf(folder, new URL(uri, folderFileUrl(folder, playlist)));
    return path !== undefined && files.has(path) ? path : undefined;
  };
  const need = (playlist: string, uri: string): string => {
    const path = find(playlist, uri);
    if (path !== undefined) return path;
    const named = uri.slice(0, 200);
    throw new MillstreamError("FOLDER_FILE_MISSING", `${playlist} names ${named}, which is not in the folder`, {
      details: { path: playlist },
    });
  };

  const streams = new Set<string>();
  const beside = new Map<string, string>();
  for (const [path, { variants, renditions, maps, keys }] of playlists) {
    for (const uri of variants) streams.add(need(path, uri));
    for (const { uri, type } of renditions) beside.set(need(path, uri), type);
    for (const uri of maps) free.add(need(path, uri));
    for (const uri of keys) {
      // Keys may also come from elsewhere.
      const key = find(path, uri);
      if (key !== undefined) free.add(key);
    }
  }
  for (const [path, playlist] of playlists) {
    const type = streams.has(path) ? undefined : beside.get(path);
    const isFree = type === "SUBTITLES" || type === "CLOSED-CAPTIONS" || (type === "AUDIO" && unit === "second");
    if (unit === "second" && !isFree) checkDurations(path, playlist);
    let end = 0;
    for (const { uri, duration } of playlist.segments) {
      const segment = need(path, uri);
      const start = end;
      end += duration;
      if (isFree) free.add(segment);
      else {
        const seconds = Math.ceil(end / SECOND) - Math.ceil(start / SECOND);
        // In several places, it costs what it costs least: none of them is more than its play time.
        segments.set(segment, Math.min(seconds, segments.get(segment) ?? seconds));
      }
    }
  }
  return { segments, free };
}

/** Segments that play less than a second would mostly be free. */
function checkDurations(path: string, { segments }: Playlist): void {
  const total = segments.reduce((sum, { duration }) => sum + duration, 0);
  if (total >= segments.length * SECOND) return;
  throw new MillstreamError(
    "PLAYLIST_SHORT_SEGMENTS",
    `the segments of ${path} play less than a second each: make longer ones, or sell by chunk or byte`,
    { details: { path } },
  );
}
