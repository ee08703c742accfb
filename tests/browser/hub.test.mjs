// The demo through a hub: the page has no channel with the seller on chain, and everybody ends with what is theirs.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";

import { launchChromium } from "../../web-demo/browser.mjs";
import { PRICE, accessibilityProblems, demoOf, errorShown, figure, fund, received, visit, widest } from "./harness.mjs";

const CHUNKS = 6;
const COST = BigInt(CHUNKS) * PRICE;
const FEE = PRICE / 4n;
/** What the page suggests: the file and a quarter more. */
const DEPOSIT = COST + COST / 4n;

describe("the page with a hub", () => {
  let browser, demo;
  const ends = [];
  before(async () => {
    browser = await launchChromium();
    demo = await demoOf({ after: (end) => ends.unshift(end) }, CHUNKS, { via: "hub" });
  });
  after(async () => {
    await browser?.close();
    for (const end of ends) await end();
  });

  const press = (page, name) => page.getByRole("button", { name }).click();
  const buy = async (page) => {
    await page.getByLabel("Pace").selectOption("full");
    await page.locator("#start").click();
    await page.locator("#result:not([hidden])").waitFor();
  };
  const closed = (page) => page.locator("#settlement:not([hidden])").waitFor();
  const sums = async (page) => {
    const { paid, refunded, hubFee } = await page.locator("#sum").evaluate((element) => ({ ...element.dataset }));
    return [paid, refunded, hubFee].map(BigInt);
  };
  const change = async (page, side) =>
    BigInt(await page.locator(`tr[data-side=${side}] td`).first().getAttribute("data-value"));
  const calls = async (page) =>
    (await page.locator("#transactions tr[data-hash] th").allInnerTexts()).map((text) => text.trim());
  const balance = (account) => demo.chain.rpc("eth_getBalance", [account, "latest"]).then(BigInt);

  /** Waits until an account has sent a transaction. */
  const answered = async (account) => {
    for (let tries = 0; (await demo.chain.rpc("eth_getTransactionCount", [account, "latest"])) === "0x0"; tries += 1) {
      if (tries === 200) throw new Error("no transaction");
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  };

  it("buys without a channel on chain with the seller, and without the hub while it pays", async (test) => {
    const { page, watched } = await visit(test, browser, demo);
    const { seller, hub } = demo.config.accounts;
    assert.match(await page.locator("#deposit-hint").innerText(), /The hub takes 0\.0000025 ETH for a channel/);
    assert.deepEqual(await widest(page), [], "at the start");
    const before = await balance(seller);
    await fund(page);
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme });
      assert.deepEqual(await page.evaluate(accessibilityProblems), [], colorScheme);
    }
    assert.equal(await figure(page, "figure-deposit"), String(DEPOSIT));
    assert.equal(await figure(page, "figure-fee"), String(FEE));
    assert.equal(await figure(page, "figure-set-aside"), String(DEPOSIT - FEE));
    assert.equal(await figure(page, "figure-transactions"), "2", "one for each ledger, none for the channel");

    await press(page, "Switch the hub off");
    await page.locator("#attempt-hub[aria-pressed=true]").waitFor();
    const heard = demo.hub.messages;
    await buy(page);
    assert.equal(demo.hub.messages, heard);
    assert.equal(await figure(page, "figure-hub-messages"), String(heard));
    await press(page, "Switch the hub on");
    await page.locator("#attempt-hub[aria-pressed=false]").waitFor();

    await press(page, "Close channel");
    await closed(page);
    assert.deepEqual(await sums(page), [COST, DEPOSIT - COST - FEE, FEE]);
    assert.equal((await balance(seller)) - before, COST);
    assert.equal(await change(page, "seller"), COST);
    const transactions = await page.locator("#transactions tr[data-hash] td:nth-of-type(1)").allInnerTexts();
    assert.deepEqual(transactions, ["hub", "buyer", "buyer", "hub"]);
    assert.equal(
      await balance(hub),
      BigInt(await page.locator("tr[data-side=hub] td").last().getAttribute("data-value")),
    );
    assert.deepEqual(await widest(page), [], "at the end");
    assert.deepEqual(watched.problems, []);
  });

  it("the hub keeps its ledger with the seller while it carries another buyer", async (test) => {
    const { page: one } = await visit(test, browser, demo);
    const { page: other } = await visit(test, browser, demo);
    await fund(one);
    await fund(other);
    await buy(one);
    await press(one, "Close channel");
    await closed(one);
    assert.deepEqual(await sums(one), [COST, DEPOSIT - COST - FEE, FEE]);
    assert.deepEqual(await calls(one), ["deposit", "deposit", "concludeAndTransferAllAssets"]);
    assert.equal(await change(one, "seller"), 0n);
    const steps = one.locator("#close-steps li");
    assert.match(await steps.last().innerText(), /not yet: .*CLOSE_GUARANTEES/);
    assert.equal(await one.locator("#close-steps [data-state=done]").count(), 2);
    assert.match(await one.locator("#balance-note").innerText(), /still in their ledger/);
    await press(other, "Close channel");
    await closed(other);
    assert.deepEqual(await sums(other), [0n, DEPOSIT - FEE, FEE]);
    assert.equal(await change(other, "seller"), COST, "what the first one paid");
  });

  it("a ledger whose channel the seller cannot take stays, carries one later, or is closed", async (test) => {
    const { page } = await visit(test, browser, demo);
    await press(page, "Switch the seller off");
    await page.locator("#attempt-shop[aria-pressed=true]").waitFor();
    test.after(() => demo.setShopOpen(true));
    await press(page, "Open channel");
    await errorShown(page, "SELLER_UNREACHABLE");
    assert.match(await page.locator("#status").innerText(), /ledger with the hub is open, no channel is/);
    assert.equal(await page.locator("#close-button").isEnabled(), true);
    await page.keyboard.press("Escape");
    await press(page, "Switch the seller on");
    await page.locator("#attempt-shop[aria-pressed=false]").waitFor();
    await fund(page);
    assert.equal(await figure(page, "figure-set-aside"), String(DEPOSIT - FEE));
    await press(page, "Close channel");
    await closed(page);
    assert.deepEqual(await sums(page), [0n, DEPOSIT - FEE, FEE]);
  });

  it("without the hub, the page leaves alone, and each has what is theirs", async (test) => {
    const { page } = await visit(test, browser, demo);
    const { seller } = demo.config.accounts;
    await fund(page);
    await page.getByLabel("Pace").selectOption("watch");
    await page.locator("#start").click();
    await received(page, 2);
    await press(page, "Stop");
    await page.locator("#start:enabled").waitFor();
    const paid = BigInt(await figure(page, "figure-spent"));
    await press(page, "Switch the hub off");
    await page.locator("#attempt-hub[aria-pressed=true]").waitFor();
    test.after(() => demo.hub.setOpen(true));
    await press(page, "Close channel");
    await errorShown(page, "SELLER_UNREACHABLE");
    await page.locator("#leave-button").click();
    await page.locator("#countdown:not([hidden])").waitFor();
    // The seller answers with what it was paid; then there is nothing to wait for.
    await answered(seller);
    await demo.chain.rpc("evm_increaseTime", [demo.config.challengeDuration]);
    await closed(page);
    assert.deepEqual(await sums(page), [paid, DEPOSIT - paid - FEE, FEE]);
    assert.ok((await calls(page)).includes("reclaim"));
    // The seller has its part of the ledger with the hub, in there or out of it.
    const { upstream } = demo.seller.wallet.channel(await figure(page, "channel-id")).info;
    const { payout, balances, guaranteed } = demo.seller.wallet.channel(upstream.ledger).info;
    assert.deepEqual([payout?.paid ?? balances.payee, guaranteed], [paid, 0n]);
  });
});
