// The manifest of a folder, and what a chunk costs: read from strangers, so most of this is what is refused.

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { test } from "node:test";

import { chunkPrice, chunkUnits } from "../dist/content.js";
import {
  FolderManifest,
  MAX_FOLDER_FILE,
  MAX_FOLDER_MANIFEST,
  folderFileUrl,
  folderPathOf,
  isFolderPath,
} from "../dist/folder.js";
import { coded } from "./seller-harness.mjs";
import { random } from "./harness.mjs";

const hash = (bytes) => createHash("sha256").update(bytes).digest("hex");
const file = (path, { length = 10, units = 1 } = {}) => ({ path, length, units, sha256: hash(path) });
const encode = (value) => new TextEncoder().encode(typeof value === "string" ? value : JSON.stringify(value));
/** What a quote for these chunks says. */
const termsOf = (chunks, more = {}) => ({
  contentRoot: `0x${hash(encode({ chunks }))}`,
  length: chunks.reduce((sum, { length }) => sum + length, 0),
  chunks: chunks.length,
  unit: "chunk",
  units: chunks.reduce((sum, { units }) => sum + units, 0),
  ...more,
});

test("chunks of a file add up to the whole, whatever the unit", () => {
  const draw = random(7);
  for (let round = 0; round < 300; round++) {
    const [chunkSize, chunks] = [1 + draw(5_000), 1 + draw(400)];
    const length = (chunks - 1) * chunkSize + 1 + draw(chunkSize);
    const seconds = 1 + draw(2_000);
    for (const [unit, units] of [
      ["chunk", chunks],
      ["byte", length],
      ["second", seconds],
    ]) {
      const content = { length, chunkSize, chunks, unit, units, price: 7n };
      let sum = 0;
      for (let index = 0; index < chunks; index++) {
        const cost = chunkUnits(content, index);
        assert.ok(Number.isSafeInteger(cost) && cost >= 0);
        assert.ok(cost <= chunkUnits(content, 0), "none costs more than the first");
        assert.equal(chunkPrice(content, index), 7n * BigInt(cost));
        sum += cost;
        // What was bought from the start on costs its play time, rounded up.
        if (unit === "second") assert.equal(sum, Math.ceil(((index + 1) * seconds) / chunks - 1e-9));
      }
      assert.equal(sum, units, `${chunks} chunks by ${unit}`);
    }
  }
  const long = { length: 2 ** 40, chunkSize: 2 ** 21, chunks: 2 ** 19, unit: "second", units: 2 ** 52 + 1, price: 1n };
  assert.equal(chunkUnits(long, 0), 2 ** 33 + 1, "exact where a number is not");
  for (const index of [-1, 2 ** 19, 0.5, NaN, Infinity, 2 ** 53, "0", undefined])
    assert.throws(() => chunkPrice(long, index), coded("CHUNK_UNKNOWN"));
});

test("a file of a folder costs what the manifest says", async () => {
  const folder = await FolderManifest.of([file("b", { units: 5 }), file("a", { units: 0 })]);
  const content = { length: 20, chunkSize: 0, chunks: 2, unit: "second", units: 5, price: 3n };
  assert.deepEqual([chunkPrice(content, 0, folder), chunkPrice(content, 1, folder)], [0n, 15n]);
  assert.throws(() => chunkPrice(content, 1), coded("INVALID_ARGUMENT", { field: "folder" }));
  assert.throws(() => chunkPrice(content, 2, folder), coded("CHUNK_UNKNOWN"));
});

test("a manifest is sorted JSON whose hash is the root, and reads as it was made", async () => {
  const files = ["v1/0.ts", "v0/1.ts", "ä/ü.vtt", "master.m3u8", "v0/0.ts", "v0.ts"].map((path) => file(path));
  const made = await FolderManifest.of(files);
  const paths = files.map(({ path }) => path).sort();
  assert.deepEqual(
    made.entries.map(({ path }) => path),
    paths,
  );
  const text = new TextDecoder().decode(made.bytes);
  assert.equal(text, JSON.stringify({ chunks: paths.map((path) => file(path)) }));
  assert.equal(made.root, `0x${hash(text)}`);
  const read = await FolderManifest.verify(made.bytes, termsOf(made.entries));
  assert.deepEqual(read.entries, made.entries);
  paths.forEach((path, index) => assert.equal(read.find(path), index));
  for (const path of ["", "v0", "v0/", "/v0.ts", "constructor", "__proto__"]) assert.equal(read.find(path), undefined);
  // What a later version may add is nobody's business here.
  const more = encode({ chunks: [{ ...file("a"), kind: "x" }], version: 2 });
  const terms = { ...termsOf([file("a")]), contentRoot: `0x${hash(more)}` };
  assert.deepEqual((await FolderManifest.verify(more, terms)).entries, [file("a")]);
});

test("a file is checked against its own hash and length", async () => {
  const bytes = randomBytes(50);
  const folder = await FolderManifest.of([{ path: "a", length: 50, units: 1, sha256: hash(bytes) }]);
  await folder.check(0, bytes);
  for (const wrong of [bytes.subarray(1), randomBytes(50), new Uint8Array(0)])
    await assert.rejects(folder.check(0, wrong), coded("CONTENT_CHUNK_MISMATCH", { index: 0 }));
  await assert.rejects(folder.check(1, bytes), coded("CONTENT_CHUNK_MISMATCH", { index: 1 }));
});

test("a path is one inside the folder, written in one way", () => {
  for (const path of ["a", "a/b", "a b", "ä", "..a", "a..", "...", "a%2fb", "a?b#c", ".hidden", "__proto__", "😀"])
    assert.equal(isFolderPath(path), true, path);
  for (const path of [
    "",
    "/",
    "/a",
    "a/",
    "a//b",
    ".",
    "..",
    "../a",
    "a/../b",
    "a/..",
    "./a",
    "a\\b",
    "..\\a",
    "a\0",
    "a\nb",
    "\x7f",
    "\ud800",
    "a".repeat(513),
  ])
    assert.equal(isFolderPath(path), false, JSON.stringify(path));
});

test("a URL names a file in one way, and none outside the folder", () => {
  const folder = "https://films.example/my%20film/";
  for (const path of ["a", "v0/0.ts", "a b", "ä/ü", "a%2fb", "a?b#c", "😀", "100%", "+", "a&b=c"]) {
    const url = folderFileUrl(`${folder}?account=1#x`, path);
    assert.ok(url.startsWith(folder));
    assert.equal(folderPathOf(folder, url), path);
    assert.equal(folderPathOf(folder, `${url}?payment=abc#t=5`), path);
  }
  for (const url of [
    folder,
    "https://films.example/my%20film",
    "https://films.example/other/a",
    "https://evil.example/my%20film/a",
    `${folder}../secret`,
    `${folder}%2e%2e/secret`,
    `${folder}a/..%2f..%2fsecret`,
    `${folder}%2fetc/passwd`,
    `${folder}a//b`,
    `${folder}a%5c..%5cb`,
    `${folder}a%00`,
    `${folder}%`,
    `${folder}%ff`,
  ])
    assert.equal(folderPathOf(folder, url), undefined, url);
});

test("a manifest that is none, or not what the quote says, is refused with its code", async () => {
  const sound = [file("a"), file("b", { units: 0 })];
  const malformed = {
    "no JSON": "{",
    "no object": "[]",
    null: "null",
    "no files": "{}",
    "files that are no list": { chunks: { length: 1, 0: file("a") } },
    empty: { chunks: [] },
    "a file that is none": { chunks: [null] },
    "a file without path": { chunks: [{ ...file("a"), path: undefined }] },
    "a path outside": { chunks: [file("../a")] },
    "a path from the root": { chunks: [file("/etc/passwd")] },
    "a path as a list": { chunks: [{ ...file("a"), path: ["a"] }] },
    "the wrong order": { chunks: [file("b"), file("a")] },
    "the same twice": { chunks: [file("a"), file("a")] },
    "an empty file": { chunks: [file("a", { length: 0 })] },
    "a huge file": { chunks: [file("a", { length: MAX_FOLDER_FILE + 1 })] },
    "a negative length": { chunks: [file("a", { length: -1 })] },
    "half a byte": { chunks: [file("a", { length: 0.5 })] },
    "a length as text": { chunks: [file("a", { length: "10" })] },
    "negative units": { chunks: [file("a", { units: -1 })] },
    "units as text": { chunks: [file("a", { units: "1" })] },
    "half a unit": { chunks: [file("a", { units: 0.5 })] },
    "units beyond counting": `{"chunks":[{"path":"a","length":1,"units":1e300,"sha256":"${"0".repeat(64)}"}]}`,
    "no hash": { chunks: [{ ...file("a"), sha256: undefined }] },
    "a short hash": { chunks: [{ ...file("a"), sha256: "00" }] },
    "a hash in capitals": { chunks: [{ ...file("a"), sha256: "A".repeat(64) }] },
    "too many files": { chunks: Array.from({ length: 20_001 }, () => 1) },
    "deep nesting": "[".repeat(1_000_000),
  };
  for (const [name, value] of Object.entries(malformed)) {
    const bytes = encode(value);
    const terms = { ...termsOf(sound), contentRoot: `0x${hash(bytes)}` };
    await assert.rejects(FolderManifest.verify(bytes, terms), coded("CONTENT_MANIFEST_MALFORMED"), name);
  }
  const bytes = encode({ chunks: sound });
  const bom = new Uint8Array([0xef, 0xbb, 0xbf, ...bytes]);
  const latin = new Uint8Array([...bytes.slice(0, 20), 0xff, ...bytes.slice(20)]);
  for (const wrong of [bom, latin])
    await assert.rejects(
      FolderManifest.verify(wrong, { ...termsOf(sound), contentRoot: `0x${hash(wrong)}` }),
      coded("CONTENT_MANIFEST_MALFORMED"),
    );
  const huge = new Uint8Array(MAX_FOLDER_MANIFEST + 1).fill(32);
  await assert.rejects(FolderManifest.verify(huge, termsOf(sound)), coded("CONTENT_MANIFEST_MALFORMED"));
  await assert.rejects(
    FolderManifest.verify(
      bytes.map((byte, at) => (at === 20 ? byte ^ 1 : byte)),
      termsOf(sound),
    ),
    coded("CONTENT_MANIFEST_MISMATCH"),
  );
  for (const more of [{ length: 21 }, { chunks: 3 }, { units: 2 }, { unit: "byte" }])
    await assert.rejects(FolderManifest.verify(bytes, termsOf(sound, more)), coded("CONTENT_MANIFEST_MALFORMED"));
  // Each unit has its own idea of what a file can cost.
  const dear = [file("a", { units: 6 })];
  const verify = (unit, chunks) => FolderManifest.verify(encode({ chunks }), termsOf(chunks, { unit }));
  await verify("second", dear);
  await verify("byte", [file("a", { units: 10 })]);
  for (const unit of ["chunk", "byte"]) await assert.rejects(verify(unit, dear), coded("CONTENT_MANIFEST_MALFORMED"));
});

test("of an answer no more is read than a manifest may have", async () => {
  const chunks = [file("a")];
  const bytes = encode({ chunks });
  const read = (body, headers = {}) => FolderManifest.read(new Response(body, { headers }), termsOf(chunks));
  assert.deepEqual((await read(bytes)).entries, chunks);
  await assert.rejects(read(bytes, { "content-length": "2097153" }), coded("CONTENT_MANIFEST_MALFORMED"));
  await assert.rejects(read(bytes.subarray(1)), coded("CONTENT_MANIFEST_MISMATCH"));
  await assert.rejects(read(null), coded("CONTENT_MANIFEST_MISMATCH"));
  let pulled = 0;
  const endless = new ReadableStream({
    pull(controller) {
      pulled += 65_536;
      controller.enqueue(new Uint8Array(65_536));
    },
  });
  await assert.rejects(read(endless), coded("CONTENT_MANIFEST_MALFORMED"));
  assert.ok(pulled < MAX_FOLDER_MANIFEST + 4 * 65_536, `${pulled} bytes`);
});
