// A fetch that pays: what comes back, what it costs, and what it makes of strange sellers.

import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import {
  CHUNK,
  ORIGIN,
  PRICE,
  coded,
  fetchFrom,
  interrupted,
  openBuyer,
  openSeller,
  paidTo,
  setUp,
  sleep,
} from "./seller-harness.mjs";

const bytesOf = async (response) => new Uint8Array(await response.arrayBuffer());
const quick = { retryDelay: 1, tries: 2 };

/** Notes every request: method, path and query, and whether it paid. */
const watched = (requests) => (seller) => async (url, init) => {
  const request = new Request(url, init);
  const { pathname, search } = new URL(request.url);
  requests.push(`${request.method} ${pathname}${search}${request.headers.has("payment") ? " paid" : ""}`);
  return seller.handle(request);
};

/** A seller with a folder, and a buyer with a channel. */
async function withFolder(t, { fetch, sellerOptions = {}, terms = {} } = {}) {
  const seller = await openSeller(t, sellerOptions);
  const folder = await mkdtemp(join(tmpdir(), "millstream-fetch-"));
  t.after(() => rm(folder, { recursive: true }));
  await mkdir(join(folder, "img"));
  const files = { "index.json": '{"pages":2}', "img/1.png": "first picture", "img/2.png": "the second picture" };
  for (const [path, text] of Object.entries(files)) await writeFile(join(folder, path), text);
  await seller.addFolder("/album/", folder, { price: PRICE, isFree: (path) => path === "index.json", ...terms });
  const url = (path) => `${ORIGIN}/album/${path}`;
  const buyer = await openBuyer(t, seller, fetch && { fetch: fetch(seller) });
  const channel = await buyer.openChannel({ seller: url("img/1.png"), deposit: 100_000n });
  return { seller, buyer, channel, url, files };
}

test("a file comes as one answer, verified, and is paid chunk by chunk", async (t) => {
  const { buyer, seller, channel, content, url } = await setUp(t);
  const payments = [];
  const receipts = [];
  buyer.on("payment", (payment) => payments.push(payment));
  buyer.on("receipt", (receipt) => receipts.push(receipt));
  const response = await buyer.fetch(url);
  assert.ok(response instanceof Response);
  assert.deepEqual([response.status, response.ok, response.url, response.type], [200, true, url, "default"]);
  assert.equal(response.headers.get("content-type"), "application/octet-stream");
  assert.equal(response.headers.get("content-length"), String(content.length));
  assert.equal(response.headers.get("accept-ranges"), "bytes");
  assert.equal(response.headers.get("payment-receipt"), null);
  assert.deepEqual(await bytesOf(response), content);
  assert.equal(paidTo(seller, channel), 5n * PRICE);
  assert.equal(payments.length, 5);
  for (const { origin, url: paid, amount, index } of payments) {
    assert.deepEqual([origin, paid, amount], [ORIGIN, url, PRICE]);
    assert.ok(index >= 0 && index < 5);
  }
  assert.equal(payments.at(-1).cumulativeAmount, 5n * PRICE);
  assert.deepEqual(
    receipts.map(({ origin, url: from, channelId }) => [origin, from, channelId]),
    receipts.map(() => [ORIGIN, url, channel.id]),
  );
  assert.ok(receipts.length >= 2 && receipts.every(({ receipt }) => receipt instanceof Uint8Array));
  // Again, it is free.
  assert.deepEqual(await bytesOf(await buyer.fetch(new URL(url))), content);
  assert.equal(paidTo(seller, channel), 5n * PRICE);
});

test("it is a fetch: taken from the wallet, handed to others, with a Request", async (t) => {
  const { buyer, content, url } = await setUp(t);
  const { fetch } = buyer;
  /** As libraries take one. */
  async function load(input, { fetch: send = globalThis.fetch } = {}) {
    const response = await send(input, { headers: { accept: "*/*" }, cache: "no-cache" });
    if (!response.ok) throw new Error(`status ${response.status}`);
    return new Uint8Array(await response.arrayBuffer());
  }
  assert.deepEqual(await load(url, { fetch }), content);
  assert.deepEqual(await load(new Request(url), { fetch }), content);
  const [one, two] = (await fetch(url)).body.tee();
  assert.deepEqual(await bytesOf(new Response(one)), content);
  assert.deepEqual(await bytesOf(new Response(two)), content);
  assert.deepEqual(await bytesOf((await fetch(url)).clone()), content);
  assert.equal((await (await fetch(url)).blob()).type, "application/octet-stream");
});

test("what asks this wallet for no payment comes back untouched, as the request went out", async (t) => {
  const { buyer, channel } = await setUp(t);
  const answers = {
    "/free": new Response("free", { headers: { "x-mine": "1" } }),
    "/missing": new Response("no", { status: 404 }),
    "/other": new Response("pay otherwise", { status: 402 }),
    "/card": new Response("pay by card", {
      status: 402,
      headers: { "payment-required": btoa(JSON.stringify({ x402Version: 2, accepts: [{ scheme: "exact" }] })) },
    }),
  };
  const wallet = { ...buyer, request: buyer.request };
  assert.ok(wallet);
  const seen = [];
  const plain = await openBuyer(
    t,
    { wallet: { chain: buyer.chain } },
    {
      fetch: async (input, init) => {
        seen.push([input, init]);
        return answers[new URL(input.url ?? input).pathname];
      },
    },
  );
  for (const [path, answer] of Object.entries(answers)) {
    const init = { headers: { "x-page": "1" }, credentials: "include" };
    assert.equal(await plain.fetch(`${ORIGIN}${path}`, init), answer);
    assert.deepEqual(seen.pop(), [`${ORIGIN}${path}`, init]);
    assert.equal(answer.bodyUsed, false);
  }
  const failing = await openBuyer(
    t,
    { wallet: { chain: buyer.chain } },
    {
      fetch: async () => {
        throw new TypeError("fetch failed");
      },
    },
  );
  await assert.rejects(failing.fetch(`${ORIGIN}/free`), TypeError);
  assert.equal(channel.paid, 0n);
});

test("HEAD passes through; what is no GET cannot be paid", async (t) => {
  const { buyer, channel, url, content } = await setUp(t);
  const head = await buyer.fetch(url, { method: "HEAD" });
  assert.deepEqual([head.status, head.headers.get("content-length")], [200, String(content.length)]);
  // This seller refuses a POST by itself; another one asks for money.
  assert.equal((await buyer.fetch(url, { method: "POST", body: "x" })).status, 405);
  const asking = await openBuyer(
    t,
    { wallet: { chain: buyer.chain } },
    {
      fetch: async (input) => buyer.request(String(input)),
    },
  );
  for (const method of ["POST", "put", "DELETE"])
    await assert.rejects(asking.fetch(url, { method }), coded("METHOD_NOT_PAYABLE", { field: "method" }));
  assert.equal(channel.paid, 0n);
});

test("a range buys the chunks that it touches, and answers exactly what was asked", async (t) => {
  const { buyer, seller, channel, content, url } = await setUp(t);
  const { length } = content;
  const cases = [
    // range, first and last byte, chunks that are new
    ["bytes=10-19", 10, 19, 1n],
    ["bytes=0-0", 0, 0, 0n],
    [`bytes=${CHUNK - 1}-${CHUNK}`, CHUNK - 1, CHUNK, 1n],
    ["bytes=-5", length - 5, length - 1, 1n],
    [`bytes=${3 * CHUNK}-`, 3 * CHUNK, length - 1, 1n],
    [`Bytes=0-${length * 2}`, 0, length - 1, 1n],
    [`bytes=-${length * 2}`, 0, length - 1, 0n],
  ];
  let paid = 0n;
  for (const [range, first, last, more] of cases) {
    const response = await buyer.fetch(url, { headers: { Range: range } });
    assert.equal(response.status, 206, range);
    assert.equal(response.headers.get("content-range"), `bytes ${first}-${last}/${length}`);
    assert.equal(response.headers.get("content-length"), String(last - first + 1));
    assert.deepEqual(await bytesOf(response), content.slice(first, last + 1), range);
    paid += more * PRICE;
    assert.equal(channel.paid, paid, range);
  }
  for (const range of [`bytes=${length}-`, `bytes=${length}-${length + 5}`, "bytes=-0"]) {
    const response = await buyer.fetch(new Request(url, { headers: { Range: range } }));
    assert.deepEqual([response.status, response.headers.get("content-range")], [416, `bytes */${length}`], range);
  }
  for (const range of ["bytes=0-1,5-6", "bytes=5-1", "bytes=-", "items=0-1", "bytes=a-b", "bytes=1e1-20", "0-1"])
    await assert.rejects(
      buyer.fetch(url, { headers: { range } }),
      coded("INVALID_ARGUMENT", { field: "Range" }),
      range,
    );
  assert.equal(paidTo(seller, channel), paid);
});

test("nothing is paid ahead of what is read but what is on its way", async (t) => {
  const { buyer, channel, content, url } = await setUp(t, { chunks: 40 });
  const response = await buyer.fetch(url, {}, { parallel: 4 });
  const reader = response.body.getReader();
  for (let read = 0; read < 40; read += 1) {
    await sleep(5);
    const most = PRICE * BigInt(Math.min(40, read + 4 + (read === 0 ? 1 : 0)));
    assert.ok(channel.paid <= most, `${channel.paid} paid after ${read} chunks were read`);
    const { value } = await reader.read();
    assert.deepEqual(new Uint8Array(value), content.slice(read * CHUNK, (read + 1) * CHUNK));
  }
  assert.equal((await reader.read()).done, true);
  assert.equal(channel.paid, 40n * PRICE);
});

test("cancelling the body stops it; what was paid ahead is not lost", async (t) => {
  const { buyer, channel, content, url } = await setUp(t, { chunks: 40 });
  const reader = (await buyer.fetch(url, {}, { parallel: 2 })).body.getReader();
  await reader.read();
  await reader.cancel("enough");
  await sleep(20);
  const { paid } = channel;
  assert.ok(paid <= 4n * PRICE, `${paid}`);
  await sleep(20);
  assert.equal(channel.paid, paid);
  assert.deepEqual(await bytesOf(await buyer.fetch(url)), content);
  assert.equal(channel.paid, 40n * PRICE);
});

test("cancelling while a read waits ends what is on its way", async (t) => {
  const ended = [];
  const fetch = interrupted((number, go, { signal }) =>
    number < 3
      ? go()
      : new Promise((_, reject) =>
          signal.addEventListener("abort", () => {
            ended.push(number);
            reject(new TypeError("gone"));
          }),
        ),
  );
  const { buyer, channel, url } = await setUp(t, { chunks: 40, fetch });
  const reader = (await buyer.fetch(url, {}, { parallel: 1 })).body.getReader();
  await reader.read();
  await reader.read();
  const waiting = reader.read();
  await sleep(20);
  await reader.cancel();
  assert.equal((await waiting).done, true);
  assert.deepEqual([ended, channel.paid], [[3], 3n * PRICE]);
});

test("aborting ends it with the signal's own reason, before, between and within", async (t) => {
  const { buyer, channel, url } = await setUp(t, {
    chunks: 40,
    fetch: interrupted((number, go, { signal }) => (number < 3 ? go() : hangs(signal))),
  });
  const hangs = (signal) =>
    new Promise((_, reject) => signal.addEventListener("abort", () => reject(new TypeError("gone"))));
  const isAbort = (error) => error.name === "AbortError";
  const before = AbortSignal.abort();
  await assert.rejects(buyer.fetch(url, { signal: before }), isAbort);
  assert.equal(channel.paid, 0n);
  const within = new AbortController();
  const response = await buyer.fetch(url, { signal: within.signal }, { parallel: 1 });
  const reader = response.body.getReader();
  await reader.read();
  await reader.read();
  const third = reader.read();
  const reason = new Error("the user left");
  within.abort(reason);
  await assert.rejects(third, reason);
  await assert.rejects(reader.read(), reason);
  const start = new AbortController();
  const waiting = buyer.fetch(url, { signal: start.signal, headers: { range: `bytes=${30 * CHUNK}-` } });
  await sleep(5);
  start.abort();
  await assert.rejects(waiting, isAbort);
});

test("a seller's garbage is an error, and the body never has a byte of it", async (t) => {
  let mangle = (response) => response;
  const fetch = interrupted(async (number, go) => mangle(await go(), number));
  const { buyer, channel, content, url } = await setUp(t, { fetch, chunks: 6 });
  /** With another body, if it is not about money. */
  const other = (body, response, status = response.status) =>
    response.status === 206 ? new Response(body, { status, headers: response.headers }) : response;
  const cases = [
    ["CONTENT_CHUNK_MISMATCH", (response) => other(new Uint8Array(CHUNK), response)],
    ["CONTENT_LENGTH", (response) => other(new Uint8Array(CHUNK + 1), response)],
    ["SELLER_ANSWER_MALFORMED", (response) => other("", response, 200)],
    ["SELLER_UNREACHABLE", () => new Response("", { status: 503 })],
    ["SELLER_REFUSED", () => Response.json({ error: { code: "NO", message: "no" } }, { status: 403 })],
  ];
  for (const [at, [code, change]] of cases.entries()) {
    const headers = { range: `bytes=${at * CHUNK}-${at * CHUNK}` };
    mangle = change;
    await assert.rejects(buyer.fetch(url, { headers }, quick), coded(code));
  }
  // In the middle of a body.
  mangle = (response) =>
    response.headers.get("content-range")?.startsWith(`bytes ${2 * CHUNK}-`)
      ? other(new Uint8Array(CHUNK), response)
      : response;
  const reader = (await buyer.fetch(url, {}, { ...quick, parallel: 1 })).body.getReader();
  const parts = [];
  await assert.rejects(
    async () => {
      for (;;) parts.push((await reader.read()).value);
    },
    coded("CONTENT_CHUNK_MISMATCH", { index: 2 }),
  );
  assert.deepEqual(new Uint8Array(Buffer.concat(parts)), content.slice(0, 2 * CHUNK));
  mangle = (response) => response;
  assert.deepEqual(await bytesOf(await buyer.fetch(url)), content);
  assert.ok(channel.paid <= 7n * PRICE, `${channel.paid}`);
});

test("terms that are none, and no channel to pay with, are errors", async (t) => {
  const { buyer, url, seller } = await setUp(t);
  const stranger = await openBuyer(t, seller);
  await assert.rejects(stranger.fetch(url), coded("CHANNEL_REQUIRED"));
  for (const header of ["%%%", btoa("{}"), btoa("null"), "A".repeat(20_000)]) {
    const liar = await openBuyer(t, seller, {
      fetch: async () => new Response(null, { status: 402, headers: { "payment-required": header } }),
    });
    await assert.rejects(liar.fetch(url), coded("OFFER_MALFORMED"));
  }
  assert.equal(buyer.channels()[0].paid, 0n);
});

test("a file of a folder takes one paid request once the folder is known, and is free again", async (t) => {
  const requests = [];
  const { buyer, seller, channel, url, files } = await withFolder(t, { fetch: watched(requests) });
  requests.length = 0;
  const first = await buyer.fetch(url("img/1.png"));
  assert.deepEqual([first.status, first.headers.get("content-type")], [200, "image/png"]);
  assert.equal(await first.text(), files["img/1.png"]);
  assert.deepEqual(requests.splice(0), ["GET /album/img/1.png", "GET /album/?manifest", "GET /album/img/1.png paid"]);
  assert.equal(await (await buyer.fetch(url("img/2.png?size=large#top"))).text(), files["img/2.png"]);
  assert.deepEqual(requests.splice(0), ["GET /album/img/2.png paid"]);
  assert.equal(await (await buyer.fetch(url("index.json"))).text(), files["index.json"]);
  assert.deepEqual(requests.splice(0), ["GET /album/index.json"]);
  const part = await buyer.fetch(url("img/2.png"), { headers: { Range: "bytes=4-9" } });
  assert.deepEqual(
    [part.status, part.headers.get("content-range"), await part.text()],
    [206, "bytes 4-9/18", "second"],
  );
  assert.equal(paidTo(seller, channel), 2n * PRICE);
  assert.deepEqual([seller.totals.chunks, seller.totals.repeats], [2, 1]);
  await assert.rejects(buyer.fetch(url("")), coded("CONTENT_NOT_FOUND"));
  assert.equal((await buyer.fetch(url("img/3.png"))).status, 404);
  await assert.rejects(
    async () => {
      for await (const chunk of buyer.download(url(""))) assert.fail(chunk);
    },
    coded("INVALID_ARGUMENT", { field: "url" }),
  );
});

test("a file of a folder that is not what the list says is not handed out", async (t) => {
  const fetch = interrupted(async (_, go) => {
    const { status, headers } = await go();
    return new Response("first pictura", { status, headers });
  });
  const { buyer, channel, url } = await withFolder(t, { fetch });
  await assert.rejects(buyer.fetch(url("img/1.png")), coded("CONTENT_CHUNK_MISMATCH", { paid: PRICE, atRisk: PRICE }));
  assert.equal(channel.paid, PRICE);
});

test("what was listed anew is bought at its new terms", async (t) => {
  const { buyer, seller, channel, url } = await setUp(t);
  await bytesOf(await buyer.fetch(url));
  const bytes = new Uint8Array(CHUNK + 7).fill(7);
  seller.remove("/content");
  await seller.add("/content", { bytes }, { price: 2n * PRICE, chunkSize: CHUNK });
  assert.deepEqual(await bytesOf(await buyer.fetch(url)), bytes);
  assert.equal(paidTo(seller, channel), 9n * PRICE);
});

test("many at once read the terms and the list once each, and pay once", async (t) => {
  const requests = [];
  const { buyer, channel, url, files } = await withFolder(t, { fetch: watched(requests) });
  requests.length = 0;
  const answers = await Promise.all(Array.from({ length: 6 }, () => buyer.fetch(url("img/1.png"))));
  for (const answer of answers) assert.equal(await answer.text(), files["img/1.png"]);
  assert.equal(requests.filter((line) => line.includes("manifest")).length, 1);
  assert.equal(channel.paid, PRICE);
});

test("a file by the byte and by the second is paid to the unit", async (t) => {
  const { buyer, seller, channel } = await setUp(t);
  const content = new Uint8Array(10 * CHUNK - 3).map((_, at) => at % 251);
  await seller.add("/bytes", { bytes: content }, { price: 3n, unit: "byte", chunkSize: CHUNK });
  assert.deepEqual(await bytesOf(await buyer.fetch(`${ORIGIN}/bytes`)), content);
  assert.equal(channel.paid, 3n * BigInt(content.length));
  const before = channel.paid;
  await seller.add("/song", { bytes: content }, { price: 7n, unit: "second", duration: 25, chunkSize: CHUNK });
  assert.deepEqual(await bytesOf(await buyer.fetch(`${ORIGIN}/song`)), content);
  assert.equal(paidTo(seller, channel) - before, 175n);
});

test("a page of no seller is fetched by the fetch of the page", async (t) => {
  const { buyer, seller } = await setUp(t);
  assert.equal((await buyer.fetch(`${ORIGIN}/nothing`)).status, 404);
  assert.equal(fetchFrom(seller).length, 2);
});
