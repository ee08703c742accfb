// The chain adapters: what they ask a node, and what they make of whatever it answers.

import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { describe, it } from "node:test";

import { AbiCoder, id } from "ethers";
import { MillstreamError, rpcChain } from "millstream";
import { injectedChain } from "millstream/browser";

import { ADJUDICATOR, CHAIN_ID, CONTRACTS, account, adjudicator, coded, random, sleep } from "./harness.mjs";

const HASH = `0x${"ab".repeat(32)}`;
const BLOCK_HASH = `0x${"cd".repeat(32)}`;
const TRANSACTION = { to: ADJUDICATOR, value: 2n ** 100n, data: Uint8Array.of(1, 2, 255) };
const RECEIPT = { transactionHash: HASH, status: "0x1", blockNumber: "0x10", gasUsed: "0xc350" };
const LOG = {
  address: ADJUDICATOR.toUpperCase().replace("0X", "0x"),
  topics: [HASH],
  data: "0x0102",
  blockNumber: "0x7",
  logIndex: "0x1",
  removed: false,
};

/** What a healthy node answers. */
const HEALTHY = {
  eth_chainId: `0x${CHAIN_ID.toString(16)}`,
  eth_accounts: [account(5), account(6)],
  eth_sendTransaction: HASH,
  eth_getTransactionReceipt: RECEIPT,
  eth_getTransactionByHash: { hash: HASH },
  eth_getBlockByNumber: { number: "0x20", timestamp: "0x65000000", hash: BLOCK_HASH },
  eth_getLogs: [LOG],
};

class RpcFailure {
  constructor(error) {
    this.error = error;
  }
}
const failure = (error) => new RpcFailure(error);
const oneAfterTheOther = (...answers) => {
  return () => (answers.length > 1 ? answers.shift() : answers[0]);
};

/** A chain whose node gives these answers, or calls them; and what it was asked. */
function chainOf(answers = {}, options = {}) {
  const asked = [];
  const fetch = async (url, { body, signal }) => {
    const { id, method, params } = JSON.parse(body);
    asked.push([method, ...params]);
    const answer = { ...HEALTHY, ...answers }[method];
    const result = typeof answer === "function" ? await answer(params, signal) : answer;
    if (result instanceof Response) return result;
    return Response.json({
      jsonrpc: "2.0",
      id,
      ...(result instanceof RpcFailure ? { error: result.error } : { result }),
    });
  };
  const chain = rpcChain({ url: "http://node.test", contracts: CONTRACTS, pollInterval: 1, fetch, ...options });
  return { chain, asked, methods: () => asked.map(([method]) => method) };
}

describe("rpcChain", () => {
  it("sends a transaction from the account, and waits until it is mined", async () => {
    const { chain, asked } = chainOf({ eth_getTransactionReceipt: oneAfterTheOther(null, null, RECEIPT) });
    const sent = [];
    const receipt = await chain.sendTransaction(TRANSACTION, { onSent: (hash) => sent.push(hash) });
    assert.deepEqual(receipt, { hash: HASH, block: 16, gasUsed: 50_000n });
    assert.deepEqual(sent, [HASH]);
    const [, transaction] = asked.find(([method]) => method === "eth_sendTransaction");
    assert.deepEqual(transaction, {
      from: account(5),
      to: ADJUDICATOR,
      value: "0x10000000000000000000000000",
      data: "0x0102ff",
    });
    assert.equal(await chain.account(), account(5));
    assert.equal(await chainOf({}, { account: account(0xbc) }).chain.account(), account(0xbc));
  });

  it("reads the head and the adjudicator's logs", async () => {
    const later = { ...LOG, blockNumber: "0x9", logIndex: "0x0" };
    const { chain, asked } = chainOf({ eth_getLogs: [later, LOG] });
    assert.deepEqual(await chain.head(), { block: 32, time: 0x65000000, hash: BLOCK_HASH });
    const logs = await chain.logs(5, 2_000);
    assert.deepEqual(
      logs.map(({ block }) => block),
      [7, 9],
    );
    assert.deepEqual(logs[0], {
      address: ADJUDICATOR,
      topics: [HASH],
      data: Uint8Array.of(1, 2),
      block: 7,
      logIndex: 1,
    });
    assert.deepEqual(asked.at(-1), ["eth_getLogs", { address: ADJUDICATOR, fromBlock: "0x5", toBlock: "0x7d0" }]);
  });

  it("tells the hash of a block, and that there is none", async () => {
    const { chain, asked } = chainOf();
    assert.equal(await chain.blockHash(31), BLOCK_HASH);
    assert.deepEqual(asked.at(-1), ["eth_getBlockByNumber", "0x1f", false]);
    assert.equal(await chainOf({ eth_getBlockByNumber: null }).chain.blockHash(31), undefined);
    for (const block of ["0x", {}, { hash: null }, { hash: 5 }, { hash: "0x12" }]) {
      const odd = chainOf({ eth_getBlockByNumber: block });
      await assert.rejects(odd.chain.blockHash(31), coded("CHAIN_ANSWER_MALFORMED"));
    }
  });

  it("adds the call to a log that names no state, if it was made to the adjudicator itself", async () => {
    const { fragments } = adjudicator;
    const topicOf = (name) =>
      fragments.find((fragment) => fragment.type === "event" && fragment.name === name).topicHash;
    const calling = (to) => ({ eth_getTransactionByHash: { hash: HASH, to, input: "0xc0ffee" } });
    const logOf = (name) => ({ ...LOG, topics: [topicOf(name), HASH], transactionHash: HASH });
    for (const name of ["Checkpointed", "ChallengeCleared"]) {
      const direct = chainOf({ eth_getLogs: [logOf(name)], ...calling(LOG.address) });
      for (let time = 0; time < 3; time++)
        assert.deepEqual((await direct.chain.logs(0, 9))[0].call, Uint8Array.of(0xc0, 0xff, 0xee));
      const asked = direct.methods().filter((method) => method === "eth_getTransactionByHash");
      assert.equal(asked.length, 1, "a log is read several times, its call once");
      for (const to of [account(1), null, undefined]) {
        const indirect = chainOf({ eth_getLogs: [logOf(name)], ...calling(to) });
        assert.equal((await indirect.chain.logs(0, 9))[0].call, undefined);
      }
      const unknown = chainOf({ eth_getLogs: [logOf(name)], eth_getTransactionByHash: null });
      assert.equal((await unknown.chain.logs(0, 9))[0].call, undefined);
      const odd = { ...calling(LOG.address).eth_getTransactionByHash, input: 5 };
      const broken = chainOf({ eth_getLogs: [logOf(name)], eth_getTransactionByHash: odd });
      await assert.rejects(broken.chain.logs(0, 9), coded("CHAIN_ANSWER_MALFORMED"));
    }
    const { chain, methods } = chainOf({ eth_getLogs: [logOf("ChallengeRegistered")] });
    assert.equal((await chain.logs(0, 9))[0].call, undefined);
    assert.equal(methods().includes("eth_getTransactionByHash"), false);
  });

  it("refuses another chain, before anything is sent", async () => {
    const { chain, methods } = chainOf({ eth_chainId: "0x1" });
    for (const call of [() => chain.head(), () => chain.logs(0, 1), () => chain.sendTransaction(TRANSACTION)])
      await assert.rejects(call(), coded("WRONG_CHAIN"));
    assert.equal(methods().includes("eth_sendTransaction"), false);
  });

  it("says why the contract refuses: in words, or with its error's data", async () => {
    const words = `0x08c379a0${AbiCoder.defaultAbiCoder().encode(["string"], ["channel finalized"]).slice(2)}`;
    const custom = id("WrongTurn(uint256,uint48)").slice(0, 10) + "00".repeat(64);
    const before = chainOf({ eth_sendTransaction: failure({ code: 3, message: "execution reverted", data: words }) });
    await assert.rejects(before.chain.sendTransaction(TRANSACTION), (error) => {
      assert.match(error.message, /channel finalized/);
      assert.equal(error.details.revertData, words);
      return coded("TRANSACTION_REVERTED")(error);
    });
    const nested = chainOf({
      eth_sendTransaction: failure({ code: -32_603, message: "reverted", data: { data: custom } }),
    });
    await assert.rejects(nested.chain.sendTransaction(TRANSACTION), (error) => {
      assert.equal(error.details.revertData, custom);
      return coded("TRANSACTION_REVERTED")(error);
    });
    // Mined, and reverted: it is run again to learn why.
    const after = chainOf({
      eth_getTransactionReceipt: { ...RECEIPT, status: "0x0" },
      eth_call: failure({ code: 3, message: "execution reverted: channel finalized", data: words }),
    });
    await assert.rejects(after.chain.sendTransaction(TRANSACTION), (error) => {
      assert.match(error.message, /channel finalized/);
      assert.equal(error.details.transactionHash, HASH);
      return coded("TRANSACTION_REVERTED")(error);
    });
    assert.equal(after.asked.at(-1)[2], "0x10");
    const unknown = chainOf({ eth_getTransactionReceipt: { ...RECEIPT, status: "0x0" }, eth_call: "0x" });
    await assert.rejects(unknown.chain.sendTransaction(TRANSACTION), coded("TRANSACTION_REVERTED"));
  });

  it("tells a user who declines from a node that refuses", async () => {
    const declined = chainOf({ eth_sendTransaction: failure({ code: 4001, message: "User rejected" }) });
    await assert.rejects(declined.chain.sendTransaction(TRANSACTION), coded("TRANSACTION_REJECTED"));
    const poor = chainOf({ eth_sendTransaction: failure({ code: -32_000, message: "insufficient funds for gas" }) });
    await assert.rejects(poor.chain.sendTransaction(TRANSACTION), (error) => {
      assert.match(error.message, /insufficient funds/);
      return coded("TRANSACTION_REFUSED")(error);
    });
    const none = chainOf({ eth_accounts: [] });
    await assert.rejects(none.chain.sendTransaction(TRANSACTION), coded("NO_ACCOUNT"));
  });

  it("waits through a node that does not answer, once a transaction is sent", async () => {
    const answers = oneAfterTheOther(
      new Response("", { status: 503 }),
      failure({ code: -32_000, message: "busy" }),
      RECEIPT,
    );
    const { chain } = chainOf({ eth_getTransactionReceipt: answers });
    assert.equal((await chain.sendTransaction(TRANSACTION)).block, 16);
  });

  it("ends a wait when it is aborted", async () => {
    const { chain } = chainOf({ eth_getTransactionReceipt: null });
    const abort = new AbortController();
    const sending = chain.sendTransaction(TRANSACTION, { signal: abort.signal });
    setTimeout(() => abort.abort(), 20);
    await assert.rejects(sending, coded("ABORTED"));
    const hanging = chainOf({
      eth_getBlockByNumber: (_, signal) => new Promise((_, reject) => signal.addEventListener("abort", reject)),
    });
    const later = new AbortController();
    const asking = hanging.chain.head({ signal: later.signal });
    setTimeout(() => later.abort(), 20);
    await assert.rejects(asking, coded("ABORTED"));
  });

  it("leaves nothing on a signal that lives on", async () => {
    const { signal } = new AbortController();
    const { chain } = chainOf({ eth_getTransactionReceipt: oneAfterTheOther(null, RECEIPT) });
    for (let round = 0; round < 3; round++) {
      await chain.head({ signal });
      await chain.logs(0, 10, { signal });
    }
    await chain.sendTransaction(TRANSACTION, { signal });
    assert.deepEqual(getEventListeners(signal, "abort"), []);
  });

  it("finds no chain where there is none", async () => {
    const down = () => Promise.reject(new TypeError("fetch failed"));
    const chain = rpcChain({ url: "http://node.test", contracts: CONTRACTS, fetch: down });
    for (const call of [() => chain.head(), () => chain.account(), () => chain.sendTransaction(TRANSACTION)])
      await assert.rejects(call(), coded("CHAIN_UNREACHABLE"));
    for (const status of [500, 502, 429]) {
      const { chain } = chainOf({ eth_getBlockByNumber: () => new Response("oops", { status }) });
      await assert.rejects(chain.head(), coded("CHAIN_UNREACHABLE"));
    }
    const limited = chainOf({ eth_getLogs: failure({ code: -32_005, message: "query returned too many results" }) });
    await assert.rejects(limited.chain.logs(0, 1), coded("CHAIN_UNREACHABLE"));
  });

  it("takes no answer that is not one", async () => {
    const bad = async (answers, call, code = "CHAIN_ANSWER_MALFORMED") => {
      const { chain } = chainOf(answers);
      await assert.rejects(call(chain), coded(code), JSON.stringify(answers));
    };
    const head = (chain) => chain.head();
    const logs = (chain) => chain.logs(0, 10);
    const send = (chain) => chain.sendTransaction(TRANSACTION);
    for (const chainId of [null, 31_337, "31337", "0x", "0xzz", `0x${"f".repeat(30)}`, {}])
      await bad({ eth_chainId: chainId }, head);
    for (const block of [
      null,
      "0x1",
      [],
      {},
      { number: "0x1" },
      { number: 1, timestamp: "0x1" },
      { number: "0x1", timestamp: "-0x1", hash: BLOCK_HASH },
      { number: "0x1", timestamp: "0x1", hash: null },
      { number: "0x1", timestamp: "0x1", hash: "0x1" },
    ])
      await bad({ eth_getBlockByNumber: block }, head);
    for (const list of [null, {}, "0x", [null], [[]], [{}]]) await bad({ eth_getLogs: list }, logs);
    for (const [field, values] of Object.entries({
      address: [null, "0x", account(1)],
      topics: [null, "0x", [1], ["0x12"], Array(5).fill(HASH)],
      data: [null, "0x1", "zz", 5],
      blockNumber: [null, 7, "0xb", "0xfffffffffffffff"],
      logIndex: [null, -1, "0x"],
      removed: [true],
    }))
      for (const value of values) await bad({ eth_getLogs: [{ ...LOG, [field]: value }] }, logs);
    for (const hash of [null, "0x", HASH.slice(0, -2), 7]) await bad({ eth_sendTransaction: hash }, send);
    for (const receipt of [
      "0x1",
      { ...RECEIPT, status: "0x2" },
      { ...RECEIPT, status: undefined },
      { ...RECEIPT, transactionHash: `0x${"00".repeat(32)}` },
      { ...RECEIPT, blockNumber: "x" },
      { ...RECEIPT, gasUsed: undefined },
    ])
      await bad({ eth_getTransactionReceipt: receipt }, send);
    for (const accounts of [null, "x", {}, ["0x12"], [5]]) await bad({ eth_accounts: accounts }, send);
    for (const body of ["", "{", "[]", "null", "7", '"x"', "{}", '{"jsonrpc":"2.0"}'])
      await bad({ eth_getBlockByNumber: () => new Response(body) }, head);
  });

  it("survives random answers", async () => {
    const draw = random(11);
    const atoms = [null, true, 0, -1, Number.MAX_VALUE, "", "0x", "0x1", HASH, account(1), [], {}];
    const value = (depth) => {
      if (depth === 0 || draw(3)) return atoms[draw(atoms.length)];
      if (draw(2)) return Array.from({ length: draw(4) }, () => value(depth - 1));
      const names = [
        "number",
        "timestamp",
        "address",
        "topics",
        "data",
        "blockNumber",
        "logIndex",
        "status",
        "hash",
        "gasUsed",
      ];
      return Object.fromEntries(names.map((name) => [name, value(depth - 1)]));
    };
    for (let round = 0; round < 1_000; round++) {
      const method = ["eth_getBlockByNumber", "eth_getLogs", "eth_sendTransaction", "eth_accounts"][draw(4)];
      const { chain } = chainOf({ [method]: value(3), eth_getTransactionReceipt: RECEIPT });
      for (const call of [() => chain.head(), () => chain.logs(0, 9), () => chain.sendTransaction(TRANSACTION)]) {
        try {
          await call();
        } catch (error) {
          assert.ok(error instanceof MillstreamError, error?.stack);
        }
      }
    }
  });

  it("checks what it is made of", () => {
    const make = (options) => () => rpcChain({ url: "http://node.test", contracts: CONTRACTS, ...options });
    for (const url of ["", "node", "ftp://node", undefined])
      assert.throws(make({ url }), coded("INVALID_ARGUMENT", "url"));
    assert.throws(make({ contracts: { ...CONTRACTS, chainId: 0 } }), coded("INVALID_ARGUMENT", "chainId"));
    assert.throws(make({ contracts: { ...CONTRACTS, streamApp: "0x" } }), coded("INVALID_HEX", "streamApp"));
    assert.throws(make({ account: "me" }), coded("INVALID_HEX", "account"));
    assert.throws(make({ pollInterval: 0 }), coded("INVALID_ARGUMENT", "pollInterval"));
    const upper = ADJUDICATOR.toUpperCase().replace("0X", "0x");
    assert.equal(make({ contracts: { ...CONTRACTS, adjudicator: upper } })().contracts.adjudicator, ADJUDICATOR);
  });
});

describe("injectedChain", () => {
  function providerOf(answers = {}) {
    const asked = [];
    const provider = {
      async request({ method, params = [] }) {
        asked.push(method);
        const answer = { ...HEALTHY, eth_accounts: [], eth_requestAccounts: [account(7)], ...answers }[method];
        if (answer instanceof RpcFailure) throw answer.error;
        return typeof answer === "function" ? answer(params) : answer;
      },
    };
    return { chain: injectedChain(provider, CONTRACTS, { pollInterval: 1 }), asked };
  }

  it("asks nothing before it is used, and prompts for an account only if none is connected", async () => {
    const fresh = providerOf();
    await sleep(5);
    assert.deepEqual(fresh.asked, []);
    assert.equal(await fresh.chain.account(), account(7));
    assert.deepEqual(fresh.asked, ["eth_accounts", "eth_requestAccounts"]);
    const connected = providerOf({ eth_accounts: [account(8)] });
    assert.equal(await connected.chain.account(), account(8));
    assert.deepEqual(connected.asked, ["eth_accounts"]);
  });

  it("sends through the provider, on the right chain", async () => {
    const { chain, asked } = providerOf();
    assert.equal((await chain.sendTransaction(TRANSACTION)).hash, HASH);
    assert.deepEqual(asked, [
      "eth_chainId",
      "eth_accounts",
      "eth_requestAccounts",
      "eth_sendTransaction",
      "eth_getTransactionReceipt",
    ]);
    // The user may have switched since.
    let chainId = `0x${CHAIN_ID.toString(16)}`;
    const switching = providerOf({ eth_chainId: () => chainId });
    await switching.chain.head();
    chainId = "0x1";
    await assert.rejects(switching.chain.sendTransaction(TRANSACTION), coded("WRONG_CHAIN"));
    assert.equal(switching.asked.includes("eth_sendTransaction"), false);
  });

  it("says that the user declined, whichever prompt it was", async () => {
    const declined = Object.assign(new Error("User rejected the request."), { code: 4001 });
    for (const method of ["eth_requestAccounts", "eth_sendTransaction"]) {
      const { chain } = providerOf({ [method]: failure(declined) });
      await assert.rejects(chain.sendTransaction(TRANSACTION), coded("TRANSACTION_REJECTED"));
    }
  });

  it("ends a prompt that nobody answers when it is aborted", async () => {
    const { chain } = providerOf({ eth_sendTransaction: () => new Promise(() => {}) });
    const abort = new AbortController();
    const sending = chain.sendTransaction(TRANSACTION, { signal: abort.signal });
    setTimeout(() => abort.abort(), 10);
    await assert.rejects(sending, coded("ABORTED"));
  });

  it("takes whatever a provider throws", async () => {
    for (const thrown of [undefined, null, "no", 7, {}, new Error("x"), { code: "x", message: 5 }]) {
      const { chain } = providerOf({ eth_sendTransaction: failure(thrown) });
      await assert.rejects(chain.sendTransaction(TRANSACTION), coded("TRANSACTION_REFUSED"));
      const silent = providerOf({ eth_getBlockByNumber: failure(thrown) });
      await assert.rejects(silent.chain.head(), coded("CHAIN_UNREACHABLE"));
    }
  });
});
