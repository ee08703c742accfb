// What the browser tests share: a demo with a small file to sell, and a visitor's usual steps.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { watchPage } from "../../web-demo/browser.mjs";
import { startDemo } from "../../web-demo/server.mjs";

export const CHUNK_SIZE = 256 * 1024;
export const PRICE = 10_000_000_000_000n;

/**
 * A running demo that sells `chunks` chunks, the last one shorter than the others.
 *
 * @param {{ after: (end: () => unknown) => void }} test stops it at its end
 */
export async function demoOf(test, chunks) {
  const folder = await mkdtemp(join(tmpdir(), "millstream-browser-"));
  test.after(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, "content.bin");
  const content = new Uint8Array(chunks * CHUNK_SIZE - 12_345);
  // a different number at every place, so that no two chunks are alike
  const words = new Uint32Array(content.buffer, 0, content.length >> 2);
  for (let i = 0; i < words.length; i += 1) words[i] = Math.imul(i + 1, 0x9e3779b1);
  await writeFile(file, content);
  const demo = await startDemo({ file, port: 0, price: PRICE });
  test.after(() => demo.stop());
  return demo;
}

/**
 * A page on the demo, ready to be used.
 *
 * @param {import("playwright-core").Browser} browser
 * @param {import("playwright-core").BrowserContextOptions} [options]
 * @param {[Function, unknown]} [script] runs in the page before its own scripts, with its argument
 */
export async function visit(test, browser, demo, options = {}, script) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  test.after(() => context.close());
  context.setDefaultTimeout(20_000);
  const page = await context.newPage();
  const watched = watchPage(page);
  if (script) await page.addInitScript(...script);
  await page.goto(demo.url);
  await page.locator("html[data-ready]").waitFor();
  return { page, watched };
}

/** Opens a channel with the deposit that the page suggests. */
export async function fund(page) {
  await page.getByRole("button", { name: "Open channel" }).click();
  await page.locator("#start:enabled").waitFor();
}

/** What a figure on the page says, exactly. */
export const figure = (page, id) => page.locator(`#${id}`).getAttribute("data-value");

/** Waits until `count` chunks are paid and verified. */
export function received(page, count) {
  return page.waitForFunction(
    (least) => Number(document.getElementById("count-paid")?.dataset["value"]) >= least,
    count,
    { polling: 20 },
  );
}

/** The words of the error panel, once it shows an error with this code. */
export async function errorShown(page, code) {
  const panel = page.locator(`#error[data-code="${code}"]`);
  await panel.waitFor();
  return (await panel.innerText()).replaceAll(/\s+/g, " ");
}

/** What the seller knows of the channel on the page. */
export async function sold(page, demo) {
  return demo.seller.wallet.channel(await figure(page, "channel-id")).info;
}
