// A wallet whose key is elsewhere: every signature is asked for, from the opening to the close.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";

import { Signer, init } from "millstream";

import {
  CHUNKS,
  DEPOSIT,
  PRICE,
  World,
  assertPaidOut,
  coded,
  collect,
  sha256,
  joined,
  sleep,
  trade,
} from "./harness.mjs";

describe("a signer outside", () => {
  let world;
  before(async () => {
    await init();
    world = await World.start();
  });
  after(() => world.stop());

  /** A key that takes its time, and what it was asked for. */
  function keyElsewhere() {
    const key = new Signer();
    const asked = [];
    return {
      asked,
      address: key.address,
      async signDigest(digest, purpose) {
        asked.push(purpose);
        await sleep(5);
        return key.sign(digest);
      },
    };
  }

  it("opens, pays for a file, tops up, withdraws and closes", async (t) => {
    const signer = keyElsewhere();
    const parties = await trade(t, world, { buyerOptions: { signer } });
    const { shop, buyer, channel } = parties;
    assert.deepEqual([buyer.wallet.address, shop.side(channel).info.peer], [signer.address, signer.address]);
    const { chunks, error } = await collect(buyer.wallet.download(shop.url));
    assert.equal(error, undefined);
    assert.equal(sha256(joined(chunks)), sha256(shop.content));
    assert.equal(signer.asked.filter((purpose) => purpose === "voucher").length, Number(CHUNKS));
    await channel.topUp(PRICE);
    const successor = await channel.withdraw(2n * PRICE);
    assert.equal(await world.balance(buyer.destination), 2n * PRICE);
    const { paid, refunded } = await successor.close();
    const price = CHUNKS * PRICE;
    assert.deepEqual([paid, refunded], [price, DEPOSIT - price - PRICE]);
    await assertPaidOut(world, { ...parties, channel: successor }, price, { deposit: DEPOSIT + PRICE });
    assert.deepEqual([...new Set(signer.asked)].sort(), ["message", "state", "voucher"]);
    assert.throws(() => buyer.wallet.exportSecret(), coded("KEY_ELSEWHERE"));
  });

  it("that declines to pay is not paid with, and pays the next time", async (t) => {
    const signer = keyElsewhere();
    const { shop, channel } = await trade(t, world, { buyerOptions: { signer } });
    const sign = signer.signDigest;
    signer.signDigest = async () => {
      throw new Error("the owner said no");
    };
    await assert.rejects(channel.pay(PRICE), (error) => {
      assert.equal(error.cause.message, "the owner said no");
      return coded("SIGN_REFUSED", { channelId: channel.id })(error);
    });
    signer.signDigest = sign;
    // Asked for at once: the second waits for the first.
    const payments = await Promise.all([channel.pay(PRICE), channel.pay(2n * PRICE)]);
    for (const { bytes } of payments) await shop.seller.wallet.receivePayment(bytes);
    assert.deepEqual([shop.paid(channel), channel.paid], [3n * PRICE, 3n * PRICE]);
  });
});
