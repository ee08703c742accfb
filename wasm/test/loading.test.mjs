// Records that are read when they are needed: from a store that gives only those that are due at the start, into a memory
// that holds few.

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { MillstreamError, memoryStore } from "millstream";

import { coded, until } from "./harness.mjs";
import { DEPOSIT, FILE, FakeChain, FakeSeller, POLICY, openBuyer } from "./wallet-harness.mjs";

/** A store with an index on `wakeAt`, as a database has one. */
class DueStore {
  #inner = memoryStore();
  #due = new Map();
  reads = [];
  /** Set to act on what is read: may throw, or return other records. */
  onRead = (records) => records;

  load() {
    throw new Error("everything at once is too much");
  }

  /** How many records need attention. */
  get due() {
    return this.#due.size;
  }

  loadDue() {
    return this.#inner.read([...this.#due.keys()]);
  }

  async read(keys) {
    this.reads.push(...keys);
    return this.onRead(await this.#inner.read(keys));
  }

  async commit(writes) {
    await this.#inner.commit(writes);
    for (const { key, bytes, wakeAt } of writes) {
      if (bytes === undefined || wakeAt === undefined) this.#due.delete(key);
      else this.#due.set(key, wakeAt);
    }
  }
}

/** A chain, a seller whose store gives little, and a buyer with `count` open channels. */
async function setUp(t, { count = 1, deep = true, buyer: buyerOptions, seller: sellerOptions } = {}) {
  const chain = new FakeChain();
  const mining = setInterval(() => chain.mine(1, 0), 5);
  t.after(() => clearInterval(mining));
  const store = new DueStore();
  const seller = await FakeSeller.open(t, chain, { store, ...sellerOptions });
  const buyer = await openBuyer(t, chain, seller, buyerOptions);
  const channels = [];
  for (let opened = 0; opened < count; opened++)
    channels.push(await buyer.openChannel({ seller: FILE, deposit: DEPOSIT }));
  for (const { id } of channels)
    await until(async () => (await seller.wallet.loadChannel(id))?.status === "open", "the seller's side is open");
  if (deep) {
    // So deep that nobody expects a reorganisation to take the deposits back.
    chain.mine(64, 0);
    await until(() => store.due === 0, "the channels can rest");
  }
  return { chain, store, seller, buyer, channels };
}

/** The same seller in another process. */
async function restart(t, { chain, store, seller }, options = {}) {
  const secret = seller.wallet.exportSecret();
  await seller.wallet.stop();
  const again = await FakeSeller.open(t, chain, { store, secret, ...options });
  seller.wallet = again.wallet;
  return again.wallet;
}

describe("records on demand", () => {
  it("a seller starts with none of its idle channels, and takes payments on each", async (t) => {
    const parties = await setUp(t, { count: 3 });
    const { store, channels } = parties;
    for (const channel of channels) await parties.seller.wallet.receivePayment((await channel.pay(10n)).bytes);
    const wallet = await restart(t, parties);
    assert.deepEqual(wallet.channels(), []);
    store.reads.length = 0;
    const payments = await Promise.all(channels.map((channel) => channel.pay(5n)));
    const received = await Promise.all(payments.map(({ bytes }) => wallet.receivePayment(bytes)));
    assert.deepEqual(
      received.map(({ amount, cumulativeAmount }) => [amount, cumulativeAmount]),
      Array(3).fill([5n, 15n]),
    );
    for (const { id } of channels) assert.equal(store.reads.filter((key) => key === id).length, 1, "read once");
    assert.equal(wallet.channels().length, 3);
    // Messages as well: the close is proposed to a side that has to be read first.
    const later = await restart(t, parties);
    const closing = channels[0].close();
    closing.catch(() => {});
    await until(() => later.channel(channels[0].id)?.info.closing?.agreed, "the seller agreed");
  });

  it("a deposit that may still be taken back is looked at by a seller that starts", async (t) => {
    const parties = await setUp(t, { count: 2, deep: false });
    const wallet = await restart(t, parties);
    assert.deepEqual(
      wallet
        .channels()
        .map(({ id }) => id)
        .sort(),
      parties.channels.map(({ id }) => id).sort(),
    );
    parties.chain.mine(64, 0);
    await until(() => parties.store.due === 0, "they can rest");
    assert.deepEqual((await restart(t, parties)).channels(), []);
  });

  it("a channel that there is none of is no channel, here and in the store", async (t) => {
    const parties = await setUp(t);
    const [channel] = parties.channels;
    const { bytes } = await channel.pay(1n);
    const stranger = await FakeSeller.open(t, parties.chain, { store: new DueStore() });
    await assert.rejects(stranger.wallet.receivePayment(bytes), coded("UNKNOWN_CHANNEL"));
    assert.equal(await stranger.wallet.loadChannel(channel.id), undefined);
    await assert.rejects(stranger.wallet.loadChannel("0x12"), coded("INVALID_HEX"));
  });

  it("two in memory are enough for five channels that pay in turn", async (t) => {
    const parties = await setUp(t, { count: 5, seller: { maxLoaded: 2 } });
    const { seller, channels } = parties;
    for (let round = 1; round <= 4; round++)
      for (const channel of channels) {
        const { bytes } = await channel.pay(3n);
        const { cumulativeAmount } = await seller.wallet.receivePayment(bytes);
        assert.equal(cumulativeAmount, 3n * BigInt(round));
      }
    await until(() => seller.wallet.channels().length <= 2, "the idle ones are dropped");
  });

  it("a payer sees its channels at the start, and pays on with the next serial", async (t) => {
    const store = new DueStore();
    const { chain, seller, buyer, channels } = await setUp(t, { buyer: { store } });
    const [channel] = channels;
    await channel.pay(7n);
    await buyer.stop();
    const again = await openBuyer(t, chain, seller, { store, secret: buyer.exportSecret() });
    const [same] = again.channels();
    assert.deepEqual([same.id, same.paid, same.sellerUrl], [channel.id, 7n, channel.sellerUrl]);
    assert.equal((await same.pay(1n)).serial, 2);
  });

  it("a damaged record is an error of its channel, every time, and of no other", async (t) => {
    const parties = await setUp(t, { count: 2 });
    const [bad, good] = parties.channels;
    parties.store.onRead = (records) =>
      records.map((record) => (record.key === bad.id ? { ...record, bytes: Uint8Array.of(1, 2, 3) } : record));
    const wallet = await restart(t, parties);
    const errors = [];
    wallet.on("error", ({ error }) => errors.push(error.code));
    const { bytes } = await bad.pay(1n);
    for (let time = 0; time < 2; time++) await assert.rejects(wallet.receivePayment(bytes), coded("RECORD_MALFORMED"));
    await assert.rejects(wallet.loadChannel(bad.id), coded("RECORD_MALFORMED"));
    assert.deepEqual(errors, ["RECORD_MALFORMED"]);
    assert.equal((await wallet.receivePayment((await good.pay(1n)).bytes)).amount, 1n);
  });

  it("a store that cannot be read is waited for, and not forever", async (t) => {
    const parties = await setUp(t);
    const [channel] = parties.channels;
    await parties.seller.wallet.receivePayment((await channel.pay(1n)).bytes);
    let failures = 2;
    parties.store.onRead = (records) => {
      if (records.every(({ key }) => key !== channel.id) || failures === 0) return records;
      failures -= 1;
      throw new MillstreamError("BUSY", "not now");
    };
    const wallet = await restart(t, parties);
    const { bytes } = await channel.pay(9n);
    assert.equal((await wallet.receivePayment(bytes)).amount, 9n);
    assert.equal(failures, 0);
    failures = Infinity;
    const later = await restart(t, parties);
    await assert.rejects(later.receivePayment(bytes), coded("STORE_FAILED"));
    failures = 0;
    await until(() => later.channel(channel.id), "it goes on reading", 10_000);
    assert.equal((await later.receivePayment(bytes)).cumulativeAmount, 10n);
  });

  it("a wallet with a lease is disconnected after a restart until the seller said how far it got", async (t) => {
    const lease = { payments: 10, amount: 1_000n };
    const store = memoryStore();
    let commits = 0;
    const counting = { ...store, commit: (writes) => ((commits += 1), store.commit(writes)) };
    const parties = await setUp(t, { buyer: { store: counting, lease } });
    const { chain, seller, buyer, channels } = parties;
    const [channel] = channels;
    const before = commits;
    let last;
    for (let count = 0; count < 6; count++) last = await channel.pay(10n);
    assert.equal(commits, before + 1, "one write for six payments");
    await seller.wallet.receivePayment(last.bytes);
    await buyer.stop();
    const again = await openBuyer(t, chain, seller, { store: counting, lease, secret: buyer.exportSecret() });
    const same = again.channel(channel.id);
    await until(() => same.status === "open", "the seller answered");
    assert.equal(same.paid, 60n);
    const { bytes, cumulativeAmount } = await same.pay(1n);
    assert.equal(cumulativeAmount, 61n);
    assert.equal((await seller.wallet.receivePayment(bytes)).amount, 1n);
  });
});

describe("a channel that is not in memory", () => {
  /** The payer left with the state before its payments. */
  async function stale(t, options) {
    const parties = await setUp(t, options);
    const [channel] = parties.channels;
    await parties.seller.wallet.receivePayment((await channel.pay(500n)).bytes);
    return { ...parties, channel };
  }
  const answered = (chain) => until(() => chain.sent.filter((name) => name === "challenge").length === 2, "answered");

  it("is watched nevertheless: a stale close is answered", async (t) => {
    const parties = await stale(t);
    const wallet = await restart(t, parties);
    assert.deepEqual(wallet.channels(), []);
    parties.channel.leave().catch(() => {});
    await answered(parties.chain);
    assert.equal(wallet.channel(parties.channel.id).status, "challenged");
  });

  it("is watched from where an earlier process ended: a close in between is answered", async (t) => {
    const parties = await stale(t);
    // Blocks on which nothing happens, so that the start is not read again anyway.
    parties.chain.mine(200, 0);
    await until(() => parties.chain.asked.some(([from]) => from > 250), "they were read");
    const secret = parties.seller.wallet.exportSecret();
    await parties.seller.wallet.stop();
    parties.channel.leave().catch(() => {});
    await until(() => parties.chain.sent.includes("challenge"), "the payer left");
    parties.chain.mine(200, 0);
    parties.chain.asked.length = 0;
    await FakeSeller.open(t, parties.chain, { store: parties.store, secret, policy: POLICY });
    await answered(parties.chain);
    const first = Math.min(...parties.chain.asked.map(([from]) => from));
    assert.ok(first > 150, `read from block ${first}`);
  });
});
