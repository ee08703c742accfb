// The demo without a visitor: a headless Chromium funds a channel, buys the file, tries to cheat, and closes, all by
// clicking; then what the page shows is compared with what the seller and the chain say.

import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";

import { launchChromium, watchPage } from "./browser.mjs";
import { DemoError } from "./errors.mjs";
import {
  Findings,
  figuresOfChain,
  figuresOfFile,
  figuresOfHub,
  figuresOfPage,
  figuresOfSeller,
  soldOn,
} from "./figures.mjs";
import { startDemo } from "./server.mjs";

const STEP_TIMEOUT_MS = 60_000;
/** How long a download may take, with 100 MB in mind. */
const DOWNLOAD_TIMEOUT_MS = 15 * 60_000;
const SCREENS = [
  ["desktop", { width: 1280, height: 900 }],
  ["phone", { width: 390, height: 844 }],
];

/**
 * Runs the check and prints its verdict: one JSON object on the last line.
 *
 * @param {object} options those of the command line
 * @returns {Promise<number>} exit code
 */
export async function check({ file, port = 0, price, via, screenshots }) {
  const log = (line) => console.log(`check: ${line}`);
  let demo;
  let browser;
  let verdict;
  try {
    demo = await startDemo({ file, port, price, via, log: (line) => console.log(`demo: ${line}`) });
    browser = await launchChromium();
    verdict = await buyAndCompare(demo, browser, { log, screenshots });
  } catch (error) {
    verdict = { ok: false, error: `${error.code ?? error.name}: ${error.message}` };
    console.error(error instanceof DemoError ? verdict.error : error);
  }
  await browser?.close().catch(() => {});
  await demo?.stop();
  console.log(JSON.stringify(verdict));
  return verdict.ok ? 0 : 1;
}

async function buyAndCompare(demo, browser, { log, screenshots }) {
  const context = await browser.newContext({ viewport: SCREENS[0][1], acceptDownloads: true });
  context.setDefaultTimeout(STEP_TIMEOUT_MS);
  const page = await context.newPage();
  const watched = watchPage(page);
  const picture = screenshots ? photographer(page, screenshots) : async () => {};
  const findings = new Findings(log);
  try {
    await page.goto(demo.url);
    await page.locator("html[data-ready]").waitFor();
    await picture("1-start");

    log(demo.hub ? "funding a ledger with the hub, opening a channel through it" : "funding a channel");
    await page.getByRole("button", { name: "Open channel" }).click();
    await untilEnabled(page, "#start");
    await picture("2-open");

    await download(page, demo, { log, picture, findings });
    await savedFile(page, demo, findings);
    await attempts(page, demo, findings, log);

    log("closing the channel");
    await page.getByRole("button", { name: "Close channel" }).click();
    await page.locator("#settlement:not([hidden])").waitFor();
    await picture("4-closed");

    const shown = await figuresOfPage(page);
    const sold = await figuresOfSeller(demo);
    const between = demo.hub && (await figuresOfHub(demo));
    const mined = await figuresOfChain(demo, shown);
    const onDisk = await figuresOfFile(demo);
    findings.compare(shown, { sold, ...(between && { between }), mined, onDisk });
    unexpected(watched, demo, findings);
    const { chunks, payments, bytes, paid, refunded, hubFee } = shown;
    const { onChainTransactions } = mined;
    const figures = { chunks, payments, bytes, onChainTransactions, paid, refunded, ...(demo.hub && { hubFee }) };
    return findings.failed.length === 0
      ? { ok: true, ...figures }
      : { ok: false, error: findings.failed.join("; "), ...figures };
  } catch (error) {
    await picture("0-failed").catch(() => {});
    const words = await page.locator("#error:not([hidden])").allInnerTexts();
    if (words.length > 0) error.message += `\nThe page says: ${words.join(" ").replaceAll(/\s+/g, " ")}`;
    if (watched.problems.length > 0) error.message += `\n${watched.problems.join("\n")}`;
    throw error;
  } finally {
    await context.close();
  }
}

const untilEnabled = (page, selector) => page.locator(`${selector}:enabled`).waitFor();

/** Downloads at the pace to watch, stops on the way, goes on at full speed: without the hub, if there is one. */
async function download(page, demo, { log, picture, findings }) {
  const { chunks } = demo.seller.listings[0];
  const start = page.locator("#start");
  const messages = demo.hub?.messages;
  if (chunks >= 8) {
    log("downloading, slowly at first");
    await page.getByLabel("Pace").selectOption("watch");
    await start.click();
    await page.waitForFunction(() => Number(document.getElementById("count-paid").dataset.value) >= 4);
    await picture("3-downloading");
    await page.getByRole("button", { name: "Stop" }).click();
    await untilEnabled(page, "#start");
    const paid = await page.locator("#count-paid").getAttribute("data-value");
    log(`stopped after ${paid} of ${chunks} chunks, going on at full speed`);
  } else log("downloading");
  await page.getByLabel("Pace").selectOption("full");
  if (demo.hub) await page.getByRole("button", { name: "Switch the hub off" }).click();
  await page.locator(demo.hub ? "#attempt-hub[aria-pressed=true]" : "#start").waitFor();
  await start.click();
  await page.locator("#result:not([hidden])").waitFor({ timeout: DOWNLOAD_TIMEOUT_MS });
  if (!demo.hub) return;
  await page.getByRole("button", { name: "Switch the hub on" }).click();
  await page.locator("#attempt-hub[aria-pressed=false]").waitFor();
  findings.expect("messages to the hub while the file was paid for", demo.hub.messages - messages, 0);
  log(`all of it paid for and no message to the hub, ${messages} before`);
}

/** The preview plays, and what the save link and the export hand out is right. */
async function savedFile(page, demo, findings) {
  const family = demo.config.item.contentType.split("/")[0];
  const preview = { audio: "#preview audio", video: "#preview video", image: "#preview img" }[family];
  if (preview === undefined) findings.expect("preview", await page.locator("#preview p").count(), 1);
  else {
    const length = await page.locator(preview).evaluate(async (element) => {
      if (element instanceof window.HTMLImageElement) return element.decode().then(() => element.naturalWidth);
      if (element.readyState === 0)
        await new Promise((resolve, reject) => {
          element.addEventListener("loadedmetadata", resolve, { once: true });
          element.addEventListener("error", () => reject(new Error(element.error?.message ?? "no media")), {
            once: true,
          });
        });
      return element.duration;
    });
    findings.expect("preview has a length", length > 0, true);
  }
  const [saved] = await Promise.all([page.waitForEvent("download"), page.locator("#save").click()]);
  const same = (await readFile(await saved.path())).equals(await readFile(demo.file));
  findings.expect("saved file equals the file for sale", same, true);

  const [exported] = await Promise.all([page.waitForEvent("download"), page.locator("#export").click()]);
  const { payments } = JSON.parse(await readFile(await exported.path(), "utf8"));
  findings.expect("exported payments", payments.length, demo.seller.totals.payments);
  const last = payments.at(-1);
  const { cumulativeAmount } = soldOn(demo).info;
  findings.expect("last exported payment", last.cumulativeAmount, String(cumulativeAmount));
}

/** Every attempt to cheat is refused with its reason, and nothing is charged. */
async function attempts(page, demo, findings, log) {
  const spent = () => page.locator("#figure-spent").getAttribute("data-value");
  const owed = () => String(soldOn(demo).info.cumulativeAmount);
  const [spentBefore, owedBefore] = [await spent(), owed()];
  const cases = [
    ["skip", "Skip the payment", "402", "PAYMENT_REQUIRED"],
    // Everything is bought: an old payment brings again what it paid for, and nothing is charged.
    ["replay", "Replay an old voucher", "206", "SERVED"],
    // What comes after a single voucher is forged as a voucher, after ticks as a tick.
    ["forge", "Forge a voucher", "402", demo.seller.totals.payments < 2 ? "SIGNATURE_WRONG_SIGNER" : "VOUCHER_UNKNOWN"],
  ];
  for (const [name, label, status, code] of cases) {
    if (name === "replay" && demo.seller.totals.payments < 2) continue; // there is no older voucher
    await page.getByRole("button", { name: label }).click();
    const output = page.locator(`#answer-${name}[data-code]`);
    await output.waitFor();
    findings.expect(`${label}: status`, await output.getAttribute("data-status"), status);
    findings.expect(`${label}: code`, await output.getAttribute("data-code"), code);
    log(`${label}: ${(await output.innerText()).replaceAll(/\s+/g, " ")}`);
  }
  findings.expect("spent after the attempts", await spent(), spentBefore);
  findings.expect("owed to the seller after the attempts", owed(), owedBefore);
}

/** The console and the network, apart from the 402s that the page asked for. */
function unexpected({ problems, answers }, demo, findings) {
  const content = new URL(demo.config.item.path, demo.url).href;
  const expected = answers.filter(({ status, url }) => status === 402 && url === content);
  const refused = expected.filter(({ paid }) => paid).length;
  findings.expect("problems on the page", [...new Set(problems)], []);
  findings.expect("answers that are errors, other than 402 for the file", answers.length - expected.length, 0);
  findings.expect("payments that were refused, all on purpose", refused, 1);
}

/** Takes pictures of the whole page, for each screen and colour scheme. */
function photographer(page, folder) {
  return async (stage) => {
    await mkdir(folder, { recursive: true });
    for (const [screen, viewport] of SCREENS) {
      await page.setViewportSize(viewport);
      for (const colorScheme of ["light", "dark"]) {
        await page.emulateMedia({ colorScheme });
        await page.screenshot({ path: join(folder, `${stage}-${screen}-${colorScheme}.png`), fullPage: true });
      }
    }
    await page.setViewportSize(SCREENS[0][1]);
    await page.emulateMedia({ colorScheme: "light" });
  };
}
