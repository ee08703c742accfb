// A headless Chromium on the demo's page, and an eye on everything that goes wrong in it.

import { chromium } from "playwright-core";

import { chromiumFlags, findChromium } from "../xtask/chromium.mjs";
import { DemoError } from "./errors.mjs";

/** @throws {DemoError} CHROMIUM_MISSING or CHROMIUM_FAILED */
export async function launchChromium() {
  const executablePath = findChromium();
  if (!executablePath)
    throw new DemoError(
      "CHROMIUM_MISSING",
      "no Chromium found: install Chromium or Google Chrome, or set MILLSTREAM_CHROMIUM to the path of one",
    );
  try {
    return await chromium.launch({ executablePath, args: chromiumFlags });
  } catch (cause) {
    throw new DemoError("CHROMIUM_FAILED", `${executablePath} does not start: ${cause.message}`, { cause });
  }
}

/**
 * Collects what a page that works does not do: errors on the console, exceptions, failed requests, answers of 400 and
 * above. Chromium writes a line on the console for each such answer; those count as the answer alone.
 *
 * @param {import("playwright-core").Page} page
 */
export function watchPage(page) {
  const problems = [];
  const answers = [];
  page.on("console", (message) => {
    if (message.type() !== "error" && message.type() !== "warning") return;
    if (/^Failed to load resource: /.test(message.text())) return; // reported below, with more detail
    problems.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => problems.push(`exception: ${error.message}`));
  page.on("requestfailed", (request) => {
    // The page ended it, or dropped an answer that it had read to the end: no failure of the network.
    if (request.failure()?.errorText === "net::ERR_ABORTED") return;
    problems.push(`request: ${request.method()} ${request.url()}: ${request.failure()?.errorText}`);
  });
  page.on("response", (response) => {
    if (response.status() < 400) return;
    const paid = "payment" in response.request().headers();
    answers.push({ status: response.status(), url: response.url(), paid });
  });
  return { problems, answers };
}
