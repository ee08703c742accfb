// The model of the chain against a node: random histories that the model has been through are sent to anvil, block by
// block with the same times and the same reorganisations. Every transaction must end in the same way, revert data
// included, and in the end logs, holdings, statuses and balances must be the same.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";

import { startDevChain, waitForReceipt } from "@millstream/contracts/dev-chain";

import { runTestProgram } from "../../xtask/build.mjs";

const SEEDS = "1000..1060";
const CALLS = "30";
/** When the first history starts, in seconds since 1970: later than any clock says, so that it is always the same one. */
const TIME = "4000000000";
const ENDOWMENT = "0xde0b6b3a7640000"; // 10^18 wei
const GAS = "0xf00000";

/** `Panic(0x41)`. */
const TOO_LONG = `0x4e487b71${"41".padStart(64, "0")}`;

const word = (hex) => hex.slice(2).padStart(64, "0");
const quantity = (number) => `0x${number.toString(16)}`;

describe("the model of the chain", () => {
  let chain;
  let histories;

  before(async () => {
    chain = await startDevChain();
    const { rpc, addresses, chainId } = chain;
    await rpc("anvil_autoImpersonateAccount", [true]);
    await rpc("anvil_setBlockGasLimit", [quantity(2n ** 40n)]);
    await rpc("anvil_setNextBlockBaseFeePerGas", ["0x0"]);
    await rpc("evm_setAutomine", [false]);

    const { adjudicator, streamApp, consensusApp, token } = addresses;
    const contracts = [chainId, adjudicator, streamApp, consensusApp, token].map(String);
    const said = await runTestProgram("histories", [...contracts, TIME, SEEDS, CALLS]);
    histories = said
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
  });

  after(() => chain.stop());

  /** Mines a block with these transactions, and checks how each of them ended. */
  async function mine(seed, { time, transactions }) {
    const { rpc } = chain;
    const hashes = [];
    for (const { from, to, value, data } of transactions)
      hashes.push(await rpc("eth_sendTransaction", [{ from, to, value, data, gas: GAS, gasPrice: "0x0" }]));
    await rpc("evm_setNextBlockTimestamp", [time]);
    await rpc("evm_mine");
    for (const [index, hash] of hashes.entries()) {
      const receipt = await waitForReceipt(rpc, hash);
      const what = `seed ${seed}, time ${time}, ${JSON.stringify(transactions[index])}`;
      assert.equal(Number(receipt.transactionIndex), index, what);
      assert.equal(receipt.status, transactions[index].revert === null ? "0x1" : "0x0", what);
      if (receipt.status === "0x1") continue;
      const { output = "0x" } = await rpc("debug_traceTransaction", [hash, { tracer: "callTracer" }]);
      // Calldata that says that something is longer than 2^64 bytes: the compiler panics, the model just reverts.
      assert.equal(output === TOO_LONG ? "0x" : output, transactions[index].revert, what);
    }
  }

  async function replay({ seed, senders, steps, logs, holdings, statuses, balances, tokens }) {
    const { rpc, addresses } = chain;
    for (const sender of senders) await rpc("anvil_setBalance", [sender, ENDOWMENT]);
    const first = Number(await rpc("eth_blockNumber")) + 1;
    for (const step of steps) {
      if (step.reorg) await rpc("anvil_rollback", [step.reorg]);
      else await mine(seed, step);
    }
    const found = await rpc("eth_getLogs", [{ fromBlock: quantity(first), toBlock: "latest" }]);
    assert.deepEqual(
      found.map(({ address, topics, data }) => ({ address: address.toLowerCase(), topics, data })),
      logs,
      `seed ${seed}: logs`,
    );
    const call = async (to, data) => word(await rpc("eth_call", [{ to, data: `0x${data}` }, "latest"]));
    for (const { asset, channel, amount } of holdings) {
      const held = await call(addresses.adjudicator, `166e56cd${word(asset)}${word(channel)}`);
      assert.equal(held, word(amount), `seed ${seed}: holdings of ${channel} in ${asset}`);
    }
    for (const { channel, word: status } of statuses)
      assert.equal(await call(addresses.adjudicator, `c7df14e2${word(channel)}`), word(status), `seed ${seed}`);
    for (const { account, amount } of balances)
      assert.equal(word(await rpc("eth_getBalance", [account, "latest"])), word(amount), `seed ${seed}: ${account}`);
    for (const { account, amount } of tokens)
      assert.equal(await call(addresses.token, `70a08231${word(account)}`), word(amount), `seed ${seed}: ${account}`);
  }

  it("goes the way of a node through random histories", async () => {
    assert.equal(histories.length, 60);
    for (const history of histories) await replay(history);
  });
});
