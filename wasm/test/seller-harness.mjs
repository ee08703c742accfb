// What the tests of selling and buying share: a seller and buyers that talk through `Seller.handle`, on a chain that is
// only a list of logs. What the real contracts make of it, the integration tests show.

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";

import { memoryStore, Wallet } from "../dist/index.js";
import { Seller } from "../dist/server.js";

export const ORIGIN = "http://seller.test";
export const PRICE = 1_000n;
export const CHUNK = 1_000;
export const DEPOSIT = 100_000n;

const CONTRACTS = {
  chainId: 31_337,
  adjudicator: `0x${"aa".repeat(20)}`,
  streamApp: `0x${"bb".repeat(20)}`,
  consensusApp: `0x${"cc".repeat(20)}`,
};
// keccak256("Deposited(bytes32,address,uint256)"), as the published adjudicator emits it.
const DEPOSITED = "0x87d4c0b5e30d6808bc8a94ba1c4d839b29d664151551a31753387ee9ef48429b";

export const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");
export const address = (byte) => `0x${byte.toString(16).padStart(2, "0").repeat(20)}`;
export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Checks for a `MillstreamError` with this code and these details. */
export const coded = (code, details = {}) => {
  return (error) => {
    assert.equal(error.code, code, error.stack);
    assert.equal(error.name, "MillstreamError");
    for (const [name, value] of Object.entries(details)) assert.deepEqual(error.details[name], value, name);
    return true;
  };
};

/** A chain on which deposits, and nothing else, happen; every transaction is a block. */
export function fakeChain(account = address(1)) {
  const logs = [];
  let block = 1;
  return {
    contracts: CONTRACTS,
    account: async () => account,
    head: async () => ({ block, time: Math.floor(Date.now() / 1_000) }),
    logs: async (from, to) => logs.filter((log) => log.block >= from && log.block <= to),
    async sendTransaction({ to, data }, { onSent = () => {} } = {}) {
      block += 1;
      const hash = `0x${block.toString(16).padStart(64, "0")}`;
      onSent(hash);
      const words = Buffer.from(data).subarray(4).toString("hex").match(/.{64}/g) ?? [];
      // deposit(address asset, bytes32 channelId, uint256 expectedHeld, uint256 amount)
      if (to === CONTRACTS.adjudicator && words.length === 4) {
        const [asset, channelId, before, amount] = words;
        const held = (BigInt(`0x${before}`) + BigInt(`0x${amount}`)).toString(16).padStart(64, "0");
        logs.push({
          address: CONTRACTS.adjudicator,
          topics: [DEPOSITED, `0x${channelId}`],
          data: new Uint8Array(Buffer.from(asset + held, "hex")),
          block,
          logIndex: 0,
        });
      }
      return { hash, block, gasUsed: 50_000n };
    },
  };
}

const POLICY = { minChallengeDuration: 60, minConfirmations: 1 };

/** A seller with terms for tests, and `fetch` that reaches it without a network. */
export async function openSeller(t, options = {}) {
  const seller = await Seller.open({
    chain: fakeChain(address(2)),
    challengeDuration: 60,
    confirmations: 1,
    // More often than the buyer, which then finds the seller ready when it says that the deposit is there.
    pollInterval: 5,
    policy: POLICY,
    ...options,
  });
  t.after(() => seller.stop());
  return seller;
}

/** What a network does: nothing wrong. */
export const fetchFrom = (seller) => (url, init) => seller.handle(new Request(url, init));

/** A buyer on the seller's chain. */
export async function openBuyer(t, seller, { fetch = fetchFrom(seller), store = memoryStore() } = {}) {
  const buyer = await Wallet.open({ chain: seller.wallet.chain, store, fetch, pollInterval: 50, policy: POLICY });
  t.after(() => buyer.stop());
  return buyer;
}

/** A seller with some content, a buyer, and an open channel between them. */
export async function setUp(t, { chunks = 5, fetch, store, sellerOptions, deposit = DEPOSIT } = {}) {
  const seller = await openSeller(t, sellerOptions);
  const content = new Uint8Array(randomBytes((chunks - 1) * CHUNK + CHUNK / 4));
  const listing = await seller.add("/content", { bytes: content }, { price: PRICE, chunkSize: CHUNK });
  const url = `${ORIGIN}/content`;
  const buyer = await openBuyer(t, seller, { ...(fetch && { fetch: fetch(seller) }), ...(store && { store }) });
  const channel = await buyer.openChannel({ seller: url, deposit });
  return { seller, buyer, channel, content, listing, url };
}

/** The seller's side of a channel. */
export const paidTo = (seller, channel) => seller.wallet.channel(channel.id).info.cumulativeAmount;

const base64url = (bytes) => Buffer.from(bytes).toString("base64url");

/** One paid request, as any HTTP client could make it. */
export function getChunk(seller, { url, listing }, index, payment, headers = {}, signal) {
  const first = index * listing.chunkSize;
  const last = Math.min(first + listing.chunkSize, listing.length) - 1;
  return seller.handle(
    new Request(url, { headers: { Range: `bytes=${first}-${last}`, Payment: base64url(payment), ...headers }, signal }),
  );
}

/** Status, error code and headers of a refusal. */
export async function refusalOf(response) {
  const { error } = await response.json();
  return { status: response.status, code: error.code, message: error.message };
}

/** What a 402 offers. */
export async function offerOf(response) {
  assert.equal(response.status, 402);
  const terms = JSON.parse(Buffer.from(response.headers.get("payment-required"), "base64").toString());
  const [accepted] = terms.accepts;
  return { terms, accepted, quote: new Uint8Array(Buffer.from(accepted.extra.quote, "base64url")) };
}

/** A fetch whose paid requests go through `between(request number, go)`; others pass. */
export const interrupted = (between) => (seller) => {
  let paid = 0;
  return (url, init) => {
    const go = () => seller.handle(new Request(url, init));
    return init?.headers?.Payment ? between(++paid, go, init) : go();
  };
};

/** The content that chunks make. */
export const join = (chunks) => new Uint8Array(Buffer.concat(chunks.map(({ bytes }) => bytes)));

/** The chunks of a download, and its error if it ended with one. */
export async function collect(generator) {
  const chunks = [];
  try {
    for await (const chunk of generator) chunks.push(chunk);
  } catch (error) {
    return { chunks, error };
  }
  return { chunks };
}

/** A store that can be told to fail, or to take `delay` milliseconds. */
export function failingStore() {
  const store = memoryStore();
  const state = { failing: false, delay: 0 };
  return {
    state,
    load: () => store.load(),
    read: (keys) => store.read(keys),
    async commit(writes) {
      if (state.delay > 0) await sleep(state.delay);
      if (state.failing) throw new Error("disk full");
      return store.commit(writes);
    },
  };
}
