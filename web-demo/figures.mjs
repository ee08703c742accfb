// The same figures from four places: what the page shows, what the seller has, what the chain says, what is on disk.

import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { isDeepStrictEqual } from "node:util";

/** First bytes of the call data of `holdings(address,bytes32)`: keccak256 of the signature. */
const HOLDINGS_CALL = "0x166e56cd";
const NATIVE_ASSET = "0".repeat(64);

/** What agreed and what did not. */
export class Findings {
  /** One line for each disagreement. */
  failed = [];
  #log;

  constructor(log) {
    this.#log = log;
  }

  expect(what, actual, expected) {
    if (isDeepStrictEqual(actual, expected)) return;
    const show = (value) => JSON.stringify(value);
    const line = `${what}: ${show(actual)}, expected ${show(expected)}`;
    this.failed.push(line);
    this.#log(`FAILED ${line}`);
  }

  /** Compares every figure that two places have. */
  compare(shown, others) {
    let pairs = 0;
    for (const [place, figures] of Object.entries(others)) {
      const where = { sold: "the seller", mined: "the chain", onDisk: "the file on disk" }[place];
      for (const [name, value] of Object.entries(figures)) {
        pairs += 1;
        this.expect(`${name} on the page against ${where}`, shown[name], value);
      }
    }
    this.#log(`${pairs} figures compared, ${this.failed.length} disagreements`);
  }
}

/** What a visitor can read on the page when the channel is closed. Amounts as decimal strings, in wei. */
export function figuresOfPage(page) {
  return page.evaluate(() => {
    const value = (selector, name = "value") => document.querySelector(selector).dataset[name];
    const number = (selector) => Number(value(selector));
    const rows = [...document.querySelectorAll("#transactions tr[data-hash]")];
    const transactions = rows.map((row) => ({
      hash: row.dataset.hash,
      call: row.cells[0].innerText,
      by: row.cells[1].innerText,
      block: Number(row.cells[2].dataset.value),
      gas: Number(row.cells[3].dataset.value),
    }));
    const side = (name) => [...document.querySelectorAll(`#balances tr[data-side="${name}"] td`)];
    const balances = (name) => side(name).map((cell) => cell.dataset.value);
    return {
      channelId: value("#channel-id"),
      deposit: value("#figure-deposit"),
      spent: value("#figure-spent"),
      remaining: value("#figure-remaining"),
      payments: number("#figure-payments"),
      chunks: number("#count-paid"),
      missing: number("#count-missing"),
      bytes: number("#bytes"),
      sha256: document.getElementById("sha256").innerText,
      onChainTransactions: number("#figure-transactions"),
      sum: document.getElementById("sum").innerText,
      paid: value("#sum", "paid"),
      refunded: value("#sum", "refunded"),
      fees: value("#balance-note", "fees"),
      newestPayment: document.querySelector("#payments tbody tr").dataset.cumulative,
      transactions,
      buyer: balances("buyer"),
      seller: balances("seller"),
    };
  });
}

/** What the seller has in its wallet and its books. */
export async function figuresOfSeller({ seller }) {
  const [channel, ...others] = seller.wallet.channels();
  if (!channel || others.length > 0) throw new Error(`the seller has ${others.length + 1} channels instead of one`);
  await until(() => channel.info.payout !== undefined, "the seller has not seen the pay-out");
  const { id, deposit, cumulativeAmount, payout } = channel.info;
  const { payments, chunks, repeats, bytes: served } = seller.totals;
  const [{ price, chunkSize }] = seller.listings;
  // What was served again was the first chunk, for an old payment.
  const bytes = served - repeats * chunkSize;
  if (cumulativeAmount !== BigInt(payments) * price)
    throw new Error(`the seller counts ${payments} payments of ${price}, and was paid ${cumulativeAmount}`);
  return {
    channelId: id,
    deposit: String(deposit),
    spent: String(cumulativeAmount),
    remaining: String(deposit - cumulativeAmount),
    newestPayment: String(cumulativeAmount),
    payments,
    chunks,
    bytes,
    paid: String(payout.paid),
    refunded: String(payout.refunded),
  };
}

/** What the chain has: every transaction of either side to the adjudicator, and both accounts around them. */
export async function figuresOfChain({ chain, config }, { channelId }) {
  const { buyer, seller } = config.accounts;
  const { adjudicator } = config.contracts;
  const head = Number(await chain.rpc("eth_blockNumber"));
  const found = [];
  for (let number = 0; number <= head; number += 1) {
    const block = await chain.rpc("eth_getBlockByNumber", [hex(number), true]);
    for (const { hash, from, to } of block.transactions)
      if (to === adjudicator && (from === buyer || from === seller)) found.push(hash);
  }
  const receipts = await Promise.all(found.map((hash) => chain.rpc("eth_getTransactionReceipt", [hash])));
  const failed = receipts.filter(({ status }) => status !== "0x1");
  if (failed.length > 0) throw new Error(`${failed.length} transactions failed on the chain`);
  if (receipts.length === 0) throw new Error("the chain has no transaction of either side");

  const holdings = await chain.rpc("eth_call", [
    { to: adjudicator, data: HOLDINGS_CALL + NATIVE_ASSET + channelId.slice(2) },
    "latest",
  ]);
  if (BigInt(holdings) !== 0n) throw new Error(`the adjudicator still holds ${BigInt(holdings)} wei for the channel`);

  const first = Number(receipts[0].blockNumber);
  const last = Number(receipts.at(-1).blockNumber);
  const balances = async (account) => {
    const at = (block) => chain.rpc("eth_getBalance", [account, hex(block)]).then(BigInt);
    const [before, after] = [await at(first - 1), await at(last)];
    return [after - before, before, after]; // in the order of the page's columns
  };
  const [bought, sold] = [await balances(buyer), await balances(seller)];
  const fees = receipts
    .filter(({ from }) => from === buyer)
    .reduce((sum, { gasUsed, effectiveGasPrice }) => sum + BigInt(gasUsed) * BigInt(effectiveGasPrice), 0n);
  const sent = await chain.rpc("eth_getTransactionByHash", [found[0]]).then(({ value }) => BigInt(value));
  const paid = sold[0]; // the seller sends no transaction of its own, so all of its change is what it was paid
  return {
    onChainTransactions: receipts.length,
    transactions: receipts.map(({ transactionHash, blockNumber, gasUsed, from }, index) => ({
      hash: transactionHash,
      call: ["deposit", "concludeAndTransferAllAssets"][index] ?? "one too many",
      by: from === buyer ? "buyer" : "seller",
      block: Number(blockNumber),
      gas: Number(gasUsed),
    })),
    deposit: String(sent),
    fees: String(fees),
    paid: String(paid),
    spent: String(paid),
    refunded: String(sent - paid),
    buyer: bought.map(String),
    seller: sold.map(String),
    // the buyer's side of it: what is gone is what was paid and the gas
    remaining: String(sent + bought[0] + fees),
  };
}

/** What is for sale. */
export async function figuresOfFile({ file, config }) {
  const content = await readFile(file);
  const chunks = Math.ceil(content.length / config.item.chunkSize);
  return {
    bytes: content.length,
    sha256: createHash("sha256").update(content).digest("hex"),
    chunks,
    missing: 0,
    payments: chunks,
    spent: String(BigInt(chunks) * BigInt(config.item.price)),
    sum: `On-chain transactions 2, payments ${chunks.toLocaleString("en")}`,
  };
}

const hex = (number) => `0x${number.toString(16)}`;

async function until(condition, message) {
  const deadline = Date.now() + 30_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(message);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
