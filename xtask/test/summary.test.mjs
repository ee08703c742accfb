// `npm test` must not call a run good that was not: its reading of summaries, against the runners' own output.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";

import { run } from "../run.mjs";
import { countCargoTests, countDemo, countNodeTests, countSummaryLine, verdict } from "../test.mjs";

const folder = mkdtempSync(join(tmpdir(), "millstream-summary-"));
after(() => rmSync(folder, { recursive: true }));

async function nodeRunner(source) {
  const file = join(folder, "sample.test.mjs");
  writeFileSync(file, `import { test } from "node:test";\n${source}`);
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  return run(process.execPath, ["--test", "--test-reporter=spec", file], { env });
}

test("node's runner: passed, failed and skipped tests are counted, a skip with its reason", async () => {
  const result = await nodeRunner(`
    test("fine", () => {});
    test("also fine", () => {});
    test("not here", { skip: "no such device" }, () => {});
    test("broken", () => { throw new Error("broken"); });
  `);
  assert.equal(result.code, 1);
  assert.deepEqual(verdict({ count: countNodeTests, ...result }), {
    passed: 2,
    failed: 1,
    skipped: ["not here: no such device"],
  });
});

test("node's runner: a file that does not load is a failure", async () => {
  const result = await nodeRunner(`import "./missing.mjs";`);
  assert.equal(verdict({ count: countNodeTests, ...result }).failed, 1);
});

test("a rustc test harness: sums over binaries, names what was ignored", async () => {
  const sources = {
    one: `#[test] fn fine() {} #[test] #[ignore = "slow"] fn later() {}`,
    two: `#[test] fn fine() {} #[test] fn broken() { panic!() }`,
  };
  let output = "";
  for (const [name, source] of Object.entries(sources)) {
    writeFileSync(join(folder, `${name}.rs`), source);
    const built = await run("rustc", ["--test", "--edition=2024", "-o", name, `${name}.rs`], { cwd: folder });
    assert.equal(built.code, 0, built.output);
    output += (await run(join(folder, name), [])).output;
  }
  const expected = { passed: 2, failed: 1, skipped: ["later: slow"] };
  assert.deepEqual(verdict({ count: countCargoTests, code: 101, output }), expected);
});

test("an exit code that contradicts the summary wins", () => {
  const output = "checked\n3 passed, 0 failed\n";
  const good = { passed: 3, failed: 0, skipped: [] };
  assert.deepEqual(verdict({ count: countSummaryLine, code: 0, output }), good);
  assert.deepEqual(verdict({ count: countSummaryLine, code: 1, output }), {
    ...good,
    failed: 1,
    why: "ended with code 1",
  });
});

test("no summary, no tests and no end in time are failures", () => {
  const failures = {
    "no summary": { count: countCargoTests, code: 0, output: "error: could not compile" },
    "no tests": { count: countSummaryLine, code: 0, output: "0 passed, 0 failed\n" },
    timeout: { count: countSummaryLine, code: 0, output: "3 passed, 0 failed\n", timedOut: true },
    "plain command": { code: 1, output: "" },
  };
  for (const [name, result] of Object.entries(failures)) assert.equal(verdict(result).failed, 1, name);
});

test("the demo passes only when its last line says so", () => {
  const demo = (output, code = 0) => verdict({ count: countDemo, code, output });
  assert.equal(demo('serving\n{"ok":true,"chunks":4}\n').failed, 0);
  assert.equal(demo('{"ok":true}\nand then something else\n').failed, 1);
  assert.equal(demo('{"ok":false}\n').failed, 1);
  assert.equal(demo('{"ok":true}\n', 1).failed, 1);
});
