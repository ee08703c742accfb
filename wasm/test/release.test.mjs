// Nothing signed leaves before what it commits to is stored: with stores that hang, fail, or were written to by another.

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { MillstreamError, Wallet } from "millstream";

import { coded, sleep, until } from "./harness.mjs";
import { DEPOSIT, FILE, FakeChain, FakeSeller, POLICY, TestStore, openBuyer, openTrade } from "./wallet-harness.mjs";

/** A store's answer that does not come before the test is over. Call it first: what is stopped last waits for it. */
const hanging = (t) => {
  const hang = new Promise((resolve) => t.after(resolve));
  return () => hang;
};
const conflict = () => {
  throw new MillstreamError("STORE_CONFLICT", "somebody else wrote first");
};
const broken = () => {
  throw new Error("the disk is full");
};

describe("commit before release", () => {
  it("lets no proposal leave a payer whose store never answers", async (t) => {
    const never = hanging(t);
    const chain = new FakeChain();
    const seller = await FakeSeller.open(t, chain);
    const store = new TestStore();
    const buyer = await openBuyer(t, chain, seller, { store });
    store.onCommit = never;
    const steps = [];
    const abort = new AbortController();
    const opening = buyer.openChannel({
      seller: FILE,
      deposit: DEPOSIT,
      signal: abort.signal,
      onProgress: (step) => steps.push(step),
    });
    await sleep(200);
    assert.ok(store.commits > 0);
    assert.deepEqual([steps, seller.messages, chain.sent], [[], 0, []]);
    abort.abort();
    await assert.rejects(opening, coded("ABORTED"));
    assert.deepEqual([seller.messages, chain.sent], [0, []]);
  });

  it("lets no payment leave before its commit, and all of them after it, in order", async (t) => {
    const store = new TestStore();
    const { buyer, channel } = await openTrade(t, { buyer: { store } });
    const release = [];
    store.onCommit = () => new Promise((resolve) => release.push(resolve));
    const announced = [];
    buyer.on("payment", ({ serial }) => announced.push(serial));
    const paying = [1n, 2n, 3n].map((amount) => channel.pay(amount));
    const settled = [];
    paying.forEach((payment, index) => payment.then(() => settled.push(index)));
    await sleep(50);
    // Signed and counted, not released; the writes of one channel go one after the other.
    assert.deepEqual([channel.paid, release.length, settled, announced], [6n, 1, [], []]);
    release.shift()();
    assert.equal((await paying[0]).cumulativeAmount, 1n);
    await sleep(20);
    assert.deepEqual([release.length, settled, announced], [1, [0], [1]]);
    release.shift()();
    await until(() => release.length === 1);
    release.shift()();
    const payments = await Promise.all(paying);
    assert.deepEqual(
      payments.map(({ serial, cumulativeAmount }) => [serial, cumulativeAmount]),
      [
        [1, 1n],
        [2, 3n],
        [3, 6n],
      ],
    );
    assert.deepEqual(announced, [1, 2, 3]);
  });

  it("lets no acceptance and no receipt of a payment leave a payee whose store never answers", async (t) => {
    const never = hanging(t);
    const store = new TestStore();
    const { seller, channel } = await openTrade(t, { seller: { store } });
    store.onCommit = never;
    const payment = await channel.pay(5n);
    let received = false;
    seller.wallet.receivePayment(payment.bytes).then(
      () => (received = true),
      () => {},
    );
    let closed = false;
    channel.close().then(
      () => (closed = true),
      () => {},
    );
    await sleep(150);
    assert.deepEqual([received, closed], [false, false]);
  });

  for (const [name, fail, code] of [
    ["fails", broken, "STORE_FAILED"],
    ["was written to by another", conflict, "STORE_CONFLICT"],
  ]) {
    it(`pays nothing from a store that ${name}, and goes on when it works again`, async (t) => {
      const store = new TestStore();
      const { buyer, channel } = await openTrade(t, { buyer: { store } });
      await channel.pay(10n);
      const errors = [];
      buyer.on("error", ({ error }) => errors.push(error.code));
      const payments = [];
      buyer.on("payment", (payment) => payments.push(payment));
      store.onCommit = fail;
      const results = await Promise.allSettled([channel.pay(1n), channel.pay(2n), channel.pay(3n)]);
      for (const { reason } of results) coded(code)(reason);
      assert.deepEqual([payments, errors], [[], [code]]);
      // Reloaded: what was signed and never left is forgotten, and no serial of it was ever shown.
      await until(() => buyer.channel(channel.id) && channel.paid === 10n, "the record is read again");
      store.onCommit = () => {};
      const next = await channel.pay(4n);
      assert.deepEqual([next.serial, next.cumulativeAmount], [2, 14n]);
    });

    it(`accepts nothing into a store that ${name}, and charges once when it works again`, async (t) => {
      const store = new TestStore();
      const { seller, channel } = await openTrade(t, { seller: { store } });
      const payment = await channel.pay(10n);
      store.onCommit = fail;
      await assert.rejects(seller.wallet.receivePayment(payment.bytes), coded(code));
      store.onCommit = () => {};
      const side = await until(() => seller.wallet.channel(channel.id), "the record is read again");
      assert.equal(side.paid, 0n);
      const received = await seller.wallet.receivePayment(payment.bytes);
      assert.deepEqual([received.amount, received.cumulativeAmount], [10n, 10n]);
    });

    it(`opens no channel from a store that ${name}: nothing is proposed, nothing deposited`, async (t) => {
      const chain = new FakeChain();
      const seller = await FakeSeller.open(t, chain);
      const store = new TestStore();
      const buyer = await openBuyer(t, chain, seller, { store });
      store.onCommit = fail;
      await assert.rejects(buyer.openChannel({ seller: FILE, deposit: DEPOSIT }), (error) => {
        assert.equal(error.details.aborted, true);
        return coded(code)(error);
      });
      await sleep(50);
      assert.deepEqual([seller.messages, chain.sent], [0, []]);
    });
  }

  it("begins no withdrawal whose two records are not stored, and goes on without it", async (t) => {
    const store = new TestStore();
    const { seller, buyer, channel } = await openTrade(t, { buyer: { store } });
    const before = seller.messages;
    const pairs = [];
    store.onCommit = (_, writes) => {
      if (writes.length === 1) return;
      pairs.push(writes.map(({ key }) => key));
      broken();
    };
    await assert.rejects(channel.withdraw(5n), coded("STORE_FAILED"));
    await until(() => buyer.channel(channel.id), "the record is read again");
    assert.deepEqual([pairs.length, pairs[0].length, pairs[0].includes(channel.id)], [1, 2, true]);
    assert.deepEqual([channel.status, channel.successor, seller.messages], ["open", undefined, before]);
    assert.deepEqual(buyer.channels(), [channel]);
    assert.equal((await channel.pay(1n)).serial, 1);
    store.onCommit = () => {};
    const successor = await channel.withdraw(5n);
    assert.deepEqual(
      [channel.info.payout, successor.status],
      [{ paid: 0n, refunded: 5n, carried: DEPOSIT - 5n }, "open"],
    );
    assert.deepEqual(successor.info.balances, { payer: DEPOSIT - 6n, payee: 1n });
  });

  it("sends no deposit before the acceptance is stored", async (t) => {
    const never = hanging(t);
    const chain = new FakeChain();
    const seller = await FakeSeller.open(t, chain);
    const store = new TestStore();
    const buyer = await openBuyer(t, chain, seller, { store });
    // The proposal and the note of where the seller is; then the acceptance.
    store.onCommit = (commits) => (commits > 2 ? never() : undefined);
    buyer.openChannel({ seller: FILE, deposit: DEPOSIT }).catch(() => {});
    await until(() => store.commits === 3);
    await sleep(100);
    assert.deepEqual(chain.sent, []);
    assert.equal(buyer.channels()[0].status, "signed");
  });

  it("reads again until the store answers", async (t) => {
    const store = new TestStore();
    const { buyer, channel } = await openTrade(t, { buyer: { store } });
    store.onCommit = conflict;
    store.onRead = (reads) => {
      if (reads < 3) throw new Error("not yet");
    };
    await assert.rejects(channel.pay(1n), coded("STORE_CONFLICT"));
    assert.equal(buyer.channel(channel.id), undefined);
    store.onCommit = () => {};
    // It waits for the record, which the third read brings.
    assert.equal((await channel.pay(1n)).serial, 1);
    assert.equal(store.reads, 3);
  });

  it("keeps two wallets with one key and one store from both paying", async (t) => {
    const store = new TestStore();
    const { chain, seller, buyer, channel } = await openTrade(t, { buyer: { store } });
    await channel.pay(10n);
    const twin = await openBuyer(t, chain, seller, { store, secret: buyer.exportSecret() });
    const twinChannel = twin.channel(channel.id);
    const first = await twinChannel.pay(5n);
    // The other wallet's record is older now: it must not sign the same serial with other content and let it out.
    await assert.rejects(channel.pay(7n), coded("STORE_CONFLICT"));
    await until(() => buyer.channel(channel.id) && channel.paid === 15n, "the other's payment is read");
    const second = await channel.pay(7n);
    assert.deepEqual([first.serial, second.serial, second.cumulativeAmount], [2, 3, 22n]);
    for (const { bytes } of [first, second]) await seller.wallet.receivePayment(bytes);
  });

  it("stops without writing any more, and opens again where it was stored", async (t) => {
    const store = new TestStore();
    const { chain, seller, buyer, channel } = await openTrade(t, { buyer: { store } });
    await channel.pay(10n);
    let release;
    store.onCommit = () => new Promise((resolve) => (release = resolve));
    const paying = channel.pay(5n);
    const stopping = buyer.stop();
    await assert.rejects(paying, coded("WALLET_STOPPED"));
    await assert.rejects(channel.pay(1n), coded("WALLET_STOPPED"));
    let stopped = false;
    void stopping.then(() => (stopped = true));
    await sleep(30);
    assert.equal(stopped, false, "a write is under way");
    release();
    await stopping;
    store.onCommit = () => {};
    const secret = buyer.exportSecret();
    const again = await Wallet.open({ chain: chain.as(1), policy: POLICY, fetch: seller.fetch, store, secret });
    t.after(() => again.stop());
    // Stored, and never shown to anyone: its serial is used up all the same.
    const side = again.channel(channel.id);
    assert.deepEqual([side.paid, side.sellerUrl], [15n, channel.sellerUrl]);
    assert.equal((await side.pay(1n)).serial, 3);
  });
});
