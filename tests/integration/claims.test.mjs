// A seller that wants its money: with the buyer, without it, from every channel that earned enough.

import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";

import { fetchOffer } from "millstream";

import {
  CHALLENGE_DURATION,
  DEPOSIT,
  PRICE,
  World,
  assertPaidOut,
  coded,
  collect,
  openBuyer,
  trade,
  until,
} from "./harness.mjs";

const NOTHING = `0x${"0".repeat(64)}`;

describe("claims", () => {
  let world;
  before(async () => (world = await World.start()));
  after(() => world.stop());

  it("alone: the best payment with its ticks is paid out to the unit, and the account says so at every step", async (t) => {
    const { shop, buyer, channel } = await trade(t, world);
    const { seller } = shop;
    const accountOf = async () => (await seller.accounts()).find(({ channelId }) => channelId === channel.id);
    const { peer } = seller.wallet.channel(channel.id).info;
    const same = { channelId: channel.id, kind: "stream", buyer: peer, asset: `0x${"0".repeat(40)}` };
    assert.deepEqual(await accountOf(), {
      ...same,
      status: "open",
      earned: 0n,
      unspent: 0n,
      held: DEPOSIT,
      paidOut: undefined,
    });
    await assert.rejects(seller.claim(channel.id, { alone: true }), coded("LEAVE_NOTHING_TO_CLAIM"));

    // Seven chunks: a voucher and six ticks. One more payment buys nothing.
    const { chunks } = await collect(buyer.wallet.download(shop.url, { startChunk: 5 }));
    assert.equal(chunks.length, 7);
    assert.ok(chunks.some(({ ticks }) => ticks > 0));
    const { hash: memo } = await fetchOffer(shop.url, buyer.wallet);
    await shop.get(5, (await channel.pay(PRICE + 1n, { memo })).bytes);
    const earned = 8n * PRICE + 1n;
    assert.deepEqual(await accountOf(), {
      ...same,
      status: "open",
      earned,
      unspent: PRICE + 1n,
      held: DEPOSIT,
      paidOut: undefined,
    });
    await buyer.wallet.stop();

    const steps = [];
    const claimed = seller.claim(channel.id, { alone: true, onProgress: (progress) => steps.push(progress) });
    await until(() => steps.some(({ step }) => step === "challenged"), "challenged");
    assert.equal((await accountOf()).status, "challenged");
    await world.pass(CHALLENGE_DURATION + 1);
    const { paid, refunded, transactionHash } = await claimed;
    assert.deepEqual([paid, refunded], [earned, DEPOSIT - earned]);
    assert.match(transactionHash, /^0x[0-9a-f]{64}$/);
    assert.ok(steps.every(({ channelId }) => channelId === channel.id));
    await assertPaidOut(world, { shop, buyer, channel }, earned);
    const { status, paidOut, held } = await accountOf();
    assert.deepEqual([status, paidOut, held], ["closed", earned, 0n]);
  });

  it("ticks alone count: what only a hash paid is paid out", async (t) => {
    const { shop, buyer, channel } = await trade(t, world);
    const { hash: memo } = await fetchOffer(shop.url, buyer.wallet);
    for (let index = 0; index < 5; index++) {
      const { bytes, ticks } = await channel.pay(PRICE, { memo, ticks: 10 });
      assert.equal(ticks, index);
      assert.equal((await shop.get(index, bytes)).status, 206);
    }
    await buyer.wallet.stop();
    const claimed = shop.seller.claim({ above: 0n }, { alone: true });
    await until(() => shop.side(channel).status === "challenged", "challenged");
    await world.pass(CHALLENGE_DURATION + 1);
    assert.deepEqual(
      (await claimed).map(({ channelId, result }) => [channelId, result?.paid]),
      [[channel.id, 5n * PRICE]],
    );
    await assertPaidOut(world, { shop, buyer, channel }, 5n * PRICE);
  });

  it("with the buyer: it is asked, and one transaction pays both", async (t) => {
    const { shop, buyer, channel } = await trade(t, world);
    await collect(buyer.wallet.download(shop.url, { startChunk: 9 }));
    const from = await world.head();
    const claimed = shop.seller.claim(channel.id);
    // What the payee asks for travels with the payer's next message.
    await until(() => shop.side(channel).status === "closing", "asked");
    await channel.ping();
    const { paid, refunded } = await claimed;
    assert.deepEqual([paid, refunded], [3n * PRICE, DEPOSIT - 3n * PRICE]);
    await assertPaidOut(world, { shop, buyer, channel }, 3n * PRICE);
    assert.equal((await world.transactions([shop.account, buyer.account], from + 1)).length, 1);
  });

  it("several: those that earned more, each for itself", async (t) => {
    const { shop, buyer: small, channel: little } = await trade(t, world);
    const large = await openBuyer(t, world);
    const much = await large.wallet.openChannel({ seller: shop.url, deposit: DEPOSIT });
    await collect(small.wallet.download(shop.url, { startChunk: 11 }));
    await collect(large.wallet.download(shop.url));
    assert.deepEqual(await shop.seller.claim({ above: 12n * PRICE }), []);
    assert.deepEqual(await shop.seller.claim({ above: 0n, asset: world.token }), []);
    const claimed = shop.seller.claim({ above: PRICE }, { alone: true });
    await until(() => shop.side(much).status === "challenged", "challenged");
    assert.equal(shop.side(little).status, "open");
    await world.pass(CHALLENGE_DURATION + 1);
    const [{ channelId, result }, ...others] = await claimed;
    assert.deepEqual([channelId, result.paid, others.length], [much.id, 12n * PRICE, 0]);
    assert.equal(await world.balance(shop.destination), 12n * PRICE);
  });

  it("what cannot be claimed is refused with a code", async (t) => {
    const { shop } = await trade(t, world);
    const { seller } = shop;
    await assert.rejects(seller.claim(NOTHING), coded("UNKNOWN_CHANNEL"));
    await assert.rejects(seller.claim("0x12"), coded("INVALID_HEX"));
    for (const above of [-1n, 5, undefined])
      await assert.rejects(seller.claim({ above }), coded("INVALID_ARGUMENT", { field: "above" }));
    await assert.rejects(seller.claim({ above: 0n, asset: "eth" }), coded("INVALID_HEX"));
  });

  it("what was watched by the second on credit is paid out as far as it was paid", async (t) => {
    const { shop, buyer } = await trade(t, world);
    const folder = await mkdtemp(join(tmpdir(), "millstream-claims-"));
    t.after(() => rm(folder, { recursive: true }));
    await mkdir(join(folder, "v"));
    const lines = [
      "#EXTM3U",
      "#EXT-X-TARGETDURATION:6",
      "#EXTINF:6,",
      "0.ts",
      "#EXTINF:4.2,",
      "1.ts",
      "#EXT-X-ENDLIST",
    ];
    await writeFile(join(folder, "v/p.m3u8"), lines.join("\n"));
    for (const name of ["0.ts", "1.ts"]) await writeFile(join(folder, "v", name), name);
    await shop.seller.addFolder("/film/", folder, { price: 7n, unit: "second", credit: 50n });
    const url = `${shop.origin}/film/`;
    const offer = await fetchOffer(url, buyer.wallet);
    assert.deepEqual([offer.units, offer.total, offer.credit], [11, 77n, 50n]);
    const channel = await buyer.wallet.openChannel({ seller: url, deposit: 1_000n });
    const get = async (path, payment) =>
      fetch(`${url}${path}?payment=${Buffer.from(payment.bytes).toString("base64url")}`);
    const first = await channel.pay(1n, { memo: offer.hash });
    assert.equal((await get("v/0.ts", first)).status, 200);
    assert.equal((await get("v/1.ts", first)).status, 402);
    const second = await channel.pay(35n, { memo: offer.hash });
    assert.equal(await (await get("v/1.ts", second)).text(), "1.ts");
    const account = (await shop.seller.accounts()).find(({ channelId }) => channelId === channel.id);
    assert.deepEqual([account.earned, account.unspent], [36n, -41n]);
    await buyer.wallet.stop();
    const claimed = shop.seller.claim(channel.id, { alone: true });
    await until(() => shop.side(channel).status === "challenged", "challenged");
    await world.pass(CHALLENGE_DURATION + 1);
    const { paid, refunded } = await claimed;
    assert.deepEqual([paid, refunded], [36n, 964n]);
    assert.equal(await world.balance(shop.destination), 36n);
  });
});
