// What the build scripts share: where the repository is, errors that say what to do, child processes, a lock.
// Only Node's own modules: `setup.mjs` runs before anything is installed.

import { spawn } from "node:child_process";
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** Absolute path of the repository. */
export const root = join(dirname(fileURLToPath(import.meta.url)), "..");

/** A step that cannot go on. `code` is stable (`RUST_MISSING`); the message says what to do about it. */
export class Failure extends Error {
  constructor(code, message, options) {
    super(message, options);
    this.name = "Failure";
    this.code = code;
  }
}

/** Prints what went wrong, with the code when there is one, and sets the exit code. For the end of a script. */
export function reportFailure(error) {
  if (error instanceof Failure) console.error(`\n${error.code}: ${error.message}`);
  else console.error(error?.code ? `\n${error.code}: ${error.message}` : error);
  process.exitCode = 1;
}

/** `1234` (milliseconds) as "1.2 s". */
export const seconds = (ms) => `${(ms / 1000).toFixed(1)} s`;

/** The last `count` lines of a program's output, without the blank ones at its end. */
export const tail = (text, count) => text.trimEnd().split("\n").slice(-count).join("\n");

/** The part of a program's output from its first error on, at most 12 lines, or its end if it names no error. */
export function errorsIn(output) {
  const lines = output.trimEnd().split("\n");
  const first = lines.findIndex((line) => /^\W*(npm )?(error|err!|fatal)/i.test(line));
  return first < 0 ? tail(output, 12) : lines.slice(first, first + 12).join("\n");
}

// `setup.mjs` installs what the toolchain lacks and says so. Left to itself, rustup would do it silently in the middle of
// a build, and would ask its server again at every start of cargo for what that does not have.
process.env.RUSTUP_AUTO_INSTALL = "0";

/** How long the descendants of a program that has ended may go on. */
const LEFT_BEHIND_MS = 2_000;
const children = new Set();
const endChild = (child, signal) => {
  try {
    process.kill(-child.pid, signal); // the group: npm, cargo and node --test have children of their own
  } catch {
    child.kill(signal);
  }
};
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"])
  process.once(signal, () => {
    for (const child of children) endChild(child, "SIGTERM");
    releaseLocks();
    process.exit(130);
  });

/**
 * Runs a program in a process group of its own, without stdin, and collects what it prints.
 *
 * @param {string} command
 * @param {string[]} args
 * @param {object} [options]
 * @param {string} [options.cwd] the repository by default
 * @param {NodeJS.ProcessEnv} [options.env]
 * @param {number} [options.timeout] milliseconds, after which the group is ended
 * @param {(line: string) => void} [options.onStdoutLine] told each complete line; stdout is then not collected
 * @param {(text: string) => void} [options.onText] told everything printed, as it comes
 * @returns {Promise<{ code: number, stdout: string, output: string, timedOut: boolean }>} `output` is stdout and stderr
 *   in the order of arrival; `code` is 127 when the program does not exist
 */
export function run(command, args, { cwd = root, env = process.env, timeout, onStdoutLine, onText } = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd, env, detached: true, stdio: ["ignore", "pipe", "pipe"] });
    children.add(child);
    let stdout = "";
    let output = "";
    let partial = "";
    let timedOut = false;
    const timer =
      timeout &&
      setTimeout(() => {
        timedOut = true;
        endChild(child, "SIGTERM");
        setTimeout(() => endChild(child, "SIGKILL"), 5_000).unref();
      }, timeout);
    child.stdout.setEncoding("utf8").on("data", (text) => {
      if (onStdoutLine) {
        const lines = (partial + text).split("\n");
        partial = lines.pop();
        for (const line of lines) onStdoutLine(line);
        return;
      }
      stdout += text;
      output += text;
      onText?.(text);
    });
    child.stderr.setEncoding("utf8").on("data", (text) => {
      output += text;
      onText?.(text);
    });
    const end = (code, note = "") => {
      clearTimeout(timer);
      children.delete(child);
      resolve({ code, stdout, output: output + note, timedOut });
    };
    // A process left behind keeps the pipes open, and would keep whoever waits for their end waiting for ever.
    child.once("exit", () =>
      setTimeout(() => children.has(child) && endChild(child, "SIGKILL"), LEFT_BEHIND_MS).unref(),
    );
    child.once("error", (error) => end(127, `${command}: ${error.message}\n`));
    child.once("close", (code, signal) => end(code ?? 1, signal ? `${command}: ended by ${signal}\n` : ""));
  });
}

/** Writes a file so that a reader, or a script stopped half-way, sees either the old content or the new. */
export function writeAtomically(file, content) {
  mkdirSync(dirname(file), { recursive: true });
  const temporary = `${file}.${process.pid}`;
  writeFileSync(temporary, content);
  renameSync(temporary, file);
}

/** The content of a text file, or `otherwise` if there is none. */
export function readOr(file, otherwise = "") {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return otherwise;
  }
}

const held = new Set();
const releaseLocks = () => {
  for (const file of held) rmSync(file, { force: true });
};

/**
 * Runs `work` while no other process on this machine runs work of the same name in this repository.
 * A lock whose holder no longer runs is taken over.
 *
 * @template T
 * @param {string} name
 * @param {(line: string) => void} log told once when there is somebody to wait for
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function withLock(name, log, work) {
  const file = join(root, "target", `${name}.lock`);
  const mine = `${file}.${process.pid}`;
  writeAtomically(mine, String(process.pid));
  try {
    for (let told = false; !takeLock(file, mine); told = true) {
      if (!told) log(`${name}: waiting for process ${readOr(file, "?")}, which is at it already`);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  } finally {
    rmSync(mine, { force: true });
  }
  held.add(file);
  try {
    return await work();
  } finally {
    held.delete(file);
    rmSync(file, { force: true });
  }
}

/** Links `mine`, which holds our process id, to the lock's name: that succeeds for one process only. */
function takeLock(file, mine) {
  try {
    linkSync(mine, file);
    return true;
  } catch (error) {
    if (error.code !== "EEXIST") throw error;
  }
  const holder = Number(readOr(file));
  if (holder && !isRunning(holder)) {
    // Moved away rather than removed: whoever else saw the same dead holder must not remove the next one's lock.
    const dead = `${mine}.dead`;
    try {
      renameSync(file, dead);
      if (Number(readOr(dead)) !== holder) linkSync(dead, file);
    } catch (error) {
      if (error.code !== "ENOENT" && error.code !== "EEXIST") throw error;
    }
    rmSync(dead, { force: true });
  }
  return false;
}

function isRunning(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code !== "ESRCH";
  }
}
