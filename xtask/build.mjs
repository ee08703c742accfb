// Builds the npm package: contracts, WebAssembly module, bindings, TypeScript. Each step only when it is stale.
//
//   node xtask/build.mjs
//
// What it leaves behind:
//
//   contracts/out/   the contracts' ABI and bytecode
//   wasm/pkg/        millstream_wasm.js, .d.ts and the optimised millstream_wasm_bg.wasm
//   wasm/dist/       the compiled TypeScript with a copy of wasm/pkg beside it: what the package ships
//
// wasm/tsconfig.json lists its sources and "pkg" as `rootDirs`, so that a source imports the bindings as
// "./millstream_wasm.js", which is where they are in dist.

import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { basename, join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";

import { Failure, readOr, reportFailure, root, run, seconds, tail, withLock, writeAtomically } from "./run.mjs";
import { WASM_TARGET } from "./toolchain.mjs";

// Functions with one caller are folded into it only when tiny (the default is no limit): that makes the module 2 %
// larger but 6 % smaller in gzip, which compresses a few huge functions badly. Speed is the same. Passes are repeated until
// nothing gets smaller: 1 % less.
// Which WebAssembly features may be used, wasm-opt reads from the module, and then drops the list.
const WASM_OPT_FLAGS = [
  "-Oz",
  "--one-caller-inline-max-function-size=15",
  "--converge",
  "--strip-target-features",
  "--strip-producers",
];
const pkg = join(root, "wasm", "pkg");
const dist = join(root, "wasm", "dist");
const tsconfig = join(root, "wasm", "tsconfig.json");

const print = (line) => console.log(line);

/** Runs a step and says its name, what it did and how long it took. `step` returns a note, or null when fresh. */
async function timed(name, log, step) {
  const start = Date.now();
  const note = await step();
  log(`build: ${name.padEnd(9)} ${note === null ? "fresh" : `${seconds(Date.now() - start)}${note && `, ${note}`}`}`);
}

/** Hash of named contents, in which a longer name and a shorter content do not add up to the same. */
function hashOf(entries) {
  const hash = createHash("sha256");
  for (const [name, content] of entries) hash.update(`${name}\0${content.length}\0`).update(content);
  return hash.digest("hex");
}

/** Every file under `folder` for which `keep(path)` holds, sorted, skipping node_modules and build output. */
function filesUnder(folder, keep) {
  return readdirSync(folder, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory())
        return ["node_modules", "dist", "pkg"].includes(entry.name) ? [] : filesUnder(path, keep);
      return keep(path) ? [path] : [];
    });
}

const sizeNote = (file) => {
  const bytes = readFileSync(file);
  return `${kilobytes(bytes.length)}, gzip ${kilobytes(gzipSync(bytes, { level: 9 }).length)}`;
};
const kilobytes = (bytes) => `${(bytes / 1000).toFixed(1)} kB`;

// ---- cargo ----------------------------------------------------------------------------------------------------------

/**
 * Runs `cargo build` and returns the files it made. Silent unless it fails, warns, or takes long.
 *
 * @param {string[]} args after `cargo build`
 * @returns {Promise<{ files: string[], compiled: number }>} absolute paths of the artifacts; crates that were not fresh
 * @throws {Failure} CARGO_FAILED, with the compiler's messages
 */
export async function cargoBuild(args, { env = process.env, log = print } = {}) {
  const files = [];
  let compiled = 0;
  const start = Date.now();
  const progress = setInterval(
    () => log(`build: … cargo has compiled ${compiled} crates in ${seconds(Date.now() - start)}`),
    20_000,
  );
  const result = await run("cargo", ["build", "--quiet", "--message-format=json-render-diagnostics", ...args], {
    env,
    onStdoutLine(line) {
      const message = line.startsWith("{") ? JSON.parse(line) : {};
      if (message.reason !== "compiler-artifact") return;
      files.push(...message.filenames, ...(message.executable ? [message.executable] : []));
      if (!message.fresh) compiled += 1;
    },
  });
  clearInterval(progress);
  if (result.code !== 0) throw new Failure("CARGO_FAILED", `cargo build ${args.join(" ")}\n${result.output.trimEnd()}`);
  if (result.output.trim()) log(result.output.trimEnd());
  return { files, compiled };
}

/** Set by the test runner after it built the whole workspace. */
export const WORKSPACE_IS_BUILT = "MILLSTREAM_WORKSPACE_IS_BUILT";

/**
 * Builds a part of the workspace for development, and returns the files it made.
 *
 * Which features a dependency has follows from all that is built together, so one package alone compiles most of its
 * dependencies again after the Rust tests, with other features. Where these have run, the whole workspace is asked for
 * instead: everything is there already.
 *
 * @param {string[]} part which packages and targets, as arguments of `cargo build`
 * @returns {Promise<string[]>} absolute paths: those of the part, and maybe of others
 * @throws {Failure} CARGO_FAILED
 */
export async function devBuild(part) {
  const built = process.env[WORKSPACE_IS_BUILT] === "1";
  return (await cargoBuild(built ? ["--workspace", "--all-targets"] : part)).files;
}

/** Runs a program of `millstream-tests`, as {@link devBuild} makes it. @returns {Promise<string>} what it prints */
export async function runTestProgram(name, args) {
  const files = await devBuild(["--package", "millstream-tests", "--bin", name]);
  const program = files.find((file) => basename(file).replace(/\.exe$/, "") === name);
  const { code, stdout, output } = await run(program, args);
  if (code !== 0) throw new Failure("PROGRAM_FAILED", `${name} ${args.join(" ")}\n${tail(output, 40)}`);
  return stdout;
}

/**
 * Where a panic would have happened is in the module as text. Its bytes must not depend on whose machine built it, nor say
 * so: sources are named from the registry's folder, or the repository's, on. Added to the flags of .cargo/config.toml.
 */
function withoutLocalPaths() {
  const registry = join(process.env.CARGO_HOME ?? join(homedir(), ".cargo"), "registry", "src");
  const flags = [`--remap-path-prefix=${registry}=crates`, `--remap-path-prefix=${root}=millstream`];
  return ["--config", `target.${WASM_TARGET}.rustflags=${JSON.stringify(flags)}`];
}

/** The environment without flags that would replace those of .cargo/config.toml, on which the module's speed hangs. */
function withoutRustflags() {
  const env = { ...process.env };
  delete env.RUSTFLAGS;
  delete env.CARGO_ENCODED_RUSTFLAGS;
  return env;
}

/**
 * Compiles the WebAssembly module.
 *
 * @returns {Promise<{ file: string, compiled: number }>} the module as rustc leaves it
 */
export async function buildWasm({ log = print } = {}) {
  const args = [...withoutLocalPaths(), "--profile", "wasm", "-p", "millstream-wasm", "--target", WASM_TARGET];
  const { files, compiled } = await cargoBuild(args, { env: withoutRustflags(), log });
  const file = files.find((path) => basename(path) === "millstream_wasm.wasm");
  if (!file) throw new Failure("WASM_MISSING", "cargo made no millstream_wasm.wasm: is wasm/ still a cdylib?");
  return { file, compiled };
}

// ---- bindings -------------------------------------------------------------------------------------------------------

/**
 * Generates the bindings of a compiled module into wasm/pkg and optimises it.
 *
 * @param {string} module path of the module as rustc leaves it
 * @returns {Promise<boolean>} false when wasm/pkg was up to date
 * @throws {Failure} BINDINGS_FAILED or WASM_OPT_FAILED
 */
export async function buildBindings(module, { log = print } = {}) {
  const optimised = join(pkg, "millstream_wasm_bg.wasm");
  const stampFile = join(pkg, ".stamp");
  const wasmOpt = join(root, "node_modules", "binaryen");
  const key = hashOf([
    ["module", readFileSync(module)],
    ["generator", readFileSync(join(root, "xtask", "src", "main.rs"))],
    ["versions", readFileSync(join(root, "Cargo.lock"))],
    ["binaryen", readFileSync(join(wasmOpt, "package.json"))],
    ["flags", WASM_OPT_FLAGS.join(" ")],
  ]);
  if (readOr(stampFile) === key && existsSync(optimised)) return false;

  const { files } = await cargoBuild(["-p", "xtask"], { log });
  const generator = files.find((path) => /^xtask(\.exe)?$/.test(basename(path)));
  const fresh = join(root, "target", "bindings");
  rmSync(fresh, { recursive: true, force: true });
  const generated = await run(generator, [module, fresh]);
  if (generated.code !== 0) throw new Failure("BINDINGS_FAILED", generated.output.trim());
  if (generated.output.trim()) log(generated.output.trim());

  const unoptimised = join(fresh, "millstream_wasm_bg.wasm");
  const opt = await run(process.execPath, [
    join(wasmOpt, "bin", "wasm-opt"),
    ...WASM_OPT_FLAGS,
    unoptimised,
    "-o",
    unoptimised,
  ]);
  if (opt.code !== 0) throw new Failure("WASM_OPT_FAILED", opt.output.trim());

  mkdirSync(pkg, { recursive: true });
  rmSync(stampFile, { force: true });
  for (const name of readdirSync(fresh)) renameSync(join(fresh, name), join(pkg, name));
  writeAtomically(stampFile, key); // last: a build stopped half-way is not taken for a finished one
  return true;
}

// ---- TypeScript -----------------------------------------------------------------------------------------------------

/**
 * Compiles the sources of wasm/tsconfig.json into wasm/dist, beside a copy of the bindings, and removes what earlier builds left there.
 *
 * @returns {Promise<boolean>} false when wasm/dist was up to date
 * @throws {Failure} TSC_FAILED, with the compiler's messages
 */
export async function buildTypes() {
  const bindings = readdirSync(pkg).filter((name) => name.startsWith("millstream_wasm"));
  const typescript = join(root, "node_modules", "typescript");
  const stampFile = join(dist, ".stamp");
  const inputs = [
    ...filesUnder(join(root, "wasm"), (path) => /\.(ts|mts|json)$/.test(path)),
    ...bindings.map((name) => join(pkg, name)),
    join(typescript, "package.json"),
  ];
  const key = hashOf(inputs.map((path) => [relative(root, path), readFileSync(path)]));
  if (readOr(stampFile) === key) return false;

  rmSync(stampFile, { force: true });
  const tsc = await run(process.execPath, [join(typescript, "bin", "tsc"), "-p", tsconfig, "--listEmittedFiles"]);
  if (tsc.code !== 0) throw new Failure("TSC_FAILED", tsc.output.replaceAll(/^TSFILE: .*\n?/gm, "").trim());
  const emitted = new Set([...tsc.stdout.matchAll(/^TSFILE: (.*)$/gm)].map(([, path]) => join(path)));
  if (![...emitted].some((path) => path.startsWith(dist)))
    throw new Failure("TSC_FAILED", "tsc wrote nothing into wasm/dist: check outDir in wasm/tsconfig.json");

  for (const name of bindings) {
    copyFileSync(join(pkg, name), join(dist, name));
    emitted.add(join(dist, name));
  }
  for (const path of filesUnder(dist, (file) => !emitted.has(file))) rmSync(path);
  writeAtomically(stampFile, key);
  return true;
}

// ---- all ------------------------------------------------------------------------------------------------------------

/** Brings everything up to date and says each step. One build at a time per checkout. */
export function build({ log = print } = {}) {
  return withLock("build", log, async () => {
    await timed("contracts", log, async () => {
      const { buildContracts } = await import("../contracts/build.mjs");
      return (await buildContracts({ log: (line) => log(`build: ${line}`) })).built ? "" : null;
    });
    let module;
    await timed("wasm", log, async () => {
      const { file, compiled } = await buildWasm({ log });
      module = file;
      return compiled === 0 ? null : `${compiled} crates compiled, ${sizeNote(file)} before bindings`;
    });
    await timed("bindings", log, async () => ((await buildBindings(module, { log })) ? "" : null));
    if (!existsSync(tsconfig)) log("build: types     left out: wasm/tsconfig.json does not exist");
    else await timed("types", log, async () => ((await buildTypes()) ? "" : null));
    for (const line of sizes()) log(`build: ${line}`);
  });
}

/** What a page loads, for the last lines of a build. */
function sizes() {
  const folder = existsSync(join(dist, ".stamp")) ? dist : pkg;
  const named = (name) => `${relative(root, join(folder, name)).padEnd(38)} ${sizeNote(join(folder, name))}`;
  return readdirSync(folder)
    .filter((name) => /\.(js|wasm)$/.test(name) && statSync(join(folder, name)).isFile())
    .map(named);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) await build().catch(reportFailure);
