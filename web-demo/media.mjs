// The file that the demo sells: the visitor's own, or one made once and kept in web-demo/.cache.

import { execFile } from "node:child_process";
import { mkdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { basename, dirname, extname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { DemoError } from "./errors.mjs";
import { tune } from "./tune.mjs";

const cache = join(dirname(fileURLToPath(import.meta.url)), ".cache");
const FFMPEG_TIMEOUT_MS = 120_000;
const VIDEO_SECONDS = 30;

const CONTENT_TYPES = {
  ".aac": "audio/aac",
  ".avif": "image/avif",
  ".flac": "audio/flac",
  ".gif": "image/gif",
  ".jpeg": "image/jpeg",
  ".jpg": "image/jpeg",
  ".json": "application/json",
  ".m4a": "audio/mp4",
  ".mp3": "audio/mpeg",
  ".mp4": "video/mp4",
  ".oga": "audio/ogg",
  ".ogg": "audio/ogg",
  ".opus": "audio/ogg",
  ".pdf": "application/pdf",
  ".png": "image/png",
  ".svg": "image/svg+xml",
  ".txt": "text/plain; charset=utf-8",
  ".wav": "audio/wav",
  ".webm": "video/webm",
  ".webp": "image/webp",
};

/**
 * @typedef {object} Media
 * @property {string} file absolute path
 * @property {string} name file name shown to the buyer
 * @property {string} contentType media type
 * @property {string} about where it comes from, in words
 */

/**
 * The file at `path`, or without one a file made for the demo: with ffmpeg on the PATH a short video, else music.
 *
 * @param {string} [path] relative to the current folder
 * @param {(line: string) => void} [log] told when something is made
 * @returns {Promise<Media>}
 * @throws {DemoError} FILE_UNREADABLE
 */
export async function media(path, log = () => {}) {
  return path === undefined ? ((await video(log)) ?? (await music(log))) : own(resolve(path));
}

async function own(file) {
  const found = await stat(file).catch((cause) => {
    throw new DemoError("FILE_UNREADABLE", `${file} cannot be read (${cause.code}); give --file the path of a file`);
  });
  if (!found.isFile()) throw new DemoError("FILE_UNREADABLE", `${file} is not a file; give --file the path of one`);
  if (found.size === 0) throw new DemoError("FILE_UNREADABLE", `${file} is empty: there is nothing to sell`);
  const contentType = CONTENT_TYPES[extname(file).toLowerCase()] ?? "application/octet-stream";
  return { file, name: basename(file), contentType, about: "your file" };
}

/** VP8 and Opus: every browser plays them, and every ffmpeg with its usual libraries makes them. */
async function video(log) {
  const file = join(cache, "test-card.webm");
  const made = { file, name: "test-card.webm", contentType: "video/webm", about: "a test card made with ffmpeg" };
  if (await exists(file)) return made;
  const temporary = `${file}.${process.pid}.webm`;
  const source = `testsrc2=size=640x360:rate=25:duration=${VIDEO_SECONDS}`;
  const sound = `sine=frequency=220:beep_factor=4:duration=${VIDEO_SECONDS}`;
  const inputs = ["-f", "lavfi", "-i", source, "-f", "lavfi", "-i", sound];
  const codecs = ["-c:v", "libvpx", "-b:v", "1200k", "-deadline", "realtime", "-cpu-used", "8", "-c:a", "libopus"];
  await mkdir(cache, { recursive: true });
  try {
    await promisify(execFile)("ffmpeg", ["-v", "error", "-nostdin", "-y", ...inputs, ...codecs, temporary], {
      timeout: FFMPEG_TIMEOUT_MS,
    });
  } catch (error) {
    await rm(temporary, { force: true });
    if (error.code !== "ENOENT") log(`ffmpeg could not make a video (${firstLine(error)}); selling music instead`);
    return null;
  }
  await rename(temporary, file);
  log(`made ${file} with ffmpeg`);
  return made;
}

async function music(log) {
  const file = join(cache, "prelude.wav");
  if (!(await exists(file))) {
    await mkdir(cache, { recursive: true });
    const temporary = `${file}.${process.pid}`;
    await writeFile(temporary, tune());
    await rename(temporary, file);
    log(`made ${file}`);
  }
  const about = "Bach's Prelude in C, played by a computed string";
  return { file, name: "prelude.wav", contentType: "audio/wav", about };
}

const exists = (file) =>
  stat(file).then(
    (found) => found.size > 0,
    () => false,
  );

const firstLine = (error) => (error.stderr || error.message).trim().split("\n")[0];
