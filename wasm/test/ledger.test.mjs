// The seller's chunk ledger: what it stores, when, and what a crash, a conflict or a greedy buyer make of it.

import assert from "node:assert/strict";
import { before, test } from "node:test";

import { Wallet, init, keccak256, memoryStore } from "../dist/index.js";
import { ChunkRanges, areBounds } from "../dist/chunk-ranges.js";
import { ChunkLedger } from "../dist/seller-ledger.js";
import { random } from "./harness.mjs";
import {
  CHUNK,
  PRICE,
  address,
  coded,
  collect,
  fakeChain,
  getChunk,
  refusalOf,
  setUp,
  sleep,
} from "./seller-harness.mjs";

const ID = `0x${"11".repeat(32)}`;
const quote = { hash: `0x${"22".repeat(32)}`, expiresAt: 100 };
const keyOf = (id) =>
  `0x${Buffer.from(keccak256(new TextEncoder().encode(`millstream ledger ${id}`))).toString("hex")}`;
const isLedger = ({ bytes }) => Buffer.from(bytes).subarray(0, 12).toString() === '{"ledger":1,';
const open = (store, { paid, now = 1 } = {}) => new ChunkLedger(store, { now: () => now, paid: () => paid });
const purchase = (index, more = {}) => ({ channelId: ID, quote, index, price: 10n, credit: 0n, ...more });
const buy = (ledger, index, cumulativeAmount, more) => ledger.buy(purchase(index, more), { cumulativeAmount });

/** A store that counts its commits, and does what it is told before each. */
function watched() {
  const store = memoryStore();
  const state = { commits: 0, before: async () => {} };
  const commit = async (writes) => {
    state.commits += 1;
    await state.before();
    return store.commit(writes);
  };
  return { state, store: { load: () => store.load(), read: (keys) => store.read(keys), commit } };
}

before(() => init());

test("runs of chunks are the set that was added, whatever the order", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const below = random(seed);
    const [ranges, set] = [new ChunkRanges(), new Set()];
    for (let step = 0; step < 200; step++) {
      const index = below(120);
      const before = ranges.runs;
      const joins = ranges.extends(index);
      assert.equal(joins, set.has(index) || set.has(index - 1) || set.has(index + 1), `${index}`);
      ranges.add(index);
      if (!joins) assert.equal(ranges.runs, before + 1);
      set.add(index);
      const gone = below(121);
      ranges.delete(gone);
      set.delete(gone);
      const probe = below(121);
      assert.equal(ranges.has(probe), set.has(probe));
    }
    const { bounds } = ranges;
    assert.ok(areBounds(bounds, 120));
    assert.deepEqual(new ChunkRanges(bounds).bounds, bounds);
    const listed = [];
    for (let at = 0; at < bounds.length; at += 2)
      for (let index = bounds[at]; index <= bounds[at + 1]; index++) listed.push(index);
    assert.deepEqual(
      listed,
      [...set].sort((a, b) => a - b),
    );
  }
  for (const wrong of [[1], [2, 1], [0, 1, 2, 3], [0, 1, 1, 3], [0, 120], [-1, 0], [0.5, 1], ["0", 1], {}, undefined])
    assert.equal(areBounds(wrong, 120), false, JSON.stringify(wrong));
});

test("purchases that come at once share their writes, and none is told before it is stored", async () => {
  const { store, state } = watched();
  let stored = 0;
  state.before = async () => {
    await sleep(10);
    stored += 1;
  };
  const ledger = open(store);
  const outcomes = await Promise.all(
    Array.from({ length: 50 }, async (_, index) => {
      const outcome = await buy(ledger, index, 500n);
      assert.ok(stored > 0);
      return outcome.bought;
    }),
  );
  assert.deepEqual([...new Set(outcomes)], ["now"]);
  assert.ok(state.commits <= 2, `${state.commits} writes`);
  assert.deepEqual(await buy(ledger, 50, 500n), { bought: "no", unspent: 0n });
  // Another one on the same store knows it all.
  const again = open(store);
  assert.deepEqual(await buy(again, 49, 500n), { bought: "before", count: 50 });
  assert.deepEqual(await again.statement(ID, quote.hash, { cumulativeAmount: 510n }), {
    unspent: 10n,
    owed: 0n,
    bought: [0, 49],
  });
});

test("what could not be stored was not bought", async () => {
  const { store, state } = watched();
  const ledger = open(store);
  await buy(ledger, 0, 20n);
  state.before = () => Promise.reject(new Error("disk full"));
  await assert.rejects(buy(ledger, 1, 20n), coded("STORE_FAILED"));
  state.before = async () => {};
  assert.deepEqual(await ledger.statement(ID, quote.hash, { cumulativeAmount: 20n }), {
    unspent: 10n,
    owed: 0n,
    bought: [0, 0],
  });
  assert.equal((await buy(ledger, 2, 20n)).bought, "now");
});

test("a purchase is in the write of its payment, or nowhere", async () => {
  const { store, state } = watched();
  const ledger = open(store);
  /** Takes a payment in that brings the channel to so much, and says what came of it. */
  const payAndBuy = async (index, cumulativeAmount, commit = (write) => store.commit([write])) => {
    const pay = async (along) => {
      const write = along({ cumulativeAmount, memo: quote.hash });
      if (write) await commit(write);
      return { cumulativeAmount };
    };
    return (await ledger.payAndBuy(ID, () => purchase(index), pay)).bought?.outcome;
  };
  const statement = async (cumulativeAmount) => {
    const { unspent, bought } = await ledger.statement(ID, quote.hash, { cumulativeAmount });
    assert.deepEqual(await open(store).statement(ID, quote.hash, { cumulativeAmount }), { unspent, owed: 0n, bought });
    return [unspent, ...bought];
  };
  assert.deepEqual(await payAndBuy(0, 10n), { bought: "now", count: 1 });
  assert.equal(state.commits, 1);
  assert.deepEqual(await statement(10n), [0n, 0, 0]);

  // What cannot be bought, or has been, is in no write.
  assert.equal(await payAndBuy(1, 19n), undefined);
  assert.equal(await payAndBuy(0, 20n), undefined);
  assert.equal(state.commits, 1);

  // A payment that is not stored bought nothing, and nothing was received.
  state.before = () => Promise.reject(new Error("disk full"));
  await assert.rejects(payAndBuy(1, 20n), /disk full/);
  state.before = async () => {};
  assert.deepEqual(await statement(10n), [0n, 0, 0]);
  assert.deepEqual(await payAndBuy(1, 20n), { bought: "now", count: 2 });

  // While that write is under way others wait for the next one, and fail with it.
  let waiting;
  await assert.rejects(
    payAndBuy(2, 30n, async () => {
      assert.equal(await payAndBuy(3, 40n), undefined);
      waiting = buy(ledger, 3, 40n);
      await sleep(10);
      throw new Error("disk full");
    }),
    /disk full/,
  );
  await assert.rejects(waiting, /disk full/);
  assert.deepEqual(await statement(40n), [20n, 0, 1]);

  // Another process wrote first: the payment is taken in once more, alone.
  await buy(open(store), 2, 40n);
  assert.equal(await payAndBuy(3, 40n), undefined);
  assert.deepEqual(await statement(40n), [10n, 0, 2]);
  assert.deepEqual(await buy(ledger, 3, 40n), { bought: "now", count: 4 });
});

test("two processes on one store charge every chunk once", async () => {
  const store = memoryStore();
  const ledgers = [open(store), open(store)];
  const outcomes = await Promise.all(
    Array.from({ length: 40 }, (_, at) => buy(ledgers[at % 2], at >> 1, 200n).then(({ bought }) => bought)),
  );
  assert.deepEqual(outcomes.filter((bought) => bought === "now").length, 20);
  const { unspent } = await open(store).statement(ID, quote.hash, { cumulativeAmount: 200n });
  assert.equal(unspent, 0n);
});

test("a credit is served ahead of payment, and what was given back is not owed once more", async () => {
  const store = memoryStore();
  const ledger = open(store);
  const onCredit = { credit: 20n };
  assert.deepEqual(
    [await buy(ledger, 0, 0n, onCredit), await buy(ledger, 1, 0n, onCredit), await buy(ledger, 2, 0n, onCredit)],
    [
      { bought: "now", count: 1 },
      { bought: "now", count: 2 },
      { bought: "no", unspent: -20n },
    ],
  );
  assert.equal((await buy(ledger, 2, 10n, onCredit)).bought, "now");
  // What is owed is owed under every quote, and after a restart.
  const plain = open(store, { paid: 30n });
  assert.deepEqual(await plain.statement(ID, quote.hash, { cumulativeAmount: 10n }), {
    unspent: 0n,
    owed: 20n,
    bought: [0, 2],
  });
  assert.deepEqual(await buy(plain, 3, 10n), { bought: "no", unspent: -20n });
  assert.deepEqual(await buy(plain, 3, 39n), { bought: "no", unspent: 9n });
  assert.equal((await buy(plain, 3, 40n)).bought, "now");
  // 25 of 40 are given back: the next 10 buy a chunk all the same.
  await plain.agreed(ID, 15n);
  assert.deepEqual(await buy(plain, 4, 24n), { bought: "no", unspent: 9n });
  assert.equal((await buy(plain, 4, 25n)).bought, "now");
});

test("what could not be delivered is taken back, once", async () => {
  const store = memoryStore();
  const ledger = open(store);
  for (const index of [0, 1, 2, 3]) await buy(ledger, index, 40n);
  await Promise.all([ledger.undo(purchase(1)), ledger.undo(purchase(1)), ledger.undo(purchase(7))]);
  const after = { unspent: 10n, owed: 0n, bought: [0, 0, 2, 3] };
  assert.deepEqual(await ledger.statement(ID, quote.hash, { cumulativeAmount: 40n }), after);
  assert.deepEqual(await open(store).statement(ID, quote.hash, { cumulativeAmount: 40n }), after);
  assert.equal((await buy(ledger, 1, 40n)).bought, "now");
});

test("a record stays small: chunks in too many places are refused, and quotes that expired are forgotten", async () => {
  const store = memoryStore();
  const ledger = open(store);
  for (let index = 0; index < 2_000; index++) await buy(ledger, 2 * index, 10n ** 9n);
  await assert.rejects(buy(ledger, 4_000, 10n ** 9n), coded("LEDGER_FULL"));
  assert.equal((await buy(ledger, 1, 10n ** 9n)).bought, "now", "beside what is there");
  const [{ bytes }] = await store.read([keyOf(ID)]);
  assert.ok(bytes.length < 64 * 1024, `${bytes.length} bytes`);
  const later = open(store, { now: 101 });
  const next = { hash: `0x${"33".repeat(32)}`, expiresAt: 200 };
  assert.equal((await buy(later, 4_000, 10n ** 9n, { quote: next })).bought, "now");
  assert.ok((await store.read([keyOf(ID)]))[0].bytes.length < 300);
});

test("a wallet opens a store with a ledger in it, and the ledger goes with the channel", async (t) => {
  const store = memoryStore();
  const secret = new Uint8Array(32).fill(7);
  const chain = fakeChain(address(2));
  const { buyer, seller, channel, url } = await setUp(t, { sellerOptions: { store, secret, chain } });
  await collect(buyer.download(url));
  assert.equal((await store.load()).filter(isLedger).length, 1);
  await seller.stop();
  const wallet = await Wallet.open({ store, secret, chain, policy: { minChallengeDuration: 60 } });
  assert.equal(wallet.channel(channel.id).paid, 5n * PRICE);
  await wallet.stop();
  const ledger = open(store);
  await ledger.drop(channel.id);
  assert.equal((await store.load()).filter(isLedger).length, 0);
});

test("payment and chunk in the query need no preflight, and are refused in the same words", async (t) => {
  const context = await setUp(t);
  const { seller, buyer, channel, content, url } = context;
  const { chunks } = await collect(buyer.download(url, { startChunk: 4 }));
  assert.equal(chunks.length, 1);
  const payment = Buffer.from(await channel.claim()).toString("base64url");
  const ask = (query, headers = {}) => seller.handle(new Request(`${url}?${query}`, { headers }));
  const answer = await ask(`payment=${payment}&chunk=4`, { Range: "bytes=0-" });
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get("content-range"), null);
  assert.equal(answer.headers.get("access-control-allow-origin"), "*");
  assert.match(answer.headers.get("access-control-expose-headers"), /Payment-Receipt/);
  assert.deepEqual(new Uint8Array(await answer.arrayBuffer()), content.slice(4 * CHUNK));
  const cases = [
    [`payment=${payment}&chunk=5`, 404, "CHUNK_UNKNOWN"],
    [`payment=${payment}&chunk=-1`, 404, "CHUNK_UNKNOWN"],
    [`payment=${payment}&chunk=1e0`, 404, "CHUNK_UNKNOWN"],
    [`payment=${payment}&chunk=`, 404, "CHUNK_UNKNOWN"],
    [`payment=${payment}&chunk=0`, 402, "PAYMENT_INSUFFICIENT"],
    [`payment=${payment}`, 416, "RANGE_NOT_A_CHUNK"],
    [`payment=${"A".repeat(1024 * 1024)}&chunk=0`, 402, "PAYMENT_TOO_LARGE"],
    ["payment=!&chunk=0", 402, "PAYMENT_MALFORMED"],
    [`payment=${payment}&account=${quote.hash}`, 402, "QUOTE_UNKNOWN"],
    ["payment=&chunk=0", 402, "MESSAGE_MALFORMED"],
  ];
  for (const [query, status, code] of cases) {
    const refusal = await refusalOf(await ask(query));
    assert.deepEqual([refusal.status, refusal.code], [status, code], query.slice(0, 200));
  }
  assert.equal(seller.totals.chunks, 1);
});

test("a buyer that pays and reads nothing is charged once, and can still have it", async (t) => {
  const context = await setUp(t);
  const { seller, channel, buyer, url, content } = context;
  await collect(buyer.download(url, { startChunk: 4 }));
  const { bytes } = await channel.pay(PRICE, { memo: await collectMemo(seller, buyer, url) });
  for (let time = 0; time < 20; time++) await (await getChunk(seller, context, 0, bytes)).body.cancel();
  assert.deepEqual([seller.totals.chunks, seller.totals.repeats], [2, 19]);
  const { chunks } = await collect(buyer.download(url, { have: new Set([1, 2, 3, 4]), channel }));
  assert.deepEqual(chunks[0].bytes, content.slice(0, CHUNK));
});

async function collectMemo(seller, buyer, url) {
  const response = await seller.handle(new Request(url));
  const terms = JSON.parse(Buffer.from(response.headers.get("payment-required"), "base64").toString());
  return buyer.readQuote(new Uint8Array(Buffer.from(terms.accepts[0].extra.quote, "base64url"))).hash;
}
