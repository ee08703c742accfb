// One suite for every store.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";

import { memoryStore } from "millstream";
import { fileStore } from "millstream/node";

import { coded } from "./harness.mjs";

const KEYS = [1, 2, 3].map((byte) => `0x${byte.toString(16).padStart(2, "0").repeat(32)}`);
const [A, B, C] = KEYS;
const bytes = (...values) => Uint8Array.from(values);
const byKey = (records) => [...records].sort((a, b) => (a.key < b.key ? -1 : 1));

const STORES = {
  memoryStore: async () => memoryStore(),
  async fileStore(t) {
    const directory = await mkdtemp(join(tmpdir(), "millstream-store-"));
    const store = fileStore(directory);
    t.after(async () => {
      await store.close();
      await rm(directory, { recursive: true });
    });
    return store;
  },
};

for (const [name, open] of Object.entries(STORES))
  describe(name, () => {
    it("is empty at first", async (t) => {
      const store = await open(t);
      assert.deepEqual(await store.load(), []);
      assert.deepEqual(await store.read([A]), [{ key: A, version: 0, bytes: undefined }]);
      assert.deepEqual(await store.read([]), []);
    });

    it("counts the writes of a record from 1", async (t) => {
      const store = await open(t);
      for (let version = 0; version < 3; version++) {
        await store.commit([{ key: A, expectedVersion: version, bytes: bytes(version) }]);
        assert.deepEqual(await store.load(), [{ key: A, version: version + 1, bytes: bytes(version) }]);
      }
    });

    it("reads in the order that is asked for, and says what is not there", async (t) => {
      const store = await open(t);
      await store.commit([{ key: A, expectedVersion: 0, bytes: bytes(1) }]);
      await store.commit([{ key: B, expectedVersion: 0, bytes: bytes() }]);
      assert.deepEqual(await store.read([B, C, A]), [
        { key: B, version: 1, bytes: bytes() },
        { key: C, version: 0, bytes: undefined },
        { key: A, version: 1, bytes: bytes(1) },
      ]);
    });

    it("refuses a write that expects another version", async (t) => {
      const store = await open(t);
      const write = (expectedVersion) => store.commit([{ key: A, expectedVersion, bytes: bytes(expectedVersion) }]);
      await assert.rejects(write(1), coded("STORE_CONFLICT"));
      await write(0);
      for (const version of [0, 2, 7]) await assert.rejects(write(version), coded("STORE_CONFLICT"));
      assert.deepEqual(await store.load(), [{ key: A, version: 1, bytes: bytes(0) }]);
    });

    it("deletes, and counts anew after that", async (t) => {
      const store = await open(t);
      await store.commit([{ key: A, expectedVersion: 0, bytes: bytes(1) }]);
      await assert.rejects(store.commit([{ key: A, expectedVersion: 0, bytes: undefined }]), coded("STORE_CONFLICT"));
      await store.commit([{ key: A, expectedVersion: 1, bytes: undefined }]);
      assert.deepEqual(await store.load(), []);
      await store.commit([{ key: A, expectedVersion: 0, bytes: bytes(2) }]);
      assert.deepEqual(await store.load(), [{ key: A, version: 1, bytes: bytes(2) }]);
    });

    it("writes all of a commit or nothing of it", async (t) => {
      const store = await open(t);
      await store.commit([{ key: B, expectedVersion: 0, bytes: bytes(9) }]);
      const writes = [
        { key: A, expectedVersion: 0, bytes: bytes(1) },
        { key: B, expectedVersion: 1, bytes: undefined },
        { key: C, expectedVersion: 0, bytes: bytes(3) },
      ];
      for (let wrong = 0; wrong < writes.length; wrong++) {
        const mixed = writes.map((write, at) => (at === wrong ? { ...write, expectedVersion: 5 } : write));
        await assert.rejects(store.commit(mixed), coded("STORE_CONFLICT"));
        assert.deepEqual(await store.load(), [{ key: B, version: 1, bytes: bytes(9) }]);
      }
      await store.commit(writes);
      assert.deepEqual(byKey(await store.load()), [
        { key: A, version: 1, bytes: bytes(1) },
        { key: C, version: 1, bytes: bytes(3) },
      ]);
    });

    it("keeps copies", async (t) => {
      const store = await open(t);
      const given = bytes(1, 2, 3);
      await store.commit([{ key: A, expectedVersion: 0, bytes: given }]);
      given.fill(0);
      const [loaded] = await store.load();
      loaded.bytes.fill(7);
      const [read] = await store.read([A]);
      read.bytes.fill(8);
      assert.deepEqual((await store.read([A]))[0].bytes, bytes(1, 2, 3));
    });

    it("lets one of several concurrent writers of a version win", async (t) => {
      const store = await open(t);
      const writers = Array.from({ length: 10 }, (_, writer) =>
        store.commit([{ key: A, expectedVersion: 0, bytes: bytes(writer) }]),
      );
      const results = await Promise.allSettled(writers);
      const winners = results.flatMap(({ status }, writer) => (status === "fulfilled" ? [writer] : []));
      assert.equal(winners.length, 1);
      for (const { reason } of results.filter(({ status }) => status === "rejected")) coded("STORE_CONFLICT")(reason);
      assert.deepEqual(await store.load(), [{ key: A, version: 1, bytes: bytes(winners[0]) }]);
    });

    it("keeps many records, small and large", async (t) => {
      const store = await open(t);
      const records = Array.from({ length: 50 }, (_, at) => ({
        key: `0x${at.toString(16).padStart(64, "0")}`,
        version: 1,
        bytes: new Uint8Array(at * 997).fill(at),
      }));
      await Promise.all(records.map(({ key, bytes }) => store.commit([{ key, expectedVersion: 0, bytes }])));
      assert.deepEqual(byKey(await store.load()), records);
    });
  });
