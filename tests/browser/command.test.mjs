// The command that starts the demo: says where the page is, says what is wrong in words, and leaves nothing behind.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";

const script = fileURLToPath(new URL("../../web-demo/run.mjs", import.meta.url));

/** Runs it to its end. */
async function run(...args) {
  const child = spawn(process.execPath, [script, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => (output += text));
  const [code] = await once(child, "close");
  return { code, output };
}

describe("the demo's command", () => {
  it("serves page and configuration, refuses a busy port, and stops everything on Ctrl-C", async (test) => {
    const child = spawn(process.execPath, [script, "--port", "0"], { stdio: ["ignore", "pipe", "inherit"] });
    test.after(() => child.kill("SIGKILL"));
    let url;
    for await (const line of createInterface({ input: child.stdout })) {
      url = /^demo: open (http:\/\/127\.0\.0\.1:\d+) in a browser/.exec(line)?.[1];
      if (url) break;
    }
    assert.ok(url, "the address is printed");
    const page = await fetch(url);
    assert.equal(page.status, 200);
    assert.match(page.headers.get("content-security-policy"), /default-src 'none'/);
    assert.match(await page.text(), /<title>Millstream demo<\/title>/);
    const { walletRpcUrl, item } = await (await fetch(`${url}/config.json`)).json();
    assert.equal((await fetch(url + item.path)).status, 402);

    const { port } = new URL(url);
    const second = await run("--port", port);
    assert.equal(second.code, 1);
    assert.match(second.output, new RegExp(`PORT_BUSY: port ${port} is in use already.*--port 0`));

    child.kill("SIGINT");
    const [code] = await once(child, "exit");
    assert.equal(code, 0);
    await assert.rejects(fetch(url), "the page is gone");
    await assert.rejects(fetch(walletRpcUrl), "the chain is gone");
  });

  it("does not hand the chain or its switches to the pages of others", async (test) => {
    const { startDemo } = await import("../../web-demo/server.mjs");
    const demo = await startDemo({ port: 0 });
    test.after(() => demo.stop());
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "eth_chainId", params: [] });
    const ask = (path, origin) =>
      fetch(demo.url + path, { method: "POST", body, headers: origin === undefined ? {} : { origin } });
    assert.equal((await (await ask("/rpc", demo.url)).json()).result, "0x7a69");
    for (const origin of ["http://elsewhere.example", "null", "not a url"])
      for (const path of ["/rpc", "/demo/shop"])
        assert.equal((await ask(path, origin)).status, 403, `${path} ${origin}`);
    assert.equal((await fetch(demo.url + demo.config.item.path)).status, 402, "the shop is still open");
  });

  it("explains its options, and names what is wrong with one", async () => {
    const help = await run("--help");
    assert.equal(help.code, 0);
    for (const option of ["--file", "--port", "--price", "--via", "--check", "--screenshots"])
      assert.match(help.output, new RegExp(`^  ${option} `, "m"));
    for (const [args, words] of [
      [["--port", "seven"], /BAD_OPTION: --port seven: a number/],
      [["--price", "0.1"], /BAD_OPTION: --price 0\.1: a whole number of wei/],
      [["--via", "pigeon"], /BAD_OPTION: --via pigeon: there is only --via hub/],
      [["--bogus"], /BAD_OPTION: Unknown option '--bogus'/],
      [["--port", "0", "--file", "/does/not/exist"], /FILE_UNREADABLE: \/does\/not\/exist cannot be read/],
    ]) {
      const { code, output } = await run(...args);
      assert.equal(code, 1);
      assert.match(output, words);
    }
  });

  it("ends a check that cannot start with a verdict in JSON", async () => {
    const { code, output } = await run("--check", "--file", "/does/not/exist");
    assert.equal(code, 1);
    const { ok, error } = JSON.parse(output.trimEnd().split("\n").at(-1));
    assert.equal(ok, false);
    assert.match(error, /^FILE_UNREADABLE: /);
  });
});
