// The same figures from several places: what the page shows, what the seller and the hub have, what the chain says, what is on
// disk.

import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { isDeepStrictEqual } from "node:util";

/** First bytes of the call data of `holdings(address,bytes32)`: keccak256 of the signature. */
const HOLDINGS_CALL = "0x166e56cd";
const NATIVE_ASSET = "0".repeat(64);

/** The transactions in the order of the chain: who sends each, and what it calls. */
const CALLS = [
  { by: "buyer", call: "deposit" },
  { by: "buyer", call: "concludeAndTransferAllAssets" },
];
const CALLS_VIA_HUB = [
  { by: "hub", call: "deposit", about: "Ledger hub–seller" },
  { by: "buyer", call: "deposit", about: "Ledger buyer–hub" },
  { by: "buyer", call: "concludeAndTransferAllAssets", about: "Ledger buyer–hub" },
  { by: "hub", call: "concludeAndTransferAllAssets", about: "Ledger hub–seller" },
];

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
      const where = { sold: "the seller", between: "the hub", mined: "the chain", onDisk: "the file on disk" }[place];
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
      about: /^Ledger \S+(?=\. )/.exec(row.nextElementSibling.innerText)?.[0],
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
      ledgerId: value("#ledger-id"),
      deposit: value("#figure-deposit"),
      setAside: value("#figure-set-aside"),
      feeAsked: value("#figure-fee"),
      messages: number("#figure-hub-messages"),
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
      hubFee: value("#sum", "hubFee"),
      fees: value("#balance-note", "fees"),
      newestPayment: document.querySelector("#payments tbody tr").dataset.cumulative,
      transactions,
      buyer: balances("buyer"),
      seller: balances("seller"),
      hub: balances("hub"),
    };
  });
}

/** The one channel that the seller was paid on. */
export function soldOn({ seller }) {
  const [channel, ...others] = seller.wallet.channels().filter(({ info }) => info.kind === "stream");
  if (!channel || others.length > 0) throw new Error("the seller has none or several channels instead of one");
  return channel;
}

/** What the seller has in its wallet and its books. */
export async function figuresOfSeller(demo) {
  const { seller, hub } = demo;
  const channel = soldOn(demo);
  // Through a hub it is paid out of its ledger.
  const ledger = hub && seller.wallet.channels().find(({ info }) => info.kind === "ledger");
  const funded = ledger ?? channel;
  await until(() => funded.info.payout !== undefined, "the seller has not seen the pay-out");
  const { id, deposit, cumulativeAmount } = channel.info;
  const { paid, refunded } = funded.info.payout;
  const { payments, chunks, repeats, bytes: served } = seller.totals;
  const [{ price, chunkSize }] = seller.listings;
  // What was served again was the first chunk, for an old payment.
  const bytes = served - repeats * chunkSize;
  if (cumulativeAmount !== BigInt(payments) * price)
    throw new Error(`the seller counts ${payments} payments of ${price}, and was paid ${cumulativeAmount}`);
  return {
    channelId: id,
    ...(hub ? { setAside: String(deposit) } : { deposit: String(deposit), refunded: String(refunded) }),
    spent: String(cumulativeAmount),
    remaining: String(deposit - cumulativeAmount),
    newestPayment: String(cumulativeAmount),
    payments,
    chunks,
    bytes,
    paid: String(paid),
  };
}

/** What the hub has: its ledgers with both sides, and what is left for itself. */
export async function figuresOfHub({ hub }) {
  const all = hub.hub.wallet.channels();
  const [ledgerIn, ledgerOut, channel] = ["payee", "payer", "hub"].map((role) =>
    all.find(({ info }) => info.role === role),
  );
  if (all.length !== 3) throw new Error(`the hub has ${all.length} channels instead of three`);
  const ledgers = [ledgerIn, ledgerOut];
  await until(() => ledgers.every(({ info }) => info.payout !== undefined), "the hub has not seen the pay-outs");
  const [came, went] = ledgers.map(({ info }) => info.payout);
  return {
    ledgerId: ledgerIn.id,
    channelId: channel.id,
    deposit: String(ledgerIn.deposit),
    setAside: String(channel.deposit),
    feeAsked: String(hub.hub.terms.fee),
    messages: hub.messages,
    hubFee: String(came.paid - went.paid),
    paid: String(went.paid),
    refunded: String(came.refunded),
  };
}

/** What the chain has: every transaction of any side to the adjudicator, and all accounts around them. */
export async function figuresOfChain({ chain, hub: between, config }, { channelId }) {
  const { buyer, seller, hub } = config.accounts;
  const { adjudicator } = config.contracts;
  const head = Number(await chain.rpc("eth_blockNumber"));
  const found = [];
  for (let number = 0; number <= head; number += 1) {
    const block = await chain.rpc("eth_getBlockByNumber", [hex(number), true]);
    for (const { hash, from, to } of block.transactions)
      if (to === adjudicator && [buyer, seller, hub].includes(from)) found.push(hash);
  }
  const receipts = await Promise.all(found.map((hash) => chain.rpc("eth_getTransactionReceipt", [hash])));
  const failed = receipts.filter(({ status }) => status !== "0x1");
  if (failed.length > 0) throw new Error(`${failed.length} transactions failed on the chain`);
  if (receipts.length === 0) throw new Error("the chain has no transaction of either side");

  const ledgers = between?.hub.wallet.channels() ?? [];
  for (const id of [channelId, ...ledgers.map((ledger) => ledger.id)]) {
    const data = HOLDINGS_CALL + NATIVE_ASSET + id.slice(2);
    const holdings = BigInt(await chain.rpc("eth_call", [{ to: adjudicator, data }, "latest"]));
    if (holdings !== 0n) throw new Error(`the adjudicator still holds ${holdings} wei for ${id}`);
  }

  const first = Number(receipts[0].blockNumber);
  const last = Number(receipts.at(-1).blockNumber);
  const balances = async (account) => {
    const at = (block) => chain.rpc("eth_getBalance", [account, hex(block)]).then(BigInt);
    const [before, after] = [await at(first - 1), await at(last)];
    return [after - before, before, after]; // in the order of the page's columns
  };
  const [bought, sold] = [await balances(buyer), await balances(seller)];
  const gasOf = (account) =>
    receipts
      .filter(({ from }) => from === account)
      .reduce((sum, { gasUsed, effectiveGasPrice }) => sum + BigInt(gasUsed) * BigInt(effectiveGasPrice), 0n);
  const fees = gasOf(buyer);
  const deposit = receipts.find(({ from }) => from === buyer)?.transactionHash;
  const sent = await chain.rpc("eth_getTransactionByHash", [deposit]).then(({ value }) => BigInt(value));
  const paid = sold[0]; // the seller sends no transaction of its own, so all of its change is what it was paid
  const refunded = sent + bought[0] + fees; // what is gone from the buyer is what was paid, gas, and a hub's fee
  const earned = hub && (await balances(hub));
  const hubFee = earned ? earned[0] + gasOf(hub) : 0n;
  if (sent !== paid + refunded + hubFee) throw new Error(`${sent} wei went in, ${paid + refunded + hubFee} came out`);
  const calls = between ? CALLS_VIA_HUB : CALLS;
  return {
    onChainTransactions: receipts.length,
    transactions: receipts.map(({ transactionHash, blockNumber, gasUsed }, index) => ({
      about: undefined,
      ...(calls[index] ?? { call: "one too many" }),
      hash: transactionHash,
      block: Number(blockNumber),
      gas: Number(gasUsed),
    })),
    deposit: String(sent),
    fees: String(fees),
    paid: String(paid),
    spent: String(paid),
    refunded: String(refunded),
    buyer: bought.map(String),
    seller: sold.map(String),
    remaining: String(refunded),
    hubFee: String(hubFee),
    ...(earned && { hub: earned.map(String) }),
  };
}

/** What is for sale. */
export async function figuresOfFile({ file, hub, config }) {
  const content = await readFile(file);
  const chunks = Math.ceil(content.length / config.item.chunkSize);
  return {
    bytes: content.length,
    sha256: createHash("sha256").update(content).digest("hex"),
    chunks,
    missing: 0,
    payments: chunks,
    spent: String(BigInt(chunks) * BigInt(config.item.price)),
    sum: `On-chain transactions ${hub ? 4 : 2}, payments ${chunks.toLocaleString("en")}`,
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
