// The build and the development chain keep what their documentation promises to the demo and to other tests.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { readFileSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { describe, it } from "node:test";
import { getCreateAddress } from "ethers";

import { buildContracts } from "../build.mjs";
import { startDevChain } from "../dev-chain.mjs";

const require = createRequire(import.meta.url);
const NAMES = ["StreamApp", "TestToken", "NitroAdjudicator", "ConsensusApp", "VirtualPaymentApp"];

describe("the build", () => {
  it("lays out the contracts, the published ones unchanged, and rests when nothing changed", async () => {
    const { outDir } = await buildContracts();
    const times = () => NAMES.map((name) => statSync(join(outDir, `${name}.json`)).mtimeMs);
    for (const name of NAMES) {
      const artifact = JSON.parse(readFileSync(join(outDir, `${name}.json`), "utf8"));
      assert.deepEqual(Object.keys(artifact), ["contractName", "abi", "bytecode", "deployedBytecode"]);
      assert.equal(artifact.contractName, name);
      assert.match(artifact.bytecode, /^0x([0-9a-f]{2}){100,}$/);
      assert.ok(artifact.deployedBytecode.length / 2 - 1 <= 24_576, "EIP-170");
      if (name === "StreamApp" || name === "TestToken") continue;
      const published = require(`@statechannels/nitro-protocol/dist/artifacts/contracts/${name}.sol/${name}.json`);
      assert.equal(artifact.bytecode, published.bytecode);
    }
    const before = times();
    assert.deepEqual(await buildContracts(), { outDir, built: false });
    assert.deepEqual(times(), before);
  });
});

describe("the development chain", () => {
  it("has the contracts at the same addresses at every start, and stops", async () => {
    const lines = [];
    const chain = await startDevChain({ chainId: 1_234, log: (line) => lines.push(line) });
    try {
      assert.equal(chain.chainId, 1_234);
      assert.equal(BigInt(await chain.rpc("eth_chainId")), 1_234n);
      assert.equal(chain.accounts.length, 10);
      const names = ["adjudicator", "streamApp", "consensusApp", "token"];
      assert.deepEqual(Object.keys(chain.addresses), names);
      for (const [nonce, name] of names.entries()) {
        const expected = getCreateAddress({ from: chain.accounts[0], nonce });
        assert.equal(chain.addresses[name].toLowerCase(), expected.toLowerCase());
        assert.notEqual(await chain.rpc("eth_getCode", [expected, "latest"]), "0x");
      }
      assert.ok(lines.some((line) => line.includes(chain.url)));
      await assert.rejects(chain.rpc("no_such_method"), { name: "RpcError", code: -32601 });

      const port = Number(new URL(chain.url).port);
      await assert.rejects(startDevChain({ port }), {
        name: "DevChainError",
        code: "DEV_CHAIN_UNAVAILABLE",
        message: /in use/,
      });
    } finally {
      await chain.stop();
    }
    await chain.stop();
    await assert.rejects(chain.rpc("eth_chainId"));
  });

  it("mines at intervals when asked to", async () => {
    const chain = await startDevChain({ blockTime: 1 });
    try {
      const [from, to] = chain.accounts;
      const hash = await chain.rpc("eth_sendTransaction", [{ from, to, value: "0x1" }]);
      assert.equal(await chain.rpc("eth_getTransactionReceipt", [hash]), null);
      const height = async () => Number(await chain.rpc("eth_blockNumber"));
      const start = await height();
      while ((await height()) < start + 2) await new Promise((resolve) => setTimeout(resolve, 50));
      assert.equal((await chain.rpc("eth_getTransactionReceipt", [hash])).status, "0x1");
    } finally {
      await chain.stop();
    }
  });

  for (const ending of ["exit", "SIGKILL"]) {
    it(`ends with the process that started it: ${ending}`, async () => {
      const script = `
        const { startDevChain } = await import(${JSON.stringify(new URL("../dev-chain.mjs", import.meta.url).href)});
        console.log((await startDevChain()).url);
        ${ending === "exit" ? "" : "setInterval(() => {}, 1_000);"}`;
      const parent = spawn(process.execPath, ["--input-type=module", "-e", script], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      const exited = new Promise((resolve) => parent.once("exit", resolve));
      const { value: url } = await createInterface({ input: parent.stdout })[Symbol.asyncIterator]().next();
      assert.match(url, /^http:\/\/127\.0\.0\.1:\d+$/);
      if (ending !== "exit") parent.kill(ending);
      await exited; // with 'exit', by itself: a chain that was not stopped keeps no process alive

      const deadline = Date.now() + 5_000;
      const answers = () =>
        fetch(url, { method: "POST" }).then(
          () => true,
          () => false,
        );
      while (await answers()) {
        assert.ok(Date.now() < deadline, "the chain outlived its parent");
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    });
  }
});
