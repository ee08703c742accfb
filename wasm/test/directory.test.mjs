// The file store on its disk: restarts, crashes at any moment, damage, and other processes.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, readdir, rm, rmdir, stat, writeFile } from "node:fs/promises";
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
  it("is made, private to its owner, and has one file of records", async (t) => {
    const directory = join(await folder(t), "deep", "down");
    const store = open(t, directory);
    await store.commit([{ key: A, expectedVersion: 0, bytes: Uint8Array.of(1) }]);
    assert.deepEqual((await readdir(directory)).sort(), ["lock", "records"]);
    assert.equal((await stat(directory)).mode & 0o777, 0o700);
    assert.equal((await stat(join(directory, "records"))).mode & 0o777, 0o600);
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

  it("has all of a commit or nothing of it after a crash at any moment of its write", async (t) => {
    const before = await folder(t);
    const store = fileStore(before);
    const both = (expectedVersion) =>
      store.commit([A, B].map((key) => ({ key, expectedVersion, bytes: Uint8Array.of(expectedVersion + 1) })));
    await both(0);
    const { size } = await stat(join(before, "records"));
    await both(1);
    await store.close();
    const whole = await readFile(join(before, "records"));
    const directory = await folder(t);
    for (let length = size; length <= whole.length; length++)
      // What did not get to the disk may be missing, or be room that nothing was written to.
      for (const tail of [0, whole.length - length]) {
        await writeFile(join(directory, "records"), Buffer.concat([whole.subarray(0, length), Buffer.alloc(tail)]));
        const value = length === whole.length ? 2 : 1;
        const expected = [A, B].map((key) => ({ key, version: value, bytes: Uint8Array.of(value) }));
        const again = fileStore(directory);
        assert.deepEqual(await again.read([A, B]), expected, `${length} of ${whole.length} bytes`);
        // And goes on from there.
        await again.commit([{ key: A, expectedVersion: value, bytes: Uint8Array.of(9) }]);
        await again.close();
        const last = fileStore(directory);
        assert.deepEqual(await last.read([A]), [{ key: A, version: value + 1, bytes: Uint8Array.of(9) }]);
        await last.close();
      }
  });

  it("has the old file or the new one after a crash while it is written anew", async (t) => {
    const directory = await folder(t);
    const store = fileStore(directory);
    await store.commit([{ key: A, expectedVersion: 0, bytes: Uint8Array.of(1, 1) }]);
    await store.close();
    const file = join(directory, "records");
    const whole = await readFile(file);
    for (const length of [0, 5, whole.length]) {
      await writeFile(`${file}.new`, whole.subarray(0, length));
      const again = fileStore(directory);
      assert.deepEqual(await again.load(), [{ key: A, version: 1, bytes: Uint8Array.of(1, 1) }]);
      await again.close();
    }
  });

  it("does not keep old versions for ever", async (t) => {
    const directory = await folder(t);
    const store = open(t, directory);
    await store.commit([{ key: B, expectedVersion: 0, bytes: Uint8Array.of(7) }]);
    const size = 100_000;
    for (let version = 0; version < 50; version++)
      await store.commit([{ key: A, expectedVersion: version, bytes: new Uint8Array(size).fill(version) }]);
    assert.ok((await stat(join(directory, "records"))).size < 20 * size);
    await store.close();
    assert.deepEqual(await open(t, directory).read([A, B]), [
      { key: A, version: 50, bytes: new Uint8Array(size).fill(49) },
      { key: B, version: 1, bytes: Uint8Array.of(7) },
    ]);
  });

  it("has what was deleted no more after a restart", async (t) => {
    const directory = await folder(t);
    const store = fileStore(directory);
    await store.commit([{ key: A, expectedVersion: 0, bytes: Uint8Array.of(1) }]);
    await store.commit([
      { key: A, expectedVersion: 1, bytes: undefined },
      { key: B, expectedVersion: 0, bytes: new Uint8Array(0) },
    ]);
    await store.close();
    assert.deepEqual(await open(t, directory).load(), [{ key: B, version: 1, bytes: new Uint8Array(0) }]);
  });

  it("writes together what waits, each on top of the one before, and refuses only what conflicts", async (t) => {
    const directory = await folder(t);
    const store = fileStore(directory);
    const write = (key, expectedVersion) =>
      store.commit([{ key, expectedVersion, bytes: Uint8Array.of(expectedVersion + 1) }]);
    const results = await Promise.allSettled([
      write(A, 0),
      write(A, 1),
      write(B, 1),
      write(B, 0),
      write(A, 2),
      write(A, 2),
    ]);
    assert.deepEqual(
      results.map(({ reason }) => reason?.code),
      [undefined, undefined, "STORE_CONFLICT", undefined, undefined, "STORE_CONFLICT"],
    );
    await store.close();
    assert.deepEqual(
      (await open(t, directory).read([A, B])).map(({ version }) => version),
      [3, 1],
    );
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

  it("says which file is damaged, wherever it is, and changes nothing about it", async (t) => {
    const directory = await folder(t);
    const store = fileStore(directory);
    for (const key of [A, B]) await store.commit([{ key, expectedVersion: 0, bytes: new Uint8Array(40).fill(1) }]);
    await store.close();
    const file = join(directory, "records");
    const whole = await readFile(file);
    const flipped = (at) => Uint8Array.from(whole, (byte, index) => (index === at ? byte ^ 1 : byte));
    const entry = (whole.length - 21) / 2;
    const damages = [
      whole.subarray(0, 10),
      Buffer.from("something else entirely, and long enough"),
      // Anywhere in the head or the first entry: behind it is a whole one, so it is no write that broke off.
      ...Array.from({ length: 21 + entry }, (_, at) => flipped(at)),
    ];
    for (const damage of damages) {
      await writeFile(file, damage);
      const again = fileStore(directory);
      await assert.rejects(again.load(), (error) => {
        assert.match(error.message, /the file records/);
        return coded("STORE_DAMAGED")(error);
      });
      await again.close();
      assert.deepEqual(await readFile(file), Buffer.from(damage));
    }
  });

  it("does not take a folder of an earlier layout for an empty one", async (t) => {
    const directory = await folder(t);
    await writeFile(join(directory, `${A.slice(2)}.record`), "of another time");
    await assert.rejects(open(t, directory).load(), (error) => {
      assert.match(error.message, /earlier layout/);
      return coded("STORE_DAMAGED")(error);
    });
    assert.deepEqual(
      (await readdir(directory)).filter((name) => name.startsWith("records")),
      [],
    );
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

  it("that cannot be made is an error, and is used when it can", async (t) => {
    const directory = await folder(t);
    const store = open(t, directory);
    // In the way of the new file, also for a user who may write anywhere.
    const obstacle = join(directory, "records.new");
    await mkdir(obstacle);
    const write = () => store.commit([{ key: A, expectedVersion: 0, bytes: Uint8Array.of(1) }]);
    await assert.rejects(write(), coded("STORE_FAILED"));
    await assert.rejects(store.load(), coded("STORE_FAILED"));
    await rmdir(obstacle);
    await write();
    assert.deepEqual(await store.load(), [{ key: A, version: 1, bytes: Uint8Array.of(1) }]);
  });

  it("that has no room is an error for who writes, and has what was written before", async (t) => {
    const directory = await folder(t);
    const script = `
      import { fileStore } from "millstream/node";
      const store = fileStore(${JSON.stringify(directory)});
      const write = (expectedVersion, size) =>
        store.commit([{ key: "${A}", expectedVersion, bytes: new Uint8Array(size).fill(1) }]);
      await write(0, 100);
      const failed = await Promise.allSettled([write(1, 1_000_000), write(2, 10)]);
      await write(1, 200);
      const [{ version }] = await store.load();
      console.log(failed.map(({ reason }) => reason.code).join(), version);`;
    // No file may grow beyond 8 blocks; the signal that says so is ignored, so that writing fails.
    const child = spawn(
      "sh",
      ["-c", 'trap "" XFSZ; ulimit -f 8; exec "$0" --input-type=module -e "$1"', process.execPath, script],
      {
        cwd: here,
        stdio: ["ignore", "pipe", "inherit"],
      },
    );
    child.stdout.setEncoding("utf8");
    let output = "";
    child.stdout.on("data", (text) => (output += text));
    await once(child, "close");
    assert.equal(output.trim(), "STORE_FAILED,STORE_FAILED 2");
    const [{ version, bytes }] = await open(t, directory).read([A]);
    assert.deepEqual([version, bytes], [2, new Uint8Array(200).fill(1)]);
  });
});
