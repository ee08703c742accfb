// What breaks on the way: servers, proxies, chains, stores. Nothing is paid twice, nothing signed is lost.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, before, describe, it } from "node:test";
import { memoryStore } from "millstream";

import {
  CHUNKS,
  DEPOSIT,
  PRICE,
  Shop,
  World,
  assertPaidOut,
  coded,
  collect,
  joined,
  openBuyer,
  sha256,
  trade,
  until,
} from "./harness.mjs";

const PAID = CHUNKS * PRICE;

/** Stands between buyer and shop; `interfere(number of the paid request, answer, socket)` may change or drop an answer. */
async function proxy(t, shop, interfere) {
  let paid = 0;
  const server = createServer(async (request, response) => {
    const { range, payment } = request.headers;
    const upstream = await fetch(new URL(request.url, shop.origin), {
      headers: { ...(range && { range }), ...(payment && { payment }) },
    });
    const answer = { status: upstream.status, bytes: Buffer.from(await upstream.arrayBuffer()) };
    if (payment && interfere(++paid, answer, request.socket) === "dropped") return;
    response.writeHead(answer.status, Object.fromEntries(upstream.headers));
    response.end(answer.bytes);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${server.address().port}/film.bin`;
}

/** A store that can be told to fail. */
function failingStore() {
  const store = memoryStore();
  const state = { failing: false };
  const commit = async (writes) => {
    if (state.failing) throw new Error("disk full");
    return store.commit(writes);
  };
  return { state, load: () => store.load(), read: (keys) => store.read(keys), commit };
}

/** The way to a chain, which can be cut. */
function cable() {
  const state = { cut: false };
  const through = (url, init) => (state.cut ? Promise.reject(new TypeError("fetch failed")) : fetch(url, init));
  return { state, fetch: through };
}

describe("in adversity", () => {
  let world;
  before(async () => (world = await World.start()));
  after(() => world.stop());

  const have = (chunks) => new Set(chunks.map(({ index }) => index));
  /** Ends a trade: everything bought was paid once, to the unit. */
  async function settle({ shop, buyer, channel }) {
    assert.deepEqual([channel.paid, shop.paid(channel)], [PAID, PAID]);
    const { paid, refunded } = await channel.close();
    assert.deepEqual([paid, refunded], [PAID, DEPOSIT - PAID]);
    await assertPaidOut(world, { shop, buyer, channel }, PAID);
  }

  it("a server that vanishes in mid-download and comes back is not paid twice", async (t) => {
    const context = await trade(t, world);
    const { shop, buyer } = context;
    const chunks = [];
    const interrupted = async () => {
      for await (const chunk of buyer.wallet.download(shop.url, { parallel: 1, tries: 3, retryDelay: 10 })) {
        chunks.push(chunk);
        if (chunk.index === 4) await shop.vanish();
      }
    };
    await assert.rejects(interrupted(), coded("SELLER_UNREACHABLE", { paid: 6n * PRICE, received: 5, atRisk: PRICE }));
    await shop.listen();
    const rest = await collect(buyer.wallet.download(shop.url, { have: have(chunks) }));
    assert.equal(rest.error, undefined);
    assert.equal(sha256(joined([...chunks, ...rest.chunks])), sha256(shop.content));
    await settle(context);
  });

  it("a server that is away for a moment is waited for", async (t) => {
    const context = await trade(t, world);
    const { shop, buyer } = context;
    const chunks = [];
    const retries = [];
    const onProgress = ({ state, attempt }) => {
      if (state !== "retrying") return;
      retries.push(attempt);
      if (attempt === 2) void shop.listen();
    };
    for await (const chunk of buyer.wallet.download(shop.url, { parallel: 1, retryDelay: 50, onProgress })) {
      chunks.push(chunk);
      if (chunk.index === 2) await shop.vanish();
    }
    assert.equal(retries[0], 2);
    assert.equal(sha256(joined(chunks)), sha256(shop.content));
    await settle(context);
  });

  it("answers that are lost after the seller charged are fetched again free", async (t) => {
    const context = await trade(t, world);
    const { shop, buyer } = context;
    const url = await proxy(t, shop, (number, _answer, socket) => {
      if (number % 2 === 0) return "through";
      socket.destroy();
      return "dropped";
    });
    const { chunks, error } = await collect(buyer.wallet.download(url, { parallel: 1, retryDelay: 5 }));
    assert.equal(error, undefined);
    assert.equal(sha256(joined(chunks)), sha256(shop.content));
    assert.deepEqual([shop.seller.totals.chunks, shop.seller.totals.repeats], [Number(CHUNKS), Number(CHUNKS)]);
    await settle(context);
  });

  it("a seller that is killed in mid-download and started again has charged every chunk once", async (t) => {
    const store = memoryStore();
    const context = await trade(t, world, { store, chunkSize: 8 * 1024 });
    const { shop, buyer, channel } = context;
    const chunks = [];
    let restarting;
    const { length } = shop.content;
    const total = Math.ceil(length / (8 * 1024));
    assert.ok(BigInt(total) * shop.listing.price < DEPOSIT);
    for await (const chunk of buyer.wallet.download(shop.url, { tries: 12, retryDelay: 20 })) {
      chunks.push(chunk);
      if (chunk.index === 100 || chunk.index === 250) restarting = shop.restart(world);
    }
    await restarting;
    assert.equal(chunks.length, total);
    assert.equal(sha256(joined(chunks)), sha256(shop.content));
    const paid = BigInt(total) * shop.listing.price;
    assert.deepEqual([channel.paid, shop.paid(channel)], [paid, paid]);
    await channel.close();
    await assertPaidOut(world, context, paid);
  });

  it("a proxy that tampers is found out at its first chunk, with one price at risk and none lost", async (t) => {
    const context = await trade(t, world);
    const { shop, buyer } = context;
    let requests = 0;
    const url = await proxy(t, shop, (number, { bytes }) => {
      requests = number;
      if (number === 7) bytes[100_000] ^= 0x10;
    });
    const { chunks, error } = await collect(buyer.wallet.download(url, { parallel: 1 }));
    coded("CONTENT_CHUNK_MISMATCH", { index: 6, paid: 7n * PRICE, received: 6, atRisk: PRICE })(error);
    assert.equal(requests, 7);
    const rest = await collect(buyer.wallet.download(shop.url, { have: have(chunks) }));
    assert.equal(sha256(joined([...chunks, ...rest.chunks])), sha256(shop.content));
    await settle(context);
  });

  it("a chain that cannot be reached is said so when a channel is opened, and nothing is lost", async (t) => {
    const shop = await Shop.open(t, world);
    const way = cable();
    const buyer = await openBuyer(t, world, { chainFetch: way.fetch });
    const before = await world.balance(buyer.account);
    way.state.cut = true;
    await assert.rejects(buyer.wallet.openChannel({ seller: shop.url, deposit: DEPOSIT }), coded("CHAIN_UNREACHABLE"));
    assert.equal(await world.balance(buyer.account), before);
    way.state.cut = false;
    const channel = await buyer.wallet.openChannel({ seller: shop.url, deposit: DEPOSIT });
    const { chunks } = await collect(buyer.wallet.download(shop.url));
    assert.equal(chunks.length, Number(CHUNKS));
    await settle({ shop, buyer, channel });
  });

  it("a chain that goes away while a channel is open stops only the close, until it is back", async (t) => {
    const shop = await Shop.open(t, world);
    const way = cable();
    const buyer = await openBuyer(t, world, { chainFetch: way.fetch });
    const errors = [];
    buyer.wallet.on("error", ({ error }) => errors.push(error.code));
    const channel = await buyer.wallet.openChannel({ seller: shop.url, deposit: DEPOSIT });
    way.state.cut = true;
    const { chunks } = await collect(buyer.wallet.download(shop.url));
    assert.equal(sha256(joined(chunks)), sha256(shop.content), "paying needs no chain");
    await until(() => errors.includes("CHAIN_UNREACHABLE"), "the wallet says that its chain is gone");
    await assert.rejects(channel.close(), coded("CHAIN_UNREACHABLE"));
    assert.equal(await world.holdings(channel.id), DEPOSIT);
    way.state.cut = false;
    await settle({ shop, buyer, channel });
  });

  it("a seller whose store fails serves nothing, and charges once when it works again", async (t) => {
    const store = failingStore();
    const context = await trade(t, world, { store });
    const { shop, buyer, channel } = context;
    const chunks = [];
    let served;
    const failing = async () => {
      for await (const chunk of buyer.wallet.download(shop.url, { parallel: 1, tries: 3, retryDelay: 5 })) {
        chunks.push(chunk);
        if (chunk.index !== 2) continue;
        store.state.failing = true;
        served = shop.seller.totals.bytes;
      }
    };
    await assert.rejects(failing(), coded("SELLER_UNREACHABLE", { atRisk: PRICE, received: 3 }));
    assert.equal(shop.seller.totals.bytes, served, "no byte left");
    store.state.failing = false;
    const rest = await collect(buyer.wallet.download(shop.url, { have: have(chunks), retryDelay: 20 }));
    assert.equal(rest.error, undefined);
    assert.equal(sha256(joined([...chunks, ...rest.chunks])), sha256(shop.content));
    assert.equal(shop.paid(channel), PAID);
    await settle(context);
  });

  it("nothing leaves a buyer whose store fails", async (t) => {
    const store = failingStore();
    const context = await trade(t, world, { buyerOptions: { store } });
    const { shop, buyer, channel } = context;
    let shown = 0;
    const spy = (url, init) => {
      if (init?.headers?.Payment) shown += 1;
      return fetch(url, init);
    };
    store.state.failing = true;
    const { chunks, error } = await collect(buyer.wallet.download(shop.url, { fetch: spy }));
    assert.equal(chunks.length, 0);
    assert.equal(error.name, "MillstreamError", error.stack);
    assert.deepEqual([shown, shop.paid(channel)], [0, 0n]);
    store.state.failing = false;
    const again = await until(async () => {
      const result = await collect(buyer.wallet.download(shop.url));
      return result.error ? undefined : result;
    }, "the wallet pays again");
    assert.equal(sha256(joined(again.chunks)), sha256(shop.content));
    await settle(context);
  });
});
