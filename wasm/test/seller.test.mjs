// What a seller answers, request by request, and when it takes money.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtemp, rename, rm, stat, symlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { memoryStore } from "../dist/index.js";
import {
  CHUNK,
  ORIGIN,
  PRICE,
  address,
  coded,
  failingStore,
  fakeChain,
  getChunk,
  offerOf,
  openSeller,
  paidTo,
  refusalOf,
  setUp,
  sha256,
  sleep,
} from "./seller-harness.mjs";

const ask = (seller, path, init) => seller.handle(new Request(`${ORIGIN}${path}`, init));
const bytesOf = async (response) => new Uint8Array(await response.arrayBuffer());

/** The hash of the offered quote: what payments for it carry. */
async function memoOf(context) {
  const { quote } = await offerOf(await ask(context.seller, "/content"));
  return context.buyer.readQuote(quote).hash;
}

test("without a payment the answer is 402 with the terms, in the shape of x402 V2", async (t) => {
  const { seller, listing, content, buyer, url } = await setUp(t);
  const response = await seller.handle(new Request(url));
  assert.equal(response.headers.get("cache-control"), "no-store");
  assert.equal(response.headers.get("access-control-allow-origin"), "*");
  assert.match(response.headers.get("access-control-expose-headers"), /PAYMENT-REQUIRED/);
  const { terms, accepted, quote } = await offerOf(response);
  assert.equal(terms.x402Version, 2);
  assert.equal(terms.resource.url, url);
  const { extra, maxTimeoutSeconds, ...plain } = accepted;
  assert.deepEqual(plain, {
    scheme: "stream",
    network: "eip155:31337",
    asset: address(0),
    amount: "1000",
    payTo: address(2),
  });
  assert.ok(maxTimeoutSeconds > 12 * 3_600 - 5 && maxTimeoutSeconds <= 24 * 3_600);
  assert.deepEqual(
    { ...extra, quote: null },
    {
      quote: null,
      payee: seller.wallet.address,
      adjudicator: address(0xaa),
      streamApp: address(0xbb),
      wallet: "/.well-known/millstream",
      manifest: "/content?manifest",
      unit: "chunk",
      units: 5,
      chunks: 5,
      length: content.length,
      credit: "0",
    },
  );
  const read = buyer.readQuote(quote);
  assert.equal(read.contentRoot, listing.contentRoot);
  assert.equal(read.price, PRICE);
  assert.equal(read.payee, seller.wallet.address);
  assert.equal((await refusalOf(response)).code, "PAYMENT_REQUIRED");
});

test("manifest, length and preflight are free; the rest is refused with a code", async (t) => {
  const { seller, content, listing } = await setUp(t);
  const expected = [];
  for (let at = 0; at < content.length; at += CHUNK) expected.push(sha256(content.subarray(at, at + CHUNK)));
  const manifest = await bytesOf(await ask(seller, "/content?manifest"));
  assert.equal(Buffer.from(manifest).toString("hex"), expected.join(""));
  assert.equal(listing.contentRoot, `0x${sha256(manifest)}`);

  const head = await ask(seller, "/content", { method: "HEAD" });
  assert.equal(head.status, 200);
  assert.equal(head.headers.get("content-length"), String(content.length));
  assert.equal(head.headers.get("accept-ranges"), "bytes");
  assert.equal((await bytesOf(head)).length, 0);

  const preflight = await ask(seller, "/content", { method: "OPTIONS" });
  assert.equal(preflight.status, 204);
  assert.match(preflight.headers.get("access-control-allow-headers"), /Payment/);
  assert.match(preflight.headers.get("access-control-allow-headers"), /Range/);

  // Also where nothing is sold: without, a page of another origin could not read that.
  assert.equal((await ask(seller, "/nothing", { method: "OPTIONS" })).status, 204);

  const refused = [
    ["/nothing", {}, 404, "NOT_FOUND"],
    ["/content/", {}, 404, "NOT_FOUND"],
    ["/../content2", {}, 404, "NOT_FOUND"],
    ["/nothing", { method: "HEAD" }, 404, "NOT_FOUND"],
    ["/content", { method: "POST", body: "x" }, 405, "METHOD_NOT_ALLOWED"],
    ["/.well-known/millstream", { method: "PUT", body: "x" }, 405, "METHOD_NOT_ALLOWED"],
    ["/.well-known/millstream", { method: "POST", body: "garbage" }, 400, "MESSAGE_MALFORMED"],
    ["/.well-known/millstream", { method: "POST" }, 400, "MESSAGE_MALFORMED"],
    ["/.well-known/millstream", { method: "POST", body: new Uint8Array(20_000) }, 400, "MESSAGE_TOO_LARGE"],
    ["/.well-known/millstream", { method: "POST", body: new Uint8Array(65_537) }, 413, "BODY_TOO_LARGE"],
  ];
  for (const [path, init, status, code] of refused) {
    const response = await ask(seller, path, init);
    assert.equal(response.headers.get("access-control-allow-origin"), "*");
    const refusal = await refusalOf(response);
    assert.deepEqual([refusal.status, refusal.code], [status, code], `${init.method ?? "GET"} ${path}`);
  }
});

test("a paid chunk comes exactly, and again free", async (t) => {
  const context = await setUp(t);
  const { seller, channel, content } = context;
  const memo = await memoOf(context);
  for (const index of [0, 4, 2]) {
    const { bytes } = await channel.pay(PRICE, { memo });
    const first = index * CHUNK;
    const expected = content.slice(first, first + CHUNK);
    for (let time = 0; time < 3; time++) {
      const response = await getChunk(seller, context, index, bytes);
      assert.equal(response.status, 206);
      assert.equal(response.headers.get("content-length"), String(expected.length));
      const last = first + expected.length - 1;
      assert.equal(response.headers.get("content-range"), `bytes ${first}-${last}/${content.length}`);
      assert.deepEqual(await bytesOf(response), expected);
    }
  }
  assert.equal(paidTo(seller, channel), 3n * PRICE);
  assert.deepEqual(seller.totals, { payments: 3, chunks: 3, repeats: 6, bytes: 3 * (2 * CHUNK + CHUNK / 4) });
});

test("one payment buys one chunk, whichever is asked for first; a larger one as many as it is worth", async (t) => {
  const context = await setUp(t);
  const { seller, channel } = context;
  const memo = await memoOf(context);
  const one = await channel.pay(PRICE, { memo });
  assert.equal((await getChunk(seller, context, 3, one.bytes)).status, 206);
  const refused = await getChunk(seller, context, 1, one.bytes);
  assert.ok(refused.headers.has("payment-required"), "every 402 says what to pay");
  assert.deepEqual((await refusalOf(refused)).code, "PAYMENT_INSUFFICIENT");
  const short = await channel.pay(PRICE - 1n, { memo });
  assert.equal((await refusalOf(await getChunk(seller, context, 1, short.bytes))).code, "PAYMENT_INSUFFICIENT");
  const rest = await channel.pay(1n, { memo });
  assert.equal((await getChunk(seller, context, 1, rest.bytes)).status, 206);
  const double = await channel.pay(2n * PRICE, { memo });
  const statuses = [];
  for (const index of [0, 2, 4]) statuses.push((await getChunk(seller, context, index, double.bytes)).status);
  assert.deepEqual(statuses, [206, 206, 402]);
});

test("requests that come at once charge once", async (t) => {
  const store = failingStore();
  const context = await setUp(t, { chunks: 20, sellerOptions: { store } });
  const { seller, channel } = context;
  store.state.delay = 10;
  const { bytes } = await channel.pay(PRICE, { memo: await memoOf(context) });
  const same = await Promise.all(Array.from({ length: 10 }, () => getChunk(seller, context, 7, bytes)));
  assert.deepEqual(
    same.map(({ status }) => status),
    Array(10).fill(206),
  );
  const others = await Promise.all(Array.from({ length: 20 }, (_, index) => getChunk(seller, context, index, bytes)));
  assert.deepEqual(
    others.flatMap(({ status }, index) => (status === 206 ? [index] : [])),
    [7],
  );
  assert.deepEqual(seller.totals.chunks, 1);
});

test("only exactly one chunk can be asked for, and nothing is taken for anything else", async (t) => {
  const context = await setUp(t);
  const { seller, channel, content } = context;
  const { bytes } = await channel.pay(PRICE, { memo: await memoOf(context) });
  const end = content.length - 1;
  const ranges = [
    "bytes=0-998",
    "bytes=0-1000",
    "bytes=1-1000",
    "bytes=0-1999",
    "bytes=0-",
    "bytes=-1000",
    "bytes=0-999,1000-1999",
    `bytes=4000-${end + 1}`,
    `bytes=5000-${end}`,
    "bytes=1000-999",
    "bytes=999999999999999-9999999999999999",
    "items=0-999",
    "",
  ];
  for (const Range of ranges) {
    const response = await getChunk(seller, context, 0, bytes, { Range });
    assert.equal(response.headers.get("content-range"), `bytes */${content.length}`);
    const { status, code } = await refusalOf(response);
    assert.deepEqual([status, code], [416, "RANGE_NOT_A_CHUNK"], Range);
  }
  assert.equal(paidTo(seller, channel), 0n);
  assert.equal((await getChunk(seller, context, 4, bytes)).status, 206);
});

test("a payment that is none, or not for this, is refused with its code and not taken", async (t) => {
  const context = await setUp(t);
  const { seller, channel, buyer } = context;
  await seller.add("/other", { bytes: randomBytes(10) }, { price: 1n });
  const { quote } = await offerOf(await ask(seller, "/other"));
  const memo = await memoOf(context);
  const { bytes: good } = await channel.pay(PRICE, { memo });
  const flipped = (at) => good.map((byte, index) => (index === at ? byte ^ 1 : byte));
  const header = (Payment) => getChunk(seller, context, 0, good, { Payment });
  const forOther = (await channel.pay(1n, { memo: buyer.readQuote(quote).hash })).bytes;
  const forNothing = (await channel.pay(1n)).bytes;
  const cases = [
    [() => header("a".repeat(8_000)), "PAYMENT_TOO_LARGE"],
    [() => header("not base64!"), "PAYMENT_MALFORMED"],
    [() => header(""), "MESSAGE_MALFORMED"],
    [() => header("AAAA"), "MESSAGE_MALFORMED"],
    [() => getChunk(seller, context, 0, good.subarray(0, good.length - 1)), "MESSAGE_MALFORMED"],
    [() => getChunk(seller, context, 0, new Uint8Array(700)), "MESSAGE_TOO_LARGE"],
    [() => getChunk(seller, context, 0, forOther), "QUOTE_UNKNOWN"],
    [() => getChunk(seller, context, 0, forNothing), "QUOTE_UNKNOWN"],
  ];
  for (const [request, code] of cases) {
    const refusal = await refusalOf(await request());
    assert.deepEqual([refusal.status, refusal.code], [402, code]);
  }
  // Whatever byte is changed: refused with some code, or another encoding of the same payment.
  for (let at = 0; at < good.length; at++) {
    const { status } = await getChunk(seller, context, 0, flipped(at));
    assert.equal(status, 402, `byte ${at} changed`);
    assert.equal(paidTo(seller, channel), 0n);
  }
  assert.equal((await getChunk(seller, context, 0, good)).status, 206);
});

test("a channel pays only in what the listing costs", async (t) => {
  const context = await setUp(t);
  const { seller, channel, buyer } = context;
  await seller.add("/token", { bytes: randomBytes(CHUNK) }, { price: PRICE, asset: address(9), chunkSize: CHUNK });
  const { quote } = await offerOf(await ask(seller, "/token"));
  const { bytes } = await channel.pay(PRICE, { memo: buyer.readQuote(quote).hash });
  const response = await ask(seller, "/token", {
    headers: { Range: `bytes=0-${CHUNK - 1}`, Payment: Buffer.from(bytes).toString("base64url") },
  });
  assert.equal((await refusalOf(response)).code, "WRONG_ASSET");
  assert.equal(paidTo(seller, channel), 0n);
});

test("nobody pays for a file that is not what it was when it was listed", async (t) => {
  const context = await setUp(t);
  const { seller, channel, buyer } = context;
  const folder = await mkdtemp(join(tmpdir(), "millstream-seller-"));
  t.after(() => rm(folder, { recursive: true }));
  const file = join(folder, "film");
  const content = randomBytes(2 * CHUNK);
  await writeFile(file, content);
  const listing = await seller.add("/film", { file }, { price: PRICE, chunkSize: CHUNK });
  const url = `${ORIGIN}/film`;
  const { quote } = await offerOf(await ask(seller, "/film"));
  const memo = buyer.readQuote(quote).hash;
  const get = async (index) => getChunk(seller, { url, listing }, index, (await channel.pay(PRICE, { memo })).bytes);
  assert.deepEqual(await bytesOf(await get(0)), new Uint8Array(content.subarray(0, CHUNK)));
  const paid = paidTo(seller, channel);

  // Other bytes of the same length, with the time of the old ones: only the hash can tell.
  const { atime, mtime } = await stat(file);
  const changed = Buffer.from(content);
  changed[CHUNK] ^= 1;
  await utimes(file, atime, mtime);
  const relisted = await seller.add("/film2", { file }, { price: PRICE, chunkSize: CHUNK });
  await writeFile(file, changed);
  await utimes(file, atime, mtime);
  const memo2 = buyer.readQuote((await offerOf(await ask(seller, "/film2"))).quote).hash;
  const silent = await getChunk(
    seller,
    { url: `${ORIGIN}/film2`, listing: relisted },
    1,
    (await channel.pay(PRICE, { memo: memo2 })).bytes,
  );
  assert.deepEqual((await refusalOf(silent)).code, "CONTENT_CHANGED");

  await writeFile(file, "longer".repeat(CHUNK));
  const cases = [ask(seller, "/film"), get(0), get(1)];
  await rename(file, `${file}.gone`);
  cases.push(ask(seller, "/film"), get(1));
  for (const response of await Promise.all(cases)) {
    const { status, code, message } = await refusalOf(response);
    assert.deepEqual([status, code], [409, "CONTENT_CHANGED"]);
    assert.ok(!message.includes(folder), "the answer does not say where the seller's files are");
  }
  assert.equal(paidTo(seller, channel), paid);
});

test("a link that is changed later does not lead to another file", async (t) => {
  const { seller } = await setUp(t);
  const folder = await mkdtemp(join(tmpdir(), "millstream-seller-"));
  t.after(() => rm(folder, { recursive: true }));
  const at = (name) => join(folder, name);
  await writeFile(at("listed"), "listed");
  await writeFile(at("secret"), "secret");
  await symlink(at("listed"), at("link"));
  const listing = await seller.add("/link", { file: at("link") }, { price: 1n });
  await rm(at("link"));
  await symlink(at("secret"), at("link"));
  const chunk = await listing.open(0);
  assert.equal(Buffer.from(chunk.body(0, chunk.length)).toString(), "listed");
});

test("a payment is taken only once the store has it", async (t) => {
  const store = failingStore();
  const context = await setUp(t, { sellerOptions: { store } });
  const { seller, channel, content } = context;
  const { bytes } = await channel.pay(PRICE, { memo: await memoOf(context) });
  store.state.failing = true;
  const response = await getChunk(seller, context, 0, bytes);
  assert.equal(response.status, 503);
  assert.ok((await bytesOf(response)).length < 300, "no content left");
  assert.equal(seller.totals.bytes, 0);
  store.state.failing = false;
  let retried;
  for (let time = 0; time < 100 && retried?.status !== 206; time++) {
    retried = await getChunk(seller, context, 0, bytes);
    if (retried.status !== 206) await sleep(10);
  }
  assert.deepEqual(await bytesOf(retried), content.slice(0, CHUNK));
  assert.equal(paidTo(seller, channel), PRICE);
});

test("a paid chunk is one write, and two where another process of the seller wrote first", async (t) => {
  const store = memoryStore();
  const commits = [];
  const counted = { ...store, commit: (writes) => (commits.push(writes.map(({ key }) => key)), store.commit(writes)) };
  const context = await setUp(t, { sellerOptions: { store: counted } });
  const { seller, channel } = context;
  const memo = await memoOf(context);
  const buyChunk = async (index) => {
    const { bytes } = await channel.pay(PRICE, { memo, ticks: 10 });
    commits.splice(0);
    assert.equal((await getChunk(seller, context, index, bytes)).status, 206);
    return commits.splice(0);
  };
  const [[first, second], ...others] = await buyChunk(0);
  assert.deepEqual([first, others], [channel.id, []]);
  assert.deepEqual(await buyChunk(1), [[channel.id, second]]);

  const [{ version, bytes }] = await store.read([second]);
  await store.commit([{ key: second, expectedVersion: version, bytes }]);
  assert.deepEqual(await buyChunk(2), [[channel.id, second], [channel.id], [second]]);
  assert.deepEqual(await buyChunk(3), [[channel.id, second]]);
  assert.equal(paidTo(seller, channel), 4n * PRICE);
});

test("a quote holds until the end of its time, and the one after it does not pay twice", async (t) => {
  const context = await setUp(t, { sellerOptions: { quoteLifetime: 4 } });
  const { seller, channel, buyer } = context;
  const { quote } = await offerOf(await ask(seller, "/content"));
  const { hash, expiresAt } = buyer.readQuote(quote);
  const { bytes } = await channel.pay(PRICE, { memo: hash });
  assert.equal((await getChunk(seller, context, 0, bytes)).status, 206);
  // Half of its time later there is a newer one, and the old one still pays.
  while ((await memoOf(context)) === hash) await sleep(50);
  assert.ok(Date.now() / 1_000 < expiresAt);
  assert.equal((await getChunk(seller, context, 0, bytes)).status, 206);
  const { bytes: second } = await channel.pay(PRICE, { memo: hash });
  assert.equal((await getChunk(seller, context, 1, second)).status, 206);
  await sleep(expiresAt * 1_000 - Date.now() + 20);
  assert.equal((await refusalOf(await getChunk(seller, context, 0, second))).code, "QUOTE_UNKNOWN");
});

test("what was bought of content that was taken off sale is still there when it is listed again", async (t) => {
  const context = await setUp(t);
  const { seller, channel, content } = context;
  const memo = await memoOf(context);
  const { bytes } = await channel.pay(PRICE, { memo });
  assert.equal((await getChunk(seller, context, 0, bytes)).status, 206);
  seller.remove("/content");
  assert.equal((await refusalOf(await getChunk(seller, context, 0, bytes))).code, "NOT_FOUND");
  await seller.add("/content", { bytes: content }, { price: PRICE, chunkSize: CHUNK });
  assert.equal((await getChunk(seller, context, 0, bytes)).status, 206);
  assert.equal((await refusalOf(await getChunk(seller, context, 1, bytes))).code, "PAYMENT_INSUFFICIENT");
});

test("a seller that was restarted knows what was bought and what is unspent", async (t) => {
  const store = memoryStore();
  const secret = new Uint8Array(randomBytes(32));
  const chain = fakeChain(address(2));
  const context = await setUp(t, { sellerOptions: { store, secret, chain } });
  const { channel, content } = context;
  const memo = await memoOf(context);
  await getChunk(context.seller, context, 0, (await channel.pay(PRICE, { memo })).bytes);
  const last = await channel.pay(2n * PRICE, { memo });
  await getChunk(context.seller, context, 1, last.bytes);
  await context.seller.stop();

  const seller = await openSeller(t, { store, secret, chain });
  await seller.add("/content", { bytes: content }, { price: PRICE, chunkSize: CHUNK });
  const again = { ...context, seller };
  assert.equal(await memoOf(again), memo);
  const statuses = [];
  for (const index of [1, 3, 1, 2, 0, 3]) statuses.push((await getChunk(seller, again, index, last.bytes)).status);
  assert.deepEqual(statuses, [206, 206, 206, 402, 206, 206]);
  const next = await channel.pay(PRICE, { memo });
  assert.equal((await getChunk(seller, again, 2, next.bytes)).status, 206);
  assert.equal((await getChunk(seller, again, 4, next.bytes)).status, 402);
  assert.equal(paidTo(seller, channel), 4n * PRICE);
});

test("what cannot be listed is refused with the field that is wrong", async (t) => {
  const seller = await openSeller(t);
  const bytes = randomBytes(10);
  const terms = { price: 1n };
  const refused = [
    ["film", { bytes }, terms, "INVALID_ARGUMENT", "path"],
    ["//evil.example/film", { bytes }, terms, "INVALID_ARGUMENT", "path"],
    ["/film?x=1", { bytes }, terms, "INVALID_ARGUMENT", "path"],
    ["/.well-known/millstream", { bytes }, terms, "INVALID_ARGUMENT", "path"],
    ["/film/", { bytes }, terms, "INVALID_ARGUMENT", "path"],
    ["/a", { bytes }, { price: 0n }, "INVALID_ARGUMENT", "price"],
    ["/a", { bytes }, { price: 5 }, "INVALID_ARGUMENT", "price"],
    ["/a", { bytes }, { price: 1n << 128n }, "INVALID_ARGUMENT", "price"],
    ["/a", { bytes }, { price: 1n << 125n, unit: "byte" }, "INVALID_ARGUMENT", "price"],
    ["/a", { bytes }, { ...terms, unit: "minute" }, "INVALID_ARGUMENT", "unit"],
    ["/a", { bytes }, { ...terms, unit: "second" }, "INVALID_ARGUMENT", "duration"],
    ...[0, -1, NaN, Infinity, "10"].map((duration) => [
      "/a",
      { bytes },
      { ...terms, unit: "second", duration },
      "INVALID_ARGUMENT",
      "duration",
    ]),
    ["/a", { bytes }, { ...terms, duration: 10 }, "INVALID_ARGUMENT", "duration"],
    ["/a", { bytes }, { ...terms, unit: "second", duration: 3, chunkSize: 3 }, "INVALID_ARGUMENT", "chunkSize"],
    ["/a", { bytes }, { ...terms, credit: -1n }, "INVALID_ARGUMENT", "credit"],
    ["/a", { bytes }, { ...terms, credit: 5 }, "INVALID_ARGUMENT", "credit"],
    ["/a", { bytes }, { ...terms, credit: 1n << 128n }, "INVALID_ARGUMENT", "credit"],
    ["/a", { bytes }, { ...terms, asset: "0x12" }, "INVALID_HEX", "asset"],
    ["/a", { bytes }, { ...terms, contentType: "text/html\r\nX: y" }, "INVALID_ARGUMENT", "contentType"],
    ["/a", { bytes: "text" }, terms, "INVALID_ARGUMENT", "bytes"],
    ["/a", { bytes }, { ...terms, chunkSize: 0 }, "CONTENT_LENGTH"],
    ["/a", { bytes: new Uint8Array(0) }, terms, "CONTENT_LENGTH"],
    ["/a", { file: tmpdir() }, terms, "CONTENT_UNREADABLE"],
    ["/a", { file: join(tmpdir(), "no such file") }, terms, "CONTENT_UNREADABLE"],
  ];
  for (const [path, content, given, code, field] of refused)
    await assert.rejects(seller.add(path, content, given), coded(code, field ? { field } : {}));
  assert.equal(seller.listings.length, 0);

  const listing = await seller.add("/my film.mp4", { bytes }, terms);
  assert.equal(listing.path, "/my%20film.mp4");
  await assert.rejects(seller.add("/my film.mp4", { bytes }, terms), coded("LISTING_EXISTS"));
  assert.equal((await ask(seller, "/my%20film.mp4")).status, 402);
  assert.equal(seller.remove("/my film.mp4"), true);
  assert.equal(seller.remove("/my film.mp4"), false);
  assert.equal((await ask(seller, "/my%20film.mp4")).status, 404);
});

test("terms that the seller's own policy would refuse are refused at once", async (t) => {
  const open = (options) => openSeller(t, { policy: {}, ...options });
  await assert.rejects(open({ challengeDuration: 60 }), coded("INVALID_ARGUMENT", { field: "challengeDuration" }));
  await assert.rejects(
    open({ challengeDuration: 3_600, confirmations: 1 }),
    coded("INVALID_ARGUMENT", { field: "confirmations" }),
  );
  await assert.rejects(open({ confirmations: 1.5 }), coded("INVALID_ARGUMENT", { field: "confirmations" }));
});
