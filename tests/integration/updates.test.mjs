// A channel that goes on: topped up, folded, given back from, withdrawn from, put on chain. Balances to the base unit.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";

import { CHALLENGE_DURATION, DEPOSIT, PRICE, World, assertPaidOut, coded, collect, trade, until } from "./harness.mjs";

/** Pays and lets the seller take it, without a download. */
async function pay({ shop, channel }, amount) {
  const { bytes } = await channel.pay(amount);
  await shop.seller.wallet.receivePayment(bytes);
}

describe("a channel that goes on", () => {
  let world;
  before(async () => (world = await World.start()));
  after(() => world.stop());

  for (const asset of ["native", "token"])
    it(`is topped up with the ${asset} asset while it pays, and pays out all of it`, async (t) => {
      const more = 7n * PRICE + 1n;
      const token = asset === "token" ? world.token : undefined;
      const account = await world.account();
      if (token) await world.mint(account, DEPOSIT + more + 3n);
      const parties = await trade(t, world, { ...(token && { asset: token }), buyerOptions: { account } });
      const { shop, channel } = parties;
      await pay(parties, DEPOSIT - 5n);
      await assert.rejects(channel.pay(6n), coded("INSUFFICIENT_BALANCE"));
      const before = await world.balance(account, token);
      const from = (await world.head()) + 1;

      const topping = channel.topUp(more);
      // What both signed and is not deposited yet cannot be spent; what was there before can.
      const meanwhile = await channel.pay(2n);
      await shop.seller.wallet.receivePayment(meanwhile.bytes);
      await topping;

      const sent = await world.transactions([account], from);
      assert.deepEqual(
        sent.map(({ to }) => to),
        token ? [token, world.adjudicator] : [world.adjudicator],
      );
      const gas = token ? 0n : sent.reduce((sum, transaction) => sum + transaction.gas, 0n);
      assert.equal(await world.balance(account, token), before - more - gas);
      assert.equal(await world.holdings(channel.id, token), DEPOSIT + more);
      const paid = DEPOSIT - 3n;
      assert.deepEqual(
        [channel.deposit, channel.paid, channel.remaining, channel.info.holdings],
        [DEPOSIT + more, paid, more + 3n, DEPOSIT + more],
      );

      const { chunks, error } = await collect(parties.buyer.wallet.download(shop.url));
      assert.deepEqual([chunks.length, error?.code], [7, "INSUFFICIENT_BALANCE"]);
      const result = await channel.close();
      assert.deepEqual(
        [result.paid, result.refunded, result.carried],
        [paid + 7n * PRICE, DEPOSIT + more - paid - 7n * PRICE, 0n],
      );
      await assertPaidOut(world, parties, paid + 7n * PRICE, { deposit: DEPOSIT + more, asset: token });
    });

  it("gives the payer a part back in one transaction, and goes on in a successor", async (t) => {
    const parties = await trade(t, world);
    const { shop, buyer, channel } = parties;
    await pay(parties, 3n * PRICE);
    const from = (await world.head()) + 1;
    const successor = await channel.withdraw(10n * PRICE);
    assert.equal((await world.transactions([buyer.account, shop.account], from)).length, 1);
    assert.equal(await world.balance(buyer.destination), 10n * PRICE);
    assert.equal(await world.balance(shop.destination), 0n);
    assert.deepEqual([await world.holdings(channel.id), await world.holdings(successor.id)], [0n, 10n * PRICE]);
    assert.deepEqual(channel.info.payout, { paid: 0n, refunded: 10n * PRICE, carried: 10n * PRICE });
    assert.equal(channel.status, "closed");
    assert.equal(channel.successor, successor);
    assert.equal(successor.info.predecessor, channel.id);
    assert.equal(successor.sellerUrl, channel.sellerUrl);
    assert.deepEqual([successor.status, successor.remaining], ["open", 7n * PRICE]);
    assert.deepEqual(successor.info.balances, { payer: 7n * PRICE, payee: 3n * PRICE });

    await until(() => shop.side(successor)?.status === "open", "the seller saw it");
    const { chunks, error } = await collect(buyer.wallet.download(shop.url));
    assert.deepEqual([chunks.length, error?.code], [7, "INSUFFICIENT_BALANCE"]);
    const { paid, refunded } = await successor.close();
    assert.deepEqual([paid, refunded], [10n * PRICE, 0n]);
    assert.equal(await world.balance(shop.destination), 10n * PRICE);
    assert.equal(await world.balance(buyer.destination), 10n * PRICE);
    assert.equal(await world.holdings(successor.id), 0n);
  });

  it("pays the seller what it earned on its request, and goes on in a successor", async (t) => {
    const parties = await trade(t, world);
    const { shop, buyer, channel } = parties;
    await pay(parties, 8n * PRICE);
    const side = shop.side(channel);
    const withdrawing = side.withdraw(6n * PRICE);
    withdrawing.catch(() => {});
    // It is heard with the payer's next message.
    await channel.ping();
    const successor = await withdrawing;
    assert.equal(await world.balance(shop.destination), 6n * PRICE);
    assert.equal(await world.balance(buyer.destination), 0n);
    assert.equal(await world.holdings(successor.id), DEPOSIT - 6n * PRICE);
    const ours = await until(() => channel.status === "closed" && channel.successor, "the payer saw it");
    assert.equal(ours.id, successor.id);
    assert.deepEqual(ours.info.balances, { payer: DEPOSIT - 8n * PRICE, payee: 2n * PRICE });
    await pay({ shop, channel: ours }, PRICE);
    await ours.close();
    assert.equal(await world.balance(shop.destination), 9n * PRICE);
    assert.equal(await world.balance(buyer.destination), DEPOSIT - 9n * PRICE);
  });

  it("folds what was paid into a state that both sign, and gives back of it", async (t) => {
    const parties = await trade(t, world);
    const { shop, buyer, channel } = parties;
    await pay(parties, 5n * PRICE);
    await pay(parties, 4n * PRICE);
    const updates = [];
    buyer.wallet.on("updated", ({ balances }) => updates.push(balances));
    await channel.fold();
    const balances = { payer: DEPOSIT - 9n * PRICE, payee: 9n * PRICE };
    assert.deepEqual([updates, channel.info.serial], [[balances], 0]);
    assert.ok(channel.info.baseTurn > 1);

    const giving = shop.side(channel).giveBack(2n * PRICE);
    giving.catch(() => {});
    await channel.ping();
    await giving;
    await until(() => channel.paid === 7n * PRICE, "the payer has it");
    await pay(parties, PRICE);
    await channel.close();
    await assertPaidOut(world, parties, 8n * PRICE);
  });

  it("puts a state on chain below which nothing counts any more", async (t) => {
    const parties = await trade(t, world);
    const { shop, buyer, channel } = parties;
    await pay(parties, 5n * PRICE);
    const side = shop.side(channel);
    await side.snapshot();
    assert.equal(side.info.turnRecord, 1 + (1 << 8), "the redemption of the first voucher");
    await assert.rejects(side.snapshot(), coded("CHECKPOINT_NOT_NEWER"));
    // The payer, whose own state is below it, leaves with the seller's.
    await until(() => channel.info.turnRecord === side.info.turnRecord, "the payer saw it");
    await shop.vanish();
    await shop.seller.stop();
    const challenged = new Promise((resolve) => buyer.wallet.on("challenged", resolve));
    const leaving = channel.leave();
    await challenged;
    await world.pass(CHALLENGE_DURATION + 1);
    const { paid, refunded } = await leaving;
    assert.deepEqual([paid, refunded], [5n * PRICE, DEPOSIT - 5n * PRICE]);
    await assertPaidOut(world, parties, 5n * PRICE);
  });
});
