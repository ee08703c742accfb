// Checks a file of Nitro test vectors: npm run vectors -- FILE.json
//
// The shape of the file is that of tests/vectors/nitro.json. The last line printed is "N passed, N failed".

import { spawnSync } from "node:child_process";
import { resolve } from "node:path";

import { root } from "./run.mjs";

const files = process.argv.slice(2);
if (files.length !== 1) {
  console.error("usage: npm run vectors -- FILE.json   (for example tests/vectors/nitro.json)");
  process.exit(2);
}
// npm changes to the root before it runs a script, and keeps the caller's directory here.
const file = resolve(process.env.INIT_CWD ?? process.cwd(), files[0]);

const program = ["--package", "millstream-tests", "--bin", "vectors"];
const { status, error } = spawnSync("cargo", ["run", "--quiet", "--release", ...program, "--", file], {
  cwd: root,
  stdio: "inherit",
});
if (error) console.error(`cargo cannot be run: ${error.message}`);
process.exit(status ?? 2);
