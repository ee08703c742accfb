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
 * @param {object} [options] more for `startDemo`
 */
export async function demoOf(test, chunks, options = {}) {
  const folder = await mkdtemp(join(tmpdir(), "millstream-browser-"));
  test.after(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, "content.bin");
  const content = new Uint8Array(chunks * CHUNK_SIZE - 12_345);
  // a different number at every place, so that no two chunks are alike
  const words = new Uint32Array(content.buffer, 0, content.length >> 2);
  for (let i = 0; i < words.length; i += 1) words[i] = Math.imul(i + 1, 0x9e3779b1);
  await writeFile(file, content);
  const demo = await startDemo({ file, port: 0, price: PRICE, ...options });
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

/** Where the page scrolls sideways, from a small phone to a desktop, in words. */
export async function widest(page) {
  const found = [];
  for (const width of [320, 390, 768, 1280]) {
    await page.setViewportSize({ width, height: 800 });
    const content = await page.evaluate(() => document.documentElement.scrollWidth);
    if (content > width) found.push(`${content} px of content on a screen of ${width} px`);
  }
  return found;
}

/** What a screen reader or weak eyes would miss. Runs in the page. */
export function accessibilityProblems() {
  const problems = [];
  const visible = [...document.querySelectorAll("body *")].filter((element) => element.checkVisibility());
  const ids = [...document.querySelectorAll("[id]")].map(({ id }) => id);
  for (const id of new Set(ids)) if (ids.filter((other) => other === id).length > 1) problems.push(`two #${id}`);
  for (const name of ["aria-labelledby", "aria-describedby", "for"])
    for (const element of document.querySelectorAll(`[${name}]`))
      for (const id of element.getAttribute(name).split(" "))
        if (!document.getElementById(id)) problems.push(`${name} of ${element.tagName} names no element: ${id}`);

  for (const control of document.querySelectorAll("button:not([hidden]), a, input, select, audio, video, img")) {
    const words = [control.getAttribute("aria-label"), control.getAttribute("alt"), control.textContent];
    const labelled = [...(control.labels ?? [])].map(({ textContent }) => textContent);
    const named = [...words, ...labelled].some((text) => text?.trim());
    if (!named && control.getAttribute("alt") !== "" && control.checkVisibility())
      problems.push(`no name: ${control.outerHTML}`);
    if (control.tabIndex > 0) problems.push(`tabindex above zero: ${control.outerHTML}`);
  }

  const levels = visible.filter(({ tagName }) => /^H[1-6]$/.test(tagName)).map(({ tagName }) => Number(tagName[1]));
  levels.forEach((level, at) => {
    if (at > 0 && level > levels[at - 1] + 1) problems.push(`heading of level ${level} after one of ${levels[at - 1]}`);
  });

  const channels = (color) => color.match(/[\d.]+/g).map(Number);
  const luminance = (color) => {
    const [red, green, blue] = channels(color)
      .slice(0, 3)
      .map((value) => value / 255)
      .map((value) => (value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const background = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = window.getComputedStyle(at).backgroundColor;
      const [, , , alpha = 1] = channels(color);
      if (alpha === 1) return color;
    }
    return "rgb(255, 255, 255)";
  };
  for (const element of visible) {
    const text = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!text || element.disabled || element.closest("[aria-hidden]")) continue;
    const [one, other] = [luminance(window.getComputedStyle(element).color), luminance(background(element))];
    const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    if (contrast < 4.5) problems.push(`contrast ${contrast.toFixed(2)}: ${element.textContent.trim().slice(0, 40)}`);
  }
  return problems;
}
