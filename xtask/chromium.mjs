// The Chromium that tests, the demo's self-check and the benches drive.

import { accessSync, constants } from "node:fs";
import { delimiter, isAbsolute, join } from "node:path";

import { Failure, errorsIn, run } from "./run.mjs";

const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
const MAC_PATHS = [
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

const isRoot = process.getuid?.() === 0;

/** Flags for a headless Chromium that talks to nobody but the page under test, also as root in a container. */
export const chromiumFlags = [
  ...(isRoot ? ["--no-sandbox"] : []), // Chromium refuses to start its sandbox as root
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Where `name` is on the PATH, or null. */
export function onPath(name) {
  for (const folder of (process.env.PATH ?? "").split(delimiter))
    if (folder && isExecutable(join(folder, name))) return join(folder, name);
  return null;
}

function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * Finds a Chromium: MILLSTREAM_CHROMIUM if set, else the PATH, else the usual place on macOS.
 *
 * @returns {string | null} absolute path of the program
 * @throws {Failure} CHROMIUM_MISSING if MILLSTREAM_CHROMIUM names something that cannot be run
 */
export function findChromium() {
  const chosen = process.env.MILLSTREAM_CHROMIUM;
  if (chosen) {
    if (isAbsolute(chosen) && isExecutable(chosen)) return chosen;
    throw new Failure(
      "CHROMIUM_MISSING",
      `MILLSTREAM_CHROMIUM is "${chosen}", which is not the absolute path of a program.`,
    );
  }
  for (const name of NAMES) {
    const found = onPath(name);
    if (found) return found;
  }
  return process.platform === "darwin" ? (MAC_PATHS.find(isExecutable) ?? null) : null;
}

/**
 * Finds a Chromium and, where Debian's packages can be installed without a question, installs one.
 *
 * @param {(line: string) => void} [log] told before anything is installed
 * @returns {Promise<string>} absolute path of the program
 * @throws {Failure} CHROMIUM_MISSING, with the way to get one
 */
export async function ensureChromium(log = console.log) {
  const found = findChromium();
  if (found) return found;
  const missing = (why) =>
    new Failure(
      "CHROMIUM_MISSING",
      `no Chromium found (${why}). Install Chromium or Google Chrome, or set MILLSTREAM_CHROMIUM to the path of one.`,
    );

  if (!onPath("apt-get")) throw missing(`looked for ${NAMES.join(", ")} on the PATH`);
  const why = await installWithApt("chromium", log);
  if (why) throw missing(why);
  const installed = findChromium();
  // Ubuntu's package is a pointer to a snap, which does not run in a container: ask the program itself.
  if (!installed || (await run(installed, ["--version"], { timeout: 60_000 })).code !== 0)
    throw missing("what apt-get installed does not start");
  return installed;
}

/**
 * Installs a Debian package where that takes no question.
 *
 * @param {string} name
 * @param {(line: string) => void} log told before anything is installed
 * @returns {Promise<string | null>} why it could not be installed, or null
 */
export async function installWithApt(name, log) {
  if (!onPath("apt-get")) return "there is no apt-get";
  const sudo = isRoot ? [] : ["sudo", "-n"];
  if (sudo.length > 0 && (await run("sudo", ["-n", "true"])).code !== 0)
    return "apt-get could install it, but needs root or a sudo without password";

  log(`setup: installing ${name} with apt-get`);
  const apt = [...sudo, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-o", "DPkg::Lock::Timeout=300", "-q"];
  for (const step of [["update"], ["install", "-y", "--no-install-recommends", name]]) {
    const [command, ...args] = [...apt, ...step];
    const { code, output } = await run(command, args, { timeout: 900_000 });
    if (code !== 0) return `apt-get ${step[0]} failed:\n${errorsIn(output)}\n`;
  }
  return null;
}
