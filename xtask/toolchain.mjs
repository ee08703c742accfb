// The Rust toolchain: whether it has what the build needs, and adding what it lacks through rustup.

import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { onPath } from "./chromium.mjs";
import { Failure, errorsIn, root, run, withLock } from "./run.mjs";

/** What the npm package is compiled for. */
export const WASM_TARGET = "wasm32-unknown-unknown";
/** Targets without std, on which the core must compile. Rust's server does not carry them for every release. */
export const BARE_TARGETS = ["wasm32v1-none", "thumbv7em-none-eabi"];
/** What lints use, and the program by which each is recognised: asking rustup takes long. */
const COMPONENTS = { clippy: "cargo-clippy", rustfmt: "rustfmt" };

const fileAt = (path) => readFileSync(join(root, path), "utf8");
const hasTarget = (sysroot, target) => existsSync(join(sysroot, "lib", "rustlib", target, "lib"));
const hasComponent = (sysroot, name) =>
  existsSync(join(sysroot, "bin", COMPONENTS[name])) || (!onPath("rustup") && onPath(COMPONENTS[name]) !== null);

const askSysroot = () => run("rustc", ["--print", "sysroot"]);

/** Whether the active toolchain can compile for `target`. */
export const canCompileFor = async (target) => hasTarget((await askSysroot()).stdout.trim(), target);

/**
 * Makes the active toolchain able to build the package and, with `checks`, to run all tests and lints.
 *
 * What only checks need and cannot be had is said and left out.
 *
 * @param {object} options
 * @param {boolean} options.checks
 * @param {{ key: string, sysroot: string }} [options.known] what an earlier call returned
 * @param {(line: string) => void} options.log
 * @returns {Promise<{ key: string, sysroot: string }>} to be remembered: it saves asking rustc for its folder, which
 *   takes longer than all the rest
 * @throws {Failure} RUST_MISSING, RUST_BROKEN, RUST_TOO_OLD, RUST_TARGET_MISSING or RUSTUP_FAILED
 */
export async function ensureRust({ checks, known, log }) {
  const missingIn = (sysroot) => ({
    essential: [WASM_TARGET].filter((target) => !hasTarget(sysroot, target)),
    targets: (checks ? BARE_TARGETS : []).filter((target) => !hasTarget(sysroot, target)),
    components: (checks ? Object.keys(COMPONENTS) : []).filter((name) => !hasComponent(sysroot, name)),
  });
  const isComplete = (missing) => Object.values(missing).flat().length === 0;

  const { RUSTUP_TOOLCHAIN = "", RUSTUP_HOME = "" } = process.env;
  const inputs = [fileAt("rust-toolchain.toml"), onPath("rustc") ?? "", RUSTUP_TOOLCHAIN, RUSTUP_HOME];
  const key = createHash("sha256").update(inputs.join("\0")).digest("hex");
  if (known?.key === key && existsSync(known.sysroot) && isComplete(missingIn(known.sysroot))) return known;

  if (!onPath("cargo") || !onPath("rustc"))
    throw new Failure(
      "RUST_MISSING",
      "cargo and rustc were not found on the PATH. Install Rust from https://rustup.rs, then open a new shell " +
        "(or run `. ~/.cargo/env`).",
    );
  const sysroot = await findSysroot(log);
  await checkVersion();
  if (!isComplete(missingIn(sysroot))) await withLock("setup", log, () => addToToolchain(missingIn(sysroot), log)); // asked again: another may have done it
  return { key, sysroot };
}

async function findSysroot(log) {
  let answer = await askSysroot();
  if (answer.code !== 0 && onPath("rustup")) {
    const channel = fileAt("rust-toolchain.toml").match(/^channel\s*=\s*"([^"]+)"/m)?.[1] ?? "stable";
    const name = process.env.RUSTUP_TOOLCHAIN ?? channel;
    log(`setup: installing the Rust toolchain "${name}"`);
    await rustup("toolchain", "install", name, "--profile", "minimal", "--no-self-update");
    answer = await askSysroot();
  }
  if (answer.code !== 0) throw new Failure("RUST_BROKEN", `rustc does not run:\n${errorsIn(answer.output)}`);
  return answer.stdout.trim();
}

async function checkVersion() {
  const needed = fileAt("Cargo.toml").match(/^rust-version\s*=\s*"([\d.]+)"/m)?.[1];
  const { stdout } = await run("rustc", ["--version"]);
  const found = stdout.match(/rustc ([\d.]+)/)?.[1];
  const minor = (version) => Number(version?.split(".")[1]);
  if (minor(found) < minor(needed))
    throw new Failure("RUST_TOO_OLD", `Rust ${needed} or newer is needed, this is ${found}. Run \`rustup update\`.`);
}

async function addToToolchain({ essential, targets, components }, log) {
  const add = async (kind, name) => {
    if (!onPath("rustup"))
      throw new Failure(
        "RUST_TARGET_MISSING",
        `this Rust, which rustup did not install, lacks ${name}. Install that from where it came, or install Rust ` +
          "from https://rustup.rs.",
      );
    log(`setup: adding ${name} to the Rust toolchain`);
    await rustup(kind, "add", name);
  };
  for (const target of essential) await add("target", target);
  const optional = [...targets.map((name) => ["target", name]), ...components.map((name) => ["component", name])];
  for (const [kind, name] of optional)
    await add(kind, name).catch((error) => {
      if (!(error instanceof Failure)) throw error;
      log(`setup: going on without ${name}: what needs it will be skipped. ${error.code}: ${error.message}`);
    });
}

async function rustup(...args) {
  const env = { ...process.env, RUST_BACKTRACE: "0" };
  const { code, output, timedOut } = await run("rustup", args, { env, timeout: 600_000 });
  if (code === 0) return;
  throw new Failure(
    "RUSTUP_FAILED",
    `\`rustup ${args.join(" ")}\` ${timedOut ? "did not end within 10 minutes" : "failed"}. It downloads from ` +
      `${process.env.RUSTUP_DIST_SERVER ?? "https://static.rust-lang.org"}; is that in reach of this machine?\n` +
      errorsIn(output),
  );
}
