// Builds a page with Vite into a folder of static files, when it is stale.

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

import { DemoError } from "./errors.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const packageDist = join(here, "..", "wasm", "dist");

/** What a page is built from, below `folder`, sorted. */
function filesUnder(folder) {
  return readdirSync(folder, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      if (!entry.isDirectory()) return /\.(ts|js|css|html|svg|wasm)$/.test(entry.name) ? [path] : [];
      return ["node_modules", "dist", ".cache"].includes(entry.name) ? [] : filesUnder(path);
    });
}

function stampOf(root) {
  const hash = createHash("sha256");
  const vite = join(here, "node_modules", "vite", "package.json");
  const self = fileURLToPath(import.meta.url);
  for (const file of [...filesUnder(root), ...filesUnder(packageDist), self, ...(existsSync(vite) ? [vite] : [])])
    hash.update(`${relative(here, file)}\0`).update(createHash("sha256").update(readFileSync(file)).digest());
  return hash.digest("hex");
}

/**
 * Builds the page in `root` (its `index.html`) as it would be published: minified, with hashed names.
 *
 * @param {object} [options]
 * @param {string} [options.root] the demo's own page by default
 * @param {string} [options.outDir] where the files go
 * @param {(line: string) => void} [options.log] told when something is built
 * @returns {Promise<string>} the folder of static files
 * @throws {DemoError} PACKAGE_NOT_BUILT or PAGE_BUILD_FAILED
 */
export async function buildPage({ root = here, outDir = join(here, "dist"), log = () => {} } = {}) {
  if (!existsSync(join(packageDist, "index.js")))
    throw new DemoError("PACKAGE_NOT_BUILT", "the npm package is not built yet: run npm run build first");
  const stampFile = join(outDir, ".stamp");
  const stamp = stampOf(root);
  if (existsSync(stampFile) && readFileSync(stampFile, "utf8") === stamp) return outDir;
  const start = Date.now();
  try {
    const { build } = await import("vite");
    await build({
      configFile: false,
      root,
      logLevel: "warn",
      build: { outDir, emptyOutDir: true, target: "es2022", sourcemap: true, modulePreload: { polyfill: false } },
    });
  } catch (cause) {
    throw new DemoError("PAGE_BUILD_FAILED", `Vite could not build the page: ${cause.message}`, { cause });
  }
  mkdirSync(outDir, { recursive: true });
  writeFileSync(stampFile, stamp); // last: a build stopped half-way is not taken for a finished one
  log(`built the page in ${((Date.now() - start) / 1000).toFixed(1)} s`);
  return outDir;
}
