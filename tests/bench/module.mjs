// The WebAssembly module of the package, started from its file.

import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** Absolute path of the repository. */
export const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
/** What the package ships. */
export const dist = join(root, "wasm", "dist");
export const wasmFile = join(dist, "millstream_wasm_bg.wasm");

/**
 * The generated bindings, ready to be called.
 *
 * @returns {Promise<typeof import("../../wasm/dist/millstream_wasm.js")>}
 */
export async function loadModule() {
  if (!existsSync(wasmFile)) throw new Error("the npm package is not built yet: run npm run build first");
  const bindings = await import("../../wasm/dist/millstream_wasm.js");
  bindings.initSync({ module: readFileSync(wasmFile) });
  return bindings;
}
