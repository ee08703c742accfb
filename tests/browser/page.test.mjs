// The demo's page for everyone: on a phone, with a keyboard alone, in both colour schemes, with a screen reader.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";

import { launchChromium } from "../../web-demo/browser.mjs";
import { PRICE, accessibilityProblems, demoOf, figure, fund, visit, widest } from "./harness.mjs";

describe("the page", () => {
  let browser, demo;
  const ends = [];
  before(async () => {
    browser = await launchChromium();
    demo = await demoOf({ after: (end) => ends.unshift(end) }, 3);
  });
  after(async () => {
    await browser?.close();
    for (const end of ends) await end();
  });

  it("never scrolls sideways, from a small phone to a desktop, before and after a purchase", async (test) => {
    const { page } = await visit(test, browser, demo);
    assert.deepEqual(await widest(page), [], "at the start");
    await fund(page);
    await page.getByLabel("Pace").selectOption("full");
    await page.locator("#start").click();
    await page.locator("#result:not([hidden])").waitFor();
    await page.locator("#attempt-skip").click();
    await page.locator("#answer-skip[data-code]").waitFor();
    await page.getByRole("button", { name: "Close channel" }).click();
    await page.locator("#settlement:not([hidden])").waitFor();
    assert.deepEqual(await widest(page), [], "at the end");
  });

  it("can be used with a keyboard alone, from the deposit to the close", async (test) => {
    const { page } = await visit(test, browser, demo);
    const focused = () => page.evaluate(() => document.activeElement?.id);
    /** Presses Tab until `id` has the focus. */
    const tabTo = async (id) => {
      for (let presses = 0; presses < 40; presses += 1) {
        if ((await focused()) === id) return;
        await page.keyboard.press("Tab");
      }
      assert.fail(`#${id} cannot be reached with Tab`);
    };
    await tabTo("deposit");
    const outline = await page.locator("#deposit").evaluate((element) => window.getComputedStyle(element).outlineStyle);
    assert.notEqual(outline, "none", "focus can be seen");
    await page.keyboard.press("Control+A");
    await page.keyboard.type("0.00007");
    await page.keyboard.press("Enter");
    await page.locator("#start:enabled").waitFor();
    assert.equal(await figure(page, "figure-deposit"), "70000000000000");

    await tabTo("start");
    await page.keyboard.press("Enter");
    await page.locator("#result:not([hidden])").waitFor();
    assert.equal(await figure(page, "figure-remaining"), String(70_000_000_000_000n - 3n * PRICE));
    await tabTo("close-button");
    await page.keyboard.press("Space");
    await page.locator("#settlement:not([hidden])").waitFor();
    await tabTo("again-button");
  });

  it("says what is wrong with a deposit and asks for another", async (test) => {
    const { page } = await visit(test, browser, demo);
    const before = demo.seller.wallet.channels().length;
    for (const [text, words] of [
      ["much", /"much" is not an amount/i],
      ["", /"" is not an amount/],
      ["-1", /"-1" is not an amount/],
      ["0.0000001", /does not pay for one chunk, which costs 0\.00001 ETH/],
    ]) {
      await page.getByLabel("Deposit", { exact: true }).fill(text);
      await page.getByRole("button", { name: "Open channel" }).click();
      const panel = page.getByRole("alert");
      await panel.waitFor();
      assert.equal(await panel.getAttribute("data-code"), "DEPOSIT_INVALID");
      assert.match(await panel.innerText(), words);
      assert.equal(await page.evaluate(() => document.activeElement?.id), "deposit");
      await page.keyboard.press("Escape");
      assert.equal(await panel.count(), 0);
    }
    assert.equal(demo.seller.wallet.channels().length, before);
  });

  it("warns before a tab with an open channel is closed, and not otherwise", async (test) => {
    const { page } = await visit(test, browser, demo);
    const asks = () => page.evaluate(() => !window.dispatchEvent(new Event("beforeunload", { cancelable: true })));
    assert.equal(await asks(), false);
    assert.equal(await page.locator("#key-note").isVisible(), false);
    await fund(page);
    assert.equal(await asks(), true);
    assert.equal(await page.locator("#key-note").isVisible(), true);
    await page.getByRole("button", { name: "Close channel" }).click();
    await page.locator("#settlement:not([hidden])").waitFor();
    assert.equal(await asks(), false);
    assert.equal(await figure(page, "figure-transactions"), "2");
  });

  it("names everything for a screen reader and has enough contrast in light and dark", async (test) => {
    const { page } = await visit(test, browser, demo);
    await fund(page);
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme });
      assert.deepEqual(await page.evaluate(accessibilityProblems), [], colorScheme);
    }
    assert.equal(await page.getByRole("main").count(), 1);
    assert.equal(await page.getByRole("heading", { level: 1 }).count(), 1);
    assert.equal(await page.locator("#status[role=status][aria-live=polite]").count(), 1);
    await page.getByRole("meter", { name: /deposit/ }).waitFor();
    await page.getByRole("group", { name: "Deposit from" }).waitFor();
    await page.getByRole("img", { name: /0 of 3 chunks paid and verified/ }).waitFor();
    assert.equal(await page.locator("html").getAttribute("lang"), "en");
  });
});
