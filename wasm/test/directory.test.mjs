// The file store on its disk: restarts, crashes at any moment, damage, and other processes.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, readdir, rm, rmdir, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";

import { fileStore } from "millstream/node";

import { coded, sleep, until } from "./harness.mjs";

const A = `0x${"0a".repeat(32)}`;
const B = `0x${"0b".repeat(32)}`;
const here = new URL(".", import.meta.url).pathname;

async function folder(t) {
  const directory = await mkdtemp(join(tmpdir(), "millstream-directory-"));
  t.after(() => rm(directory, { recursive: true }));
  return directory;
}

function open(t, directory) {
  const store = fileStore(directory);
  t.after(() => store.close());
  return store;
}

/** Runs a module in a process of its own, with `store` opened on `directory`. */
function run(directory, body) {
  const script = `
    import { fileStore } from "millstream/node";
    const store = fileStore(${JSON.stringify(directory)});
    ${body}`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
    cwd: here,
    stdio: ["ignore", "pipe", "inherit"],
  });
  child.stdout.setEncoding("utf8");
  child.output = "";
  child.stdout.on("data", (text) => (child.output += text));
  return child;
}

describe("the file store's directory", () => {
  it("is made, private to its owner, and has one file per record", async (t) => {
    const directory = join(await folder(t), "deep", "down");
    const store = open(t, directory);
    await store.commit([{ key: A, expectedVersion: 0, bytes: Uint8Array.of(1) }]);
    assert.deepEqual((await readdir(directory)).sort(), [`${A.slice(2)}.record`, "lock"]);
    assert.equal((await stat(directory)).mode & 0o777, 0o700);
    assert.equal((await stat(join(directory, `${A.slice(2)}.record`))).mode & 0o777, 0o600);
  });

  it("is touched by nothing but the first use", async (t) => {
    const directory = join(await folder(t), "later");
    open(t, directory);
    await sleep(20);
    await assert.rejects(stat(directory), { code: "ENOENT" });
  });

  it("keeps records and versions over a restart, and gives its lock back", async (t) => {
    const directory = await folder(t);
    const first = fileStore(directory);
    await first.commit([{ key: A, expectedVersion: 0, bytes: Uint8Array.of(1) }]);
    await first.commit([{ key: A, expectedVersion: 1, bytes: Uint8Array.of(2) }]);
    await first.close();
    await assert.rejects(first.load(), coded("STORE_CLOSED"));
    assert.equal((await readdir(directory)).includes("lock"), false);
    const second = open(t, directory);
    assert.deepEqual(await second.load(), [{ key: A, version: 2, bytes: Uint8Array.of(2) }]);
    await assert.rejects(
      second.commit([{ key: A, expectedVersion: 1, bytes: Uint8Array.of(3) }]),
      coded("STORE_CONFLICT"),
    );
  });

  it("belongs to one store at a time, in one process or in two", async (t) => {
    const directory = await folder(t);
    const first = open(t, directory);
    await first.load();
    const second = open(t, directory);
    await assert.rejects(second.load(), coded("STORE_LOCKED"));
    const other = run(
      directory,
      "store.commit([{ key: '0x" +
        "0c".repeat(32) +
        "', expectedVersion: 0, bytes: new Uint8Array(1) }])" +
        ".then(() => console.log('written'), (error) => console.log(error.code, error.message));",
    );
    await once(other, "close");
    assert.match(other.output, new RegExp(`^STORE_LOCKED .*${process.pid}`));
    await first.close();
    // The one that was refused can have it now.
    assert.deepEqual(await second.load(), []);
  });

  it("is taken over from a process that was killed, with all that it had committed", async (t) => {
    const directory = await folder(t);
    const child = run(
      directory,
      `for (let version = 0; ; version++) {
         await store.commit([{ key: "${A}", expectedVersion: version, bytes: new Uint8Array(5_000).fill(version) }]);
         console.log(version + 1);
       }`,
    );
    await until(() => child.output.split("\n").length > 20, "twenty commits", 20_000);
    child.kill("SIGKILL");
    await once(child, "close");
    assert.equal((await readdir(directory)).includes("lock"), true);
    const said = Number(child.output.trim().split("\n").at(-1));
    const [{ version, bytes }] = await open(t, directory).load();
    // At most one commit more than was reported: the one under way.
    assert.ok(version === said || version === said + 1, `${version} after ${said}`);
    assert.deepEqual(bytes, new Uint8Array(5_000).fill(version - 1));
  });

  it("is given to one of many that find a dead lock at once", async (t) => {
    const directory = await folder(t);
    await writeFile(join(directory, "lock"), "4194301 1");
    const stores = Array.from({ length: 8 }, () => open(t, directory));
    const results = await Promise.allSettled(stores.map((store) => store.load()));
    const held = results.filter(({ status }) => status === "fulfilled");
    assert.equal(held.length, 1);
    for (const { reason } of results.filter(({ status }) => status === "rejected")) coded("STORE_LOCKED")(reason);
    assert.equal((await readdir(directory)).includes("lock.takeover"), false);
  });

  it(
    "knows a process that got the number of a dead one from that one",
    { skip: process.platform !== "linux" },
    async (t) => {
      const directory = await folder(t);
      // Our own number, with another start.
      await writeFile(join(directory, "lock"), `${process.pid} 1`);
      assert.deepEqual(await open(t, directory).load(), []);
    },
  );

  it("has the old record or the new one after a crash at any moment of a write", async (t) => {
    const directory = await folder(t);
    const store = fileStore(directory);
    await store.commit([{ key: A, expectedVersion: 0, bytes: Uint8Array.of(1, 1) }]);
    await store.close();
    const file = join(directory, `${A.slice(2)}.record`);
    const whole = await readFile(file);
    // A write that broke off leaves a part of the new file, under its other name.
    for (const length of [0, 5, whole.length]) {
      await writeFile(`${file}.new`, whole.subarray(0, length));
      const again = fileStore(directory);
      assert.deepEqual(await again.load(), [{ key: A, version: 1, bytes: Uint8Array.of(1, 1) }]);
      await again.close();
      assert.deepEqual(await readdir(directory), [`${A.slice(2)}.record`]);
    }
  });

  it("has both records of a commit or none after a crash at any moment of it", async (t) => {
    const [file, other] = [A, B].map((key) => `${key.slice(2)}.record`);
    const states = {};
    for (const value of [1, 2]) {
      // What a whole commit leaves, record by record.
      const directory = await folder(t);
      const store = fileStore(directory);
      for (let version = 0; version < value; version++)
        await store.commit([A, B].map((key) => ({ key, expectedVersion: version, bytes: Uint8Array.of(version + 1) })));
      await store.close();
      states[value] = [await readFile(join(directory, file)), await readFile(join(directory, other))];
    }
    const journal = JSON.stringify([A, B].map((key) => ({ key, expectedVersion: 1, bytes: "0x02" })));
    const [[a1, b1], [a2, b2]] = [states[1], states[2]];
    const half = (bytes) => bytes.subarray(0, bytes.length >> 1);
    const moments = [
      [1, { [file]: a1, [other]: b1 }],
      [1, { [file]: a1, [other]: b1, "journal.new": journal.slice(0, 40) }],
      [1, { [file]: a1, [other]: b1, "journal.new": journal }],
      [2, { [file]: a1, [other]: b1, journal }],
      [2, { [file]: a1, [other]: b1, journal, [`${file}.new`]: half(a2) }],
      [2, { [file]: a2, [other]: b1, journal }],
      [2, { [file]: a2, [other]: b1, journal, [`${other}.new`]: half(b2) }],
      [2, { [file]: a2, [other]: b2, journal }],
      [2, { [file]: a2, [other]: b2 }],
    ];
    for (const [value, files] of moments) {
      const directory = await folder(t);
      for (const [name, content] of Object.entries(files)) await writeFile(join(directory, name), content);
      const store = fileStore(directory);
      const found = await store.read([A, B]);
      const expected = [A, B].map((key) => ({ key, version: value, bytes: Uint8Array.of(value) }));
      assert.deepEqual(found, expected, Object.keys(files).join());
      await store.close();
      assert.deepEqual((await readdir(directory)).sort(), [file, other].sort());
    }
  });

  it("has both records of a commit or none when its process is killed", async (t) => {
    for (let round = 0; round < 4; round++) {
      const directory = await folder(t);
      const child = run(
        directory,
        `for (let version = 0; ; version++) {
           const bytes = new Uint8Array(5_000).fill(version);
           await store.commit(["${A}", "${B}"].map((key) => ({ key, expectedVersion: version, bytes })));
           console.log(version + 1);
         }`,
      );
      await until(() => child.output.split("\n").length > 5, "five commits", 20_000);
      // At another moment of a commit in every round.
      await sleep(round * 3);
      child.kill("SIGKILL");
      await once(child, "close");
      const said = Number(child.output.trim().split("\n").at(-1));
      const [first, second] = await open(t, directory).read([A, B]);
      assert.ok(first.version === said || first.version === said + 1, `${first.version} after ${said}`);
      assert.deepEqual([second.version, second.bytes], [first.version, first.bytes]);
    }
  });

  it("finishes a commit of several records that a crash broke off", async (t) => {
    const directory = await folder(t);
    const store = fileStore(directory);
    await store.commit([{ key: A, expectedVersion: 0, bytes: Uint8Array.of(1) }]);
    await store.close();
    const journal = [
      { key: A, expectedVersion: 1, bytes: null },
      { key: B, expectedVersion: 0, bytes: "0x0203" },
    ];
    await writeFile(join(directory, "journal"), JSON.stringify(journal));
    const again = open(t, directory);
    assert.deepEqual(await again.load(), [{ key: B, version: 1, bytes: Uint8Array.of(2, 3) }]);
    assert.equal((await readdir(directory)).includes("journal"), false);
  });

  it("says which file is damaged", async (t) => {
    const directory = await folder(t);
    const store = fileStore(directory);
    await store.commit([{ key: A, expectedVersion: 0, bytes: Uint8Array.of(1) }]);
    await store.close();
    const file = join(directory, `${A.slice(2)}.record`);
    for (const damage of [
      () => truncate(file, 10),
      () => writeFile(file, "something else entirely, and long enough"),
    ]) {
      await damage();
      const again = fileStore(directory);
      await assert.rejects(again.load(), (error) => {
        assert.match(error.message, new RegExp(A.slice(2)));
        return coded("STORE_DAMAGED")(error);
      });
      await again.close();
    }
  });

  it("ignores files that are not its own, and refuses keys that are no file names", async (t) => {
    const directory = await folder(t);
    await writeFile(join(directory, "README"), "hands off");
    const store = open(t, directory);
    assert.deepEqual(await store.load(), []);
    for (const key of ["0x../../etc/passwd", "0x", A.slice(2), `${A}00`, undefined])
      await assert.rejects(
        store.commit([{ key, expectedVersion: 0, bytes: Uint8Array.of(1) }]),
        coded("INVALID_HEX", "key"),
      );
    assert.equal((await readdir(directory)).includes("README"), true);
  });

  it("that cannot be written to is an error, and is used again when it can", async (t) => {
    const directory = await folder(t);
    const store = open(t, directory);
    await store.load();
    // In the way of the new file, also for a user who may write anywhere.
    const obstacle = join(directory, `${A.slice(2)}.record.new`);
    await mkdir(obstacle);
    const write = () => store.commit([{ key: A, expectedVersion: 0, bytes: Uint8Array.of(1) }]);
    await assert.rejects(write(), coded("STORE_FAILED"));
    await assert.rejects(store.load(), coded("STORE_FAILED"));
    await rmdir(obstacle);
    await write();
    assert.deepEqual(await store.load(), [{ key: A, version: 1, bytes: Uint8Array.of(1) }]);
  });
});
