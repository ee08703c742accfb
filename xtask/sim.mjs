// Simulates whole worlds of wallets, stores, networks and chains: tests/src/sim.
//
//   npm run sim -- --seeds A..B [--steps N]    lives through the seeds, 500 steps each; ends with `N passed, N failed`
//   npm run sim -- --seed N [--steps M] [--only STEP,STEP...] [--trace]    lives through one seed again
//
// A failing seed is printed with the step, the rule that was broken and the shortest history found that breaks it.

import { spawnSync } from "node:child_process";

import { root } from "./run.mjs";

const program = ["--package", "millstream-tests", "--bin", "sim"];
const { status, error } = spawnSync("cargo", ["run", "--quiet", "--release", ...program, "--", ...process.argv.slice(2)], {
  cwd: root,
  stdio: "inherit",
});
if (error) console.error(`cargo cannot be run: ${error.message}`);
process.exit(status ?? 2);
