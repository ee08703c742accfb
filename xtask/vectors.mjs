// Checks a file of Nitro test vectors: npm run vectors -- FILE.json
//
// The form of the file is that of tests/vectors/nitro.json. The last line printed is "N passed, N failed".
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const files = process.argv.slice(2);
if (files.length !== 1) {
  console.error("usage: npm run vectors -- FILE.json   (for example tests/vectors/nitro.json)");
  process.exit(2);
}
// npm changes to the root before it runs a script and keeps the caller's directory here.
const file = resolve(process.env.INIT_CWD ?? process.cwd(), files[0]);

const run = (command, args) => {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: "inherit" });
  if (error) console.error(`cannot run ${command}: ${error.message}`);
  return status ?? 2;
};

const setup = resolve(root, "xtask/setup.mjs");
if (existsSync(setup) && run(process.execPath, [setup]) !== 0) process.exit(2);
process.exit(
  run("cargo", ["run", "--quiet", "--release", "--package", "millstream-tests", "--bin", "vectors", "--", file]),
);
