// What the page does when the other side misbehaves: it says so in words and with a code, and nothing is lost.

import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, describe, it } from "node:test";

import { launchChromium } from "../../web-demo/browser.mjs";
import { PRICE, demoOf, errorShown, figure, fund, received, sold, visit } from "./harness.mjs";

describe("adversity", () => {
  let browser;
  before(async () => {
    browser = await launchChromium();
  });
  after(() => browser?.close());

  it("a web server that vanishes in mid-download and comes back costs nothing", async (test) => {
    const demo = await demoOf(test, 12);
    const { page, watched } = await visit(test, browser, demo);
    await fund(page);
    await page.getByLabel("Pace").selectOption("watch");
    await page.locator("#start").click();
    await received(page, 3);

    const { port } = new URL(demo.url);
    demo.server.close().closeAllConnections();
    assert.match(await errorShown(page, "SELLER_UNREACHABLE"), /Nothing is lost/);
    const before = Number(await figure(page, "count-paid"));
    assert.ok(before >= 3 && before < 12, `${before} chunks before the server was gone`);
    const spent = BigInt(await figure(page, "figure-spent"));
    assert.ok(spent <= PRICE * BigInt(before + 1), "at most one chunk is paid for that did not arrive");

    demo.server.listen(Number(port), "127.0.0.1");
    await once(demo.server, "listening");
    await page.getByLabel("Pace").selectOption("full");
    await page.getByRole("button", { name: "Resume", exact: true }).click();
    await page.locator("#result:not([hidden])").waitFor();
    assert.equal(await figure(page, "figure-spent"), String(PRICE * 12n));
    const { cumulativeAmount } = await sold(page, demo);
    assert.equal(cumulativeAmount, PRICE * 12n);
    assert.deepEqual(demo.seller.totals.chunks, 12);
    assert.deepEqual(
      watched.problems.filter((line) => !line.startsWith("request: ")),
      [],
    );
  });

  it("a chunk that is not what was sold is shown as such, kept out, and can be had again without paying twice", async (test) => {
    const demo = await demoOf(test, 6);
    const { page } = await visit(test, browser, demo);
    await fund(page);
    await page.getByLabel("Pace").selectOption("full");
    let lies = 0;
    const isChunk = (url) => url.pathname === demo.config.item.path && !url.search;
    await page.route(isChunk, async (route) => {
      const response = await route.fetch();
      const body = await response.body();
      if (response.status() === 206 && /bytes 524288-/.test(response.headers()["content-range"])) {
        body[1000] ^= 1;
        lies += 1;
      }
      await route.fulfill({ response, body });
    });
    await page.locator("#start").click();
    assert.match(await errorShown(page, "CONTENT_CHUNK_MISMATCH"), /chunk 2/i);
    assert.ok(lies > 0);
    assert.equal(await figure(page, "count-paid"), "2");
    assert.equal(await figure(page, "figure-spent"), String(PRICE * 3n));
    assert.equal(await page.locator("#payments tbody tr").count(), 2);

    await page.unroute(isChunk);
    await page.locator("#start").click();
    await page.locator("#result:not([hidden])").waitFor();
    assert.equal(await figure(page, "figure-spent"), String(PRICE * 6n));
  });

  it("a chain that is not there stops the opening before anything is paid, and again works when it is back", async (test) => {
    const demo = await demoOf(test, 2);
    const { page } = await visit(test, browser, demo);
    await page.route("**/rpc", (route) => route.abort("connectionrefused"));
    await page.getByRole("button", { name: "Open channel" }).click();
    assert.match(await errorShown(page, "CHAIN_UNREACHABLE"), /Nothing is lost/);
    assert.equal(demo.seller.wallet.channels().length, 0);

    await page.unroute("**/rpc");
    await page.getByRole("button", { name: "Dismiss" }).click();
    await fund(page);
    assert.equal(await figure(page, "figure-transactions"), "1");
  });

  it("a chain that dies while a channel is open leaves the download working", async (test) => {
    const demo = await demoOf(test, 3);
    const { page } = await visit(test, browser, demo);
    await fund(page);
    await page.getByLabel("Pace").selectOption("full");
    await demo.chain.stop();
    await page.locator("#start").click();
    await page.locator("#result:not([hidden])").waitFor();
    assert.equal(await figure(page, "figure-spent"), String(PRICE * 3n));
    await page.getByRole("button", { name: "Close channel" }).click();
    await errorShown(page, "CHAIN_UNREACHABLE");
  });

  it("a seller that does not answer is left alone, and still gets what it was paid", async (test) => {
    const demo = await demoOf(test, 3);
    const { page } = await visit(test, browser, demo);
    await fund(page);
    await page.getByLabel("Pace").selectOption("full");
    await page.locator("#start").click();
    await page.locator("#result:not([hidden])").waitFor();
    const { deposit } = await sold(page, demo);

    await page.getByRole("button", { name: "Switch the seller off" }).click();
    await page.getByRole("button", { name: "Close channel" }).click();
    await errorShown(page, "SELLER_UNREACHABLE");
    await page.locator("#error").getByRole("button", { name: "Leave alone" }).click();
    const countdown = page.locator("#countdown:not([hidden])");
    await countdown.waitFor();
    assert.match(await countdown.innerText(), /^\d+ seconds left to answer the challenge$/);
    // The seller's wallet still watches the chain: it answers with its voucher, whose turn is above the challenge's.
    await until(async () => (await sold(page, demo)).dispute?.turn > 1);
    // When the time to answer is over, the seller, whose state stands on the chain, pays out.
    await demo.chain.rpc("evm_increaseTime", [61]);
    await page.locator("#settlement:not([hidden])").waitFor();
    assert.equal(await page.locator("#sum").getAttribute("data-paid"), String(PRICE * 3n));
    assert.equal(await page.locator("#sum").getAttribute("data-refunded"), String(deposit - PRICE * 3n));
    const calls = await page.locator("#transactions tbody th").allInnerTexts();
    assert.deepEqual(calls, ["deposit", "challenge", "challenge", "transferAllAssets"]);
  });
});

async function until(condition) {
  const deadline = Date.now() + 20_000;
  while (!(await condition())) {
    assert.ok(Date.now() < deadline, "waited for 20 s");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
