// Makes a fresh machine ready to build and test, and says what it does. Silent and quick when there is nothing to do.
//
//   node xtask/setup.mjs [--checks] [--browser]
//
// Always: Node, Rust, the npm packages of the lock file, and the WebAssembly target the package is compiled for.
// `--checks` adds what only tests and lints use: targets without std, clippy and rustfmt, a C++ compiler for fuzzing.
// `--browser` adds a Chromium.
//
// Only Node's own modules here: it runs before node_modules exists.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { ensureChromium } from "./chromium.mjs";
import { ensureCompiler } from "./fuzz.mjs";
import { Failure, errorsIn, readOr, reportFailure, root, run, withLock, writeAtomically } from "./run.mjs";
import { ensureRust } from "./toolchain.mjs";

const NODE_MAJOR = 20;
/** Inside node_modules, so that it goes when the packages go. */
const stampFile = join(root, "node_modules", ".millstream-setup.json");

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
    if (code !== 0) throw new Failure("NPM_CI_FAILED", `the npm packages could not be installed:\n${errorsIn(output)}`);
    addToStamp({ packages: packagesKey() });
  });
}

// ---------------------------------------------------------------------------------------------------------------------

try {
  const checks = process.argv.includes("--checks");
  checkNode();
  const { rust } = readStamp();
  const found = await ensureRust({ checks, known: rust, log });
  await ensurePackages();
  // After the packages, since installing them empties node_modules.
  if (JSON.stringify(found) !== JSON.stringify(readStamp().rust)) addToStamp({ rust: found });
  if (checks) await ensureCompiler(log);
  if (process.argv.includes("--browser")) await ensureChromium(log);
} catch (error) {
  reportFailure(error);
}
