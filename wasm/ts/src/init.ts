// Loads the WebAssembly module: lazily, once.

import { MillstreamError } from "./errors.js";
import load from "./millstream_wasm.js";

/** Where the module comes from: its bytes, compiled, as an answer, or where to fetch it. */
export type InitInput = BufferSource | WebAssembly.Module | Response | Promise<Response> | Request | URL | string;

let loading: Promise<void> | undefined;
let loaded = false;

/**
 * Loads the WebAssembly module. `Wallet.open` does it by itself; call it to load earlier, or from elsewhere.
 *
 * Without `input` the module is the file `millstream_wasm_bg.wasm` beside this code: Node reads it, browsers fetch it and
 * bundlers follow its URL. Repeated calls wait for the first one; after a failure the next one tries again.
 *
 * @throws {MillstreamError} `WASM_UNAVAILABLE` if it cannot be loaded, or if the page's content security policy forbids
 *   WebAssembly (it must allow `'wasm-unsafe-eval'`)
 */
export function init(input?: InitInput): Promise<void> {
  loading ??= instantiate(input).catch((cause: unknown) => {
    loading = undefined;
    const why = cause instanceof Error ? `: ${cause.message}` : "";
    throw new MillstreamError(
      "WASM_UNAVAILABLE",
      `the WebAssembly module could not be loaded${why}. If millstream_wasm_bg.wasm is not where the code expects it, ` +
        'pass init() its bytes or URL (it is exported as "millstream/core.wasm")',
      { cause },
    );
  });
  return loading;
}

/** Refuses what needs the module before it is there. */
export function requireLoaded(): void {
  if (!loaded) throw new MillstreamError("WASM_NOT_LOADED", "the WebAssembly module is not loaded: await init() first");
}

async function instantiate(input: InitInput | undefined): Promise<void> {
  let source = input;
  if (source === undefined && isNode()) source = new URL("./millstream_wasm_bg.wasm", import.meta.url);
  if (isNode() && source instanceof URL && source.protocol === "file:") {
    // A name that bundlers for browsers do not follow.
    const fileSystem = "node:fs/promises";
    const { readFile } = (await import(/* @vite-ignore */ /* webpackIgnore: true */ fileSystem)) as {
      readFile(path: URL): Promise<Uint8Array<ArrayBuffer>>;
    };
    source = await readFile(source);
  }
  // The URL that bundlers recognise is in the bindings.
  await (source === undefined ? load() : load({ module_or_path: source }));
  loaded = true;
}

/** Whether files can be read: Node, and what is compatible with it. */
function isNode(): boolean {
  const { process } = globalThis as { process?: { versions?: { node?: string } } };
  return typeof process?.versions?.node === "string";
}
