// Channels through hubs on the real contracts: the ledgers go on chain, what is bought through them does not.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";

import {
  CHALLENGE_DURATION,
  CHUNKS,
  PRICE,
  Shop,
  World,
  collect,
  joined,
  openBuyer,
  openHub,
  sha256,
  until,
} from "./harness.mjs";

const FEE = 1_234n;
const LEDGER = 40n * PRICE;
const COST = CHUNKS * PRICE;

describe("channels through hubs", () => {
  let world;
  before(async () => (world = await World.start()));
  after(() => world.stop());

  /** A buyer, hubs and a shop with a ledger between each two. */
  async function openRow(t, { hubs: count, asset }) {
    const hubs = [];
    for (let index = 0; index < count; index++) hubs.push(await openHub(t, world, { fee: FEE }));
    const shop = await Shop.open(t, world, { asset, hubs: [hubs.at(-1).origin] });
    const buyer = await openBuyer(t, world);
    const parties = [buyer, ...hubs, shop];
    for (const { account } of asset ? parties : []) await world.mint(account, 10n * LEDGER);
    const from = (await world.head()) + 1;
    const terms = { deposit: LEDGER, ...(asset && { asset }) };
    const ledgers = [await buyer.wallet.openChannel({ seller: hubs[0].origin, kind: "ledger", ...terms })];
    for (const [index, { hub }] of hubs.entries())
      ledgers.push(await hub.link(hubs[index + 1]?.origin ?? shop.origin, terms));
    const transactions = () => world.transactions([...parties.map(({ account }) => account), world.adjudicator], from);
    return { hubs, shop, buyer, ledgers, parties, transactions };
  }

  /** Buys the file through the hubs, closes everything, and counts every base unit. */
  async function buyAndClose({ hubs, shop, buyer, ledgers, parties, transactions }, asset) {
    const opened = (await transactions()).length;
    const { chunks, error } = await collect(buyer.wallet.download(shop.url));
    assert.equal(error, undefined);
    assert.equal(sha256(joined(chunks)), sha256(shop.content));
    const [channel] = buyer.wallet.channels().filter(({ info }) => info.hubs);
    assert.equal(channel.info.hubs.length, hubs.length);
    assert.deepEqual([channel.paid, shop.paid(channel)], [COST, COST]);
    const { paid, refunded } = await channel.close();
    assert.deepEqual([paid, refunded], [COST, channel.deposit - COST]);
    await until(() => ledgers.every(({ info }) => info.guaranteed === 0n), "nothing is set aside any more");
    assert.equal((await transactions()).length, opened, "what was bought through hubs took no transaction");
    await Promise.all(ledgers.map((ledger) => ledger.close()));
    const fees = FEE * BigInt(hubs.length);
    const got = await Promise.all(parties.map(({ destination }) => world.balance(destination, asset)));
    const expected = [LEDGER - COST - fees, ...hubs.map(() => LEDGER + FEE), COST];
    assert.deepEqual(got, expected);
    for (const { id } of ledgers) assert.equal(await world.holdings(id, asset), 0n, "left in the adjudicator");
    return (await transactions()).length;
  }

  it("a file bought through one hub costs a deposit and a close for each ledger", async (t) => {
    const row = await openRow(t, { hubs: 1 });
    assert.equal(await buyAndClose(row), 4);
  });

  it("a file bought for a token through two hubs costs an approval more for each ledger", async (t) => {
    const row = await openRow(t, { hubs: 2, asset: world.token });
    assert.equal(await buyAndClose(row, world.token), 9);
  });

  it("when the hub is gone, buyer and seller leave with what the channel says", async (t) => {
    const { hubs, shop, buyer, ledgers } = await openRow(t, { hubs: 1 });
    const { error } = await collect(buyer.wallet.download(shop.url));
    assert.equal(error, undefined);
    await until(() => shop.seller.wallet.channel(ledgers[1].id).info.guaranteed > 0n, "the seller is backed");
    await hubs[0].stop();
    const time = setInterval(() => void world.pass(CHALLENGE_DURATION / 2), 300);
    t.after(() => clearInterval(time));
    const [ours, theirs] = [ledgers[0], shop.seller.wallet.channel(ledgers[1].id)];
    await Promise.all([ours.leave(), theirs.leave()]);
    assert.equal(await world.balance(buyer.destination), LEDGER - COST - FEE);
    assert.equal(await world.balance(shop.destination), COST);
  });
});
