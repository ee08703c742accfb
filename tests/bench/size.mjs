// What a buyer's page loads: the module, and the JavaScript of the two entries of the package that a buyer's page imports
// from, bundled and minified. All of their exports are kept, so that a page can only load less.

import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

import { dist, root, wasmFile } from "./module.mjs";

const PAGE = [
  { entry: ".", file: "index.js" },
  { entry: "./browser", file: "browser.js" },
];

/** Bytes as they are, and as a server sends them. */
const sizesOf = (bytes) => ({
  raw: bytes.length,
  gzip: gzipSync(bytes, { level: 9 }).length,
  brotli: brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }).length,
});

/** The file behind an entry of the package, or undefined while there is none. */
function entryFile({ entry, file }) {
  const folder = join(root, "wasm");
  const { exports = {} } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  let target = exports[entry];
  while (target && typeof target === "object") target = target.browser ?? target.import ?? target.default;
  const path = target ? join(folder, target) : join(dist, file);
  return existsSync(path) ? path : undefined;
}

/** Rolldown, which comes with the bundler of the demo; undefined where that is not installed. */
async function bundler() {
  for (const from of [root, join(root, "web-demo", "node_modules", "vite")])
    try {
      const path = createRequire(join(from, "package.json")).resolve("rolldown");
      return await import(pathToFileURL(path).href);
    } catch (error) {
      if (error.code !== "MODULE_NOT_FOUND") throw error;
    }
  return undefined;
}

async function bundle({ rolldown }, page) {
  const lines = page.map(({ path }, i) => `import * as entry${i} from ${JSON.stringify(path)};`);
  lines.push(`globalThis.page = [${page.map((_, i) => `entry${i}`).join(", ")}];`);
  const build = await rolldown({
    input: "page",
    platform: "browser",
    logLevel: "silent",
    plugins: [
      {
        name: "page",
        resolveId: (id) => (id === "page" ? id : null),
        load: (id) => (id === "page" ? lines.join("\n") : null),
      },
    ],
  });
  const { output } = await build.generate({ format: "es", minify: true });
  await build.close();
  return output.filter(({ type }) => type === "chunk").map(({ code }) => code);
}

/** The files that the entries load, themselves included, without a bundler. */
function reachable(paths) {
  const found = new Set();
  const visit = (path) => {
    if (found.has(path)) return;
    found.add(path);
    for (const [, specifier] of readFileSync(path, "utf8").matchAll(/(?:from|import)\s*\(?\s*"(\.[^"]+\.js)"/g))
      visit(resolve(dirname(path), specifier));
  };
  for (const path of paths) visit(path);
  return [...found];
}

export async function run() {
  const rows = [{ name: "wasm", from: relative(root, wasmFile), ...sizesOf(readFileSync(wasmFile)) }];
  const page = PAGE.map((part) => ({ ...part, path: entryFile(part) }));
  const missing = page.filter(({ path }) => !path).map(({ entry }) => entry);
  if (missing.length > 0) {
    const note = `the JavaScript is not measured: the package has no entry ${missing.join(" and ")} yet`;
    return { title: "what a buyer's page loads", rows, note };
  }
  const tool = await bundler();
  const code = tool
    ? await bundle(tool, page)
    : reachable(page.map(({ path }) => path)).map((path) => readFileSync(path, "utf8"));
  const from = tool ? "bundled and minified" : "no bundler is installed: the files as they are";
  const parts = code.map((text) => sizesOf(Buffer.from(text)));
  const sum = (list, encoding) => list.reduce((total, sizes) => total + sizes[encoding], 0);
  const total = (name, list, origin) => {
    const [raw, gzip, brotli] = ["raw", "gzip", "brotli"].map((encoding) => sum(list, encoding));
    return { name, from: origin, raw, gzip, brotli };
  };
  rows.push(total("js", parts, from));
  rows.push(total("total", rows, ""));
  return { title: "what a buyer's page loads", rows };
}
