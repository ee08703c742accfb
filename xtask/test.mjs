// Runs the tests, suite by suite, and ends with the line `N passed, N failed[, N skipped]`.
//
//   node xtask/test.mjs [--verbose] [SUITE...]
//
// Two suites run side by side; two that use the same resource (cargo's build folder, a browser's timing) do not. What
// a suite prints is shown when it fails, or as it comes with --verbose or when it is the only one. Where a runner says
// how many tests it ran those are counted, elsewhere the suite counts as one. What a machine lacks is a skip with its
// reason; a suite without tests is a failure.

import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { stripVTControlCharacters } from "node:util";

import { WORKSPACE_IS_BUILT } from "./build.mjs";
import { findChromium } from "./chromium.mjs";
import { lacksCompiler } from "./fuzz.mjs";
import { lacksKotlin } from "./kotlin.mjs";
import { reportFailure, root, run, seconds, tail } from "./run.mjs";
import { BARE_TARGETS, canCompileFor } from "./toolchain.mjs";

const AT_ONCE = 2;
const MINUTE = 60_000;
const COLUMN = 27;

/**
 * @typedef {object} Count
 * @property {number} passed
 * @property {number} failed
 * @property {string[]} skipped one line each: which test, and why
 *
 * @typedef {object} Suite
 * @property {string} name
 * @property {string[]} [uses] resources it does not share
 * @property {string} [needs] file or folder of the repository without which the suite cannot be
 * @property {() => Promise<string | null> | string | null} [lacks] why this machine cannot run it, or null
 * @property {() => string[]} command
 * @property {Record<string, string>} [env]
 * @property {(output: string, code: number) => Count | null} [count] null when the output has no summary
 * @property {number} [timeout] milliseconds
 */

const nodeTests = (name, folder, more = {}) => ({
  name,
  needs: folder,
  // Files are named one by one: what `node --test FOLDER` means differs between versions of Node.
  command: () => [process.execPath, "--test", "--test-reporter=spec", ...testFiles(folder)],
  count: countNodeTests,
  ...more,
});

/** The demo's check of itself. */
const demo = (name, ...options) => ({
  name,
  uses: ["browser"],
  needs: "web-demo/run.mjs",
  lacks: lacksChromium,
  command: () => [process.execPath, "web-demo/run.mjs", "--check", ...options],
  count: countDemo,
});

/** @type {Suite[]} in the order of starting: what takes longest first, what everything else rests on before that */
const SUITES = [
  {
    name: "rust",
    uses: ["cargo"],
    command: () => ["cargo", "test", "--workspace", "--no-fail-fast"],
    count: countCargoTests,
    timeout: 40 * MINUTE,
  },
  nodeTests("xtask", "xtask/test"),
  nodeTests("contracts", "contracts/test"),
  nodeTests("package", "wasm/test"),
  nodeTests("integration", "tests/integration", { uses: ["cargo"] }),
  nodeTests("browser", "tests/browser", { uses: ["browser"], lacks: lacksChromium }),
  demo("demo"),
  demo("demo:hub", "--via", "hub"),
  {
    name: "kotlin",
    uses: ["cargo"],
    needs: "mobile/kotlin/pom.xml",
    lacks: lacksKotlin,
    command: () => [process.execPath, "xtask/kotlin.mjs"],
    count: countSummaryLine,
  },
  ...BARE_TARGETS.map((target) => ({
    name: `no_std:${target}`,
    uses: ["cargo"],
    lacks: async () => ((await canCompileFor(target)) ? null : `the Rust target ${target} is not installed`),
    command: () => {
      const core = ["-p", "millstream-core", "--no-default-features", "--features", "keys"];
      return ["cargo", "build", "--quiet", ...core, "--target", target, ...unoptimised()];
    },
  })),
  {
    name: "vectors",
    uses: ["cargo"],
    needs: "tests/vectors/nitro.json",
    // Not `npm run`: that does the set-up first, which may install packages while other suites use them.
    command: () => [process.execPath, "xtask/vectors.mjs", join(root, "tests/vectors/nitro.json")],
    count: countSummaryLine,
  },
  {
    name: "sim",
    uses: ["cargo"],
    needs: "tests/src/sim/mod.rs",
    command: () => [process.execPath, "xtask/sim.mjs", "--seeds", "0..300"],
    count: countSummaryLine,
  },
  {
    name: "fuzz",
    uses: ["cargo"],
    needs: "tests/fuzz/Cargo.toml",
    lacks: lacksCompiler,
    command: () => [process.execPath, "xtask/fuzz.mjs", "--seconds", "2"],
    count: countSummaryLine,
  },
  { name: "lint", uses: ["cargo"], lacks: lacksLintTools, command: () => [process.execPath, "xtask/lint.mjs"] },
];

// ---- what a machine may lack ----------------------------------------------------------------------------------------

function lacksChromium() {
  return findChromium() ? null : "no Chromium on this machine; `node xtask/setup.mjs --browser` says how to get one";
}

async function lacksLintTools() {
  const found = await Promise.all(["clippy", "fmt"].map((name) => run("cargo", [name, "--version"])));
  return found.every(({ code }) => code === 0) ? null : "clippy or rustfmt is not installed";
}

/** Compiles nothing faster than the rest: what is only built and never run need not be optimised. */
function unoptimised() {
  const manifest = readFileSync(join(root, "Cargo.toml"), "utf8");
  const sections = manifest.matchAll(/^\[(profile\.dev\.package\.[\w-]+)\]$/gm);
  return [...sections].flatMap(([, section]) => ["--config", `${section}.opt-level=0`]);
}

function testFiles(folder) {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) return entry.name === "node_modules" ? [] : testFiles(path);
    return entry.name.endsWith(".test.mjs") ? [path] : [];
  });
}

// ---- reading the runners' summaries ---------------------------------------------------------------------------------

/** node --test, spec reporter: "ℹ pass 3", and "﹣ name (0.1ms) # reason" for a test that was skipped. */
export function countNodeTests(output) {
  const read = (what) => output.match(new RegExp(`^ℹ ${what} (\\d+)$`, "m"))?.[1];
  if (read("pass") === undefined) return null;
  const skipped = [...output.matchAll(/^\s*﹣ (.+?) \([\d.]+ms\)(?: # (.*))?$/gm)];
  return {
    passed: Number(read("pass")),
    failed: Number(read("fail")) + Number(read("cancelled")),
    skipped: namedSkips(
      skipped.map(([, name, why]) => `${name}: ${why ?? "no reason given"}`),
      Number(read("skipped")) + Number(read("todo")),
    ),
  };
}

/** cargo test: one "test result:" line for each binary and each crate's doc tests. */
export function countCargoTests(output) {
  const results = [...output.matchAll(/^test result: .*? (\d+) passed; (\d+) failed; (\d+) ignored;/gm)];
  if (results.length === 0) return null;
  const sum = (column) => results.reduce((total, result) => total + Number(result[column]), 0);
  const ignored = [...output.matchAll(/^test (.+?) \.\.\. ignored(?:, (.*))?$/gm)];
  return {
    passed: sum(1),
    failed: sum(2),
    skipped: namedSkips(
      ignored.map(([, name, why]) => `${name}: ${why ?? "no reason given"}`),
      sum(3),
    ),
  };
}

/** A runner's count of skips decides; names are added as far as the output has them. */
function namedSkips(names, count) {
  return Array.from({ length: count }, (_, i) => names[i] ?? "a test skipped by its runner");
}

/** A last line of the form "12 passed, 0 failed". */
export function countSummaryLine(output) {
  const [, passed, failed] = output.trimEnd().match(/(?:^|\n)(\d+) passed, (\d+) failed[^\n]*$/) ?? [];
  return passed === undefined ? null : { passed: Number(passed), failed: Number(failed), skipped: [] };
}

/** The demo's self-check ends with one JSON object, whose `ok` is its verdict. */
export function countDemo(output) {
  try {
    const ok = JSON.parse(tail(output, 1)).ok === true;
    return { passed: ok ? 1 : 0, failed: ok ? 0 : 1, skipped: [] };
  } catch {
    return null;
  }
}

/**
 * What a finished suite amounts to. An exit code that contradicts the summary wins: a runner that fails without naming
 * a test counts as one failure, and so does one that ran none.
 *
 * @returns {Count & { why?: string }}
 */
export function verdict({ count, code, output, timedOut }) {
  const text = stripVTControlCharacters(output);
  const read = count
    ? count(text, code)
    : code === 0
      ? { passed: 1, failed: 0, skipped: [] }
      : { passed: 0, failed: 1, skipped: [] };
  if (timedOut) return { passed: 0, skipped: [], ...read, failed: Math.max(1, read?.failed ?? 0), why: "timed out" };
  if (!read) return { passed: 0, failed: 1, skipped: [], why: `ended with code ${code} and without a summary` };
  if (code !== 0 && read.failed === 0) return { ...read, failed: 1, why: `ended with code ${code}` };
  if (code === 0 && read.passed + read.failed + read.skipped.length === 0)
    return { ...read, failed: 1, why: "no test ran" };
  return read;
}

// ---- running --------------------------------------------------------------------------------------------------------

/** @returns {Promise<Count & { why?: string, output?: string }>} */
async function runSuite(suite, verbose) {
  if (suite.needs && !existsSync(join(root, suite.needs)))
    return { passed: 0, failed: 1, skipped: [], why: `suite folder missing: ${suite.needs}` };
  const lacks = await suite.lacks?.();
  if (lacks) return { passed: 0, failed: 0, skipped: [`the whole suite: ${lacks}`] };
  if (suite.count === countNodeTests && testFiles(suite.needs).length === 0)
    return { passed: 0, failed: 1, skipped: [], why: `no *.test.mjs in ${suite.needs}` };

  const [program, ...args] = suite.command();
  const env = { ...process.env, ...suite.env };
  delete env.NODE_TEST_CONTEXT; // set when this script itself runs under a test runner
  const result = await run(program, args, {
    env,
    timeout: suite.timeout ?? 15 * MINUTE,
    onText: verbose ? (text) => process.stdout.write(text) : undefined,
  });
  return { ...verdict({ count: suite.count, ...result }), output: result.output };
}

function describe({ passed, failed, skipped, why }) {
  const parts = [`${passed} passed`, `${failed} failed`, ...(skipped.length > 0 ? [`${skipped.length} skipped`] : [])];
  return parts.join(", ") + (why ? ` (${why})` : "");
}

async function runAll(suites, verbose) {
  const waiting = [...suites];
  const running = new Map();
  const results = new Map();
  const start = Date.now();
  const alive = setInterval(
    () => console.log(`test: … running ${[...running.keys()].join(" and ")} (${seconds(Date.now() - start)})`),
    MINUTE,
  );
  while (waiting.length + running.size > 0) {
    const busy = new Set([...running.values()].flatMap(({ suite }) => suite.uses ?? []));
    const next = waiting.find(({ uses = [] }) => !uses.some((resource) => busy.has(resource)));
    if (next && running.size < AT_ONCE) {
      waiting.splice(waiting.indexOf(next), 1);
      const began = Date.now();
      const done = runSuite(next, verbose).then((result) => ({ suite: next, result, took: Date.now() - began }));
      running.set(next.name, { suite: next, done });
      continue;
    }
    const { suite, result, took } = await Promise.race([...running.values()].map(({ done }) => done));
    running.delete(suite.name);
    results.set(suite.name, result);
    if (suite.name === "rust" && result.passed > 0) process.env[WORKSPACE_IS_BUILT] = "1";
    console.log(`test: ${suite.name.padEnd(COLUMN)} ${describe(result)}, ${seconds(took)}`);
    if (result.failed > 0 && result.output && !verbose) console.log(excerpt(result.output, suite.name));
  }
  clearInterval(alive);
  return results;
}

/** What a failed suite printed, without the lines that say that something went well. */
function excerpt(output, name) {
  const lines = stripVTControlCharacters(output).split("\n");
  const telling = lines.filter((line) => !/^test .* ok$|^\s*✔ |^\s+(Compiling|Download\w+|Locking|Fresh) /.test(line));
  return tail(telling.join("\n"), 400).replaceAll(/^/gm, `  ${name} | `);
}

async function main() {
  const names = process.argv.slice(2).filter((arg) => !arg.startsWith("--"));
  const isOf = (name) => (suite) => suite.name === name || suite.name.startsWith(`${name}:`);
  const unknown = names.filter((name) => !SUITES.some(isOf(name)));
  if (unknown.length > 0) {
    console.error(`no suite ${unknown.join(", ")}; there are: ${SUITES.map(({ name }) => name).join(", ")}`);
    process.exitCode = 2;
    return;
  }
  const suites = names.length > 0 ? SUITES.filter((suite) => names.some((name) => isOf(name)(suite))) : SUITES;
  const verbose = process.argv.includes("--verbose") || suites.length === 1;
  const results = await runAll(suites, verbose);

  console.log("\nsummary");
  const total = { passed: 0, failed: 0, skipped: [] };
  for (const { name } of suites) {
    const result = results.get(name);
    total.passed += result.passed;
    total.failed += result.failed;
    total.skipped.push(...result.skipped);
    console.log(`  ${name.padEnd(COLUMN)} ${describe(result)}`);
    for (const skip of result.skipped) console.log(`  ${"".padEnd(COLUMN)} skipped ${skip}`);
  }
  console.log(describe(total));
  if (total.failed > 0) process.exitCode = 1;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) await main().catch(reportFailure);
