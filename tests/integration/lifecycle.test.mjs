// The whole way on the real contracts: open, buy a file, close; balances to the base unit.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";

import {
  CHUNK,
  CHUNKS,
  DEPOSIT,
  LENGTH,
  PRICE,
  Shop,
  World,
  assertPaidOut,
  collect,
  joined,
  openBuyer,
  sha256,
  sleep,
  trade,
} from "./harness.mjs";

describe("a channel's whole life", () => {
  let world;
  before(async () => (world = await World.start()));
  after(() => world.stop());

  it("takes two transactions to buy a file with the chain's own asset", async (t) => {
    const shop = await Shop.open(t, world);
    const buyer = await openBuyer(t, world);
    const from = (await world.head()) + 1;
    const [before, sellerBefore] = [await world.balance(buyer.account), await world.balance(shop.account)];

    const steps = [];
    const channel = await buyer.wallet.openChannel({
      seller: shop.url,
      deposit: DEPOSIT,
      onProgress: (step) => steps.push(step),
    });
    assert.deepEqual([...new Set(steps)], ["proposed", "accepted", "depositing", "confirming", "open"]);
    assert.equal(channel.status, "open");
    assert.equal(await world.holdings(channel.id), DEPOSIT);

    const { chunks, error } = await collect(buyer.wallet.download(shop.url));
    assert.equal(error, undefined);
    assert.equal(chunks.length, Number(CHUNKS));
    assert.equal(chunks.at(-1).bytes.length, LENGTH - 11 * CHUNK);
    assert.equal(sha256(joined(chunks)), sha256(shop.content));
    const price = CHUNKS * PRICE;
    assert.deepEqual([channel.paid, shop.paid(channel)], [price, price]);

    const { paid, refunded, transactionHash } = await channel.close();
    assert.deepEqual([paid, refunded], [price, DEPOSIT - price]);
    assert.equal(channel.status, "closed");
    await assertPaidOut(world, { shop, buyer, channel }, price);

    const transactions = await world.transactions(
      [buyer.account, shop.account, buyer.destination, shop.destination, world.adjudicator],
      from,
    );
    assert.equal(transactions.length, 2, "the deposit and the close");
    const [deposit, close] = transactions;
    for (const transaction of transactions) {
      assert.equal(transaction.from, buyer.account);
      assert.equal(transaction.to, world.adjudicator);
      assert.equal(transaction.receipt.status, "0x1");
    }
    assert.equal(BigInt(deposit.value), DEPOSIT);
    assert.equal(close.hash, transactionHash);
    assert.equal(await world.balance(buyer.account), before - DEPOSIT - deposit.gas - close.gas);
    assert.equal(await world.balance(shop.account), sellerBefore, "selling costs the seller no gas");
  });

  it("takes two transactions as well to buy hundreds of chunks, many at once", async (t) => {
    const shop = await Shop.open(t, world, { chunkSize: 8 * 1024 });
    const buyer = await openBuyer(t, world);
    const from = (await world.head()) + 1;
    const channel = await buyer.wallet.openChannel({ seller: shop.url, deposit: DEPOSIT });
    const { chunks, error } = await collect(buyer.wallet.download(shop.url, { parallel: 16 }));
    assert.equal(error, undefined);
    assert.equal(chunks.length, Math.ceil(LENGTH / (8 * 1024)));
    assert.ok(chunks.length > 300);
    assert.equal(sha256(joined(chunks)), sha256(shop.content));
    // A voucher and its 255 ticks, then another voucher.
    assert.deepEqual([channel.info.serial, channel.info.ticks], [2, chunks.length - 257]);
    const price = BigInt(chunks.length) * shop.listing.price;
    assert.deepEqual([channel.paid, shop.paid(channel)], [price, price]);
    await channel.close();
    await assertPaidOut(world, { shop, buyer, channel }, price);
    const addresses = [buyer.account, shop.account, buyer.destination, shop.destination, world.adjudicator];
    assert.equal((await world.transactions(addresses, from)).length, 2, "the deposit and the close");
  });

  it("is the same with a token, whose approval is one transaction more", async (t) => {
    const asset = world.token;
    const shop = await Shop.open(t, world, { asset });
    const buyer = await openBuyer(t, world);
    await world.mint(buyer.account, DEPOSIT + 5n);
    const from = (await world.head()) + 1;
    const channel = await buyer.wallet.openChannel({ seller: shop.url, deposit: DEPOSIT, asset });
    assert.equal(await world.balance(buyer.account, asset), 5n);
    assert.equal(await world.holdings(channel.id, asset), DEPOSIT);
    const { chunks } = await collect(buyer.wallet.download(shop.url));
    assert.equal(sha256(joined(chunks)), sha256(shop.content));
    const { paid, refunded } = await channel.close();
    assert.deepEqual([paid, refunded], [CHUNKS * PRICE, DEPOSIT - CHUNKS * PRICE]);
    await assertPaidOut(world, { shop, buyer, channel }, CHUNKS * PRICE, { asset });
    const sent = await world.transactions([buyer.account, shop.account, world.adjudicator], from);
    assert.deepEqual(
      sent.map(({ to }) => to),
      [asset, world.adjudicator, world.adjudicator],
    );
    assert.equal(await world.balance(buyer.account, asset), 5n);
  });

  it("pays back everything when nothing was bought", async (t) => {
    const { shop, buyer, channel } = await trade(t, world);
    assert.deepEqual(await channel.close().then(({ paid, refunded }) => [paid, refunded]), [0n, DEPOSIT]);
    await assertPaidOut(world, { shop, buyer, channel }, 0n);
  });

  it("pays the seller everything when the deposit is used up", async (t) => {
    const deposit = 3n * PRICE;
    const { shop, buyer, channel } = await trade(t, world, { deposit });
    const { chunks, error } = await collect(buyer.wallet.download(shop.url));
    assert.deepEqual([chunks.length, error?.code], [3, "INSUFFICIENT_BALANCE"]);
    await channel.close();
    await assertPaidOut(world, { shop, buyer, channel }, deposit, { deposit });
  });

  it("ends for the seller too: it forgets the channel's ledger and serves nothing on it any more", async (t) => {
    const { shop, buyer, channel } = await trade(t, world);
    let last;
    const spy = (url, init) => {
      last = init?.headers?.Payment ?? last;
      return fetch(url, init);
    };
    await collect(buyer.wallet.download(shop.url, { fetch: spy }));
    assert.equal((await shop.get(3, last)).status, 206, "free while the channel is open");
    await channel.close();
    for (let waited = 0; shop.side(channel)?.status !== "closed" && waited < 5_000; waited += 10) await sleep(10);
    const { status, code } = await shop.get(3, last);
    assert.deepEqual([status, code], [402, "CHANNEL_NOT_OPEN"]);
  });
});

describe("a chain with a block every second", () => {
  let world;
  before(async () => (world = await World.start({ blockTime: 1 })));
  after(() => world.stop());

  it("opens with a seller that sees the deposit later than the buyer", async (t) => {
    const shop = await Shop.open(t, world, { pollInterval: 3_000 });
    const buyer = await openBuyer(t, world);
    const signal = AbortSignal.timeout(15_000);
    const channel = await buyer.wallet.openChannel({ seller: shop.url, deposit: DEPOSIT, signal });
    assert.deepEqual([channel.status, shop.side(channel).status], ["open", "open"]);
  });
});
