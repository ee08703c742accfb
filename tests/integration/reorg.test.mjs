// The chain takes back what was confirmed: deeper than every confirmation, and than what is read again with each block.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";

import { DEPOSIT, PRICE, World, assertPaidOut, trade, until } from "./harness.mjs";

describe("a deep reorganisation", () => {
  let world;
  before(async () => (world = await World.start()));
  after(() => world.stop());

  it("that takes the deposit back is noticed by both, and the deposit is made again", async (t) => {
    const parties = await trade(t, world);
    const { shop, buyer, channel } = parties;
    const filter = { address: world.adjudicator, fromBlock: "0x0", topics: [null, channel.id] };
    const [{ blockNumber }] = await world.rpc("eth_getLogs", [filter]);
    await world.mine(40);
    const head = await world.head();
    for (const wallet of [buyer.wallet, shop.seller.wallet]) {
      const seen = wallet.channel(channel.id);
      await until(() => seen.info.holdings === DEPOSIT, "the deposit is confirmed");
    }
    const { bytes } = await channel.pay(PRICE);
    await shop.seller.wallet.receivePayment(bytes);

    const noticed = new Set();
    buyer.wallet.on("reorganised", ({ channelId }) => noticed.add(`payer ${channelId}`));
    shop.seller.wallet.on("reorganised", ({ channelId }) => noticed.add(`payee ${channelId}`));
    // Empty blocks in the place of those since the deposit.
    await world.rpc("anvil_reorg", [head - Number(blockNumber) + 1, []]);
    assert.equal(await world.holdings(channel.id), 0n);
    await until(() => noticed.size === 2, "both noticed");

    await until(async () => (await world.holdings(channel.id)) === DEPOSIT, "it is deposited again");
    await until(
      () => channel.info.holdings === DEPOSIT && shop.side(channel).info.holdings === DEPOSIT,
      "and confirmed",
    );
    assert.deepEqual([channel.status, channel.paid], ["open", PRICE]);
    const { paid, refunded } = await channel.close();
    assert.deepEqual([paid, refunded], [PRICE, DEPOSIT - PRICE]);
    await assertPaidOut(world, parties, PRICE);
  });
});
