// A seller's terms: what is read, and all that is refused.

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { MillstreamError, fetchOffer } from "millstream";

import { ADJUDICATOR, CHAIN_ID, HOUR, NATIVE, account, coded, random } from "./harness.mjs";
import { DEPOSIT, FILE, FakeChain, FakeSeller, ORIGIN, PRICE, openBuyer } from "./wallet-harness.mjs";

async function setUp(t) {
  const chain = new FakeChain();
  const seller = await FakeSeller.open(t, chain);
  return { seller, buyer: await openBuyer(t, chain, seller) };
}

/** Changes one field of the terms, by its path. */
const change = (path, value) => (terms) => {
  const at = path.split(".");
  let object = terms;
  for (const name of at.slice(0, -1)) object = object[name];
  if (value === undefined) delete object[at.at(-1)];
  else object[at.at(-1)] = value;
  return terms;
};

describe("an offer", () => {
  it("is the signed quote, and where to go on the origin that answered", async (t) => {
    const { seller, buyer } = await setUp(t);
    const { bytes, hash, expiresAt, ...offer } = await fetchOffer(`${FILE}#t=10`, buyer);
    assert.deepEqual(buyer.readQuote(bytes).hash, hash);
    assert.ok(expiresAt > Date.now() / 1_000);
    assert.deepEqual(offer, {
      contentRoot: `0x${"c0".repeat(32)}`,
      length: 10_500,
      chunkSize: 1_000,
      chunks: 11,
      unit: "chunk",
      units: 11,
      credit: 0n,
      price: PRICE,
      total: 11n * PRICE,
      asset: NATIVE,
      payee: seller.wallet.address,
      payeeDestination: account(2),
      challengeDuration: 60,
      confirmations: 2,
      hubs: `0x${"00".repeat(32)}`,
      url: FILE,
      manifestUrl: `${FILE}?manifest`,
      walletUrl: `${ORIGIN}/.well-known/millstream`,
    });
  });

  it("is found among other ways to pay", async (t) => {
    const { seller, buyer } = await setUp(t);
    const exact = { scheme: "exact", network: `eip155:${CHAIN_ID}`, amount: "1", asset: NATIVE, payTo: account(1) };
    const elsewhere = { scheme: "stream", network: "eip155:1", extra: {} };
    seller.terms = ({ accepts, ...terms }) => ({ ...terms, accepts: [exact, null, elsewhere, ...accepts], more: [1] });
    assert.equal((await fetchOffer(FILE, buyer)).price, PRICE);
  });

  it("is missing where nothing is sold this way", async (t) => {
    const { seller, buyer } = await setUp(t);
    const missing = (url) => assert.rejects(fetchOffer(url, buyer), coded("OFFER_MISSING"));
    await missing(`${ORIGIN}/free.txt`);
    seller.terms = change("accepts", []);
    await missing(FILE);
    seller.terms = change("accepts.0.scheme", "exact");
    await missing(FILE);
    for (const url of ["", "film.mp4", "ftp://seller.test/film.mp4", undefined, "javascript:alert(1)"])
      await assert.rejects(fetchOffer(url, buyer), coded("INVALID_ARGUMENT", "url"));
    await assert.rejects(buyer.openChannel({ seller: "nowhere", deposit: DEPOSIT }), coded("INVALID_ARGUMENT"));
  });

  it("is for this wallet's chain and contracts", async (t) => {
    const { seller, buyer } = await setUp(t);
    for (const [path, value] of [
      ["accepts.0.network", "eip155:1"],
      ["accepts.0.network", undefined],
      ["accepts.0.network", { toString: "x" }],
      ["accepts.0.extra.adjudicator", account(9)],
      ["accepts.0.extra.streamApp", ADJUDICATOR],
    ]) {
      seller.terms = change(path, value);
      await assert.rejects(fetchOffer(FILE, buyer), coded("WRONG_CHAIN"), path);
    }
  });

  it("says nothing but what was signed, and leads nowhere else", async (t) => {
    const { seller, buyer } = await setUp(t);
    const extra = (name) => `accepts.0.extra.${name}`;
    for (const [path, ...values] of [
      ["x402Version", 1, undefined, "2"],
      ["accepts.0.amount", "999", 1_000, undefined, "0x3e8"],
      ["accepts.0.asset", account(3), undefined, 5],
      ["accepts.0.payTo", account(3), undefined],
      ["accepts.0.extra", undefined, [], "x"],
      [extra("quote"), undefined, "", "***", "AAAA!", 7],
      [extra("payee"), account(3), undefined],
      [extra("adjudicator"), undefined, "0x", 5],
      [extra("unit"), "byte", undefined],
      [extra("units"), 10, "11", undefined],
      [extra("credit"), "1", 0, undefined],
      [extra("chunks"), 10, "11", undefined],
      [extra("length"), 10_499, undefined],
      [
        extra("wallet"),
        "https://elsewhere.test/",
        "//elsewhere.test",
        "javascript:0",
        5,
        undefined,
        "http://[",
        "x".repeat(3_000),
      ],
      [extra("manifest"), "https://elsewhere.test/", "http://seller.test/film.mp4", undefined, {}],
    ])
      for (const value of values) {
        seller.terms = change(path, value);
        const expected = path.endsWith("quote") && value === "" ? "QUOTE_MALFORMED" : "OFFER_MALFORMED";
        await assert.rejects(fetchOffer(FILE, buyer), coded(expected), `${path} = ${String(value).slice(0, 50)}`);
      }
  });

  it("has a quote that its payee signed, and that holds", async (t) => {
    const { seller, buyer } = await setUp(t);
    const quoteOf = (wallet, expiresAt) =>
      Buffer.from(
        wallet.signQuote({
          contentRoot: `0x${"c0".repeat(32)}`,
          length: 10_500,
          chunkSize: 1_000,
          chunks: 11,
          unit: "chunk",
          units: 11,
          credit: 0n,
          price: PRICE,
          asset: NATIVE,
          challengeDuration: HOUR,
          confirmations: 2,
          expiresAt,
        }),
      ).toString("base64url");
    const now = Math.floor(Date.now() / 1_000);
    seller.terms = change("accepts.0.extra.quote", quoteOf(seller.wallet, now));
    await assert.rejects(fetchOffer(FILE, buyer), coded("QUOTE_EXPIRED"));
    // Somebody else's quote, under this seller's name.
    seller.terms = change("accepts.0.extra.quote", quoteOf(buyer, now + 100));
    await assert.rejects(fetchOffer(FILE, buyer), coded("OFFER_MALFORMED"));
    const forged = Buffer.from(quoteOf(seller.wallet, now + 100), "base64url");
    forged[10] ^= 1;
    seller.terms = change("accepts.0.extra.quote", forged.toString("base64url"));
    await assert.rejects(fetchOffer(FILE, buyer), coded("QUOTE_SIGNATURE"));
  });

  it("cannot be changed on its way to openChannel", async (t) => {
    const { seller, buyer } = await setUp(t);
    const offer = await fetchOffer(FILE, buyer);
    const opened = [];
    seller.onMessage = () => opened.push("message") && new Promise(() => {});
    const controller = new AbortController();
    const opening = buyer.openChannel({
      seller: { ...offer, payee: account(9), payeeDestination: account(9), asset: account(9) },
      deposit: DEPOSIT,
      signal: controller.signal,
      onProgress: () => controller.abort(),
    });
    await assert.rejects(opening, coded("ABORTED"));
    const [{ info }] = buyer.channels();
    assert.deepEqual([info.payee, info.asset], [seller.wallet.address, NATIVE]);
  });

  it("in any other form is a typed error", async (t) => {
    const { seller, buyer } = await setUp(t);
    const sound = seller.header();
    const draw = random(31);
    const base64 = (text) => Buffer.from(text).toString("base64");
    const headers = [
      "=",
      "====",
      "x".repeat(20_000),
      base64("{"),
      base64("null"),
      base64("[]"),
      base64("7"),
      base64("{}"),
    ];
    for (let round = 0; round < 2_000; round++) {
      const characters = [...sound];
      for (let change = draw(4); change >= 0; change--)
        characters[draw(characters.length)] = String.fromCharCode(33 + draw(94));
      headers.push(draw(4) ? characters.join("") : sound.slice(0, draw(sound.length)) || "x");
    }
    let accepted = 0;
    for (const header of headers) {
      seller.terms = () => header;
      try {
        // A change of a field that nobody reads is none.
        const { price, payee, walletUrl } = await fetchOffer(FILE, buyer);
        assert.deepEqual([price, payee], [PRICE, seller.wallet.address]);
        assert.equal(new URL(walletUrl).origin, ORIGIN);
        accepted += 1;
      } catch (error) {
        assert.ok(error instanceof MillstreamError, error?.stack);
        assert.match(error.code, /^(OFFER_MALFORMED|OFFER_MISSING|WRONG_CHAIN|QUOTE_[A-Z]+)$/);
      }
    }
    assert.ok(accepted < headers.length / 4, `${accepted} of ${headers.length} accepted`);
  });

  it("comes from a seller that can be reached", async (t) => {
    const { buyer } = await setUp(t);
    const answering = (fetch) => fetchOffer(FILE, buyer, { fetch });
    await assert.rejects(
      answering(() => Promise.reject(new TypeError("refused"))),
      coded("SELLER_UNREACHABLE"),
    );
    await assert.rejects(
      answering(async () => new Response("", { status: 503 })),
      coded("SELLER_UNREACHABLE"),
    );
    const controller = new AbortController();
    const asking = fetchOffer(FILE, buyer, {
      signal: controller.signal,
      fetch: (_, { signal }) => new Promise((_, reject) => signal.addEventListener("abort", reject)),
    });
    setTimeout(() => controller.abort(), 10);
    await assert.rejects(asking, coded("ABORTED"));
  });
});
