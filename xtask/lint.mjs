// Checks form: Rust format, lock files, lints and docs; JavaScript lints and format; TypeScript types.
//
//   node xtask/lint.mjs [--fix]      (--fix formats instead of checking, and stops there)
//
// Runs every check even when one fails, and lists what failed at the end.

import { existsSync } from "node:fs";
import { join } from "node:path";

import { reportFailure, root, run, seconds } from "./run.mjs";

const tool = (name, file) => [process.execPath, join(root, "node_modules", name, "bin", file)];
const prettier = tool("prettier", "prettier.cjs");
const eslint = tool("eslint", "eslint.js");
const tsc = tool("typescript", "tsc");
/** The fuzz targets are a workspace of their own. */
const FUZZ = ["--manifest-path", "tests/fuzz/Cargo.toml"];

const formatters = [
  { name: "cargo fmt --all", command: ["cargo", "fmt", "--all"] },
  { name: `cargo fmt ${FUZZ.join(" ")}`, command: ["cargo", "fmt", ...FUZZ] },
  { name: "prettier --write .", command: [...prettier, "--write", "--log-level=warn", "."] },
];

const checks = [
  {
    name: "cargo fmt --all --check",
    command: ["cargo", "fmt", "--all", "--check", "--", "-l"], // -l: the files, not the differences
    fix: "npm run format",
  },
  {
    name: `cargo fmt ${FUZZ.join(" ")} --check`,
    command: ["cargo", "fmt", ...FUZZ, "--check", "--", "-l"],
    fix: "npm run format",
  },
  ...["Cargo.toml", "tests/fuzz/Cargo.toml"].map((manifest) => ({
    name: `cargo metadata --locked --manifest-path ${manifest}`,
    command: ["cargo", "metadata", "--quiet", "--locked", "--format-version=1", "--manifest-path", manifest],
    fix: `cargo update --workspace --manifest-path ${manifest}`,
  })),
  {
    name: "cargo clippy --workspace --all-targets -- -D warnings",
    command: ["cargo", "clippy", "--quiet", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"],
  },
  {
    name: "cargo doc --workspace --no-deps",
    command: ["cargo", "doc", "--quiet", "--locked", "--workspace", "--no-deps"],
    env: { RUSTDOCFLAGS: "-D warnings" },
  },
  { name: "eslint .", command: [...eslint, "--max-warnings=0", "."] },
  {
    name: "prettier --check .",
    command: [...prettier, "--check", "--log-level=warn", "."],
    fix: "npm run format",
  },
  ...["wasm", "contracts", "web-demo", "tests"]
    .filter((workspace) => existsSync(join(root, workspace, "tsconfig.json")))
    .map((workspace) => ({ name: `tsc -p ${workspace} --noEmit`, command: [...tsc, "-p", workspace, "--noEmit"] })),
];

async function lint(list) {
  const failed = [];
  for (const { name, command, env = {}, fix } of list) {
    const start = Date.now();
    const [program, ...args] = command;
    const { code, output } = await run(program, args, { env: { ...process.env, ...env } });
    console.log(`lint: ${code === 0 ? "ok    " : "FAILED"} ${name} (${seconds(Date.now() - start)})`);
    if (code === 0) continue;
    console.log(output.trimEnd());
    failed.push(fix ? `${name} (\`${fix}\` mends it)` : name);
  }
  console.log(failed.length === 0 ? `lint: all ${list.length} checks passed` : `lint: failed: ${failed.join("; ")}`);
  if (failed.length > 0) process.exitCode = 1;
}

await lint(process.argv.includes("--fix") ? formatters : checks).catch(reportFailure);
