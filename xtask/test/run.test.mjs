// The lock and the child processes that the build scripts rest on.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";

import { root, run, withLock } from "../run.mjs";

const folder = mkdtempSync(join(tmpdir(), "millstream-run-"));
const lockName = `test-${process.pid}`;
const lockFile = join(root, "target", `${lockName}.lock`);
after(() => {
  rmSync(folder, { recursive: true });
  rmSync(lockFile, { force: true });
});

const script = (body) =>
  `import { withLock } from ${JSON.stringify(new URL("../run.mjs", import.meta.url).href)};
   import { readFileSync, writeFileSync } from "node:fs";
   const counter = ${JSON.stringify(join(folder, "counter"))};
   ${body}`;

test("a lock admits one process at a time", async () => {
  writeFileSync(join(folder, "counter"), "0");
  // Read, wait, write: increments are lost unless the processes take turns.
  const source = script(`
    for (let i = 0; i < 5; i++)
      await withLock("${lockName}", () => {}, async () => {
        const value = Number(readFileSync(counter, "utf8"));
        await new Promise((resolve) => setTimeout(resolve, 5));
        writeFileSync(counter, String(value + 1));
      });
  `);
  const workers = [1, 2, 3].map(() => run(process.execPath, ["--input-type=module", "-e", source]));
  for (const { code, output } of await Promise.all(workers)) assert.equal(code, 0, output);
  assert.equal(readFileSync(join(folder, "counter"), "utf8"), "15");
  assert.equal(existsSync(lockFile), false);
});

test("a lock whose holder was killed is taken over", async () => {
  const source = script(`await withLock("${lockName}", () => {}, () => new Promise((r) => setTimeout(r, 60_000)));`);
  const holder = spawn(process.execPath, ["--input-type=module", "-e", source]);
  const ended = new Promise((resolve) => holder.once("exit", resolve));
  while (!existsSync(lockFile)) await new Promise((resolve) => setTimeout(resolve, 10));
  holder.kill("SIGKILL");
  await ended;
  assert.equal(existsSync(lockFile), true, "a killed process leaves its lock behind");
  assert.equal(
    await withLock(
      lockName,
      () => {},
      async () => "mine",
    ),
    "mine",
  );
});

test("a program that takes too long is ended with the processes it started", async () => {
  const marker = join(folder, "survivor");
  const result = await run("sh", ["-c", `(sleep 1; touch ${marker}) & wait`], { timeout: 200 });
  assert.equal(result.timedOut, true);
  assert.notEqual(result.code, 0);
  await new Promise((resolve) => setTimeout(resolve, 1_200));
  assert.equal(existsSync(marker), false);
});

test("a process left behind does not keep its parent's caller waiting", async () => {
  const start = Date.now();
  const { code } = await run("sh", ["-c", "sleep 60 &"]); // holds the pipes, whose end is waited for, until it is killed
  assert.equal(code, 0);
  assert.ok(Date.now() - start < 30_000);
});

test("a program that does not exist gives code 127 and says so", async () => {
  const { code, output } = await run("millstream-no-such-program", []);
  assert.equal(code, 127);
  assert.match(output, /millstream-no-such-program/);
});
