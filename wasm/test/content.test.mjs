// How content is cut, hashed and checked. Expected hashes come from Node's crypto and from FIPS 180-4's examples.

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { test } from "node:test";

import { ChunkSet, MAX_CHUNKS, Manifest, chunkCount, chunkSpan, readBody, sha256 } from "../dist/content.js";

const hash = (...parts) => {
  const digest = createHash("sha256");
  for (const part of parts) digest.update(part);
  return digest.digest();
};
const source = (bytes) => ({
  length: bytes.length,
  reads: [],
  async read(offset, length) {
    this.reads.push([offset, length]);
    return bytes.subarray(offset, offset + length);
  },
});
const streamOf = (parts, { onCancel = () => {} } = {}) => {
  const waiting = [...parts];
  let pulled = 0;
  const stream = new ReadableStream(
    {
      pull(controller) {
        const part = waiting.shift();
        if (part === undefined) return controller.close();
        if (part instanceof Error) return controller.error(part);
        pulled += part.length;
        controller.enqueue(part);
      },
      cancel: onCancel,
    },
    { highWaterMark: 0 },
  );
  return { stream, pulled: () => pulled };
};
const coded = (code, details = {}) => {
  return (error) => {
    assert.equal(error.name, "MillstreamError");
    assert.equal(error.code, code);
    for (const [name, value] of Object.entries(details)) assert.deepEqual(error.details[name], value);
    return true;
  };
};

test("SHA-256 is that of FIPS 180-4", async () => {
  const hex = async (text) => Buffer.from(await sha256(new TextEncoder().encode(text))).toString("hex");
  assert.equal(await hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  assert.equal(await hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
});

test("the manifest is the hash of every chunk, the last one shorter, and the root is the manifest's hash", async () => {
  for (const [length, chunkSize] of [
    [1, 1],
    [1, 4096],
    [8192, 4096],
    [10_000, 4096],
    [4097, 4096],
  ]) {
    const bytes = randomBytes(length);
    const expected = [];
    for (let at = 0; at < length; at += chunkSize) expected.push(hash(bytes.subarray(at, at + chunkSize)));
    const content = source(bytes);
    const manifest = await Manifest.of(content, { chunkSize });
    assert.deepEqual(Buffer.from(manifest.bytes), Buffer.concat(expected));
    assert.equal(manifest.root, `0x${hash(...expected).toString("hex")}`);
    assert.ok(content.reads.every(([, size]) => size <= chunkSize));
    assert.equal(chunkCount({ length, chunkSize }), expected.length);
    const last = chunkSpan({ length, chunkSize }, expected.length - 1);
    assert.equal(last.offset + last.length, length);
  }
});

test("a chunk is checked against its own place in the manifest", async () => {
  const bytes = randomBytes(2500);
  const manifest = await Manifest.of(source(bytes), { chunkSize: 1000 });
  await manifest.check(2, bytes.subarray(2000));
  for (const [index, wrong] of [
    [0, bytes.subarray(1000, 2000)],
    [1, bytes.subarray(1000, 1999)],
    [2, Buffer.concat([bytes.subarray(2000), Buffer.alloc(1)])],
    [2, bytes.subarray(2000).map((byte, at) => (at === 7 ? byte ^ 1 : byte))],
  ])
    await assert.rejects(manifest.check(index, wrong), coded("CONTENT_CHUNK_MISMATCH", { index }));
});

test("content that cannot be cut is refused", () => {
  const refused = [
    [0, 1],
    [-1, 1],
    [1.5, 1],
    [Number.MAX_SAFE_INTEGER + 1, 1024],
    [10, 0],
    [10, -4],
    [10, 16 * 1024 * 1024 + 1],
    [MAX_CHUNKS + 1, 1],
    [Infinity, 1],
    [NaN, 1],
  ];
  for (const [length, chunkSize] of refused)
    assert.throws(() => chunkCount({ length, chunkSize }), coded("CONTENT_LENGTH"), `${length} / ${chunkSize}`);
  assert.equal(chunkCount({ length: MAX_CHUNKS, chunkSize: 1 }), 1_000_000);
});

test("a manifest from outside is taken only if it is the one that the root names", async () => {
  const bytes = randomBytes(2500);
  const layout = { length: 2500, chunkSize: 1000 };
  const { bytes: good, root } = await Manifest.of(source(bytes), layout);
  const read = (body, headers) => Manifest.read(new Response(body, { headers }), layout, root);

  assert.deepEqual((await read(good)).bytes, good);
  assert.deepEqual((await read(streamOf([good.subarray(0, 5), good.subarray(5)]).stream)).bytes, good);
  for (const wrong of [
    good.map((byte, at) => (at === 95 ? byte ^ 0x80 : byte)),
    good.subarray(0, 64),
    new Uint8Array(0),
    Buffer.concat([good, good.subarray(0, 32)]),
  ]) {
    await assert.rejects(read(wrong), coded("CONTENT_MANIFEST_MISMATCH"));
    await assert.rejects(Manifest.verify(wrong, layout, root), coded("CONTENT_MANIFEST_MISMATCH"));
  }
  await assert.rejects(
    read(good, { "content-length": "97" }),
    coded("CONTENT_MANIFEST_MISMATCH", { expected: 96, actual: 97 }),
  );
});

test("a manifest that does not end is cut where it should have ended", async () => {
  let cancelled = false;
  const endless = streamOf(
    Array.from({ length: 1_000 }, () => new Uint8Array(16)),
    { onCancel: () => (cancelled = true) },
  );
  const layout = { length: 2500, chunkSize: 1000 };
  await assert.rejects(
    Manifest.read(new Response(endless.stream), layout, `0x${"00".repeat(32)}`),
    coded("CONTENT_MANIFEST_MISMATCH"),
  );
  assert.equal(endless.pulled(), 112, "96 bytes and the piece that is too much");
  assert.ok(cancelled);
});

test("a body is read exactly, cut, or reported as short", async () => {
  const part = Uint8Array.of(1, 2, 3, 4);
  const seen = [];
  const onData = (received) => seen.push(received);
  assert.deepEqual(await readBody(streamOf([part, part]).stream, 8, { onData }), {
    bytes: Uint8Array.of(1, 2, 3, 4, 1, 2, 3, 4),
    received: 8,
  });
  assert.deepEqual(seen, [4, 8]);
  assert.deepEqual(await readBody(streamOf([part]).stream, 6), { bytes: part, received: 4 });
  assert.deepEqual(await readBody(null, 6), { bytes: new Uint8Array(0), received: 0 });
  const { bytes, received } = await readBody(streamOf([part, part, part]).stream, 6);
  assert.equal(received, 8);
  assert.deepEqual(bytes, Uint8Array.of(1, 2, 3, 4, 0, 0), "none of the piece that is too much is kept");
  await assert.rejects(readBody(streamOf([part, new Error("cut off")]).stream, 8), { message: "cut off" });
});

test("reading a body ends with the caller's signal, and the body with it", async () => {
  for (const abortFirst of [true, false]) {
    let cancelled = false;
    const stream = new ReadableStream({ cancel: () => void (cancelled = true) });
    const controller = new AbortController();
    if (abortFirst) controller.abort();
    else setTimeout(() => controller.abort(), 5);
    await assert.rejects(readBody(stream, 8, { signal: controller.signal }), coded("ABORTED"));
    assert.ok(cancelled);
  }
});

test("hashing ends with the caller's signal", async () => {
  const signal = AbortSignal.abort();
  await assert.rejects(Manifest.of(source(new Uint8Array(10)), { chunkSize: 1, signal }), coded("ABORTED"));
});

test("a set of chunks behaves as a Set", () => {
  const chunks = 21;
  const set = new ChunkSet(chunks);
  const model = new Set();
  const random = randomBytes(2_000);
  for (let at = 0; at < random.length; at += 2) {
    const index = random[at] % chunks;
    if (random[at + 1] < 128) {
      set.add(index);
      model.add(index);
    } else {
      set.delete(index);
      model.delete(index);
    }
    assert.equal(set.size, model.size);
    for (let other = 0; other < chunks; other++) assert.equal(set.has(other), model.has(other));
  }
});
