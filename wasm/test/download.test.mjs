// The buyer's loop, one chunk at a time: what it pays, what it checks, and what it does when something is lost or wrong.
// What many chunks at once change, parallel.test.mjs shows.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";

import {
  CHUNK,
  ORIGIN,
  PRICE,
  coded,
  collect,
  failingStore,
  fetchFrom,
  interrupted,
  join,
  openBuyer,
  openSeller,
  paidTo,
  setUp,
  sleep,
} from "./seller-harness.mjs";

const single = { parallel: 1 };
/** Fast enough for tests. */
const quick = { ...single, retryDelay: 1 };

test("every chunk is paid for, checked and reported", async (t) => {
  const inits = [];
  const fetch = interrupted((_, go, init) => {
    inits.push(init);
    return go();
  });
  const { buyer, seller, channel, content, url } = await setUp(t, { fetch });
  const progress = [];
  const { chunks, error } = await collect(
    buyer.download(url, { ...single, onProgress: (step) => progress.push(step) }),
  );
  assert.equal(error, undefined);
  assert.deepEqual(join(chunks), content);
  chunks.forEach((chunk, index) => {
    const { bytes, receipt, signMs, roundTripMs, ...rest } = chunk;
    assert.equal(receipt !== undefined, index === 0 || index === 4, "with the voucher and the last one");
    assert.deepEqual(rest, {
      index,
      offset: index * CHUNK,
      total: 5,
      length: content.length,
      amount: PRICE,
      cumulativeAmount: PRICE * BigInt(index + 1),
      serial: 1,
      ticks: index,
    });
    assert.equal(bytes.length, index === 4 ? CHUNK / 4 : CHUNK);
    assert.ok(signMs >= 0 && roundTripMs > 0);
  });
  assert.deepEqual(
    progress.map(({ state, index }) => `${state} ${index}`),
    [0, 1, 2, 3, 4].flatMap((index) => [`paying ${index}`, `fetching ${index}`, `received ${index}`]),
  );
  assert.deepEqual(progress.at(-1), {
    state: "received",
    index: 4,
    attempt: 1,
    chunks: 5,
    received: 5,
    receivedBytes: content.length,
    length: content.length,
    paid: 5n * PRICE,
    atRisk: 0n,
  });
  assert.equal(channel.paid, 5n * PRICE);
  assert.equal(paidTo(seller, channel), 5n * PRICE);
  assert.equal(inits.length, 5);
  for (const { redirect, credentials, cache, referrerPolicy } of inits)
    assert.deepEqual([redirect, credentials, cache, referrerPolicy], ["manual", "omit", "no-store", "no-referrer"]);
});

test("one at a time, nothing is paid ahead: who stops after two chunks has paid two", async (t) => {
  const { buyer, seller, channel, url } = await setUp(t);
  const indices = [];
  for await (const { index } of buyer.download(url, single)) {
    indices.push(index);
    if (index === 1) break;
  }
  assert.deepEqual(indices, [0, 1]);
  assert.equal(channel.paid, 2n * PRICE);
  assert.equal(seller.totals.payments, 2);
});

test("chunks that are there already are left out, and what was bought is not bought again", async (t) => {
  const { buyer, channel, url, content } = await setUp(t);
  const first = await collect(buyer.download(url, { startChunk: 2, have: new Set([3]) }));
  assert.deepEqual(
    first.chunks.map(({ index }) => index),
    [2, 4],
  );
  assert.equal(channel.paid, 2n * PRICE);
  const all = await collect(buyer.download(url));
  assert.deepEqual(join(all.chunks), content);
  assert.deepEqual(
    all.chunks.map(({ amount }) => amount),
    [PRICE, PRICE, 0n, PRICE, 0n],
  );
  assert.equal(channel.paid, 5n * PRICE);
});

test("a lost answer, a lost request and a seller in trouble cost nothing", async (t) => {
  let charged;
  const fetch = interrupted(async (number, go) => {
    if (number === 2) {
      await go(); // the seller has charged for it
      throw new TypeError("connection lost");
    }
    if (number === 3) throw new TypeError("connection refused");
    if (number === 4) return new Response("<html>", { status: 502 });
    if (number === 6) {
      const { status, headers, body } = await go();
      const { value } = await body.getReader().read();
      const half = new ReadableStream({
        start(controller) {
          controller.enqueue(value.subarray(0, 100));
          controller.error(new TypeError("connection lost"));
        },
      });
      return new Response(half, { status, headers });
    }
    charged = number;
    return go();
  });
  const { buyer, seller, channel, url, content } = await setUp(t, { fetch });
  const { chunks, error } = await collect(buyer.download(url, quick));
  assert.equal(error, undefined);
  assert.deepEqual(join(chunks), content);
  assert.ok(charged === 9);
  assert.equal(channel.paid, 5n * PRICE);
  assert.equal(paidTo(seller, channel), 5n * PRICE);
  assert.equal(seller.totals.payments, 5);
});

for (const arrives of [true, false])
  test(`a seller that vanishes and comes back is not paid twice (its last request ${arrives ? "arrived" : "was lost"})`, async (t) => {
    const state = { gone: false };
    const fetch = interrupted(async (number, go) => {
      if (number === 3) state.gone = true;
      if (!state.gone) return go();
      if (number === 3 && arrives) await go();
      throw new TypeError("connection refused");
    });
    const { buyer, seller, channel, url, content } = await setUp(t, { fetch });
    const { chunks, error } = await collect(buyer.download(url, { ...quick, tries: 3 }));
    assert.equal(chunks.length, 2);
    coded("SELLER_UNREACHABLE", { paid: 3n * PRICE, received: 2, receivedBytes: 2 * CHUNK, atRisk: PRICE })(error);
    assert.match(error.message, /3 tries.*connection refused.*paid 3000 base units for 2 chunks, 1000 of it at risk/);
    assert.equal(paidTo(seller, channel), arrives ? 3n * PRICE : 2n * PRICE);

    state.gone = false;
    const have = new Set(chunks.map(({ index }) => index));
    const rest = await collect(buyer.download(url, { ...single, have }));
    assert.equal(rest.error, undefined);
    assert.deepEqual(join([...chunks, ...rest.chunks]), content);
    assert.equal(rest.chunks[0].amount, PRICE, "what was paid for it, once");
    assert.equal(channel.paid, 5n * PRICE);
    assert.equal(paidTo(seller, channel), 5n * PRICE);
    assert.equal(seller.totals.payments, 5);
  });

test("a lost payment does not keep another content from being bought, and is found again", async (t) => {
  const state = { gone: false };
  const fetch = interrupted((_, go) => (state.gone ? Promise.reject(new TypeError("connection refused")) : go()));
  const { buyer, seller, channel, url, content } = await setUp(t, { fetch });
  const other = randomBytes(2 * CHUNK);
  await seller.add("/other", { bytes: other }, { price: PRICE, chunkSize: CHUNK });
  state.gone = true;
  const lost = await collect(buyer.download(url, { ...quick, tries: 2 }));
  coded("SELLER_UNREACHABLE", { atRisk: PRICE })(lost.error);
  assert.equal(paidTo(seller, channel), 0n);
  state.gone = false;
  const second = await collect(buyer.download(`${ORIGIN}/other`));
  assert.deepEqual(join(second.chunks), new Uint8Array(other));
  const first = await collect(buyer.download(url));
  assert.deepEqual(join(first.chunks), content);
  assert.equal(channel.paid, 7n * PRICE);
  assert.equal(paidTo(seller, channel), 7n * PRICE);
  assert.equal(seller.totals.chunks, 7);
});

test("downloads share a channel, whatever arrives first", async (t) => {
  const { buyer, seller, channel, url, content } = await setUp(t, {
    fetch: interrupted(async (number, go) => {
      // What was sent first arrives last, wherever that is possible.
      await sleep(number % 2 ? 15 : 0);
      return go();
    }),
  });
  const other = randomBytes(3 * CHUNK);
  await seller.add("/other", { bytes: other }, { price: PRICE, chunkSize: CHUNK });
  const results = await Promise.all([
    collect(buyer.download(url)),
    collect(buyer.download(`${ORIGIN}/other`, single)),
    collect(buyer.download(url)),
  ]);
  for (const { error } of results) assert.equal(error, undefined);
  assert.deepEqual(join(results[0].chunks), content);
  assert.deepEqual(join(results[1].chunks), new Uint8Array(other));
  assert.deepEqual(join(results[2].chunks), content);
  assert.equal(channel.paid, 8n * PRICE, "5 and 3 chunks; the same content twice is paid for once");
  assert.equal(paidTo(seller, channel), 8n * PRICE);
});

test("the first chunk that does not match ends the download, with one price at risk", async (t) => {
  const state = { tampering: true, requests: 0 };
  const fetch = interrupted(async (number, go) => {
    state.requests = number;
    const response = await go();
    if (!state.tampering || number < 3) return response;
    const bytes = new Uint8Array(await response.arrayBuffer());
    bytes[bytes.length - 1] ^= 1;
    return new Response(bytes, response);
  });
  const { buyer, seller, channel, url, content } = await setUp(t, { fetch });
  const { chunks, error } = await collect(buyer.download(url, single));
  coded("CONTENT_CHUNK_MISMATCH", { index: 2, atRisk: PRICE, paid: 3n * PRICE, received: 2 })(error);
  assert.equal(state.requests, 3, "it is not asked for again, and no further chunk is");
  assert.equal(channel.paid, 3n * PRICE);
  // What is at risk on one content keeps none other from being bought.
  await seller.add("/other", { bytes: randomBytes(CHUNK) }, { price: PRICE, chunkSize: CHUNK });
  coded("CONTENT_CHUNK_MISMATCH", { index: 0 })((await collect(buyer.download(`${ORIGIN}/other`, single))).error);
  assert.equal(state.requests, 4);
  // Without whoever tampered, the payment that was made is enough.
  state.tampering = false;
  const rest = await collect(buyer.download(url, { startChunk: 2 }));
  assert.deepEqual(join([...chunks, ...rest.chunks]), content);
  assert.equal(channel.paid, 6n * PRICE);
});

test("an answer of another length, range or kind ends the download", async (t) => {
  let spoil;
  const fetch = interrupted(async (_, go) => spoil(await go()));
  const { buyer, channel, url } = await setUp(t, { fetch });
  const remade = (change) => async (response) => {
    const headers = new Headers(response.headers);
    headers.delete("content-length");
    const bytes = new Uint8Array(await response.arrayBuffer());
    const { body = bytes, status = 206, range } = change(bytes);
    if (range !== undefined) headers.set("content-range", range);
    return new Response(body, { status, headers });
  };
  let cut = false;
  const endless = () =>
    new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(600)), cancel: () => (cut = true) });
  const cases = [
    [remade((bytes) => ({ body: bytes.subarray(1) })), "CONTENT_LENGTH"],
    [remade((bytes) => ({ body: Buffer.concat([bytes, bytes]) })), "CONTENT_LENGTH"],
    [remade(() => ({ body: endless() })), "CONTENT_LENGTH"],
    [remade(() => ({ range: "bytes 1000-1999/4250" })), "SELLER_ANSWER_MALFORMED"],
    [remade(() => ({ range: "bytes 0-999/4251" })), "SELLER_ANSWER_MALFORMED"],
    [remade(() => ({ status: 200 })), "SELLER_ANSWER_MALFORMED"],
    [remade(() => ({ status: 302 })), "SELLER_ANSWER_MALFORMED"],
    [() => new Response("gone", { status: 410 }), "SELLER_REFUSED"],
  ];
  for (const [how, code] of cases) {
    spoil = how;
    const { chunks, error } = await collect(buyer.download(url, quick));
    assert.deepEqual([chunks.length, error?.code], [0, code]);
    assert.equal(error.details.atRisk, PRICE);
  }
  assert.ok(cut, "what is too much is not read");
  assert.equal(channel.paid, PRICE, "one payment was enough for all of these tries");
});

test("a manifest that is not the quote's costs nothing", async (t) => {
  const fetch = (seller) => async (url, init) => {
    const response = await fetchFrom(seller)(url, init);
    if (!String(url).endsWith("?manifest")) return response;
    const bytes = new Uint8Array(await response.arrayBuffer());
    bytes[40] ^= 1;
    return new Response(bytes);
  };
  const { buyer, channel, url } = await setUp(t, { fetch });
  coded("CONTENT_MANIFEST_MISMATCH", { paid: 0n, atRisk: 0n })((await collect(buyer.download(url))).error);
  assert.equal(channel.paid, 0n);
});

test("a used-up channel says what is missing, and another one goes on", async (t) => {
  const { buyer, channel, url, content } = await setUp(t, { deposit: 2n * PRICE + 300n });
  const { chunks, error } = await collect(buyer.download(url));
  coded("INSUFFICIENT_BALANCE", { missing: 700n, received: 2, paid: 2n * PRICE, atRisk: 0n })(error);
  assert.match(error.message, /next chunk costs 1000 base units, 300 are left, 700 are missing/);
  const second = await buyer.openChannel({ seller: url, deposit: 10n * PRICE });
  const rest = await collect(buyer.download(url, { have: new Set(chunks.map(({ index }) => index)) }));
  assert.deepEqual(join([...chunks, ...rest.chunks]), content);
  assert.deepEqual([channel.paid, second.paid], [2n * PRICE, 3n * PRICE]);
});

test("without a channel that fits, the error says which one is needed", async (t) => {
  const context = await setUp(t);
  const stranger = await openBuyer(t, context.seller);
  const missing = await collect(stranger.download(context.url));
  coded("CHANNEL_REQUIRED")(missing.error);
  assert.match(missing.error.message, /wallet\.openChannel.*5 chunks cost 5000 base units/);

  const other = await openSeller(t);
  await other.add("/content", { bytes: randomBytes(10) }, { price: 1n });
  const lost = await collect(
    context.buyer.download(context.url, { channel: context.channel, fetch: fetchFrom(other) }),
  );
  coded("CHANNEL_REQUIRED", { channelId: context.channel.id })(lost.error);
  assert.match(lost.error.message, new RegExp(`needed is an open one with ${other.wallet.address}`));
});

test("the signal ends every wait, and what was paid is not lost", async (t) => {
  const state = { hang: () => {}, mode: "open" };
  const fetch = interrupted((_, go, { signal }) => {
    if (state.mode === "open") return go();
    if (state.mode === "refused") return Promise.reject(new TypeError("connection refused"));
    state.hang();
    return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  });
  const { buyer, channel, url, content } = await setUp(t, { fetch });
  const abortedWith = async (options, during) => {
    const controller = new AbortController();
    const result = collect(buyer.download(url, { ...single, ...options, signal: controller.signal }));
    await during?.();
    controller.abort();
    const { error } = await result;
    coded("ABORTED")(error);
    return error;
  };
  await abortedWith({});
  assert.equal(channel.paid, 0n);

  state.mode = "hanging";
  const hangs = () => new Promise((resolve) => (state.hang = resolve));
  assert.equal((await abortedWith({}, hangs)).details.atRisk, PRICE);
  // While another download has the channel.
  const first = new AbortController();
  const hanging = hangs();
  const holder = collect(buyer.download(url, { ...single, signal: first.signal }));
  await hanging;
  await abortedWith({}, () => sleep(20));
  first.abort();
  coded("ABORTED")((await holder).error);
  // Between two tries.
  state.mode = "refused";
  await abortedWith({ retryDelay: 60_000 }, () => sleep(20));

  state.mode = "open";
  const { chunks } = await collect(buyer.download(url));
  assert.deepEqual(join(chunks), content);
  assert.equal(channel.paid, 5n * PRICE);
});

test("a try in which nothing comes any more is given up", async (t) => {
  const fetch = interrupted(async (number, go, { signal }) => {
    if (number === 1) return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    if (number > 2) return go();
    const { status, headers } = await go();
    return new Response(new ReadableStream({ start: (controller) => controller.enqueue(new Uint8Array(10)) }), {
      status,
      headers,
    });
  });
  const { buyer, channel, url, content } = await setUp(t, { fetch });
  const { chunks } = await collect(buyer.download(url, { ...quick, stallTimeout: 30 }));
  assert.deepEqual(join(chunks), content);
  assert.equal(channel.paid, 5n * PRICE);
});

test("nothing leaves while the buyer's store fails", async (t) => {
  const store = failingStore();
  let requests = 0;
  const fetch = interrupted((_, go) => {
    requests += 1;
    return go();
  });
  const { buyer, seller, channel, url, content } = await setUp(t, { store, fetch });
  store.state.failing = true;
  const { chunks, error } = await collect(buyer.download(url));
  assert.equal(chunks.length, 0);
  assert.equal(error?.name, "MillstreamError");
  assert.equal(requests, 0);
  assert.equal(paidTo(seller, channel), 0n);
  store.state.failing = false;
  let again;
  for (let time = 0; time < 100; time++) {
    again = await collect(buyer.download(url));
    if (!again.error) break;
    await sleep(10);
  }
  assert.deepEqual(join(again.chunks), content);
  assert.equal(paidTo(seller, channel), 5n * PRICE);
});

test("a price that changes on the way is not paid unasked", async (t) => {
  const { buyer, seller, channel, url, content } = await setUp(t, { sellerOptions: { quoteLifetime: 60 } });
  const indices = [];
  const relist = async () => {
    seller.remove("/content");
    await seller.add("/content", { bytes: content }, { price: PRICE + 1n, chunkSize: CHUNK });
  };
  const run = async () => {
    for await (const { index } of buyer.download(url)) {
      indices.push(index);
      if (index === 1) await relist();
    }
  };
  await assert.rejects(run(), coded("QUOTE_CHANGED", { paid: 2n * PRICE, atRisk: 0n }));
  assert.deepEqual(indices, [0, 1]);
  assert.equal(channel.paid, 2n * PRICE);
});

test("what the seller refuses is said with its code, and not paid", async (t) => {
  const { buyer, seller, channel, url, content } = await setUp(t);
  const run = async () => {
    for await (const { index } of buyer.download(url, single)) if (index === 1) content[2 * CHUNK] ^= 1;
  };
  await assert.rejects(run(), coded("SELLER_REFUSED", { peerCode: "CONTENT_CHANGED", status: 409, atRisk: PRICE }));
  assert.equal(paidTo(seller, channel), 2n * PRICE);
  content[2 * CHUNK] ^= 1;
  const { chunks } = await collect(buyer.download(url));
  assert.deepEqual(join(chunks), content);
  assert.equal(channel.paid, 5n * PRICE);
});
