// The file of a store in a directory: entries, one behind the other, each with the records that were written together.
//
// An entry counts if it is whole, which its hash says. What a crash left of the last one is not, and was never reported as
// written; anything else that is not whole is damage.

import { createHash } from "node:crypto";

import { MillstreamError } from "./errors.js";
import { toBytes, toHex } from "./encoding.js";
import type { Hex } from "./types.js";

/** A record as it is kept. */
export interface StoredFile {
  readonly version: number;
  readonly bytes: Uint8Array;
}

/** A record as it is after a write; without bytes it was deleted. */
export interface Change {
  readonly key: Hex;
  readonly version: number;
  readonly bytes: Uint8Array | undefined;
}

/** What the file begins with. */
const HEAD = new TextEncoder().encode("millstream records 1\n");

/** What an entry begins with: then come the length of its body, the beginning of its hash, and the body. */
const MARK = new TextEncoder().encode("\nmsr");
const HASH_BYTES = 8;
const ENTRY_HEAD = MARK.length + 4 + HASH_BYTES;
/** A change: key, version, length of the bytes, the bytes. */
const CHANGE_HEAD = 32 + 8 + 4;
/** The length of what was deleted. */
const DELETED = 0xffff_ffff;

/** How long an entry with one record is. */
export const entryLength = (bytes: Uint8Array): number => ENTRY_HEAD + CHANGE_HEAD + bytes.length;

export function encodeEntry(changes: readonly Change[]): Uint8Array {
  const length = changes.reduce((sum, { bytes }) => sum + CHANGE_HEAD + (bytes?.length ?? 0), 0);
  const entry = new Uint8Array(ENTRY_HEAD + length);
  const view = new DataView(entry.buffer);
  let at = ENTRY_HEAD;
  for (const { key, version, bytes } of changes) {
    entry.set(toBytes(key), at);
    view.setBigUint64(at + 32, BigInt(version));
    view.setUint32(at + 40, bytes ? bytes.length : DELETED);
    if (bytes) entry.set(bytes, at + CHANGE_HEAD);
    at += CHANGE_HEAD + (bytes?.length ?? 0);
  }
  entry.set(MARK);
  view.setUint32(MARK.length, length);
  entry.set(hashOf(entry.subarray(ENTRY_HEAD)), MARK.length + 4);
  return entry;
}

/** A file with the newest versions alone. */
export function encodeLog(records: ReadonlyMap<Hex, StoredFile>): Uint8Array {
  const entries = [...records].map(([key, { version, bytes }]) => encodeEntry([{ key, version, bytes }]));
  const content = new Uint8Array(logLength(records));
  content.set(HEAD);
  let at = HEAD.length;
  for (const entry of entries) {
    content.set(entry, at);
    at += entry.length;
  }
  return content;
}

/** How long such a file is. */
export function logLength(records: ReadonlyMap<Hex, StoredFile>): number {
  return [...records.values()].reduce((sum, { bytes }) => sum + entryLength(bytes), HEAD.length);
}

/**
 * Reads a file.
 *
 * @returns the records, and up to where the file is whole
 * @throws {MillstreamError} STORE_DAMAGED
 */
export function decodeLog(name: string, content: Uint8Array): { records: Map<Hex, StoredFile>; end: number } {
  if (!startsWith(content, HEAD, 0)) throw damaged(name);
  const records = new Map<Hex, StoredFile>();
  let at = HEAD.length;
  for (let body; (body = bodyAt(content, at)); at += ENTRY_HEAD + body.length) {
    for (const { key, version, bytes } of changesIn(name, body)) {
      if (bytes) records.set(key, { version, bytes });
      else records.delete(key);
    }
  }
  // A crash leaves nothing behind what it broke off.
  for (let next = at + 1; next < content.length; next++)
    if (content[next] === MARK[0] && bodyAt(content, next)) throw damaged(name);
  return { records, end: at };
}

/** The body of the whole entry that begins at `at`, if one does. */
function bodyAt(content: Uint8Array, at: number): Uint8Array | undefined {
  if (content.length - at < ENTRY_HEAD || !startsWith(content, MARK, at)) return undefined;
  const length = new DataView(content.buffer, content.byteOffset).getUint32(at + MARK.length);
  const start = at + ENTRY_HEAD;
  if (length === 0 || length > content.length - start) return undefined;
  const body = content.subarray(start, start + length);
  return startsWith(content, hashOf(body), at + MARK.length + 4) ? body : undefined;
}

function changesIn(name: string, body: Uint8Array): Change[] {
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  const changes: Change[] = [];
  for (let at = 0; at < body.length;) {
    if (body.length - at < CHANGE_HEAD) throw damaged(name);
    const version = view.getBigUint64(at + 32);
    const length = view.getUint32(at + 40);
    const start = at + CHANGE_HEAD;
    const end = start + (length === DELETED ? 0 : length);
    if (end > body.length || version > BigInt(Number.MAX_SAFE_INTEGER)) throw damaged(name);
    const bytes = length === DELETED ? undefined : body.slice(start, end);
    changes.push({ key: toHex(body.subarray(at, at + 32)), version: Number(version), bytes });
    at = end;
  }
  return changes;
}

function hashOf(body: Uint8Array): Uint8Array {
  return Uint8Array.from(createHash("sha256").update(body).digest()).subarray(0, HASH_BYTES);
}

function startsWith(content: Uint8Array, expected: Uint8Array, at: number): boolean {
  return expected.every((byte, offset) => content[at + offset] === byte);
}

function damaged(name: string): MillstreamError {
  return new MillstreamError("STORE_DAMAGED", `the file ${name} of the store is damaged: restore it from a backup`);
}
