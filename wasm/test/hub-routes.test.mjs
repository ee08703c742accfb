// Ways through several hubs: by fee, by what they can carry, and around whoever refuses. And what a restart leaves of one.

import assert from "node:assert/strict";
import { test } from "node:test";

import { memoryStore } from "../dist/index.js";
import { LEDGER, Network, openRow, until } from "./hub-harness.mjs";
import { PRICE, coded } from "./seller-harness.mjs";

const AMOUNT = 100_000n;

/** A buyer with a ledger to one hub, and from there several hubs side by side, each with a ledger to the seller. */
async function openFan(t, middles) {
  const network = new Network(t);
  const near = await network.hub("near", { fee: 1n });
  const hubs = [];
  for (const [index, { deposit: _, ...options }] of middles.entries())
    hubs.push(await network.hub(`middle${index}`, options));
  const seller = await network.seller("seller", { hubs });
  for (const [index, hub] of hubs.entries()) {
    await near.link(hub.origin, { deposit: LEDGER });
    await hub.link(seller.origin, { deposit: middles[index].deposit ?? LEDGER });
  }
  const buyer = await network.buyer();
  await buyer.openChannel({ seller: near.origin, kind: "ledger", deposit: LEDGER });
  const open = (deposit = AMOUNT) => buyer.openChannel({ seller: seller.url, via: "auto", deposit });
  const addresses = hubs.map(({ wallet }) => wallet.address);
  return { network, near, hubs, seller, buyer, open, wayOf: ({ info }) => addresses.indexOf(info.hubs[1]) };
}

test("the cheapest way is taken, by what it costs for this amount", async (t) => {
  const { open, wayOf } = await openFan(t, [{ fee: 60n }, { fee: 10n, feeRate: 1_000 }, { fee: 90n }]);
  assert.equal(wayOf(await open(100_000n)), 0);
  assert.equal(wayOf(await open(10_000n)), 1);
});

test("a way that cannot carry the money is left out, and one that turns out not to is gone around", async (t) => {
  const { network, near, hubs, seller, open, wayOf, buyer } = await openFan(t, [
    { fee: 1n, deposit: 50_000n },
    { fee: 2n },
    { fee: 3n },
  ]);
  assert.equal(wayOf(await open()), 1);
  // What the hub says is not what it does.
  const lie = (change) => (handle) => async (request) => {
    const response = await handle(request);
    if (request.method !== "GET") return response;
    const terms = await response.json();
    change(terms.hub);
    return Response.json(terms);
  };
  const other = await network.buyer("other");
  await other.openChannel({ seller: near.origin, kind: "ledger", deposit: LEDGER });
  network.replace(
    hubs[0].origin,
    lie(({ links }) => (links[0].send = String(LEDGER))),
  );
  const proposals = () => network.traffic.filter(({ from, method }) => from === "other" && method === "POST").length;
  const before = proposals();
  const channel = await other.openChannel({ seller: seller.url, via: "auto", deposit: AMOUNT });
  assert.equal(wayOf(channel), 1);
  assert.ok(proposals() > before + 1, "the first way was tried");
  assert.equal(buyer.channels().filter(({ info }) => info.hubs).length, 1);
});

test("who refuses for good is gone around; if all do, the last one's reason is told", async (t) => {
  const nobody = { serves: [`0x${"99".repeat(20)}`] };
  const { open, wayOf } = await openFan(t, [{ fee: 1n, ...nobody }, { fee: 2n }]);
  assert.equal(wayOf(await open()), 1);
  const closed = await openFan(t, [
    { fee: 1n, ...nobody },
    { fee: 2n, ...nobody },
  ]);
  await assert.rejects(closed.open(), coded("HUB_REFUSED", { peerCode: "HUB_NOT_SERVED", aborted: true }));
});

test("links to nowhere cost a refusal, nothing else", async (t) => {
  const { network, near, seller, open, wayOf } = await openFan(t, [{ fee: 50n }]);
  network.replace(near.origin, (handle) => async (request) => {
    const response = await handle(request);
    if (request.method !== "GET") return response;
    const terms = await response.json();
    const [link] = terms.hub.links;
    // A ledger that there is not, straight to the seller, and more hubs than anybody asks.
    terms.hub.links.push({ ...link, peer: seller.wallet.address, ledger: `0x${"77".repeat(32)}` });
    for (let index = 0; index < 200; index++)
      terms.hub.links.push({
        ...link,
        url: `http://nowhere${index}.test/`,
        peer: `0x${String(1000 + index).repeat(10)}`,
      });
    return Response.json(terms);
  });
  const channel = await open();
  assert.equal(wayOf(channel), 0);
  assert.ok(network.traffic.filter(({ from, to }) => from === "buyer" && to.includes("nowhere")).length <= 24);
});

test("the last message of an opening is brought again until it arrives", async (t) => {
  const { network, hub, seller, buyer } = await openRow(t);
  let lost = 0;
  network.replace(seller.origin, (handle) => (request) => {
    // The proposal passes, what follows is lost a few times.
    if (request.method === "POST" && ++lost > 1 && lost < 6) throw new TypeError("fetch failed");
    return handle(request);
  });
  const channel = await buyer.openChannel({ seller: seller.url, via: hub.origin, deposit: AMOUNT });
  await until(() => seller.wallet.channel(channel.id).status === "open", "the seller's side is open");
  assert.ok(lost >= 6);
});

test("a payer that was restarted says again what may not have arrived, and pays on", async (t) => {
  const [store, secret] = [memoryStore(), new Uint8Array(32).fill(9)];
  const { network, hub, seller, buyer } = await openRow(t, { buyer: { store, secret } });
  let isCut = false;
  network.replace(hub.origin, (handle) => (request) => {
    if (isCut && request.method === "POST") throw new TypeError("fetch failed");
    return handle(request);
  });
  const channel = await buyer.openChannel({
    seller: seller.url,
    via: hub.origin,
    deposit: AMOUNT,
    // From here on nothing reaches the hub.
    onProgress: (step) => (isCut ||= step === "accepted"),
  });
  await buyer.stop();
  assert.notEqual(seller.wallet.channel(channel.id).status, "open");
  isCut = false;
  const again = await network.buyer("again", { store, secret });
  await until(() => seller.wallet.channel(channel.id).status === "open", "the seller's side is open");
  const response = await again.fetch(seller.url);
  assert.deepEqual(new Uint8Array(await response.arrayBuffer()), seller.content);
  assert.equal(again.channel(channel.id).paid, 5n * PRICE);
});

test("a hub that was restarted closes what it helped to open", async (t) => {
  const [store, secret] = [memoryStore(), new Uint8Array(32).fill(5)];
  const { network, hub, seller, buyer, ledgers } = await openRow(t, { hub: { store, secret } });
  const channel = await buyer.openChannel({ seller: seller.url, via: hub.origin, deposit: AMOUNT });
  await until(() => seller.wallet.channel(channel.id).status === "open", "the seller's side is open");
  await hub.stop();
  const again = await network.hub("hub0", { store, secret });
  assert.deepEqual(
    again.terms.links.map(({ ledger, url }) => [ledger, url]),
    [[ledgers[1].id, `${seller.origin}/.well-known/millstream`]],
  );
  assert.equal((await channel.close()).paid, 0n);
  await until(() => seller.wallet.channel(channel.id).status === "closed", "the seller's side is closed");
});
