// The commits under way: what a store is asked for when, and who is told what.

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { Lanes } from "../dist/lanes.js";
import { sleep } from "./harness.mjs";

const commit = (id, ...keys) => ({ type: "commit", id, writes: keys.map((key) => ({ key })) });

/** Lanes, what was begun and told so far, and how to end a write. */
function open({ ordered, onFailed = () => {} }) {
  const [begun, told, ends] = [[], [], new Map()];
  const lanes = new Lanes({
    isOrdered: () => ordered,
    write: ({ id }) => {
      begun.push(id);
      return new Promise((resolve) => ends.set(id, resolve));
    },
    stored: ({ id }) => told.push(id),
    failed: ({ id }, channels) => {
      told.push(`${id} failed: ${[...channels].join()}`);
      onFailed(lanes);
    },
  });
  const end = async (id, error) => {
    ends.get(id)(error);
    await sleep(0);
  };
  return { lanes, begun, told, end };
}

describe("commits under way", () => {
  it("are asked for one after the other on one channel, and at once on others", async () => {
    const { lanes, begun, told, end } = open({ ordered: false });
    for (const each of [commit(1, "A"), commit(2, "A"), commit(3, "B")]) lanes.push(each);
    assert.deepEqual(begun, [1, 3]);
    await end(1);
    assert.deepEqual(begun, [1, 3, 2]);
    await end(2);
    assert.deepEqual(told, [1, 2]);
  });

  it("are asked for at once where the store keeps the order, and told in order", async () => {
    const { lanes, begun, told, end } = open({ ordered: true });
    for (const each of [commit(1, "A"), commit(2, "A", "B"), commit(3, "B"), commit(4, "C")]) lanes.push(each);
    assert.deepEqual(begun, [1, 2, 3, 4]);
    await end(3);
    await end(2);
    assert.deepEqual(told, []);
    await end(4);
    assert.deepEqual(told, [4]);
    const idle = lanes.idle("B");
    await end(1);
    assert.deepEqual(told, [4, 1, 2, 3]);
    await idle;
  });

  it("are void with one before them, whatever the store says of them", async () => {
    for (const order of [
      [1, 2, 3],
      [3, 2, 1],
    ]) {
      const { lanes, told, end } = open({ ordered: true });
      for (const each of [commit(1, "A"), commit(2, "A", "B"), commit(3, "B")]) lanes.push(each);
      let settled = false;
      const settling = lanes.settled(["B"]).then(() => (settled = true));
      for (const id of order) {
        assert.equal(settled, false);
        await end(id, id === 1 ? new Error("the disk is full") : undefined);
      }
      assert.deepEqual(told, ["1 failed: A,B"]);
      await Promise.all([lanes.idle("A"), lanes.idle("B"), settling]);
      // What comes later begins anew.
      lanes.push(commit(4, "A"));
      await end(4);
      assert.deepEqual(told, ["1 failed: A,B", 4]);
    }
  });

  it("are written to the end when they are closed, and nobody is told", async () => {
    for (const ordered of [false, true]) {
      const { lanes, begun, told, end } = open({ ordered });
      for (const each of [commit(1, "A"), commit(2, "A")]) lanes.push(each);
      let closed = false;
      const closing = lanes.close().then(() => (closed = true));
      lanes.push(commit(3, "A"));
      await end(1);
      assert.deepEqual([begun, closed], [[1, 2], false]);
      await end(2);
      await closing;
      assert.deepEqual([begun, told], [[1, 2], []]);
    }
  });

  it("end with the one that fails when they are closed", async () => {
    const { lanes, begun, told, end } = open({ ordered: false });
    for (const each of [commit(1, "A"), commit(2, "A")]) lanes.push(each);
    const closing = lanes.close();
    await end(1, new Error("the disk is full"));
    await closing;
    assert.deepEqual([begun, told], [[1], []]);
  });

  it("are not even begun behind one that is being told to have failed", async () => {
    const { lanes, begun, told, end } = open({ ordered: true, onFailed: (own) => own.push(commit(9, "A", "C")) });
    lanes.push(commit(1, "A"));
    await end(1, new Error("the disk is full"));
    assert.deepEqual(begun, [1]);
    await Promise.all([lanes.idle("A"), lanes.idle("C")]);
    assert.deepEqual(told, ["1 failed: A"]);
  });
});
