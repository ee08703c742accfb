// The package as Vite publishes it, in a browser: the WebAssembly module loads and gives the same results as in Node and
// as ethers, noble and libsecp256k1, which wrote the vectors.

import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";

import { Signer, init, keccak256, recoverAddress, signDigest, verifySignature } from "millstream";

import { launchChromium, watchPage } from "../../web-demo/browser.mjs";
import { buildPage } from "../../web-demo/build.mjs";

const vectors = JSON.parse(await readFile(new URL("../vectors/signatures.json", import.meta.url), "utf8"));
const toBytes = (hex) => Buffer.from(hex.slice(2), "hex");
const toHex = (bytes) => `0x${Buffer.from(bytes).toString("hex")}`;
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".wasm": "application/wasm" };

describe("the package in a page built by Vite", () => {
  let folder, server, browser, page, watched, results;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "millstream-vite-"));
    await buildPage({ root: fileURLToPath(new URL("fixture", import.meta.url)), outDir: folder });
    server = createServer((request, response) => {
      const path = request.url === "/" ? "/index.html" : request.url;
      readFile(join(folder, path)).then(
        (body) => response.writeHead(200, { "content-type": TYPES[extname(path)] }).end(body),
        () => response.writeHead(request.url === "/favicon.ico" ? 204 : 404).end(),
      );
    });
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    browser = await launchChromium();
    page = await browser.newPage();
    watched = watchPage(page);
    await page.goto(`http://127.0.0.1:${server.address().port}/`);
    await page.waitForFunction(() => "runVectors" in globalThis);
    results = await page.evaluate((given) => globalThis.runVectors(given), vectors);
  });

  after(async () => {
    await browser?.close();
    server?.close().closeAllConnections();
    await rm(folder, { recursive: true, force: true });
  });

  it("hashes as the vectors say", () => {
    assert.deepEqual(
      results.hashes,
      vectors.keccak.map(({ hash }) => hash),
    );
  });

  it("signs, verifies and recovers as the vectors say", () => {
    assert.equal(results.signatures.length, vectors.signatures.length);
    for (const [index, { name, signature, address }] of vectors.signatures.entries())
      assert.deepEqual(
        results.signatures[index],
        { signed: signature, signedAgain: signature, address, verified: true, verifiedOther: false, recovered: true },
        name,
      );
  });

  it("gives the same results as in Node", async () => {
    await init();
    const [{ secret, publicKey, digest }] = vectors.signatures;
    const signature = signDigest(toBytes(secret), toBytes(digest));
    assert.equal(results.signatures[0].signed, toHex(signature));
    assert.equal(results.signatures[0].address, new Signer(toBytes(secret)).address);
    assert.equal(verifySignature(toBytes(publicKey), toBytes(digest), signature), results.signatures[0].verified);
    assert.equal(recoverAddress(toBytes(digest), signature), results.signatures[0].address);
    assert.equal(toHex(keccak256(toBytes(vectors.keccak.at(-1).input))), results.hashes.at(-1));
  });

  it("refuses malformed signatures and secrets with their codes, and throws nothing else", () => {
    assert.deepEqual(
      results.refused,
      vectors.refused.map(({ code }) => ({ code, name: "MillstreamError" })),
    );
    assert.deepEqual(
      results.refusedSecrets,
      vectors.refusedSecrets.map(() => ({ code: "SIGN_INVALID_SECRET", name: "MillstreamError" })),
    );
  });

  it("fetches its module as a file of its own, without an error on the console", async () => {
    const modules = await page.evaluate(() =>
      performance
        .getEntriesByType("resource")
        .filter(({ name }) => name.endsWith(".wasm"))
        .map(({ name }) => name),
    );
    assert.equal(modules.length, 1);
    assert.deepEqual(watched, { problems: [], answers: [] });
  });
});
