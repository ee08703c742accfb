// Channels through hubs: opened, paid on and closed without the chain.

import assert from "node:assert/strict";
import { test } from "node:test";

import { decodePayment, memoryStore } from "../dist/index.js";
import { FEE, LEDGER, openRow, until } from "./hub-harness.mjs";
import { PRICE, coded, collect, join } from "./seller-harness.mjs";

const AMOUNT = 100_000n;

const hexBytes = (hex) => hex && Buffer.from(hex.slice(2), "hex");

/** Every byte that reached somebody: what was asked of it, and what it was answered. */
function bytesAt({ traffic }, origin, name) {
  const toIt = traffic.filter(({ to }) => to === origin).map(({ sent }) => sent);
  const answers = traffic.filter(({ from }) => from === name).map(({ received }) => received ?? new Uint8Array(0));
  return Buffer.concat([...toIt, ...answers]);
}

test("a channel through a hub opens, pays and closes without a transaction", async (t) => {
  const { network, hub, seller, buyer, ledgers } = await openRow(t);
  const { block } = await network.chain.head();
  const steps = [];
  const channel = await buyer.openChannel({
    seller: seller.url,
    via: hub.origin,
    deposit: AMOUNT,
    onProgress: (step) => steps.push(step),
  });
  assert.deepEqual([channel.status, channel.deposit, channel.info.role], ["open", AMOUNT, "payer"]);
  assert.deepEqual(channel.info.hubs, [hub.wallet.address]);
  assert.equal(steps.at(-1), "open");
  const { chunks, error } = await collect(buyer.download(seller.url));
  assert.equal(error, undefined);
  assert.deepEqual(join(chunks), seller.content);
  const paid = 5n * PRICE;
  assert.deepEqual([channel.paid, seller.wallet.channel(channel.id).paid], [paid, paid]);
  assert.equal(ledgers[0].info.guaranteed, AMOUNT);
  assert.equal(hub.wallet.channel(channel.id).info.role, "hub");

  assert.deepEqual(await channel.close(), { paid, refunded: AMOUNT - paid, carried: 0n });
  await until(() => seller.wallet.channel(channel.id).status === "closed", "the seller's side is closed");
  assert.deepEqual(ledgers[0].info.balances, { payer: LEDGER - paid - FEE, payee: paid + FEE });
  await until(() => ledgers[1].info.balances.payee === paid, "the seller has its money");
  assert.deepEqual(ledgers[1].info.balances, { payer: LEDGER - paid, payee: paid });
  assert.equal((await network.chain.head()).block, block, "nothing went to the chain");
});

test("the hub sees what a channel may pay and what it paid in the end, and nothing in between", async (t) => {
  // Nothing else is as long and begins alike.
  const price = 0x71_5a_93_c4_d1n;
  const deposit = 0x0200_0000_0000_0000n;
  const { network, hub, seller, buyer } = await openRow(t, { seller: { price, chunks: 6 }, ledger: deposit * 2n });
  const channel = await buyer.openChannel({ seller: seller.url, via: hub.origin, deposit });
  await until(() => seller.wallet.channel(channel.id).status === "open", "the seller's side is open");
  const heard = () => bytesAt(network, hub.origin, "hub0");
  const before = heard().length;
  const { chunks, error } = await collect(buyer.download(seller.url, { parallel: 2, receipts: "all" }));
  assert.equal(error, undefined);
  assert.equal(chunks.length, 6);
  assert.equal(heard().length, before, "no byte comes near it while it is paid");
  await channel.close();
  await until(() => hub.wallet.channel(channel.id).status === "closed", "the hub's side is closed");

  const all = Buffer.from(heard());
  const payments = network.traffic.filter(({ headers }) => headers?.Payment);
  assert.ok(payments.length >= 6);
  assert.ok(payments.every(({ to }) => to === seller.origin));
  const secrets = payments.flatMap(({ headers }) => {
    const bytes = Buffer.from(headers.Payment, "base64url");
    const { signature, preimage, memo } = decodePayment(new Uint8Array(bytes));
    return [bytes, signature, hexBytes(preimage), hexBytes(memo)].filter((value) => value !== undefined);
  });
  assert.ok(secrets.length > payments.length);
  for (const secret of secrets) assert.equal(all.indexOf(secret), -1, Buffer.from(secret).toString("hex"));
  const amountIn = (amount) => all.indexOf(Buffer.from(amount.toString(16).padStart(12, "0"), "hex")) >= 0;
  for (let count = 1n; count < 6n; count++) assert.ok(!amountIn(count * price), `${count} chunks`);
  assert.ok(amountIn(6n * price), "the sum at the close is what it has to know");
  for (const { to, url, method } of network.traffic)
    if (to === hub.origin)
      assert.match(`${method} ${url}`, /^(GET|POST) http:\/\/hub0\.test\/\.well-known\/millstream$/);
});

test("from a page that has a ledger, the first paid byte comes with the third round trip", async (t) => {
  const store = memoryStore();
  const secret = new Uint8Array(32).fill(7);
  const { network, hub, seller, buyer } = await openRow(t, { buyer: { store, secret } });
  await buyer.stop();
  const depths = [];
  let deepest = 0;
  const inner = network.fetchOf("page");
  const posted = () => depths.filter(({ method }) => method === "POST");
  const fetch = async (input, init) => {
    const depth = deepest + 1;
    const { method, body, headers } = init ?? {};
    depths.push({ depth, url: String(input), paid: headers?.Payment !== undefined, method, body });
    const response = await inner(input, init);
    // What is asked side by side is not answered before all of it is asked: otherwise nothing is answered at all.
    if (String(input).endsWith("?manifest"))
      await until(() => posted().length > 0, "the channel is proposed meanwhile");
    if (init?.method === "POST" && posted()[0].body !== init.body)
      await until(() => depths.some(({ paid }) => paid), "the first payment is on its way meanwhile");
    deepest = Math.max(deepest, depth);
    return response;
  };
  const page = await network.buyer("page", { store, secret, fetch });
  await until(
    () => network.traffic.some(({ from, status }) => from === "page" && status === 200),
    "the page knows its hub",
  );
  [deepest, depths.length] = [0, 0];
  const response = await page.fetch(seller.url);
  const reader = response.body.getReader();
  const { value } = await reader.read();
  assert.deepEqual(value, seller.content.slice(0, 1_000));
  assert.equal(depths.find(({ paid }) => paid).depth, 3);
  const opening = depths.filter(({ url }) => url.startsWith(hub.origin));
  assert.equal(opening[0].depth, 2);
  assert.ok(opening.slice(1).every(({ depth }) => depth >= 3));
  await reader.cancel();
});

test("a seller that names a hub is paid through it without a word of the caller", async (t) => {
  const { network, seller, buyer } = await openRow(t);
  const { block } = await network.chain.head();
  const [first, second] = await Promise.all([buyer.fetch(seller.url), buyer.fetch(seller.url)]);
  assert.deepEqual(new Uint8Array(await first.arrayBuffer()), seller.content);
  assert.deepEqual(new Uint8Array(await second.arrayBuffer()), seller.content);
  const opened = buyer.channels().filter(({ info }) => info.hubs);
  assert.equal(opened.length, 1, "both took the same channel");
  assert.equal(opened[0].deposit, 5n * PRICE);
  assert.equal((await network.chain.head()).block, block);
});

test("a channel that is used up is followed by another, as large as the hub can carry", async (t) => {
  const { seller, buyer } = await openRow(t, { last: 4n * PRICE });
  const { error } = await collect(buyer.download(seller.url, { parallel: 1 }));
  coded("INSUFFICIENT_BALANCE")(error);
  const opened = () => buyer.channels().filter(({ info, status }) => info.hubs && status === "open");
  const [channel] = opened();
  // Half of what all of it costs: the ledger of the hub cannot carry all.
  assert.deepEqual([channel.deposit, channel.paid], [(5n * PRICE) / 2n, 2n * PRICE]);
  const { chunks } = await collect(buyer.download(seller.url, { parallel: 1 }));
  assert.equal(opened().length, 2);
  assert.ok(chunks.length > 0);
});

test("a ledger is not closed under the channels that it carries", async (t) => {
  const { hub, seller, buyer, ledgers } = await openRow(t);
  await buyer.openChannel({ seller: seller.url, via: hub.origin, deposit: AMOUNT });
  await assert.rejects(ledgers[0].close(), coded("CLOSE_GUARANTEES"));
});

test("channels through two hubs, named or looked for", async (t) => {
  const { hubs, seller, buyer, ledgers } = await openRow(t, { hubs: 2 });
  const via = hubs.map(({ origin }) => origin);
  const named = await buyer.openChannel({ seller: seller.url, via, deposit: AMOUNT });
  assert.deepEqual(
    named.info.hubs,
    hubs.map(({ wallet }) => wallet.address),
  );
  const found = await buyer.openChannel({ seller: seller.url, via: "auto", deposit: AMOUNT });
  assert.deepEqual(found.info.hubs, named.info.hubs);
  await until(() => ledgers[0].info.guaranteed === 2n * AMOUNT, "both are set aside");
  const response = await buyer.fetch(seller.url);
  assert.deepEqual(new Uint8Array(await response.arrayBuffer()), seller.content);
  await Promise.all([named.close(), found.close()]);
  const paid = 5n * PRICE + 2n * 2n * FEE;
  await until(() => ledgers[0].info.guaranteed === 0n, "nothing is set aside any more");
  assert.deepEqual(ledgers[0].info.balances, { payer: LEDGER - paid, payee: paid });
});

test("a seller's accounts and quotes, with a hub and after a restart", async (t) => {
  const [store, secret] = [memoryStore(), new Uint8Array(32).fill(3)];
  const { network, hubs, seller, buyer, ledgers } = await openRow(t, { seller: { store, secret } });
  const listed = async (from) => {
    const response = await from.handle(new Request(seller.url));
    return JSON.parse(Buffer.from(response.headers.get("payment-required"), "base64")).accepts[0].extra;
  };
  const { quote, hubs: text } = await listed(seller);
  assert.deepEqual(JSON.parse(text), [
    {
      address: hubs[0].wallet.address,
      url: `${hubs[0].origin}/.well-known/millstream`,
      ledger: ledgers[1].id,
    },
  ]);
  const channel = await buyer.openChannel({ seller: seller.url, via: "auto", deposit: AMOUNT });
  await collect(buyer.download(seller.url, { endChunk: 2 }));
  const accounts = async (of) => {
    const all = await of.accounts();
    return [ledgers[1], channel].map(({ id }) => {
      const { kind, buyer: other, earned, unspent, status } = all.find(({ channelId }) => channelId === id);
      return [kind, other, earned, unspent, status];
    });
  };
  const [withHub, withBuyer] = [
    ["ledger", hubs[0].wallet.address],
    ["stream", buyer.address],
  ];
  assert.deepEqual(await accounts(seller), [
    [...withHub, 0n, 0n, "open"],
    [...withBuyer, 2n * PRICE, 0n, "open"],
  ]);
  await seller.stop();
  const again = await network.seller("seller", { hubs, store, secret, bytes: seller.content });
  assert.equal((await listed(again)).quote, quote, "what was paid for before is still paid for");
  const { chunks } = await collect(buyer.download(seller.url, { endChunk: 3 }));
  assert.deepEqual(
    chunks.map(({ amount }) => amount),
    [0n, 0n, PRICE],
  );
  // Its request goes to the hub, and from there with whatever the buyer asks of that next.
  const closing = again.claim(channel.id);
  await until(() => hubs[0].wallet.channel(channel.id).status === "closing", "the hub was asked");
  await ledgers[0].ping();
  assert.equal((await closing).paid, 3n * PRICE);
  await until(() => ledgers[1].info.guaranteed === 0n, "the hub has paid");
  assert.deepEqual((await accounts(again))[0], [...withHub, 3n * PRICE, 0n, "open"]);
});
