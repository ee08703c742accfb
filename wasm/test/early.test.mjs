// The list of hashes, asked for together with the offer: when it is, and what becomes of it when it is of no use.

import assert from "node:assert/strict";
import { test } from "node:test";

import { collect, coded, setUp } from "./seller-harness.mjs";

/** A buyer's `fetch` that notes what is asked for, and lets `change` answer the lists of hashes. */
function noting(change = (_number, go) => go()) {
  const asked = [];
  let lists = 0;
  const fetch = (seller) => (url, init) => {
    const go = () => seller.handle(new Request(url, init));
    const isList = new URL(url).search === "?manifest";
    asked.push(isList ? "list" : init?.headers?.Payment ? "chunk" : "offer");
    return isList ? change((lists += 1), go, init) : go();
  };
  return { fetch, asked };
}

const quick = { retryDelay: 1 };
const count = (asked, what) => asked.filter((each) => each === what).length;

test("the list of hashes is asked for before there is an offer, and once", async (t) => {
  const { fetch, asked } = noting();
  const { buyer, url } = await setUp(t, { fetch });
  asked.length = 0;
  const { chunks, error } = await collect(buyer.download(url));
  assert.equal(error, undefined);
  assert.deepEqual(asked.slice(0, 2).sort(), ["list", "offer"]);
  assert.deepEqual([count(asked, "list"), count(asked, "offer"), count(asked, "chunk")], [1, 1, chunks.length]);
});

test("it is asked for anew if nothing comes of that", async (t) => {
  const failures = [
    () => Promise.reject(new TypeError("the network is gone")),
    () => new Response("not now", { status: 503 }),
    () => new Response("no", { status: 404 }),
    // Answers to the end of its patience only.
    (init) => new Promise((_, reject) => init.signal.addEventListener("abort", () => reject(new Error("ended")))),
  ];
  for (const [at, fail] of failures.entries()) {
    const { fetch, asked } = noting((number, go, init) => (number === 1 ? fail(init) : go()));
    const { buyer, url } = await setUp(t, { fetch });
    const { error } = await collect(buyer.download(url, { ...quick, stallTimeout: 100 }));
    assert.equal(error, undefined, `failure ${at}`);
    assert.equal(count(asked, "list"), 2, `failure ${at}`);
  }
});

test("a wrong one is not paid for, and its request ends with a download that ends before", async (t) => {
  const wrong = noting(() => new Response(new Uint8Array(160)));
  const first = await setUp(t, { fetch: wrong.fetch });
  const { error } = await collect(first.buyer.download(first.url, quick));
  coded("CONTENT_MANIFEST_MISMATCH")(error);
  assert.equal(first.channel.paid, 0n);

  let signal;
  const hanging = noting((_, __, init) => {
    signal = init.signal;
    return new Promise(() => {});
  });
  const second = await setUp(t, { fetch: hanging.fetch });
  const ended = await collect(second.buyer.download(`${second.url}-that-is-not-there`, quick));
  coded("OFFER_MISSING")(ended.error);
  assert.equal(signal.aborted, true);
});

test("it is left alone where the URL has a query of its own", async (t) => {
  const { fetch, asked } = noting();
  const { buyer, url } = await setUp(t, { fetch });
  asked.length = 0;
  const { error } = await collect(buyer.download(`${url}?seat=4`));
  assert.equal(error, undefined);
  assert.deepEqual(asked.slice(0, 2), ["offer", "list"]);
});
