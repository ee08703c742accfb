// Many chunks at once on one channel: every one is charged once, whatever is lost, late or doubled, and what can be lost
// is the window.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";

import { Wallet, decodePayment, exportReceipts, memoryStore, readReceipt, verifyReceipts } from "../dist/index.js";
import { random } from "./harness.mjs";
import {
  CHUNK,
  ORIGIN,
  PRICE,
  address,
  coded,
  collect,
  fakeChain,
  interrupted,
  join,
  openSeller,
  paidTo,
  setUp,
  sleep,
} from "./seller-harness.mjs";

const quick = { retryDelay: 1, tries: 12, stallTimeout: 2_000 };

test("chunks come in order, as many at once as asked for, with one voucher and a tick each", async (t) => {
  const shown = [];
  const state = { now: 0, most: 0 };
  const fetch = interrupted(async (_, go, init) => {
    shown.push(init.headers.Payment.length);
    state.most = Math.max(state.most, (state.now += 1));
    await sleep(5);
    const response = await go();
    state.now -= 1;
    return response;
  });
  const { buyer, seller, channel, content, url } = await setUp(t, { chunks: 40, fetch });
  const { chunks, error } = await collect(buyer.download(url, { parallel: 6 }));
  assert.equal(error, undefined);
  assert.deepEqual(join(chunks), content);
  assert.deepEqual(
    chunks.map(({ index, serial, ticks, cumulativeAmount }) => [index, serial, ticks, cumulativeAmount]),
    chunks.map((_, index) => [index, 1, index, PRICE * BigInt(index + 1)]),
  );
  assert.equal(state.most, 6);
  assert.equal(shown.length, 40, "one request per chunk");
  // What is asked for before the voucher was answered shows all of it; afterwards a tick is enough.
  assert.ok(shown.slice(0, 6).every((length) => length <= 400));
  assert.ok(
    shown.slice(6).every((length) => length <= 104),
    `${Math.max(...shown.slice(6))} characters`,
  );
  assert.deepEqual([channel.paid, paidTo(seller, channel)], [40n * PRICE, 40n * PRICE]);
  assert.deepEqual([seller.totals.chunks, seller.totals.repeats], [40, 0]);
});

test("a voucher has ticks for the chunks that are still to buy, and after 255 comes another one", async (t) => {
  const { buyer, seller, channel, content, url } = await setUp(t, { chunks: 300, deposit: 300n * PRICE });
  const { chunks } = await collect(buyer.download(url));
  assert.deepEqual(join(chunks), content);
  const { tickLimit } = decodePayment(await channel.claim());
  assert.deepEqual([channel.info.serial, channel.info.ticks, tickLimit], [2, 43, 43]);
  assert.equal(chunks[255].ticks, 255);
  assert.equal(paidTo(seller, channel), 300n * PRICE);
});

test("who reads slowly has few chunks in memory, and pays for no more than those", async (t) => {
  const { buyer, channel, url } = await setUp(t, { chunks: 60 });
  let taken = 0;
  for await (const { index } of buyer.download(url, { parallel: 4 })) {
    taken += 1;
    await sleep(15);
    assert.ok(channel.paid <= PRICE * BigInt(taken + 4 + 4), `${channel.paid} after chunk ${index}`);
    if (index === 20) break;
  }
  assert.equal(taken, 21);
  const { chunks } = await collect(buyer.download(url));
  assert.equal(chunks.length, 60);
  assert.equal(channel.paid, 60n * PRICE, "what was paid ahead brought its chunks");
});

test("no more than the window is signed away for chunks that have not arrived", async (t) => {
  const state = { hanging: [] };
  const fetch = interrupted((_, go) => new Promise((resolve) => state.hanging.push(() => resolve(go()))));
  const { buyer, channel, url, content } = await setUp(t, { chunks: 10, fetch });
  const risks = [];
  const onProgress = ({ atRisk }) => risks.push(atRisk);
  const download = collect(buyer.download(url, { parallel: 8, window: 3n * PRICE + 500n, onProgress }));
  for (let arrived = 0; arrived < 10; arrived++) {
    const paid = PRICE * BigInt(Math.min(10, arrived + 3));
    while (channel.paid < paid) await sleep(1);
    await sleep(20);
    assert.equal(channel.paid, paid, "and no more");
    state.hanging.shift()();
  }
  const { chunks, error } = await download;
  assert.equal(error, undefined);
  assert.deepEqual(join(chunks), content);
  assert.deepEqual([...new Set(risks)].sort(), [0n, PRICE, 2n * PRICE, 3n * PRICE]);

  for (const window of [PRICE - 1n, 0n, 5])
    coded("INVALID_ARGUMENT", { field: "window" })((await collect(buyer.download(url, { window }))).error);
  for (const parallel of [0, 65, 1.5])
    coded("INVALID_ARGUMENT", { field: "parallel" })((await collect(buyer.download(url, { parallel }))).error);
});

test("a signal that ends a download between two chunks ends it with an error, not as if it were complete", async (t) => {
  const { buyer, url } = await setUp(t, { chunks: 8 });
  for (const parallel of [1, 8]) {
    const controller = new AbortController();
    const run = async () => {
      for await (const { index } of buyer.download(url, { parallel, signal: controller.signal }))
        if (index === 2) controller.abort();
    };
    await assert.rejects(run(), coded("ABORTED"));
  }
});

// ---- sellers that cheat ---------------------------------------------------------------------------------------------

const cheats = {
  garbage: async (response) => new Response(new Uint8Array((await response.arrayBuffer()).byteLength), response),
  "half of each": async (response) => {
    const bytes = new Uint8Array(await response.arrayBuffer());
    const headers = new Headers(response.headers);
    headers.delete("content-length");
    return new Response(bytes.subarray(0, bytes.length / 2), { status: response.status, headers });
  },
  nothing: (_, { signal }) =>
    new Promise((__, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
  "an error": () => Response.json({ error: { code: "SORRY", message: "no" } }, { status: 410 }),
};
for (const [what, cheat] of Object.entries(cheats))
  test(`a seller that takes payment and serves ${what} gets at most the window`, async (t) => {
    const state = { cheating: true };
    const fetch = interrupted(async (number, go, init) => {
      const response = await go();
      return state.cheating && number > 5 ? cheat(response, init) : response;
    });
    const { buyer, seller, channel, content, url } = await setUp(t, { chunks: 30, fetch });
    const window = 3n * PRICE;
    // Long enough for an honest answer on a busy machine, or more requests than five would be the honest ones.
    const options = { parallel: 4, window, tries: 2, retryDelay: 1, stallTimeout: 1_000 };
    const { chunks, error } = await collect(buyer.download(url, options));
    assert.equal(error.name, "MillstreamError", error.stack);
    const { paid, received, atRisk } = error.details;
    assert.equal(atRisk, paid - PRICE * BigInt(received));
    assert.ok(atRisk > 0n && atRisk <= window, `${atRisk} at risk`);
    assert.equal(received, 5);
    assert.ok(chunks.length <= received);
    assert.deepEqual([channel.paid, paidTo(seller, channel) <= paid], [paid, true]);
    // Asked again, it gets nothing more as long as it goes on like this.
    const again = await collect(buyer.download(url, { ...options, startChunk: 5 }));
    assert.ok(again.error.details.atRisk <= window);
    assert.ok(channel.paid <= 5n * PRICE + window);
    // Once it serves what was paid for, nothing is lost.
    state.cheating = false;
    const rest = await collect(buyer.download(url));
    assert.equal(rest.error, undefined);
    assert.deepEqual(join(rest.chunks), content);
    assert.deepEqual([channel.paid, paidTo(seller, channel)], [30n * PRICE, 30n * PRICE]);
  });

test("a seller that took the money and does not know for what is not paid once more unasked", async (t) => {
  const insufficient = () =>
    Response.json({ error: { code: "PAYMENT_INSUFFICIENT", message: "pay" } }, { status: 402 });
  const state = { denying: true };
  const fetch = interrupted((_, go) => (state.denying ? insufficient() : go()));
  const { buyer, channel, url } = await setUp(t, { chunks: 4, fetch });
  const { error } = await collect(buyer.download(url, { parallel: 2 }));
  coded("SELLER_REFUSED", { peerCode: "PAYMENT_INSUFFICIENT", status: 402 })(error);
  assert.equal(error.details.atRisk, error.details.paid);
  assert.ok(channel.paid <= 2n * PRICE);
});

// ---- losses ---------------------------------------------------------------------------------------------------------

/** A network that loses requests and answers, delays both, brings requests twice, and cuts bodies off. */
function unreliable(seller, below, state) {
  const go = (url, init) => seller().handle(new Request(url, { ...init, signal: undefined }));
  return async (url, init = {}) => {
    if (!init.headers?.Payment) return go(url, init);
    if (state.gone) throw new TypeError("connection refused");
    await sleep(below(4));
    if (below(10) === 0) throw new TypeError("request lost");
    if (below(10) === 0) void go(url, init);
    const response = await go(url, init);
    await sleep(below(4));
    if (below(10) === 0) throw new TypeError("answer lost");
    if (below(12) > 0 || response.status !== 206) return response;
    const bytes = new Uint8Array(await response.arrayBuffer());
    const half = new ReadableStream({
      start(controller) {
        controller.enqueue(bytes.subarray(0, below(bytes.length)));
        controller.error(new TypeError("connection lost"));
      },
    });
    return new Response(half, response);
  };
}

for (let seed = 1; seed <= 12; seed++)
  test(`whatever is lost, late or doubled, every chunk is charged once (seed ${seed})`, async (t) => {
    const below = random(seed);
    const state = { gone: false };
    const world = { seller: undefined };
    const sellerOptions = {
      store: memoryStore(),
      secret: new Uint8Array(randomBytes(32)),
      chain: fakeChain(address(2)),
    };
    const buyerOptions = { store: memoryStore(), secret: new Uint8Array(randomBytes(32)) };
    const network = unreliable(() => world.seller, below, state);
    const chunks = 20 + below(30);
    const contents = new Map();
    const list = async (seller) => {
      for (const [path, bytes] of contents) await seller.add(path, { bytes }, { price: PRICE, chunkSize: CHUNK });
    };
    for (const path of ["/a", "/b"]) contents.set(path, new Uint8Array(randomBytes(chunks * CHUNK - below(CHUNK))));
    world.seller = await openSeller(t, sellerOptions);
    await list(world.seller);
    const policy = { minChallengeDuration: 60, minConfirmations: 1 };
    const openBuyer = () =>
      Wallet.open({ ...buyerOptions, chain: sellerOptions.chain, fetch: network, pollInterval: 20, policy });
    let buyer = await openBuyer();
    t.after(() => buyer.stop());
    const total = PRICE * BigInt(2 * chunks);
    // Not a base unit more than everything costs: who pays anything twice gets no further.
    const { id } = await buyer.openChannel({ seller: `${ORIGIN}/a`, deposit: total });

    const got = new Map([...contents.keys()].map((path) => [path, new Map()]));
    const run = async (path, signal) => {
      const have = new Set(got.get(path).keys());
      const window = PRICE * BigInt(1 + below(8));
      const options = { ...quick, have, window, parallel: 1 + below(10), signal };
      try {
        for await (const { index, bytes } of buyer.download(`${ORIGIN}${path}`, options)) {
          got.get(path).set(index, bytes);
          if (below(25) === 0) return;
        }
      } catch (error) {
        assert.ok(["ABORTED", "SELLER_UNREACHABLE", "WALLET_STOPPED"].includes(error.code), error.stack);
        if (error.details.atRisk !== undefined) assert.ok(error.details.atRisk <= 10n * PRICE);
      }
    };
    const isComplete = () => [...got.values()].every(({ size }) => size === chunks);
    for (let round = 0; !isComplete(); round++) {
      assert.ok(round < 200, "it ends");
      const controller = new AbortController();
      const downloads = [run("/a", controller.signal), run(below(3) ? "/b" : "/a", controller.signal)];
      await sleep(below(30));
      const accident = below(6);
      if (accident === 0) controller.abort();
      if (accident === 1) {
        state.gone = true;
        await world.seller.stop();
        const seller = await openSeller(t, sellerOptions);
        await list(seller);
        world.seller = seller;
        state.gone = false;
      }
      if (accident === 2) {
        await buyer.stop();
        await Promise.all(downloads);
        buyer = await openBuyer();
      }
      await Promise.all(downloads);
    }
    for (const [path, bytes] of contents)
      assert.deepEqual(join([...got.get(path)].sort(([a], [b]) => a - b).map(([, part]) => ({ bytes: part }))), bytes);
    // Whatever was asked for last may be on its way.
    await sleep(20);
    assert.deepEqual([buyer.channel(id).paid, paidTo(world.seller, { id })], [total, total]);
  });

/** A seller of contents, and a buyer with a deposit for just these, that can be opened again. */
async function setUpRestarts(t, contents, network) {
  const seller = await openSeller(t);
  for (const [path, bytes] of Object.entries(contents))
    await seller.add(path, { bytes }, { price: PRICE, chunkSize: CHUNK });
  const options = {
    chain: seller.wallet.chain,
    store: memoryStore(),
    secret: new Uint8Array(randomBytes(32)),
    policy: { minChallengeDuration: 60, minConfirmations: 1 },
    pollInterval: 20,
    fetch: network(seller),
  };
  const open = async () => {
    const buyer = await Wallet.open(options);
    t.after(() => buyer.stop());
    return buyer;
  };
  const buyer = await open();
  const chunks = Object.values(contents).reduce((sum, { length }) => sum + length / CHUNK, 0);
  const channel = await buyer.openChannel({ seller: `${ORIGIN}/a`, deposit: PRICE * BigInt(chunks) });
  return { seller, buyer, channel, open };
}

test("what was on its way when the wallet was stopped is not paid a second time by the next one", async (t) => {
  const content = new Uint8Array(randomBytes(6 * CHUNK));
  const state = { late: [] };
  const network = interrupted(async (number, go) => {
    if (number !== 3 && number !== 4) return go();
    // These arrive, but not before the wallet that sent them is gone.
    state.late.push(go);
    throw new TypeError("connection lost");
  });
  const { seller, buyer, channel, open } = await setUpRestarts(t, { "/a": content }, network);
  const first = await collect(buyer.download(`${ORIGIN}/a`, { parallel: 1, tries: 1, endChunk: 3 }));
  coded("SELLER_UNREACHABLE")(first.error);
  assert.deepEqual([channel.paid, paidTo(seller, channel)], [3n * PRICE, 2n * PRICE]);
  await buyer.stop();

  const again = await open();
  const { status, paid } = again.channel(channel.id);
  assert.deepEqual([status, paid], ["open", 3n * PRICE], "it knows without the seller");
  await Promise.all(state.late.map((go) => go()));
  const { chunks, error } = await collect(again.download(`${ORIGIN}/a`, { parallel: 1 }));
  assert.equal(error, undefined);
  assert.deepEqual(join(chunks), content);
  assert.deepEqual([again.channel(channel.id).paid, paidTo(seller, channel)], [6n * PRICE, 6n * PRICE]);
});

test("a chunk that was bought is not paid for again by a wallet that paid for something else since", async (t) => {
  const contents = { "/a": new Uint8Array(randomBytes(3 * CHUNK)), "/b": new Uint8Array(randomBytes(3 * CHUNK)) };
  const { seller, buyer, channel, open } = await setUpRestarts(
    t,
    contents,
    interrupted((_, go) => go()),
  );
  await collect(buyer.download(`${ORIGIN}/a`));
  await collect(buyer.download(`${ORIGIN}/b`, { endChunk: 2 }));
  await buyer.stop();

  const again = await open();
  const a = await collect(again.download(`${ORIGIN}/a`));
  assert.equal(a.error, undefined);
  assert.deepEqual(join(a.chunks), contents["/a"]);
  assert.equal(again.channel(channel.id).paid, 5n * PRICE);
  const b = await collect(again.download(`${ORIGIN}/b`));
  assert.equal(b.error, undefined);
  assert.deepEqual(join(b.chunks), contents["/b"]);
  assert.deepEqual([again.channel(channel.id).paid, paidTo(seller, channel)], [6n * PRICE, 6n * PRICE]);
});

test("receipts come with vouchers, with the last chunk, and with every chunk for who asks", async (t) => {
  const { buyer, seller, channel, url } = await setUp(t, { chunks: 12 });
  const { chainId, streamApp } = buyer.chain.contracts;
  const issuer = { chainId, streamApp, seller: seller.wallet.address };
  const { chunks } = await collect(buyer.download(url, { parallel: 1 }));
  const given = chunks.flatMap(({ index, receipt }) => (receipt ? [index] : []));
  assert.deepEqual(given, [0, 11]);
  const last = readReceipt(chunks[11].receipt, issuer);
  const { quote, issuedAt, ...said } = last;
  assert.deepEqual(said, { channelId: channel.id, chunk: 11, chunks: 12, cumulativeAmount: 12n * PRICE });
  assert.ok(Math.abs(issuedAt - Date.now() / 1_000) < 60);
  assert.equal(quote, decodePayment(await channel.claim()).memo);

  const again = await collect(buyer.download(url, { parallel: 4, receipts: "all" }));
  const receipts = again.chunks.map(({ receipt }) => receipt);
  const { valid, invalid } = await verifyReceipts(exportReceipts(issuer, receipts));
  assert.deepEqual([valid.length, invalid.length], [12, 0]);
  assert.equal(channel.paid, 12n * PRICE, "a receipt costs nothing");
});

test("a receipt that is not the seller's, or not of the chunk, is none", async (t) => {
  const state = { other: undefined };
  const fetch = interrupted(async (_, go) => {
    const response = await go();
    const own = response.headers.get("payment-receipt");
    const headers = new Headers(response.headers);
    if (own !== null) headers.set("payment-receipt", state.other ?? `${own.slice(0, -4)}AAAA`);
    state.other = own ?? undefined;
    return new Response(response.body, { status: response.status, headers });
  });
  const { buyer, url, content } = await setUp(t, { chunks: 5, fetch });
  const { chunks, error } = await collect(buyer.download(url, { parallel: 1, receipts: "all" }));
  assert.equal(error, undefined);
  assert.deepEqual(join(chunks), content);
  assert.deepEqual(
    chunks.map(({ receipt }) => receipt),
    Array(5).fill(undefined),
  );
});
