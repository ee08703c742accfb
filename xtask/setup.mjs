// Makes a fresh machine ready to build and test, and says what it does. Silent and quick when there is nothing to do.
//
//   node xtask/setup.mjs [--checks] [--browser]
//
// Always: Node, Rust, the npm packages of the lock file, and the WebAssembly target the package is compiled for.
// `--checks` adds what only tests and lints use: the other targets and the components of rust-toolchain.toml.
// `--browser` adds a Chromium.
//
// Only Node's own modules here: it runs before node_modules exists.

import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { ensureChromium, onPath } from "./chromium.mjs";
import { Failure, readOr, reportFailure, root, run, tail, withLock, writeAtomically } from "./run.mjs";

const NODE_MAJOR = 20;
const WASM_TARGET = "wasm32-unknown-unknown";
/** Inside node_modules, so that it goes when the packages go. */
const stampFile = join(root, "node_modules", ".millstream-setup.json");
/** The program each component brings; `rustup component list` is slow. */
const COMPONENT_PROGRAMS = { clippy: "cargo-clippy", rustfmt: "rustfmt" };

const log = (line) => console.log(line);
const fileAt = (path) => readFileSync(join(root, path), "utf8");
const sha256 = (...parts) => createHash("sha256").update(parts.join("\0")).digest("hex");

function readStamp() {
  try {
    return JSON.parse(readOr(stampFile, "{}"));
  } catch {
    return {};
  }
}
const addToStamp = (values) => writeAtomically(stampFile, `${JSON.stringify({ ...readStamp(), ...values })}\n`);

function checkNode() {
  const major = Number(process.versions.node.split(".")[0]);
  if (major < NODE_MAJOR)
    throw new Failure(
      "NODE_TOO_OLD",
      `Node ${NODE_MAJOR} or newer is needed, this is ${process.version}. See https://nodejs.org/en/download.`,
    );
}

// ---- npm packages ---------------------------------------------------------------------------------------------------

const packagesKey = () =>
  sha256(fileAt("package-lock.json"), process.versions.node.split(".")[0], process.platform, process.arch);

async function ensurePackages() {
  const fresh = () => readStamp().packages === packagesKey();
  if (fresh()) return;
  await withLock("setup", log, async () => {
    if (fresh()) return; // somebody else did it while we waited
    log("setup: installing npm packages (npm ci)");
    const { code, output } = await run(
      "npm",
      ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
      { timeout: 900_000 },
    );
    if (code === 127) throw new Failure("NPM_MISSING", "npm was not found on the PATH; it comes with Node.");
    if (code !== 0) throw new Failure("NPM_CI_FAILED", `the npm packages could not be installed:\n${tail(output, 20)}`);
    addToStamp({ packages: packagesKey() });
  });
}

// ---- Rust -----------------------------------------------------------------------------------------------------------

/** What rust-toolchain.toml asks for. */
function toolchain() {
  const text = fileAt("rust-toolchain.toml");
  const list = (name) =>
    [...(text.match(new RegExp(`^${name}\\s*=\\s*\\[([^\\]]*)\\]`, "m"))?.[1] ?? "").matchAll(/"([^"]+)"/g)].map(
      (m) => m[1],
    );
  const channel = text.match(/^channel\s*=\s*"([^"]+)"/m)?.[1];
  if (!channel) throw new Failure("TOOLCHAIN_UNREADABLE", "rust-toolchain.toml names no channel.");
  return { text, channel, targets: list("targets"), components: list("components") };
}

const hasTarget = (sysroot, target) => existsSync(join(sysroot, "lib", "rustlib", target, "lib"));
const hasComponent = (sysroot, name) => {
  const program = COMPONENT_PROGRAMS[name];
  return !program || existsSync(join(sysroot, "bin", program)) || (!onPath("rustup") && onPath(program) !== null);
};

/** Returns what to remember for the next time: nothing while something is missing, or when nothing changed. */
async function ensureRust({ checks }) {
  const wanted = toolchain();
  const missingIn = (sysroot) => ({
    targets: (checks ? wanted.targets : [WASM_TARGET]).filter((target) => !hasTarget(sysroot, target)),
    components: (checks ? wanted.components : []).filter((name) => !hasComponent(sysroot, name)),
  });
  const isComplete = ({ targets, components }) => targets.length + components.length === 0;

  // Asking rustc for its folder takes as long as all the rest: the answer is kept until something it depends on changes.
  const key = sha256(
    wanted.text,
    ...["PATH", "RUSTUP_TOOLCHAIN", "RUSTUP_HOME"].map((name) => process.env[name] ?? ""),
  );
  const { rust } = readStamp();
  if (rust?.key === key && existsSync(rust.sysroot) && isComplete(missingIn(rust.sysroot))) return {};

  if (!onPath("cargo") || !onPath("rustc"))
    throw new Failure(
      "RUST_MISSING",
      "cargo and rustc were not found on the PATH. Install Rust from https://rustup.rs, then open a new shell " +
        "(or run `. ~/.cargo/env`).",
    );
  const sysroot = await findSysroot(wanted);
  await checkRustVersion();

  const missing = missingIn(sysroot);
  if (!isComplete(missing)) await withLock("setup", log, () => addToToolchain(missingIn(sysroot)));
  const still = missingIn(sysroot);
  if (still.targets.includes(WASM_TARGET))
    throw new Failure("RUST_TARGET_MISSING", `Rust's standard library for ${WASM_TARGET} is still not installed.`);
  return isComplete(still) ? { rust: { key, sysroot } } : {};
}

async function findSysroot({ channel, targets, components }) {
  const ask = () => run("rustc", ["--print", "sysroot"]);
  let answer = await ask();
  if (answer.code !== 0 && onPath("rustup")) {
    log(`setup: installing the Rust toolchain "${channel}"`);
    const extra = [...components.flatMap((name) => ["-c", name]), ...targets.flatMap((name) => ["-t", name])];
    await rustup(["toolchain", "install", channel, "--profile", "minimal", "--no-self-update", ...extra]);
    answer = await ask();
  }
  if (answer.code !== 0) throw new Failure("RUST_BROKEN", `rustc does not run:\n${tail(answer.output, 8)}`);
  return answer.stdout.trim();
}

async function checkRustVersion() {
  const needed = fileAt("Cargo.toml").match(/^rust-version\s*=\s*"([\d.]+)"/m)?.[1];
  const { stdout } = await run("rustc", ["--version"]);
  const found = stdout.match(/rustc ([\d.]+)/)?.[1];
  const minor = (version) => Number(version?.split(".")[1]);
  if (minor(found) < minor(needed))
    throw new Failure("RUST_TOO_OLD", `Rust ${needed} or newer is needed, this is ${found}. Run \`rustup update\`.`);
}

async function addToToolchain({ targets, components }) {
  const names = [...targets, ...components].join(", ");
  if (names === "") return; // somebody else did it while we waited
  const essential = targets.includes(WASM_TARGET);
  try {
    if (!onPath("rustup"))
      throw new Failure(
        "RUST_TARGET_MISSING",
        `this Rust, which was not installed by rustup, lacks: ${names}. Install them from where it came, ` +
          "or install Rust from https://rustup.rs.",
      );
    log(`setup: adding to the Rust toolchain: ${names}`);
    if (targets.length > 0) await rustup(["target", "add", ...targets]);
    if (components.length > 0) await rustup(["component", "add", ...components]);
  } catch (error) {
    if (essential || !(error instanceof Failure)) throw error;
    log(`setup: going on without ${names}; what needs them is reported as skipped. ${error.code}: ${error.message}`);
  }
}

async function rustup(args) {
  const { code, output, timedOut } = await run("rustup", args, { timeout: 600_000 });
  if (code === 0) return;
  throw new Failure(
    "RUSTUP_FAILED",
    `\`rustup ${args.join(" ")}\` ${timedOut ? "did not end within 10 minutes" : "failed"}. It downloads from ` +
      `${process.env.RUSTUP_DIST_SERVER ?? "https://static.rust-lang.org"}: is that in reach of this machine? ` +
      `rustup said:\n${tail(output, 8)}`,
  );
}

// ---------------------------------------------------------------------------------------------------------------------

try {
  const checks = process.argv.includes("--checks");
  checkNode();
  const found = await ensureRust({ checks });
  await ensurePackages();
  if (found.rust) addToStamp(found); // after the packages: installing them empties node_modules
  if (process.argv.includes("--browser")) await ensureChromium(log);
} catch (error) {
  reportFailure(error);
}
