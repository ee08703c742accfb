// A wallet that is installed in the browser pays the deposit: found by EIP-6963, spoken to by EIP-1193.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";

import { launchChromium } from "../../web-demo/browser.mjs";
import { PRICE, demoOf, errorShown, figure, sold, visit } from "./harness.mjs";

/** An account that the development chain signs for, but that owns nothing. */
const ACCOUNT = "0x00000000000000000000000000000000000d0d0d";

describe("a wallet in the browser", () => {
  let browser;
  before(async () => {
    browser = await launchChromium();
  });
  after(() => browser?.close());

  it("is offered by name, helped onto the chain and to ether, and pays for a channel from deposit to close", async (test) => {
    const demo = await demoOf(test, 2);
    await demo.chain.rpc("anvil_impersonateAccount", [ACCOUNT]);
    const { page } = await visit(test, browser, demo, {}, [injectWallet, ACCOUNT]);
    const open = page.getByRole("button", { name: "Open channel" });
    const remedy = page.locator("#error-action");
    await page.getByRole("radio", { name: "Test Wallet" }).check();
    assert.match(await page.locator("#connection-hint").innerText(), new RegExp(`id 31337, RPC ${demo.chain.url}`));

    await open.click();
    await errorShown(page, "FUNDS_MISSING");
    assert.equal(await remedy.innerText(), "Take 1 ETH from the chain's tap");
    await remedy.click();
    // with ether, the next thing is that the wallet is on another chain
    await errorShown(page, "WRONG_CHAIN");
    assert.equal(await remedy.innerText(), "Add the chain to Test Wallet");
    assert.equal(BigInt(await demo.chain.rpc("eth_getBalance", [ACCOUNT, "latest"])), 10n ** 18n);

    // then the owner declines the deposit, once
    await page.evaluate(() => (globalThis.testWallet.declines = 1));
    await remedy.click();
    assert.match(await errorShown(page, "TRANSACTION_REJECTED"), /Nothing was sent/);
    assert.equal(await figure(page, "figure-transactions"), "0");

    await open.click();
    await page.locator("#start:enabled").waitFor();
    await page.getByLabel("Pace").selectOption("full");
    await page.locator("#start").click();
    await page.locator("#result:not([hidden])").waitFor();
    await page.getByRole("button", { name: "Close channel" }).click();
    await page.locator("#settlement:not([hidden])").waitFor();

    const { deposit } = await sold(page, demo);
    const receipts = await Promise.all(
      (await page.locator("#transactions tr[data-hash]").all()).map(async (row) =>
        demo.chain.rpc("eth_getTransactionReceipt", [await row.getAttribute("data-hash")]),
      ),
    );
    assert.deepEqual(
      receipts.map(({ from, status }) => [from, status]),
      [
        [ACCOUNT, "0x1"],
        [ACCOUNT, "0x1"],
      ],
    );
    // what the wallet was asked to send, and that it got its rest back
    const asked = await page.evaluate(() => globalThis.testWallet.sent.map(({ value }) => BigInt(value).toString()));
    assert.deepEqual(asked, [String(deposit), "0"]);
    const gas = receipts.reduce(
      (sum, { gasUsed, effectiveGasPrice }) => sum + BigInt(gasUsed) * BigInt(effectiveGasPrice),
      0n,
    );
    const left = BigInt(await demo.chain.rpc("eth_getBalance", [ACCOUNT, "latest"]));
    assert.equal(left, 10n ** 18n - 2n * PRICE - gas);
  });

  it("is asked for one deposit where a hub stands between, and for one close", async (test) => {
    const demo = await demoOf(test, 2, { via: "hub" });
    await demo.chain.rpc("anvil_impersonateAccount", [ACCOUNT]);
    await demo.chain.rpc("anvil_setBalance", [ACCOUNT, "0xde0b6b3a7640000"]);
    const { page } = await visit(test, browser, demo, {}, [injectWallet, ACCOUNT]);
    const asked = () => page.evaluate(() => globalThis.testWallet.sent.map(({ value }) => BigInt(value).toString()));
    await page.getByRole("radio", { name: "Test Wallet" }).check();
    await page.getByRole("button", { name: "Open channel" }).click();
    await errorShown(page, "WRONG_CHAIN");
    await page.evaluate(() => (globalThis.testWallet.declines = 1));
    await page.locator("#error-action").click();
    assert.match(await errorShown(page, "TRANSACTION_REJECTED"), /Nothing was sent/);

    await page.getByRole("button", { name: "Open channel" }).click();
    await page.locator("#start:enabled").waitFor();
    const deposit = await figure(page, "figure-deposit");
    await page.getByLabel("Pace").selectOption("full");
    await page.locator("#start").click();
    await page.locator("#result:not([hidden])").waitFor();
    assert.deepEqual(await asked(), [deposit], "the channel and all that was bought asked for nothing");
    await page.getByRole("button", { name: "Close channel" }).click();
    await page.locator("#settlement:not([hidden])").waitFor();
    assert.deepEqual(await asked(), [deposit, "0"]);
    const left = BigInt(await demo.chain.rpc("eth_getBalance", [ACCOUNT, "latest"]));
    const gas = BigInt(await page.locator("#balance-note").getAttribute("data-fees"));
    assert.equal(left, 10n ** 18n - 2n * PRICE - PRICE / 4n - gas);
  });
});

/** Runs in the page before its own scripts: a wallet that starts on another chain. */
function injectWallet(account) {
  const wallet = { chainId: "0x1", declines: 0, sent: [] };
  const rejected = () => Object.assign(new Error("User rejected the request."), { code: 4001 });
  const rpc = async (method, params) => {
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
    const response = await fetch("/rpc", { method: "POST", headers: { "content-type": "application/json" }, body });
    const { result, error } = await response.json();
    if (error) throw error;
    return result;
  };
  const provider = {
    async request({ method, params = [] }) {
      if (method === "eth_chainId") return wallet.chainId;
      if (method === "eth_accounts" || method === "eth_requestAccounts") return [account];
      if (method === "wallet_addEthereumChain") {
        wallet.chainId = params[0].chainId;
        return null;
      }
      if (method === "eth_sendTransaction") {
        if (wallet.declines > 0) {
          wallet.declines -= 1;
          throw rejected();
        }
        wallet.sent.push(params[0]);
      }
      return rpc(method, params);
    },
  };
  const info = {
    uuid: "350670db-19fa-4704-a166-e52e178b59d2",
    name: "Test Wallet",
    icon: "data:image/svg+xml,<svg/>",
    rdns: "test",
  };
  const announce = () =>
    window.dispatchEvent(new CustomEvent("eip6963:announceProvider", { detail: Object.freeze({ info, provider }) }));
  window.addEventListener("eip6963:requestProvider", announce);
  announce();
  globalThis.testWallet = wallet;
}
