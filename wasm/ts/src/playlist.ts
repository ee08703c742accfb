// HLS playlists, read as far as a seller needs them: which files are segments, how long each plays, and which files they
// need beside them. Source: RFC 8216.

import { MillstreamError } from "./errors.js";

declare module "./errors.js" {
  interface MillstreamErrorDetails {
    /** The file of a folder that the error is about. */
    path?: string;
    /** The line of a playlist that the error is about, from 1. */
    line?: number;
  }
}

/** The longest playlist that is read, in bytes. */
export const MAX_PLAYLIST = 2 * 1024 * 1024;
/** The longest line of one, in characters. */
const MAX_LINE = 8 * 1024;

/** A segment of a media playlist. */
export interface PlaylistSegment {
  /** As the playlist has it. */
  readonly uri: string;
  /** How long it plays, in microseconds. */
  readonly duration: number;
}

/** A stream of media that goes with those of a master playlist. */
export interface PlaylistRendition {
  readonly uri: string;
  /** `AUDIO`, `VIDEO`, `SUBTITLES` ... */
  readonly type: string;
}

/** What a playlist names. */
export interface Playlist {
  /** Of a media playlist, in the order in which they play. */
  readonly segments: readonly PlaylistSegment[];
  /** Of a master playlist: the playlists of its streams. */
  readonly variants: readonly string[];
  /** Of a master playlist: the playlists of what goes with these streams. */
  readonly renditions: readonly PlaylistRendition[];
  /** What is needed to read segments. */
  readonly maps: readonly string[];
  /** What is needed to decrypt them. */
  readonly keys: readonly string[];
}

/** What cannot be sold by the file, and why. */
const UNSUPPORTED: Readonly<Record<string, string>> = {
  "EXT-X-PART": "parts of segments",
  "EXT-X-PRELOAD-HINT": "parts of segments",
  "EXT-X-SKIP": "what an earlier playlist said",
  "EXT-X-DEFINE": "variables",
};

/**
 * Reads a playlist, master or media.
 *
 * @param path of the playlist, for the errors
 * @throws {MillstreamError} with `details.path` and `details.line`:
 *   - PLAYLIST_MALFORMED: it is none
 *   - PLAYLIST_BYTE_RANGE: its segments are ranges of a file; what is sold by the segment needs one file for each
 *   - PLAYLIST_UNSUPPORTED: it has parts of segments or variables, or is not complete yet
 */
export function parsePlaylist(bytes: Uint8Array, path: string): Playlist {
  const at: Place = { path, line: 1 };
  const lines = textOf(bytes, at).split(/\r?\n/);
  if (lines[0] !== "#EXTM3U") throw malformed(at, "it does not begin with #EXTM3U");
  const segments: PlaylistSegment[] = [];
  const variants: string[] = [];
  const renditions: PlaylistRendition[] = [];
  const maps: string[] = [];
  const keys: string[] = [];
  /** What the next line that is no tag is: a segment of this duration, or a variant. */
  let next: number | "variant" | undefined;
  let isComplete = false;
  for (const [index, line] of lines.entries()) {
    at.line = index + 1;
    if (line.length > MAX_LINE) throw malformed(at, `it is longer than ${MAX_LINE} characters`);
    if (line === "" || (line.startsWith("#") && !line.startsWith("#EXT"))) continue;
    if (!line.startsWith("#")) {
      if (next === undefined) throw malformed(at, "nothing says what it is");
      if (next === "variant") variants.push(line);
      else segments.push({ uri: line, duration: next });
      next = undefined;
      continue;
    }
    const colon = line.indexOf(":");
    const [tag, value] = colon < 0 ? [line.slice(1), ""] : [line.slice(1, colon), line.slice(colon + 1)];
    const unsupported = UNSUPPORTED[tag];
    if (unsupported !== undefined) throw notSupported(at, `it has ${unsupported} (${tag})`);
    const need = (name: string) => {
      const found = attributes(value, at).get(name);
      if (found === undefined || found === "") throw malformed(at, `it has no ${name}`);
      return found;
    };
    switch (tag) {
      case "EXTINF":
        if (next !== undefined) throw malformed(at, "what comes before it is not named");
        next = microseconds(value, at);
        break;
      case "EXT-X-STREAM-INF":
        if (next !== undefined) throw malformed(at, "what comes before it is not named");
        attributes(value, at);
        next = "variant";
        break;
      case "EXT-X-I-FRAME-STREAM-INF":
        variants.push(need("URI"));
        break;
      case "EXT-X-MEDIA": {
        const uri = attributes(value, at).get("URI");
        if (uri !== undefined) renditions.push({ uri, type: need("TYPE") });
        break;
      }
      case "EXT-X-MAP":
        if (attributes(value, at).has("BYTERANGE")) throw byteRange(at);
        maps.push(need("URI"));
        break;
      case "EXT-X-KEY":
      case "EXT-X-SESSION-KEY":
        if (need("METHOD") !== "NONE") keys.push(need("URI"));
        break;
      case "EXT-X-BYTERANGE":
        throw byteRange(at);
      case "EXT-X-ENDLIST":
        isComplete = true;
        break;
    }
  }
  if (next !== undefined) throw malformed(at, "it ends before what its last tag announces");
  const isMaster = variants.length > 0 || renditions.length > 0;
  if (isMaster && segments.length > 0) throw malformed(at, "it has streams and segments at once");
  if (!isMaster && !isComplete) throw notSupported(at, "it is not complete (EXT-X-ENDLIST is missing)");
  return { segments, variants, renditions, maps, keys };
}

interface Place {
  readonly path: string;
  line: number;
}

function textOf(bytes: Uint8Array, at: Place): string {
  if (bytes.length > MAX_PLAYLIST) throw malformed(at, `it is longer than ${MAX_PLAYLIST} bytes`);
  try {
    // A byte order mark is not allowed, and no comment.
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw malformed(at, "it is not UTF-8");
  }
}

/** `9.009,title` as 9,009,000: whole numbers, so that a sum of many is exact. */
function microseconds(value: string, at: Place): number {
  const [, seconds, fraction = ""] = /^(\d{1,7})(?:\.(\d{1,20}))?(?:,.*)?$/.exec(value) ?? [];
  if (seconds === undefined) throw malformed(at, "a duration is a number of seconds");
  return Number(seconds) * 1_000_000 + Number(fraction.slice(0, 6).padEnd(6, "0"));
}

/** `A=1,B="x,y"` by name. */
function attributes(value: string, at: Place): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  const attribute = /([A-Z0-9-]+)=(?:"([^"]*)"|([^",]*))(?:,|$)/y;
  while (attribute.lastIndex < value.length) {
    const [, name, quoted, plain] = attribute.exec(value) ?? [];
    if (name === undefined || found.has(name)) throw malformed(at, "its attributes cannot be read");
    found.set(name, quoted ?? plain ?? "");
  }
  return found;
}

function malformed(at: Place, what: string): MillstreamError {
  return new MillstreamError("PLAYLIST_MALFORMED", `${at.path}, line ${at.line}: ${what}`, { details: { ...at } });
}

function byteRange(at: Place): MillstreamError {
  return new MillstreamError(
    "PLAYLIST_BYTE_RANGE",
    `${at.path}, line ${at.line}: its segments are byte ranges; make a file of every segment (for ffmpeg, without ` +
      `-hls_flags single_file) and leave out playlists of I-frames`,
    { details: { ...at } },
  );
}

function notSupported(at: Place, what: string): MillstreamError {
  return new MillstreamError(
    "PLAYLIST_UNSUPPORTED",
    `${at.path}, line ${at.line}: ${what}; sell a finished recording`,
    {
      details: { ...at },
    },
  );
}
