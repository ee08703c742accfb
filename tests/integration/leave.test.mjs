// Leaving alone, when the other side is gone or lies: challenge, wait, pay-out, on the real contracts.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";

import { CHALLENGE_DURATION, DEPOSIT, PRICE, World, assertPaidOut, collect, trade, until } from "./harness.mjs";

describe("leaving alone", () => {
  let world;
  before(async () => (world = await World.start()));
  after(() => world.stop());

  /** Runs a leave and lets the chain's clock pass its challenge. */
  async function left(channel) {
    const progress = [];
    const leaving = channel.leave({ onProgress: (step) => progress.push(step) });
    const challenged = await until(() => progress.find(({ step }) => step === "challenged"), "challenged");
    const { timestamp } = await world.rpc("eth_getBlockByNumber", ["latest", false]);
    assert.ok(challenged.finalizesAt > Number(timestamp), "there is time to answer");
    assert.ok(challenged.finalizesAt <= Number(timestamp) + CHALLENGE_DURATION);
    return { leaving, progress };
  }

  it("the payer gets its money back when the seller is gone for good", async (t) => {
    const { shop, buyer, channel } = await trade(t, world);
    // Nobody answers and nobody watches the chain.
    await shop.vanish();
    await shop.seller.stop();
    const { leaving, progress } = await left(channel);
    assert.equal(await world.holdings(channel.id), DEPOSIT, "nothing moves before the time is over");
    await world.pass(CHALLENGE_DURATION + 1);
    const { paid, refunded } = await leaving;
    assert.deepEqual([paid, refunded], [0n, DEPOSIT]);
    assert.deepEqual(
      [...new Set(progress.map(({ step }) => step))],
      ["challenging", "challenged", "transferring", "closed"],
    );
    await assertPaidOut(world, { shop, buyer, channel }, 0n);
  });

  it("the payee redeems its best voucher when the buyer is gone", async (t) => {
    const { shop, buyer, channel } = await trade(t, world);
    const { chunks } = await collect(buyer.wallet.download(shop.url));
    const price = BigInt(chunks.length) * PRICE;
    await buyer.wallet.stop();
    const side = shop.side(channel);
    const { leaving } = await left(side);
    await world.pass(CHALLENGE_DURATION + 1);
    const { paid, refunded } = await leaving;
    assert.deepEqual([paid, refunded], [price, DEPOSIT - price]);
    assert.equal(side.status, "closed");
    await assertPaidOut(world, { shop, buyer, channel }, price);
  });

  it("a payer that leaves with the state before its payments is answered by the seller, unasked", async (t) => {
    const { shop, buyer, channel } = await trade(t, world);
    const { chunks } = await collect(buyer.wallet.download(shop.url));
    const price = BigInt(chunks.length) * PRICE;
    const challenges = [];
    shop.seller.wallet.on("challenged", (event) => challenges.push(event));
    const answers = [];
    shop.seller.wallet.on("transaction", (event) => answers.push(event));
    await shop.vanish(); // its web server; its wallet watches
    const leaving = channel.leave();
    await until(() => answers.length > 0, "the seller answered");
    assert.deepEqual([answers[0].kind, answers[0].channelId], ["challenge", channel.id]);
    assert.equal(challenges[0].ours, false);
    const answer = 1 + (1 << 8) + (chunks.length - 1); // baseTurn + (serial << 8) + ticks, above the payer's turn of 1
    await until(() => shop.side(channel).info.dispute?.turn === answer, "the answer stands on chain, confirmed");
    // The answer is the seller's, so the seller pays out, at once.
    await world.pass(CHALLENGE_DURATION + 1);
    const { paid, refunded } = await leaving;
    assert.deepEqual([paid, refunded], [price, DEPOSIT - price]);
    await assertPaidOut(world, { shop, buyer, channel }, price);
  });

  it("a payee that was never paid has nothing to leave with", async (t) => {
    const { shop, channel } = await trade(t, world);
    await assert.rejects(shop.side(channel).leave(), { code: "LEAVE_NOTHING_TO_CLAIM" });
    assert.equal(shop.side(channel).status, "open");
  });
});
