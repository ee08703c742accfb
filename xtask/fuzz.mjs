// Fuzzes the decoders of bytes from outside: tests/fuzz/fuzz_targets, one after the other.
//
//   npm run fuzz -- [TARGET...] [--seconds N]    each for N seconds (60); ends with `N passed, N failed`
//   npm run fuzz -- TARGET --replay FILE         runs one input, with the panic and its stack
//   npm run fuzz -- [TARGET...] --merge          adds the finds that reach new code to tests/fuzz/corpus
//   npm run fuzz -- [TARGET...] --asan ...       any of these under AddressSanitizer
//
// A run reads tests/fuzz/corpus/TARGET and what earlier runs found, and writes only below target/fuzz.
//
// How it is built: libFuzzer comes with the crate `libfuzzer-sys` as C++, so a C++ compiler is all that is needed beyond
// Rust. What cargo-fuzz would add is a call of cargo with the flags below; they are stable, so there is no nightly and
// nothing to install. AddressSanitizer is the exception: its flag takes RUSTC_BOOTSTRAP. It is not the default because
// the core has no unsafe code: overflow, assertions, a panic, a wrong value, time and memory are seen without it, and
// a run takes four to ten times as long with it. What it could find is in the dependencies.

import { existsSync, mkdirSync, readdirSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";

import { installWithApt, onPath } from "./chromium.mjs";
import { Failure, errorsIn, reportFailure, root, run, seconds, tail } from "./run.mjs";

const folder = join(root, "tests", "fuzz");
const MINUTE = 60_000;

/** What an input may take: seconds and memory. */
const LIMITS = ["-timeout=10", "-rss_limit_mb=1024"];
/** The largest input tried, in bytes: a message of 16 KiB is the largest that any decoder is honestly given. */
const LARGEST = "-max_len=16384";
/** The largest input kept, in bytes. Longer ones are cut, and kept if they still reach something. */
const LARGEST_KEPT = "-max_len=1024";

/** Coverage as libFuzzer reads it: a counter for every branch, and the operands of comparisons. */
const COVERAGE = [
  "-Cpasses=sancov-module",
  "-Cllvm-args=-sanitizer-coverage-level=4",
  "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
  "-Cllvm-args=-sanitizer-coverage-pc-table",
  "-Cllvm-args=-sanitizer-coverage-trace-compares",
  "-Cllvm-args=-simplifycfg-branch-fold-threshold=0", // folded branches would count as one
  "-Ccodegen-units=1", // with several, instrumented functions are not inlined
];

const compiler = process.env.CXX ?? "c++";

/** Why this machine cannot build the targets, or null. */
export const lacksCompiler = () => (onPath(compiler) ? null : `no C++ compiler (${compiler}), which libFuzzer needs`);

/** Installs a C++ compiler if there is none and it takes no question; says so if it does. For the set-up. */
export async function ensureCompiler(log) {
  const why = lacksCompiler() && (await installWithApt("g++", log));
  if (why) log(`setup: going on without a C++ compiler: fuzzing will be skipped. ${why}`);
}

const files = (path) => (existsSync(path) ? readdirSync(path) : []);

/** Builds all targets. @returns {Promise<string>} the folder of the programs */
async function build(asan) {
  const lack = lacksCompiler();
  if (lack) throw new Failure("CXX_MISSING", lack);
  const { stdout } = await run("rustc", ["-vV"]);
  const host = stdout.match(/^host: (.+)$/m)?.[1];
  const targetDir = join(root, "target", "fuzz", asan ? "asan" : "plain");
  const manifest = ["--manifest-path", join(folder, "Cargo.toml"), "--target-dir", targetDir];
  const flags = asan ? ["-Zsanitizer=address", ...COVERAGE] : COVERAGE;
  const env = { ...process.env, CARGO_ENCODED_RUSTFLAGS: flags.join("\x1f"), ...(asan && { RUSTC_BOOTSTRAP: "1" }) };
  const start = Date.now();
  // With --target, flags are not for build scripts and macros, which run in the compiler and have no libFuzzer.
  const args = ["build", "--quiet", "--locked", "--release", "--bins", "--target", host, ...manifest];
  const { code, output } = await run("cargo", args, { env, timeout: 20 * MINUTE });
  if (code !== 0) throw new Failure("FUZZ_BUILD_FAILED", `the targets do not build:\n${errorsIn(output)}`);
  console.log(`fuzz: built (${seconds(Date.now() - start)})`);
  return join(targetDir, host, "release");
}

/** Where a target's inputs are: those kept in the repository, and those found by runs on this machine. */
function corpusOf(target) {
  const [kept, found] = [join(folder, "corpus", target), join(root, "target", "fuzz", "corpus", target)];
  for (const path of [kept, found]) mkdirSync(path, { recursive: true });
  return { kept, found };
}

/** @returns {Promise<boolean>} whether the target stood every input */
async function fuzz(program, target, time) {
  const { kept, found } = corpusOf(target);
  const crashes = join(root, "target", "fuzz", "crashes");
  mkdirSync(crashes, { recursive: true });
  const before = files(found).length;
  const args = [
    ...LIMITS,
    LARGEST,
    `-max_total_time=${time}`,
    `-artifact_prefix=${join(crashes, `${target}-`)}`,
    found,
    kept,
  ];
  const { code, output, timedOut } = await run(program, args, { timeout: time * 1000 + 5 * MINUTE });
  const [, runs, covered] = output.match(/^#(\d+)\s+DONE\s+cov: (\d+)/m) ?? [];
  if (code === 0 && runs !== undefined) {
    const finds = files(found).length - before;
    console.log(`fuzz: ${target.padEnd(10)} ok, ${runs} runs, ${covered} edges, ${finds} new inputs`);
    return true;
  }
  const input = output.match(/Test unit written to (\S.*)$/m)?.[1];
  const panic = output.match(/^thread .*? panicked at [^\n]*\n[^\n]*/m)?.[0] ?? tail(output, 20);
  console.log(`fuzz: ${target.padEnd(10)} FAILED${timedOut ? " (did not end)" : ""}\n${panic}`);
  if (input) console.log(`  input:  ${input}\n  replay: npm run fuzz -- ${target} --replay ${input}`);
  return false;
}

/**
 * Adds to the kept inputs the fewest of the found that reach every branch which no kept one does. How often a branch is
 * taken does not count here: that would keep several times as many.
 */
async function merge(program, target) {
  const { kept, found } = corpusOf(target);
  const before = files(kept).length;
  const { code, output } = await run(
    program,
    [...LIMITS, LARGEST_KEPT, "-set_cover_merge=1", "-use_counters=0", kept, found],
    { timeout: 30 * MINUTE },
  );
  const size = files(kept).reduce((sum, name) => sum + statSync(join(kept, name)).size, 0);
  const added = files(kept).length - before;
  console.log(`fuzz: ${target.padEnd(10)} ${added} added, now ${before + added} inputs of ${size} bytes`);
  if (code !== 0) console.log(tail(output, 20));
  return code === 0;
}

async function replay(program, file) {
  const { code, output } = await run(program, [...LIMITS, resolve(process.env.INIT_CWD ?? process.cwd(), file)], {
    env: { ...process.env, RUST_BACKTRACE: "1" },
  });
  console.log(output.trimEnd());
  return code === 0;
}

async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      seconds: { type: "string", default: "60" },
      merge: { type: "boolean", default: false },
      asan: { type: "boolean", default: false },
      replay: { type: "string" },
    },
  });
  const all = files(join(folder, "fuzz_targets")).map((name) => name.replace(/\.rs$/, ""));
  const targets = positionals.length > 0 ? positionals : all;
  const unknown = targets.filter((name) => !all.includes(name));
  if (unknown.length > 0)
    throw new Failure("FUZZ_TARGET_UNKNOWN", `no target ${unknown.join(", ")}; there are: ${all.join(", ")}`);
  const time = Number(values.seconds);
  if (!Number.isInteger(time) || time < 1) throw new Failure("FUZZ_SECONDS", "--seconds takes a whole number above 0");
  if (values.replay !== undefined && targets.length !== 1)
    throw new Failure("FUZZ_REPLAY", "--replay takes one target and one file");

  const programs = await build(values.asan);
  let passed = 0;
  for (const target of targets) {
    const program = join(programs, target);
    const step =
      values.replay !== undefined
        ? replay(program, values.replay)
        : values.merge
          ? merge(program, target)
          : fuzz(program, target, time);
    if (await step) passed += 1;
  }
  console.log(`${passed} passed, ${targets.length - passed} failed`);
  if (passed < targets.length) process.exitCode = 1;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) await main().catch(reportFailure);
