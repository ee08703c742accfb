// A page from one origin buys from a seller at another: what a browser lets it see, and what it asks the seller first.

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { basename, extname, join } from "node:path";
import { after, before, beforeEach, describe, it } from "node:test";
import { fileURLToPath } from "node:url";

import { launchChromium } from "../../web-demo/browser.mjs";
import { CHALLENGE_DURATION, CHUNKS, DEPOSIT, PRICE, Shop, World } from "../integration/harness.mjs";

const TYPES = { ".js": "text/javascript", ".wasm": "application/wasm" };
const dist = fileURLToPath(new URL("../../wasm/dist", import.meta.url));

describe("a page from another origin than the seller's", () => {
  let world, shop, browser, page;
  const ends = [];
  /** What came to the seller since the test began. */
  let requests = [];
  const preflights = () => requests.filter(({ method }) => method === "OPTIONS");

  before(async () => {
    const suite = { after: (end) => ends.unshift(end) };
    world = await World.start();
    suite.after(() => world.stop());
    shop = await Shop.open(suite, world);
    const { seller } = shop;
    const handle = seller.handle.bind(seller);
    seller.handle = (request) => {
      const { method, url, headers } = request;
      requests.push({ method, url, cookie: headers.get("cookie"), origin: headers.get("origin") });
      return handle(request);
    };
    const folder = await mkdtemp(join(tmpdir(), "millstream-origins-"));
    suite.after(() => rm(folder, { recursive: true }));
    const lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:6", "#EXTINF:6,", "0.ts", "#EXT-X-ENDLIST"];
    await writeFile(join(folder, "p.m3u8"), lines.join("\n"));
    await writeFile(join(folder, "0.ts"), randomBytes(5_000));
    await seller.addFolder("/film/", folder, { price: 1n, unit: "second" });

    // The page's own origin serves the package as it is, and nothing of the seller's.
    const server = createServer((request, response) => {
      const file = basename(request.url);
      if (!request.url.startsWith("/dist/")) return response.writeHead(200, { "content-type": "text/html" }).end("");
      readFile(join(dist, file)).then(
        (body) => response.writeHead(200, { "content-type": TYPES[extname(file)] ?? "text/plain" }).end(body),
        () => response.writeHead(404).end(),
      );
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    suite.after(() => server.close().closeAllConnections());
    browser = await launchChromium();
    suite.after(() => browser.close());
    page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${server.address().port}/`);
    assert.notEqual(new URL(page.url()).origin, shop.origin);
    // Cookies know no ports: this one goes to the seller, too, as soon as anything is sent with credentials.
    await page.evaluate(() => (document.cookie = "session=secret"));

    const account = await world.account();
    await page.evaluate(
      async ({ chain, challengeDuration, seller, deposit }) => {
        const { Wallet, rpcChain, fetchOffer } = await import("/dist/index.js");
        const wallet = await Wallet.open({
          chain: rpcChain(chain),
          pollInterval: 60,
          policy: { minChallengeDuration: challengeDuration },
        });
        wallet.on("transaction", () =>
          fetch(chain.url, {
            method: "POST",
            headers: { "content-type": "application/json" },
            body: '{"jsonrpc":"2.0","id":1,"method":"anvil_mine","params":["0x1"]}',
          }),
        );
        const channel = await wallet.openChannel({ seller, deposit: BigInt(deposit) });
        const base64url = (bytes) =>
          btoa(String.fromCharCode(...bytes))
            .replaceAll("+", "-")
            .replaceAll("/", "_")
            .replaceAll("=", "");
        const pay = async (url, amount) => {
          const { hash: memo } = await fetchOffer(url, wallet);
          return base64url((await channel.pay(BigInt(amount), { memo })).bytes);
        };
        /** What a page sees of an answer. */
        const see = async (url, init) => {
          const response = await fetch(url, init);
          const bytes = new Uint8Array(await response.arrayBuffer());
          const text = new TextDecoder().decode(bytes);
          const code = response.status >= 400 && text ? JSON.parse(text).error.code : undefined;
          const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
          const sha256 = [...hash].map((byte) => byte.toString(16).padStart(2, "0")).join("");
          return { status: response.status, code, sha256, headers: Object.fromEntries(response.headers) };
        };
        globalThis.shopping = { wallet, channel, pay, see };
      },
      {
        chain: { url: world.chain.url, contracts: world.contracts, account, pollInterval: 10 },
        challengeDuration: CHALLENGE_DURATION,
        seller: shop.url,
        deposit: String(DEPOSIT),
      },
    );
  });
  after(async () => {
    for (const end of ends) await end();
  });
  beforeEach(() => (requests = []));

  const see = (path, init) =>
    page.evaluate(([url, given]) => globalThis.shopping.see(url, given), [shop.origin + path, init]);
  const pay = (path, amount) =>
    page.evaluate(([url, given]) => globalThis.shopping.pay(url, given), [shop.origin + path, String(amount)]);
  const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");

  it("downloads all of it with receipts, and sends no cookie", async () => {
    const { hash, receipts, paid } = await page.evaluate(async (url) => {
      const { wallet, channel } = globalThis.shopping;
      const parts = [];
      let receipts = 0;
      for await (const { bytes, receipt } of wallet.download(url, { parallel: 1, receipts: "all" })) {
        parts.push(bytes);
        if (receipt) receipts += 1;
      }
      const whole = new Uint8Array(await new Blob(parts).arrayBuffer());
      const hash = [...new Uint8Array(await crypto.subtle.digest("SHA-256", whole))];
      return { hash, receipts, paid: String(channel.paid) };
    }, shop.url);
    assert.equal(Buffer.from(hash).toString("hex"), sha256(shop.content));
    assert.equal(receipts, Number(CHUNKS));
    assert.equal(paid, String(CHUNKS * PRICE));
    // A browser does not remember what it was allowed for requests that go past its cache.
    assert.ok(preflights().length <= Number(CHUNKS), `${preflights().length} asked first`);
    assert.ok(requests.every(({ cookie }) => cookie === null));
    assert.ok(requests.some(({ origin }) => origin === new URL(page.url()).origin));
  });

  it("asks first once for many requests with a header", async () => {
    const payment = await pay("/film.bin", PRICE);
    requests = [];
    for (let index = 0; index < 4; index++) {
      const first = index * shop.listing.chunkSize;
      const Range = `bytes=${first}-${first + shop.listing.chunkSize - 1}`;
      const { status, sha256: hash } = await see("/film.bin", { headers: { Payment: payment, Range } });
      assert.deepEqual([status, hash], [206, sha256(shop.chunk(index))]);
    }
    assert.deepEqual([requests.length, preflights().length], [5, 1]);
  });

  it("asks nothing first when payment and chunk are in the query", async () => {
    const payment = await pay("/film.bin", PRICE);
    requests = [];
    for (let index = 0; index < 4; index++) {
      const { status, headers, sha256: hash } = await see(`/film.bin?chunk=${index}&payment=${payment}`);
      assert.equal(status, 200);
      assert.equal(hash, sha256(shop.chunk(index)));
      assert.equal(headers["content-length"], String(shop.chunk(index).length));
    }
    assert.equal((await see(`/film.bin?chunk=99&payment=${payment}`)).code, "CHUNK_UNKNOWN");
    assert.equal((await see(`/film.bin?chunk=0&payment=nonsense`)).code, "MESSAGE_MALFORMED");
    assert.equal(requests.length, 6);
    assert.deepEqual(preflights(), []);
  });

  it("sees the terms, and every header that it needs", async () => {
    const offered = await see("/film.bin");
    assert.deepEqual([offered.status, offered.code], [402, "PAYMENT_REQUIRED"]);
    const terms = JSON.parse(Buffer.from(offered.headers["payment-required"], "base64").toString());
    assert.equal(terms.accepts[0].extra.chunks, Number(CHUNKS));

    const head = await see("/film.bin", { method: "HEAD" });
    assert.deepEqual([head.status, head.headers["content-length"]], [200, String(shop.content.length)]);
    assert.equal(head.headers["accept-ranges"], "bytes");

    const payment = await pay("/film.bin", PRICE);
    const last = shop.chunk(0).length - 1;
    const chunk = await see("/film.bin", {
      headers: { Payment: payment, Range: `bytes=0-${last}`, "Payment-Receipt": "sign" },
    });
    assert.equal(chunk.status, 206);
    assert.equal(chunk.headers["content-range"], `bytes 0-${last}/${shop.content.length}`);
    assert.match(chunk.headers["payment-receipt"], /^[\w-]{50,}$/);
  });

  it("reads the files of a folder, whole and in part, and learns where its terms are", async () => {
    const list = await see("/film/p.m3u8");
    assert.deepEqual([list.status, list.headers["content-type"]], [200, "application/vnd.apple.mpegurl"]);
    assert.equal(list.headers["link"], '</film/>; rel="payment"');
    const payment = await pay("/film/p.m3u8", 6n);
    requests = [];
    assert.equal((await see(`/film/0.ts?payment=${payment}`)).headers["content-type"], "video/mp2t");
    assert.deepEqual(preflights(), []);
    const part = await see("/film/0.ts", { headers: { Payment: payment, Range: "bytes=10-19" } });
    assert.deepEqual([part.status, part.headers["content-range"]], [206, "bytes 10-19/5000"]);
    assert.equal(preflights().length, 1);
    const beyond = await see("/film/0.ts", { headers: { Payment: payment, Range: "bytes=5000-" } });
    assert.deepEqual([beyond.code, beyond.headers["content-range"]], ["RANGE_UNSATISFIABLE", "bytes */5000"]);
  });

  it("reads why it was refused, whatever it did", async () => {
    const large = "x".repeat(70_000);
    for (const [path, init, status, code] of [
      ["/nothing", {}, 404, "NOT_FOUND"],
      ["/nothing", { headers: { Payment: "x" } }, 404, "NOT_FOUND"],
      ["/film/%2e%2e%2fsecret", {}, 404, "NOT_FOUND"],
      ["/film.bin", { method: "POST", body: "x" }, 405, "METHOD_NOT_ALLOWED"],
      ["/.well-known/millstream", { method: "POST", body: "x" }, 400, "MESSAGE_MALFORMED"],
      ["/.well-known/millstream", { method: "POST", body: large }, 413, "BODY_TOO_LARGE"],
      ["/film.bin", { headers: { Payment: "!", Range: "bytes=0-262143" } }, 402, "PAYMENT_MALFORMED"],
      ["/film.bin", { headers: { Payment: "x".repeat(2_000), Range: "bytes=0-262143" } }, 402, "PAYMENT_TOO_LARGE"],
      ["/film.bin", { headers: { Payment: "x", Range: "bytes=1-2" } }, 416, "RANGE_NOT_A_CHUNK"],
    ]) {
      const answer = await see(path, init);
      assert.deepEqual([answer.status, answer.code], [status, code], `${init.method ?? "GET"} ${path}`);
    }
  });

  it("cannot send credentials along, and never has to", async () => {
    const refused = await page.evaluate(
      (url) =>
        fetch(url, { credentials: "include" }).then(
          () => false,
          (error) => error.name,
        ),
      shop.url,
    );
    assert.equal(refused, "TypeError");
    requests = [];
    assert.equal((await see("/film.bin", { credentials: "omit" })).status, 402);
    assert.deepEqual(
      requests.map(({ cookie }) => cookie),
      [null],
    );
  });
});
