// The package as it would be published: what is in it, how it resolves, what it touches, and how much a page loads.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

import { publint } from "publint";
import { formatMessage } from "publint/utils";
import { rolldown } from "rolldown";

const root = fileURLToPath(new URL("..", import.meta.url));
const tsc = createRequire(import.meta.url).resolve("typescript/bin/tsc");

const DEPENDENCIES = ["ngraph.graph", "ngraph.path"];

describe("the published package", () => {
  let folder, packed, files;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "millstream-pack-"));
    const output = execFileSync("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", folder], {
      cwd: root,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
    const [{ filename }] = JSON.parse(output.slice(output.indexOf("[")));
    // As npm installs it: in node_modules of somebody's project.
    packed = join(folder, "node_modules", "millstream");
    mkdirSync(packed, { recursive: true });
    execFileSync("tar", ["xzf", join(folder, filename), "-C", packed, "--strip-components=1"]);
    for (const name of [...DEPENDENCIES, "ngraph.events"])
      symlinkSync(join(root, "..", "node_modules", name), join(folder, "node_modules", name));
    files = readdirSync(packed, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(packed.length + 1));
  });

  after(() => rm(folder, { recursive: true, force: true }));

  it("has the module, code and declarations, the licences, and nothing else", () => {
    for (const file of ["package.json", "README.md", "LICENSE-MIT", "LICENSE-APACHE", "dist/millstream_wasm_bg.wasm"])
      assert.ok(files.includes(file), file);
    const rest = files.filter((file) => !/^dist\/[\w.-]+\.(js|d\.ts|wasm)$/.test(file));
    assert.deepEqual(rest.sort(), ["LICENSE-APACHE", "LICENSE-MIT", "README.md", "package.json"]);
    for (const file of files.filter((name) => name.endsWith(".js") && name !== "dist/millstream_wasm.js"))
      assert.ok(files.includes(file.replace(/\.js$/, ".d.ts")), `${file} has declarations`);
  });

  it("resolves as publint asks", async () => {
    const { messages, pkg } = await publint({ pkgDir: packed, pack: false, strict: true });
    assert.deepEqual(
      messages.map((message) => formatMessage(message, pkg, { color: false })),
      [],
    );
  });

  it("depends on nothing but what finds a way through several hubs", () => {
    const { dependencies, peerDependencies, scripts } = JSON.parse(readFileSync(join(packed, "package.json"), "utf8"));
    assert.deepEqual([Object.keys(dependencies), peerDependencies, scripts], [DEPENDENCIES, undefined, undefined]);
  });

  it("loads in Node from where it was installed, through every entry, and touches nothing before it is used", () => {
    const script = `
      const before = Object.keys(globalThis).length;
      globalThis.fetch = () => { throw new Error("fetched at import") };
      globalThis.WebAssembly = new Proxy(WebAssembly, { get() { throw new Error("compiled at import") } });
      const wasm = WebAssembly;
      for (const entry of ["", "/browser", "/node", "/server"]) {
        const names = Object.keys(await import("millstream" + entry));
        if (names.length === 0) throw new Error("nothing in " + entry);
      }
      if (Object.keys(globalThis).length !== before) throw new Error("a global was left");
      console.log(import.meta.resolve("millstream/core.wasm"));`;
    const run = (source) =>
      execFileSync(process.execPath, ["--input-type=module", "-e", source], { cwd: folder, encoding: "utf8" });
    assert.ok(existsSync(fileURLToPath(run(script).trim())));
    const used = run(`
      import { Signer, init } from "millstream";
      import { readFileSync } from "node:fs";
      ${"" /* by itself, and a second time without effect */}
      await Promise.all([init(), init(readFileSync(new URL(import.meta.resolve("millstream/core.wasm"))))]);
      console.log(new Signer(new Uint8Array(32).fill(1)).address);`);
    // The address of the key 0x0101…01, as ethers has it.
    assert.equal(used.trim(), "0x1a642f0e3c3af545e7acbd38b07251b3990914f1");
  });

  it("says how to go on when its module is not where it was built", () => {
    const broken = join(folder, "broken", "node_modules", "millstream");
    mkdirSync(dirname(broken), { recursive: true });
    execFileSync("cp", ["-r", packed, broken]);
    execFileSync("rm", [join(broken, "dist", "millstream_wasm_bg.wasm")]);
    const script = `
      import { init, MillstreamError } from "millstream";
      import { readFileSync } from "node:fs";
      await init().catch((error) => console.log(error instanceof MillstreamError, error.code, error.message.includes("core.wasm")));
      await init(new Uint8Array(8)).catch((error) => console.log(error.code));
      await init(readFileSync(${JSON.stringify(join(packed, "dist", "millstream_wasm_bg.wasm"))}));
      console.log("loaded");`;
    const output = execFileSync(process.execPath, ["--input-type=module", "-e", script], {
      cwd: join(folder, "broken"),
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
    assert.equal(output, "true WASM_UNAVAILABLE true\nWASM_UNAVAILABLE\nloaded\n");
  });

  it("has declarations that a strict project compiles against", () => {
    execFileSync(process.execPath, [tsc, "-p", join(root, "tsconfig.test.json")], {
      stdio: ["ignore", "inherit", "inherit"],
    });
    // The project of the types test, against the packed files rather than the workspace.
    mkdirSync(join(folder, "test"), { recursive: true });
    symlinkSync(join(root, "test", "types.ts"), join(folder, "test", "types.ts"));
    symlinkSync(join(root, "..", "node_modules", "@types"), join(folder, "node_modules", "@types"));
    symlinkSync(join(root, "..", "node_modules", "undici-types"), join(folder, "node_modules", "undici-types"));
    const options = [
      "--noEmit",
      "--strict",
      "--target",
      "ES2022",
      "--lib",
      "ES2023,DOM,DOM.Iterable,ESNext.Disposable",
    ];
    options.push(
      "--module",
      "NodeNext",
      "--exactOptionalPropertyTypes",
      "--noUncheckedIndexedAccess",
      "--types",
      "node",
    );
    // Node's own declarations do not check against this compiler; ours do, file by file.
    options.push("--skipLibCheck", "--preserveSymlinks");
    const declarations = files.filter((file) => file.endsWith(".d.ts")).map((file) => join(packed, file));
    for (const more of [
      [join(folder, "test", "types.ts")],
      ["--module", "ESNext", "--moduleResolution", "Bundler", join(folder, "test", "types.ts")],
    ])
      execFileSync(process.execPath, [tsc, ...options, ...more], {
        cwd: folder,
        stdio: ["ignore", "inherit", "inherit"],
      });
    for (const file of declarations) {
      const text = readFileSync(file, "utf8").replaceAll(/\/\*.*?\*\/|\/\/.*/gs, (comment) =>
        " ".repeat(comment.length),
      );
      if (!file.includes("millstream_wasm")) assert.doesNotMatch(text, /(:|<|\||,) ?any\b/, file);
    }
  });

  it("does not say where it was built", () => {
    const text = readFileSync(join(packed, "dist", "millstream_wasm_bg.wasm"), "latin1");
    assert.match(text, /crates\/[^/]+\/[a-z0-9.-]+\/src\//, "places of panics are named from the registry on");
    assert.doesNotMatch(text, /\/(?:root|home|Users)\//);
  });

  describe("what a buyer's page loads", () => {
    const kilobytes = (bytes) => `${(bytes / 1_000).toFixed(1)} kB`;
    const gzip = (bytes) => gzipSync(bytes, { level: 9 }).length;
    let size, report;

    before(async () => {
      // As a bundler leaves it for a page that opens channels and downloads.
      const entry = join(folder, "page.js");
      writeFileSync(entry, 'export { Wallet } from "millstream"; export { injectedChain } from "millstream/browser";');
      const logs = [];
      const onLog = (_, log) => logs.push(log.message);
      const bundle = await rolldown({ input: entry, platform: "browser", logLevel: "warn", onLog });
      const { output } = await bundle.generate({ format: "esm", minify: true });
      await bundle.close();
      assert.deepEqual(logs, []);
      const chunks = output.filter(({ type }) => type === "chunk");
      // What is imported only when it is needed is not loaded by a page that has no ledger with a hub.
      const loaded = new Set(chunks.filter(({ isEntry }) => isEntry));
      for (const { imports } of loaded)
        for (const chunk of chunks) if (imports.includes(chunk.fileName)) loaded.add(chunk);
      const modules = [...loaded].flatMap(({ moduleIds }) => moduleIds);
      assert.ok(chunks.length > loaded.size);
      assert.ok(!modules.some((id) => /ngraph|hub-(routes|graph)/.test(id)), modules.join());
      const code = [...loaded].map(({ code }) => code).join("\n");
      // The one name of Node's is looked up only there, and bundlers leave it alone.
      assert.doesNotMatch(code, /["'`]node:(?!fs\/promises["'`])|createServer|STORE_LOCKED/, "nothing of a server");
      const script = gzip(code);
      const wasm = gzip(readFileSync(join(packed, "dist", "millstream_wasm_bg.wasm")));
      size = script + wasm;
      report = `gzip: WebAssembly ${kilobytes(wasm)}, script ${kilobytes(script)}, both ${kilobytes(size)}`;
    });

    it("grows only knowingly", (t) => {
      t.diagnostic(report);
      assert.ok(size < 255_000, report);
    });
  });
});
