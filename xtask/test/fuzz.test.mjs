// What the fuzz targets rest on: they are all built, all have inputs, and run the code that ships.

import assert from "node:assert/strict";
import { readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { root } from "../run.mjs";

const folder = join(root, "tests", "fuzz");
const targets = readdirSync(join(folder, "fuzz_targets")).map((name) => name.replace(/\.rs$/, ""));

test("every target is built and has inputs", () => {
  const manifest = readFileSync(join(folder, "Cargo.toml"), "utf8");
  const bins = [...manifest.matchAll(/^\[\[bin\]\]\nname = "(\w+)"\npath = "fuzz_targets\/(\w+)\.rs"$/gm)];
  assert.deepEqual(bins.map(([, name]) => name).sort(), targets);
  assert.deepEqual(
    bins.map(([, , file]) => file),
    bins.map(([, name]) => name),
  );
  assert.deepEqual(readdirSync(join(folder, "corpus")).sort(), targets);
});

test("the kept inputs are small", () => {
  const sizes = readdirSync(join(folder, "corpus"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => statSync(join(entry.parentPath ?? entry.path, entry.name)).size);
  assert.ok(sizes.length > 0);
  assert.ok(sizes.reduce((sum, size) => sum + size, 0) < 1024 * 1024);
});

test("the targets run the versions that the workspace is locked to", () => {
  const versions = (path) => {
    const found = new Map();
    const text = readFileSync(join(root, path), "utf8");
    for (const [, name, version] of text.matchAll(/^name = "(.+)"\nversion = "(.+)"$/gm))
      found.set(name, [...(found.get(name) ?? []), version]);
    return found;
  };
  const shipped = versions("Cargo.lock");
  const differing = [...versions("tests/fuzz/Cargo.lock")].filter(
    ([name, found]) => shipped.has(name) && !found.every((version) => shipped.get(name).includes(version)),
  );
  const mend = "cp Cargo.lock tests/fuzz/ && cargo update --manifest-path tests/fuzz/Cargo.toml --workspace";
  assert.deepEqual(differing, [], `\`${mend}\` takes them over`);
});
