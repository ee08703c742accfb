// A folder for sale: what is free, what each file costs, what is answered to nonsense, and how long files leave.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { link, mkdir, mkdtemp, rm, stat, symlink, utimes, writeFile } from "node:fs/promises";
import { createServer, request } from "node:http";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

import { fetchOffer, memoryStore } from "../dist/index.js";
import { FolderManifest } from "../dist/folder.js";
import { nodeHandler } from "../dist/server.js";
import {
  ORIGIN,
  coded,
  failingStore,
  offerOf,
  openBuyer,
  openSeller,
  paidTo,
  refusalOf,
  sha256,
  sleep,
} from "./seller-harness.mjs";

const PRICE = 10n;
const MIB = 1024 * 1024;
const playlist = (...segments) =>
  ["#EXTM3U", "#EXT-X-TARGETDURATION:9", '#EXT-X-MAP:URI="init.mp4"']
    .concat(...segments.map(([uri, time]) => [`#EXTINF:${time},`, uri]), "#EXT-X-ENDLIST", "")
    .join("\n");

/** A film of ten seconds and half a second more, and all that lies about in its folder. */
const FILM = {
  "master.m3u8": "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nv0/p.m3u8\n",
  "v0/p.m3u8": playlist(["0.m4s", "6"], ["a b.m4s", "4.5"]),
  "v0/init.mp4": "init",
  "v0/0.m4s": randomBytes(2_000),
  "v0/a b.m4s": randomBytes(1_000),
  "subs.vtt": "WEBVTT",
  ".DS_Store": "x",
  ".git/config": "x",
};

async function directory(t, files) {
  const folder = await mkdtemp(join(tmpdir(), "millstream-folder-"));
  t.after(() => rm(folder, { recursive: true }));
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), content);
  }
  return folder;
}

const otherChain = (chain, contracts) => ({ ...chain, contracts: { ...chain.contracts, ...contracts } });
const bytesOf = async (response) => new Uint8Array(await response.arrayBuffer());
const base64url = (bytes) => Buffer.from(bytes).toString("base64url");

/** A seller with a folder, a buyer, and an open channel between them. */
async function setUp(t, { files = FILM, terms = {}, sellerOptions, deposit = 10_000n } = {}) {
  const folder = await directory(t, files);
  const seller = await openSeller(t, sellerOptions);
  const listing = await seller.addFolder("/film/", folder, { price: PRICE, unit: "second", ...terms });
  const buyer = await openBuyer(t, seller);
  const url = `${ORIGIN}/film/`;
  const channel = await buyer.openChannel({ seller: url, deposit });
  const ask = (path, init) => seller.handle(new Request(`${ORIGIN}${path}`, init));
  const memo = (await fetchOffer(url, buyer)).hash;
  const pay = async (amount) => base64url((await channel.pay(amount, { memo })).bytes);
  const buy = async (path, amount, headers = {}) => ask(path, { headers: { Payment: await pay(amount), ...headers } });
  return { folder, seller, listing, buyer, url, channel, ask, memo, pay, buy };
}

test("a folder is one offer, wherever one asks in it", async (t) => {
  const { buyer, ask, url, seller, listing } = await setUp(t, { terms: { credit: 30n, name: "A film" } });
  const offer = await fetchOffer(url, buyer);
  const { length, chunks, chunkSize, unit, units, price, credit, total } = offer;
  assert.deepEqual([chunks, chunkSize, unit, units, price, credit, total], [6, 0, "second", 11, PRICE, 30n, 110n]);
  assert.equal(offer.url, url);
  assert.equal(offer.manifestUrl, `${url}?manifest`);
  const response = await ask("/film/?manifest");
  assert.equal(response.headers.get("content-type"), "application/json");
  const manifest = await FolderManifest.read(response, offer);
  assert.equal(manifest.root, listing.contentRoot);
  assert.deepEqual(
    manifest.entries.map(({ path, units }) => [path, units]),
    [
      ["master.m3u8", 0],
      ["subs.vtt", 0],
      ["v0/0.m4s", 6],
      ["v0/a b.m4s", 5],
      ["v0/init.mp4", 0],
      ["v0/p.m3u8", 0],
    ],
  );
  assert.equal(
    length,
    manifest.entries.reduce((sum, entry) => sum + entry.length, 0),
  );
  for (const { path, sha256: hash } of manifest.entries) assert.equal(hash, sha256(FILM[path]));
  // One that costs something says the same; one that is free says where to ask.
  for (const path of ["/film/v0/0.m4s", "/film/v0/a%20b.m4s?x=1", "/film/v0/p.m3u8", "/film/master.m3u8"])
    assert.deepEqual(await fetchOffer(`${ORIGIN}${path}`, buyer), offer, path);
  const { terms, accepted } = await offerOf(await ask("/film/v0/0.m4s"));
  assert.deepEqual([accepted.extra.folder, accepted.extra.units, accepted.extra.credit], ["/film/", 11, "30"]);
  assert.deepEqual(terms.resource, {
    url: `${ORIGIN}/film/v0/0.m4s`,
    mimeType: "video/mp4",
    description: "A film",
  });
  assert.equal(terms.error, `this file costs 60 base units of ${listing.asset}`);
  assert.deepEqual(seller.listings, [listing]);
});

test("what a player needs beside segments is free, and has the type that it has", async (t) => {
  const { ask, listing } = await setUp(t);
  const types = {
    "master.m3u8": "application/vnd.apple.mpegurl",
    "v0/p.m3u8": "application/vnd.apple.mpegurl",
    "v0/init.mp4": "video/mp4",
    "subs.vtt": "text/vtt",
  };
  for (const [path, type] of Object.entries(types)) {
    for (const init of [{}, { headers: { Payment: "nonsense" } }]) {
      const response = await ask(`/film/${path}`, init);
      assert.equal(response.status, 200, path);
      assert.equal(response.headers.get("content-type"), type);
      assert.equal(response.headers.get("access-control-allow-origin"), "*");
      assert.equal(response.headers.get("link"), '</film/>; rel="payment"');
      assert.match(response.headers.get("access-control-expose-headers"), /\bLink\b/);
      assert.equal(Buffer.from(await bytesOf(response)).toString(), FILM[path]);
    }
    const head = await ask(`/film/${path}`, { method: "HEAD" });
    assert.deepEqual([head.status, head.headers.get("content-type")], [200, type]);
    assert.equal(head.headers.get("content-length"), String(FILM[path].length));
    assert.equal((await bytesOf(head)).length, 0);
  }
  assert.equal(listing.contentTypeOf(2), "video/mp4");
  const preflight = await ask("/film/v0/0.m4s", { method: "OPTIONS" });
  assert.equal(preflight.status, 204);
  assert.equal(
    (await refusalOf(await ask("/film/v0/0.m4s", { method: "POST", body: "x" }))).code,
    "METHOD_NOT_ALLOWED",
  );
  const head = await ask("/film/v0/0.m4s", { method: "HEAD" });
  assert.deepEqual([head.status, head.headers.get("content-length")], [200, "2000"]);
});

test("a file costs its seconds, once, whole or in ranges, with a header or in the query", async (t) => {
  const { seller, channel, ask, pay, buy, memo } = await setUp(t);
  const content = FILM["v0/0.m4s"];
  const refused = await buy("/film/v0/0.m4s", 59n);
  assert.equal((await refusalOf(refused)).code, "PAYMENT_INSUFFICIENT");
  assert.ok(refused.headers.has("payment-required"));
  const whole = await buy("/film/v0/0.m4s", 1n);
  assert.equal(whole.status, 200);
  assert.deepEqual(await bytesOf(whole), new Uint8Array(content));
  const payment = await pay(1n);
  const ranges = [
    ["bytes=0-999", 206, 0, 999],
    ["bytes=1500-", 206, 1_500, 1_999],
    ["bytes=-1", 206, 1_999, 1_999],
    ["bytes=-5000", 206, 0, 1_999],
    ["bytes=0-5000", 206, 0, 1_999],
    ["BYTES=1999-1999", 206, 1_999, 1_999],
    // What is no single range of bytes is as if it were not there.
    ["bytes=0-1,5-6", 200, 0, 1_999],
    ["bytes=5-1", 200, 0, 1_999],
    ["bytes=-", 200, 0, 1_999],
    ["bytes=a-b", 200, 0, 1_999],
    ["items=0-5", 200, 0, 1_999],
    [`bytes=${"9".repeat(400)}-`, 200, 0, 1_999],
    ["", 200, 0, 1_999],
  ];
  for (const [Range, status, first, last] of ranges) {
    const response = await ask("/film/v0/0.m4s", { headers: { Payment: payment, Range } });
    assert.equal(response.status, status, Range);
    const range = status === 206 ? `bytes ${first}-${last}/2000` : null;
    assert.equal(response.headers.get("content-range"), range, Range);
    assert.equal(response.headers.get("content-length"), String(last - first + 1));
    assert.deepEqual(await bytesOf(response), new Uint8Array(content.subarray(first, last + 1)), Range);
  }
  for (const Range of ["bytes=2000-", "bytes=2000-3000", "bytes=-0", "bytes=999999999999999-"]) {
    const response = await ask("/film/v0/0.m4s", { headers: { Payment: payment, Range } });
    assert.equal(response.headers.get("content-range"), "bytes */2000");
    assert.deepEqual(await refusalOf(response).then(({ status, code }) => [status, code]), [
      416,
      "RANGE_UNSATISFIABLE",
    ]);
  }
  assert.deepEqual([seller.totals.chunks, seller.totals.repeats], [1, ranges.length]);
  assert.equal((await ask(`/film/v0/0.m4s?payment=${payment}`)).status, 200);
  assert.equal((await ask(`/film/?chunk=2&payment=${payment}`)).status, 200);
  const account = await ask(`/film/?account=${memo}&payment=${payment}`);
  assert.deepEqual(await account.json(), { unspent: "1", owed: "0", bought: [2, 2] });
  assert.equal((await buy("/film/v0/a%20b.m4s", 49n)).status, 200);
  assert.equal(paidTo(seller, channel), 110n);
  // The chunk that completes what costs something has a receipt.
  assert.ok((await ask(`/film/?chunk=3&payment=${payment}`)).headers.has("payment-receipt"));
});

test("no path leads out of a folder, or to what was left out of it", async (t) => {
  const { ask, buy, seller, channel, folder } = await setUp(t);
  await writeFile(join(folder, "late.m4s"), "added after it was listed");
  const paths = [
    "/film",
    "/film/v0",
    "/film/v0/",
    "/film//v0/0.m4s",
    "/film/v0//0.m4s",
    "/film/../film/../secret",
    "/film/..%2f..%2fetc%2fpasswd",
    "/film/%2e%2e%2fsecret",
    "/film/v0%2f0.m4s",
    "/film/v0%5c0.m4s",
    "/film/v0/0.m4s%00",
    "/film/v0/0.m4s%2500",
    "/film/%76%30/0.m4s/",
    "/film/%",
    "/film/%ff",
    "/film/.DS_Store",
    "/film/.git/config",
    "/film/late.m4s",
    "/film/constructor",
    "/film/__proto__",
    `/film/${"a/".repeat(4_000)}`,
    `/${"film/".repeat(3_000)}`,
  ];
  for (const path of paths)
    for (const response of [await ask(path), await buy(path, 1n)]) {
      assert.equal(response.headers.get("access-control-allow-origin"), "*");
      assert.deepEqual(await refusalOf(response).then(({ status, code }) => [status, code]), [404, "NOT_FOUND"], path);
    }
  // The same file, written otherwise.
  assert.equal((await ask("/film/%76%30/p%2Em3u8")).status, 200);
  assert.equal((await ask("/film/v0/../v0/p.m3u8")).status, 200);
  for (const chunk of ["6", "-1", "1e0", "", "NaN", "99999999999", "0.5", "%00"]) {
    const { status, code } = await refusalOf(await buy(`/film/?chunk=${chunk}`, 1n));
    assert.deepEqual([status, code], [404, "CHUNK_UNKNOWN"], chunk);
  }
  assert.equal((await refusalOf(await buy("/film/", 1n))).code, "CHUNK_UNKNOWN");
  assert.equal(paidTo(seller, channel), 0n);
});

test("of folders in each other the innermost counts, and content of its own before both", async (t) => {
  const { seller, ask, folder } = await setUp(t);
  const inner = await directory(t, { "0.m4s": "inner", "more/x": "x" });
  await seller.addFolder("/film/v0/", inner, { price: 1n });
  await seller.add("/film/subs.vtt", { bytes: randomBytes(10) }, { price: 5n });
  assert.equal((await offerOf(await ask("/film/v0/0.m4s"))).accepted.extra.folder, "/film/v0/");
  assert.equal((await offerOf(await ask("/film/v0/more/x"))).accepted.extra.folder, "/film/v0/");
  assert.equal((await offerOf(await ask("/film/v0/a%20b.m4s"))).accepted.extra.folder, "/film/");
  assert.equal((await offerOf(await ask("/film/subs.vtt"))).accepted.extra.folder, undefined);
  await assert.rejects(seller.addFolder("/film/", folder, { price: 1n }), coded("LISTING_EXISTS"));
  assert.equal(seller.remove("/film/v0/"), true);
  assert.equal((await offerOf(await ask("/film/v0/0.m4s"))).accepted.extra.folder, "/film/");
});

test("a file of a folder that was changed is not sold, and nothing is charged for it", async (t) => {
  const { seller, channel, ask, buy, folder } = await setUp(t);
  const file = join(folder, "v0/0.m4s");
  const { atime, mtime } = await stat(file);
  await utimes(file, atime, mtime);
  const relisted = await seller.addFolder("/again/", folder, { price: PRICE, unit: "second" });
  assert.equal(relisted.chunks, 6);
  await writeFile(file, randomBytes(2_000));
  await utimes(file, atime, mtime);
  const path = "/again/v0/0.m4s";
  // Only the hash can tell.
  const memo = (await fetchOffer(`${ORIGIN}/again/`, channel && (await openBuyer(t, seller)))).hash;
  const payment = base64url((await channel.pay(60n, { memo })).bytes);
  const refused = async (response) => {
    const { status, code, message } = await refusalOf(response);
    assert.deepEqual([status, code], [409, "CONTENT_CHANGED"]);
    assert.ok(!message.includes(folder));
  };
  await refused(await ask(path, { headers: { Payment: payment } }));
  await writeFile(file, "short");
  await refused(await ask("/film/v0/0.m4s"));
  await refused(await buy("/film/v0/0.m4s", 60n));
  await writeFile(join(folder, "v0/p.m3u8"), "#EXTM3U\n");
  await refused(await ask("/film/v0/p.m3u8"));
  await rm(join(folder, "master.m3u8"));
  await refused(await ask("/film/master.m3u8"));
  assert.equal(paidTo(seller, channel), 0n);
  assert.equal((await buy("/film/v0/a%20b.m4s", 50n)).status, 200, "the others are sold");
});

test("an offer of a folder that lies about where it is, or what it costs, is refused", async (t) => {
  const { seller, buyer } = await setUp(t);
  const file = `${ORIGIN}/film/v0/0.m4s`;
  /** Asks with the terms changed on their way. */
  const offered = (change) =>
    fetchOffer(file, buyer, {
      fetch: async (url, init) => {
        const response = await seller.handle(new Request(url, init));
        const { terms } = await offerOf(response);
        change(terms.accepts[0]);
        const header = Buffer.from(JSON.stringify(terms)).toString("base64");
        return new Response("{}", { status: 402, headers: { "payment-required": header } });
      },
    });
  assert.equal((await offered(() => {})).url, `${ORIGIN}/film/`);
  for (const folder of [
    undefined,
    5,
    "",
    "/film",
    "/film/v0/0.m4s",
    "/other/",
    "/film/v1/",
    "/film/?x",
    "/film/#x",
    "//evil.example/film/",
    "https://evil.example/film/",
    "javascript:0",
    "x".repeat(3_000),
  ])
    await assert.rejects(
      offered(({ extra }) => (extra.folder = folder)),
      coded("OFFER_MALFORMED"),
      String(folder).slice(0, 50),
    );
  for (const change of [
    (accepted) => (accepted.amount = "9"),
    ({ extra }) => (extra.unit = "byte"),
    ({ extra }) => (extra.units = 10),
    ({ extra }) => (extra.units = "11"),
    ({ extra }) => (extra.credit = "1"),
    ({ extra }) => (extra.chunks = 5),
    ({ extra }) => (extra.length += 1),
    ({ extra }) => (extra.payee = buyer.address),
  ])
    await assert.rejects(offered(change), coded("OFFER_MALFORMED"), String(change));
  await assert.rejects(
    offered((accepted) => (accepted.network = "eip155:1")),
    coded("WRONG_CHAIN"),
  );
  await assert.rejects(
    offered(({ extra }) => (extra.adjudicator = `0x${"11".repeat(20)}`)),
    coded("WRONG_CHAIN"),
  );
  // Somebody else's signature, under this seller's name: a quote for another chain or other contracts has no other.
  const other = await openSeller(t, { chain: otherChain(seller.wallet.chain, { chainId: 1 }) });
  const third = await openSeller(t, { chain: otherChain(seller.wallet.chain, { streamApp: `0x${"11".repeat(20)}` }) });
  for (const stranger of [other, third]) {
    await stranger.add("/x", { bytes: randomBytes(5) }, { price: PRICE });
    const { quote } = await offerOf(await stranger.handle(new Request(`${ORIGIN}/x`)));
    await assert.rejects(
      offered(({ extra }) => (extra.quote = base64url(quote))),
      coded("QUOTE_SIGNATURE"),
    );
  }
});

test("a free file leads to the terms of its folder, and nowhere else", async (t) => {
  const { seller, buyer, url } = await setUp(t);
  const asked = [];
  const offered = (link, status = 200) =>
    fetchOffer(`${ORIGIN}/film/master.m3u8`, buyer, {
      fetch: async (at, init) => {
        asked.push(at);
        if (asked.length > 1) return seller.handle(new Request(at, init));
        return new Response("#EXTM3U", { status, headers: link === undefined ? {} : { link } });
      },
    });
  const missing = async (link, status) => {
    asked.length = 0;
    await assert.rejects(offered(link, status), coded("OFFER_MISSING"), link);
  };
  assert.equal((await offered('</film/>; rel="payment"')).url, url);
  assert.deepEqual(asked, [`${ORIGIN}/film/master.m3u8`, url]);
  for (const link of [
    undefined,
    "",
    "</film/>",
    '</film/>; rel="next"',
    '<https://evil.example/film/>; rel="payment"',
    '<//evil.example/film/>; rel="payment"',
    '<javascript:0>; rel="payment"',
    '<http://[>; rel="payment"',
    `<${"x".repeat(3_000)}>; rel="payment"`,
  ]) {
    await missing(link);
    assert.equal(asked.length, 1, `${link} is not asked`);
  }
  await missing('</film/>; rel="payment"', 404);
  // It leads to another file that is free: one step, and no more.
  await missing('</film/v0/p.m3u8>; rel="payment"');
  assert.equal(asked.length, 2);
});

test("any folder is sold by chunk or byte, and what the seller says is free", async (t) => {
  const files = { "a.txt": "aaaa", "b/c.bin": "cc", "poster.jpg": "p" };
  const seller = await openSeller(t);
  const folder = await directory(t, files);
  const units = async (unit, terms = {}) => {
    const listing = await seller.addFolder(`/${unit}${Object.keys(terms).length}/`, folder, {
      price: 1n,
      unit,
      ...terms,
    });
    return [listing.units, listing.pricedChunks, [0, 1, 2].map((index) => listing.priceOf(index))];
  };
  assert.deepEqual(await units("chunk"), [3, 3, [1n, 1n, 1n]]);
  assert.deepEqual(await units("byte"), [7, 3, [4n, 2n, 1n]]);
  assert.deepEqual(await units("byte", { isFree: (path) => path === "poster.jpg" }), [6, 2, [4n, 2n, 0n]]);
  await assert.rejects(units("second"), coded("FOLDER_FILE_UNPRICED", { path: "a.txt" }));
  await assert.rejects(units("chunk", { isFree: () => true }), coded("CONTENT_LENGTH"));
});

test("a directory that cannot be sold is refused with a code", async (t) => {
  const seller = await openSeller(t);
  const add = (path, folder, terms = {}) => seller.addFolder(path, folder, { price: 1n, ...terms });
  const folder = await directory(t, { a: "a" });
  for (const path of ["/film", "film/", "//x/", "/film/?x/", "/.well-known/", `/${"a/".repeat(40)}`])
    await assert.rejects(add(path, folder), coded("INVALID_ARGUMENT", { field: "path" }), path);
  for (const [terms, field] of [
    [{ price: 0n }, "price"],
    [{ price: 1n << 128n }, "price"],
    [{ unit: "hour" }, "unit"],
    [{ credit: 1 }, "credit"],
  ])
    await assert.rejects(add("/x/", folder, terms), coded("INVALID_ARGUMENT", { field }));
  await assert.rejects(add("/x/", join(folder, "none")), coded("CONTENT_UNREADABLE"));
  await assert.rejects(add("/x/", join(folder, "a")), coded("CONTENT_UNREADABLE"));
  await assert.rejects(add("/x/", await directory(t, {})), coded("CONTENT_MANIFEST_MALFORMED"));
  await assert.rejects(add("/x/", await directory(t, { a: "" })), coded("CONTENT_LENGTH"));
  const deep = await directory(t, { [`${"a/".repeat(20)}x`]: "x" });
  await assert.rejects(add("/x/", deep), coded("CONTENT_UNREADABLE"));
  await assert.rejects(add("/x/", await directory(t, { "a\\b": "x" })), coded("CONTENT_UNREADABLE"));
  const byteRange = { "p.m3u8": playlist(["0", "6"]).replace("#EXTINF", "#EXT-X-BYTERANGE:5@0\n#EXTINF"), 0: "x" };
  await assert.rejects(add("/x/", await directory(t, byteRange)), coded("PLAYLIST_BYTE_RANGE", { path: "p.m3u8" }));
  // Links lead elsewhere, or nowhere; a second name of a file is a file.
  for (const target of ["/etc/passwd", "a", "/nowhere", "."]) {
    const linked = await directory(t, { a: "a" });
    await symlink(target, join(linked, "link"));
    await assert.rejects(add("/x/", linked), coded("CONTENT_UNREADABLE"), target);
  }
  await link(join(folder, "a"), join(folder, "b"));
  assert.equal((await add("/x/", folder)).chunks, 2);
});

test("a folder and its purchases outlive the seller", async (t) => {
  const options = { store: memoryStore(), secret: new Uint8Array(randomBytes(32)) };
  const context = await setUp(t, { sellerOptions: options });
  const payment = await context.pay(60n);
  const path = "/film/v0/0.m4s";
  assert.equal((await context.ask(path, { headers: { Payment: payment } })).status, 200);
  await context.seller.stop();
  const seller = await openSeller(t, { ...options, chain: context.seller.wallet.chain });
  await seller.addFolder("/film/", context.folder, { price: PRICE, unit: "second" });
  const ask = (at) => seller.handle(new Request(`${ORIGIN}${at}`, { headers: { Payment: payment } }));
  assert.equal((await ask(path)).status, 200);
  assert.equal((await refusalOf(await ask("/film/v0/a%20b.m4s"))).code, "PAYMENT_INSUFFICIENT");
  assert.deepEqual([seller.totals.chunks, seller.totals.repeats], [0, 1]);
});

test("by the byte and the second, a file's chunks cost what they are", async (t) => {
  const seller = await openSeller(t, { credit: 7n });
  const content = randomBytes(2_500);
  const byByte = await seller.add("/bytes", { bytes: content }, { price: 2n, unit: "byte", chunkSize: 1_000 });
  const bySecond = await seller.add(
    "/seconds",
    { bytes: content },
    { price: 5n, unit: "second", duration: 9.2, chunkSize: 1_000 },
  );
  const prices = (listing) => [0, 1, 2].map((index) => listing.priceOf(index));
  assert.deepEqual([byByte.units, prices(byByte)], [2_500, [2_000n, 2_000n, 1_000n]]);
  assert.deepEqual([bySecond.units, prices(bySecond)], [10, [20n, 15n, 15n]]);
  const buyer = await openBuyer(t, seller);
  const channel = await buyer.openChannel({ seller: `${ORIGIN}/bytes`, deposit: 10_000n });
  for (const [listing, total] of [
    [byByte, 5_000n],
    [bySecond, 50n],
  ]) {
    const offer = await fetchOffer(`${ORIGIN}${listing.path}`, buyer);
    assert.deepEqual([offer.total, offer.credit, offer.unit], [total, 7n, listing.unit]);
    const before = channel.paid;
    for (let index = 0; index < 3; index++) {
      const { bytes } = await channel.pay(listing.priceOf(index) - (index === 0 ? 7n : 0n), { memo: offer.hash });
      const ask = () => seller.handle(new Request(`${offer.url}?chunk=${index}&payment=${base64url(bytes)}`));
      assert.equal((await ask()).status, 200);
    }
    assert.equal(channel.paid - before, total - 7n, "the rest is owed");
    await seller.handle(
      new Request(`${offer.url}?account=${offer.hash}`, {
        headers: { Payment: base64url((await channel.pay(7n, { memo: offer.hash })).bytes) },
      }),
    );
  }
  assert.equal(paidTo(seller, channel), 5_050n);
  // Without a chunk size, no chunk plays less than a second.
  const long = await seller.add("/long", { bytes: randomBytes(4 * MIB) }, { price: 1n, unit: "second", duration: 3 });
  assert.deepEqual([long.chunks, prices(long)], [3, [1n, 1n, 1n]]);
});

test("credit is served ahead of payment, and no more than the channel can still pay", async (t) => {
  const { ask, pay, seller, memo } = await setUp(t, { terms: { credit: 60n }, deposit: 70n });
  const first = await pay(1n);
  const get = (path, payment) => ask(path, { headers: { Payment: payment } });
  // 60 of 70 that the channel holds: one is paid, 59 are owed.
  assert.equal((await get("/film/v0/0.m4s", first)).status, 200);
  const account = async (payment) => (await get(`/film/?account=${memo}`, payment)).json();
  assert.deepEqual(await account(first), { unspent: "0", owed: "59", bought: [2, 2] });
  const refused = await refusalOf(await get("/film/v0/a%20b.m4s", first));
  assert.equal(refused.code, "PAYMENT_INSUFFICIENT");
  assert.match(refused.message, /costs 50 base units, and 59 are owed/);
  // With all paid the credit would do, but 10 are all that is left.
  const all = await pay(59n);
  assert.deepEqual(await account(all), { unspent: "0", owed: "0", bought: [2, 2] });
  assert.equal((await refusalOf(await get("/film/v0/a%20b.m4s", all))).code, "PAYMENT_INSUFFICIENT");
  assert.equal(seller.totals.chunks, 1);
});

test("a long file leaves in pieces: a buyer that reads nothing holds up nothing but its own answer", async (t) => {
  const content = randomBytes(6 * MIB + 5);
  const context = await setUp(t, { files: { "long.bin": content, "short.bin": "s" }, terms: { unit: "chunk" } });
  const { seller, buy, ask, pay } = context;
  const slow = await buy("/film/long.bin", PRICE);
  assert.equal(slow.status, 200);
  const payment = await pay(1n);
  setFlagsFromString("--expose-gc");
  const gc = runInNewContext("gc");
  const memory = () => (gc(), process.memoryUsage().arrayBuffers);
  const before = memory();
  const idle = [];
  for (let time = 0; time < 30; time++) idle.push(await ask("/film/long.bin", { headers: { Payment: payment } }));
  const held = memory() - before;
  assert.ok(held < 33 * MIB, `30 answers of 6 MiB that nobody reads hold ${held} bytes`);
  // What was paid for is there all the same, whole and in parts, over the borders of pieces.
  assert.deepEqual(await bytesOf(idle[29]), new Uint8Array(content));
  assert.deepEqual(await bytesOf(slow), new Uint8Array(content));
  for (const [first, last] of [
    [0, 0],
    [MIB - 1, MIB],
    [MIB, 3 * MIB - 1],
    [6 * MIB, 6 * MIB + 4],
    [5, 6 * MIB],
  ]) {
    const part = await ask("/film/long.bin", { headers: { Payment: payment, Range: `bytes=${first}-${last}` } });
    assert.equal(part.status, 206);
    assert.deepEqual(await bytesOf(part), new Uint8Array(content.subarray(first, last + 1)));
  }
  for (const response of idle.slice(0, 29)) await response.body.cancel();
  assert.deepEqual([seller.totals.chunks, seller.totals.repeats], [1, 35]);
});

test("a long file that is changed while it leaves is cut off, and what it cost is given back", async (t) => {
  const content = randomBytes(4 * MIB);
  const store = failingStore();
  const context = await setUp(t, {
    files: { "long.bin": content },
    terms: { unit: "chunk" },
    sellerOptions: { store },
  });
  const { buy, ask, pay, folder, memo } = context;
  let asked = 0;
  const payment = async () => {
    asked += 1;
    return (await ask(`/film/?account=${memo}&payment=${await pay(1n)}`)).json();
  };
  const response = await buy("/film/long.bin", PRICE);
  const reader = response.body.getReader();
  const { value } = await reader.read();
  assert.deepEqual(value, new Uint8Array(content.subarray(0, MIB)));
  assert.deepEqual(await payment(), { unspent: "1", owed: "0", bought: [0, 0] });
  const changed = Buffer.from(content);
  changed[3 * MIB] ^= 1;
  await writeFile(join(folder, "long.bin"), changed);
  const rest = (async () => {
    for (;;) if ((await reader.read()).done) return;
  })();
  await assert.rejects(rest, coded("CONTENT_CHANGED"));
  let statement;
  for (let time = 0; time < 200 && statement?.bought.length !== 0; time++) {
    await sleep(5);
    statement = await payment();
  }
  assert.deepEqual(statement.bought, []);
  assert.equal(statement.unspent, String(PRICE + BigInt(asked)), "each question paid one more");
  assert.equal(
    (await refusalOf(await ask("/film/long.bin", { headers: { Payment: await pay(1n) } }))).code,
    "CONTENT_CHANGED",
  );
});

test("over HTTP a buyer that stops reading loses nothing and costs a piece; a header of a megabyte costs nothing", async (t) => {
  const content = randomBytes(24 * MIB);
  const { seller, memo, channel, ask } = await setUp(t, { files: { "long.bin": content }, terms: { unit: "chunk" } });
  const server = createServer(nodeHandler((request) => seller.handle(request))).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close().closeAllConnections());
  const { port } = server.address();
  const { bytes } = await channel.pay(PRICE, { memo });
  const path = `/film/long.bin?payment=${base64url(bytes)}`;
  const get = async () => {
    const sent = request({ port, path }).end();
    sent.on("error", () => {});
    const [response] = await once(sent, "response");
    return { sent, response };
  };
  const idle = await Promise.all(Array.from({ length: 5 }, get));
  for (const { response } of idle) assert.equal(response.statusCode, 200);
  const [{ response }, ...others] = idle;
  for (const { sent } of others) sent.destroy();
  const parts = [];
  for await (const part of response) parts.push(part);
  assert.ok(Buffer.concat(parts).equals(content));
  assert.deepEqual([seller.totals.chunks, seller.totals.repeats], [1, 4]);

  const large = request({ port, path: "/film/long.bin", headers: { Payment: "A".repeat(MIB) } }).end();
  const [refused] = await once(large, "response");
  assert.equal(refused.statusCode, 431);
  large.destroy();
  const direct = await ask("/film/long.bin", { headers: { Payment: "A".repeat(MIB) } });
  assert.deepEqual(await refusalOf(direct).then(({ status, code }) => [status, code]), [402, "PAYMENT_TOO_LARGE"]);
  assert.equal(paidTo(seller, channel), PRICE);
});

test("of a long file that nobody can see was changed, nothing is sold", async (t) => {
  const content = randomBytes(3 * MIB);
  const { seller, channel, buyer, folder } = await setUp(t, {
    files: { "long.bin": content },
    terms: { unit: "chunk" },
  });
  const file = join(folder, "long.bin");
  const { atime, mtime } = await stat(file);
  await utimes(file, atime, mtime);
  await seller.addFolder("/again/", folder, { price: PRICE });
  const changed = Buffer.from(content);
  changed[2 * MIB + 5] ^= 1;
  await writeFile(file, changed);
  await utimes(file, atime, mtime);
  const { hash: memo } = await fetchOffer(`${ORIGIN}/again/`, buyer);
  const Payment = base64url((await channel.pay(PRICE, { memo })).bytes);
  const ask = (query = "", headers = { Payment }) =>
    seller.handle(new Request(`${ORIGIN}/again/long.bin${query}`, { headers }));
  for (const Range of ["", "bytes=0-9"])
    assert.equal((await refusalOf(await ask("", { Payment, Range }))).code, "CONTENT_CHANGED");
  // The payment may have come in, and is still the buyer's.
  assert.deepEqual(await (await ask(`?account=${memo}`)).json(), { unspent: String(PRICE), owed: "0", bought: [] });
  // A forged payment does not get so far that the rest is read.
  const forged = Buffer.from(Payment, "base64url");
  forged[forged.length - 1] ^= 1;
  assert.equal((await ask("", { Payment: base64url(forged) })).status, 402);
});

test("who had a file before is not paid back when it changes, and who asks for headers alone pays nothing", async (t) => {
  const content = randomBytes(3 * MIB);
  const { ask, pay, seller, memo, folder } = await setUp(t, {
    files: { "long.bin": content },
    terms: { unit: "chunk" },
  });
  const payment = await pay(PRICE);
  for (const at of ["/film/", "/film/?chunk=0", "/film/long.bin"])
    assert.notEqual((await ask(at, { method: "HEAD", headers: { Payment: payment } })).status, 206);
  assert.equal(seller.totals.chunks, 0);
  const get = () => ask("/film/long.bin", { headers: { Payment: payment } });
  assert.deepEqual(await bytesOf(await get()), new Uint8Array(content));
  const again = await get();
  await writeFile(join(folder, "long.bin"), randomBytes(3 * MIB));
  await assert.rejects(bytesOf(again), coded("CONTENT_CHANGED"));
  await sleep(50);
  const account = await ask(`/film/?account=${memo}`, { headers: { Payment: payment } });
  assert.deepEqual(await account.json(), { unspent: "0", owed: "0", bought: [0, 0] });
});
