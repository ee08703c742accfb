// Runs a command for as long as whoever started this process lives: `node anvil-guard.mjs COMMAND ARGS...`.
//
// The parent holds the other end of this process's standard input. When the parent ends in whatever way, SIGKILL
// included, that pipe closes and the command is ended too, so that no chain is left behind on a developer's machine.
// Exits with the command's exit code (1 if a signal ended it), or 127 when the command cannot be started.

import { spawn } from "node:child_process";

const KILL_AFTER_MS = 2_000;

const [command, ...args] = process.argv.slice(2);
const child = spawn(command, args, { stdio: ["ignore", "inherit", "inherit"] });

child.on("error", (error) => {
  console.error(error.message);
  process.exit(127);
});
child.on("exit", (code) => process.exit(code ?? 1));

function end() {
  child.kill("SIGTERM");
  setTimeout(() => child.kill("SIGKILL"), KILL_AFTER_MS);
}
process.stdin.on("close", end).resume();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, end);
