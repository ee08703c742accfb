// One process at a time per directory.

import { open, readFile, unlink } from "node:fs/promises";
import { join } from "node:path";

import { MillstreamError } from "./errors.js";

/** Which process it is: its id, and when it started where that can be known, since ids are used again. */
async function processName(pid: number): Promise<string> {
  try {
    // Linux: field 22 is the start time; the name in field 2 may hold spaces, and ends with the last ")".
    const stat = await readFile(`/proc/${pid}/stat`, "utf8");
    return `${pid} ${stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]}`;
  } catch {
    return `${pid}`;
  }
}

/** Whether the process of that name still runs. */
async function isRunning(name: string): Promise<boolean> {
  const pid = Number(name.split(" ")[0]);
  if (!Number.isSafeInteger(pid) || pid < 1) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    // A process of another user may not be signalled, but is there.
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
  }
  const actual = await processName(pid);
  return actual === name || !actual.includes(" ") || !name.includes(" ");
}

async function createExclusively(path: string, content: string): Promise<boolean> {
  let file;
  try {
    file = await open(path, "wx", 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
  return true;
}

/**
 * Takes the lock of a directory: a file that names the process. The lock of a process that ended is taken over.
 *
 * @returns what gives the lock back
 * @throws {MillstreamError} `STORE_LOCKED`
 */
export async function lockDirectory(directory: string): Promise<() => Promise<void>> {
  const lock = join(directory, "lock");
  const takeover = join(directory, "lock.takeover");
  const name = await processName(process.pid);
  const release = () => unlink(lock).catch(() => {});
  if (await createExclusively(lock, name)) return release;

  const holder = await readFile(lock, "utf8").catch(() => "");
  const locked = (file: string) =>
    new MillstreamError(
      "STORE_LOCKED",
      `${directory} is in use by process ${holder.split(" ")[0] || "unknown"}: one process at a time may write to a ` +
        `store. If no such process runs, delete ${file}`,
    );
  // An empty file is one that its process is just writing.
  if (holder === "" || (await isRunning(holder))) throw locked(lock);
  // Of several that see the dead lock, one takes it over; it looks again once it is the only one.
  if (!(await createExclusively(takeover, name))) throw locked(takeover);
  try {
    if ((await readFile(lock, "utf8").catch(() => "")) === holder) await unlink(lock);
    if (await createExclusively(lock, name)) return release;
    throw locked(lock);
  } finally {
    await unlink(takeover).catch(() => {});
  }
}
